//===- MaskFormulas.h - from mask attributes to formulas ---------*- C++ -*-===//
#pragma once

#include "dialect/Tile.h"
#include "dialect/algebra/TileMap.h"

#include "mlir/IR/Builders.h"

namespace attn {

/// The formula of one mask on a layout (dynamic extents: ShapedType::kDynamic), or nothing when it has
/// more atoms than a formula may (kMaxAtoms).
std::optional<Formula> formulaOf(mlir::Attribute mask, llvm::ArrayRef<int64_t> keyDims,
                                 llvm::ArrayRef<mlir::StringRef> inputs);

/// The masks of a tiled attention as the kernel and the launch see them: `formulas.formulas[i]` is
/// region i of tile.mask, and everything else is indexed by mask number.
ParameterizedFormulas formulasOf(tile::AttentionOp op);

/// Emits whether query `q` sees key `k` (`rank` values of type i32 each) as an i1. Data atoms read
/// `inputs` (the operands of the attention, in order).
mlir::Value emitFormula(mlir::OpBuilder &builder, mlir::Location loc, const Formula &formula,
                        mlir::Value batch, mlir::Value head, mlir::ValueRange q,
                        mlir::ValueRange k, mlir::ValueRange inputs);

/// Beyond this magnitude a bound is infinite in 32-bit kernel arithmetic; positions stay below 2^28.
constexpr int64_t kKernelInfinity = int64_t(1) << 30;
constexpr int64_t kMaxTokensInKernel = int64_t(1) << 28;

} // namespace attn
