//===- MaskFormulas.h - from mask attributes to formulas ---------*- C++ -*-===//
#pragma once

#include "dialect/Tile.h"
#include "dialect/algebra/HeadParameters.h"
#include "dialect/algebra/TileMap.h"

#include "mlir/IR/Builders.h"

namespace attn {

/// The formula of one mask, as a head sees it, on a layout of the keys, or nothing when it has more
/// atoms than a formula may (kMaxAtoms).
std::optional<Formula> formulaOf(mlir::Attribute mask, LayoutAttr layout, const MaskInputs &inputs);

/// The masks of a tiled attention as the kernel and the launch see them: `formulas.formulas[i]` is
/// region i of tile.mask, and everything else is indexed by mask number.
ParameterizedFormulas formulasOf(tile::AttentionOp op);

/// Emits whether query `q` sees key `k` (`rank` values of type i32 each) as an i1. Data atoms read
/// `inputs` (the operands of the attention, in order); `listed` has the truth of listed blocks, a bit
/// for each, and is not needed without them.
mlir::Value emitFormula(mlir::OpBuilder &builder, mlir::Location loc, const Formula &formula,
                        mlir::Value batch, mlir::Value head, mlir::ValueRange q,
                        mlir::ValueRange k, mlir::ValueRange inputs, mlir::Value listed = {});

/// Emits how many keys with a zero score the query has outside the layout (Formula::taps), an i32.
mlir::Value emitZeroKeys(mlir::OpBuilder &builder, mlir::Location loc, const Formula &formula,
                         mlir::Value batch, mlir::Value head, mlir::ValueRange q,
                         mlir::ValueRange inputs);

/// Beyond this magnitude a bound is infinite in 32-bit kernel arithmetic; positions stay below 2^28.
constexpr int64_t kKernelInfinity = int64_t(1) << 30;
constexpr int64_t kMaxTokensInKernel = int64_t(1) << 28;

} // namespace attn
