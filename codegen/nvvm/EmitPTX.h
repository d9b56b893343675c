//===- EmitPTX.h - tile to PTX -----------------------------------*- C++ -*-===//
//
// A module of tile.attention ops becomes a module of the LLVM and NVVM dialects with one kernel each,
//   .entry <kernel name>(KernelArgs by value)        (runtime/KernelInfo.h)
// Thread block number `ticket` computes the query tile order[ticket].
//
// The launch has B * Hq * T blocks of KernelInfo::threadsPerBlock threads with KernelInfo::sharedBytes
// of dynamic shared memory (above 48 KB the driver must be asked for it). It must keep to this:
//  - q, k, v and o are aligned to 16 bytes, and their strides are multiples of 8 elements (cp.async
//    moves 16 bytes);
//  - the stride of a token is below 2^30 elements, other strides are any.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/Targets.h"
#include "dialect/Tile.h"
#include "runtime/KernelInfo.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace attn::nvvm {

/// What the launch needs to know of the kernel. Fails, with a diagnostic on `op`, for combinations that
/// the target has no code for. Call it before `lowerToNVVM`.
mlir::FailureOr<KernelInfo> kernelInfo(tile::AttentionOp op, const Target &target);

/// Loads the dialects that the lowering creates. Needed once per context, by any of the calls below.
void loadLoweringDialects(mlir::MLIRContext &context);

/// Rewrites the module in place, tile to the LLVM and NVVM dialects.
mlir::LogicalResult lowerToNVVM(mlir::ModuleOp module, const Target &target);

/// The lowered module as text of LLVM IR.
mlir::FailureOr<std::string> translateToLLVMIR(mlir::ModuleOp module, const Target &target);

/// The lowered module as PTX.
mlir::FailureOr<std::string> emitPTX(mlir::ModuleOp module, const Target &target);

/// A kernel and the texts that lead to it.
struct PtxKernel {
  KernelInfo info;
  std::string nvvm;   ///< MLIR, after lowerToNVVM
  std::string llvmIr;
  std::string ptx;
};

/// All of the above for a module with exactly one tile.attention, which is rewritten in place.
mlir::FailureOr<PtxKernel> compileToPTX(mlir::ModuleOp module, const Target &target);

} // namespace attn::nvvm
