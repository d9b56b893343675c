//===- EmitCpu.h - tile to CPU code ------------------------------*- C++ -*-===//
//
// A module with one tile.attention becomes a module of the LLVM dialect with one function,
//   void <kernel name>(const KernelArgs *args, i64 ticket, void *scratch)
// (runtime/KernelInfo.h, CpuKernel), written for one ISA level.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/Tile.h"
#include "runtime/CpuFeatures.h"
#include "runtime/KernelInfo.h"

#include "mlir/IR/BuiltinOps.h"

#include <memory>

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace attn::cpu {

/// What the launch needs to know of the kernel. Call it before `lowerToLLVM`.
mlir::FailureOr<KernelInfo> kernelInfo(tile::AttentionOp op, IsaLevel isa);

/// Rewrites the module in place, tile to the LLVM dialect, and diagnoses what the CPU cannot do.
mlir::LogicalResult lowerToLLVM(mlir::ModuleOp module, IsaLevel isa);

/// A machine for the ISA level on this host's operating system; null, with a diagnostic on `module`,
/// when LLVM has no such target.
std::unique_ptr<llvm::TargetMachine> makeTargetMachine(mlir::ModuleOp module, IsaLevel isa);

/// The lowered module as optimised LLVM IR; null, with a diagnostic, on failure.
std::unique_ptr<llvm::Module> translateToLLVMIR(mlir::ModuleOp module, llvm::LLVMContext &context,
                                                IsaLevel isa);

/// Loads the dialects that the lowering creates. Needed once per context before `lowerToLLVM`.
void loadLoweringDialects(mlir::MLIRContext &context);

} // namespace attn::cpu
