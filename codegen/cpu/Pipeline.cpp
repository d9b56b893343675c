//===- Pipeline.cpp - from tiles to the LLVM dialect, for the CPU ---------===//
#include "codegen/KernelInfoOf.h"
#include "codegen/cpu/EmitCpu.h"
#include "codegen/cpu/Lower.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;

namespace attn::cpu {

FailureOr<KernelInfo> kernelInfo(tile::AttentionOp op, IsaLevel isa) {
  FailureOr<KernelInfo> info = kernelInfoOnCpu(op);
  if (succeeded(info))
    info->scratchBytes = Scratch(op, machineFor(isa, op)).bytes;
  return info;
}

void loadLoweringDialects(MLIRContext &context) {
  context.loadDialect<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect,
                      LLVM::LLVMDialect, math::MathDialect, scf::SCFDialect,
                      vector::VectorDialect>();
}

LogicalResult lowerToLLVM(ModuleOp module, IsaLevel isa) {
  loadLoweringDialects(*module.getContext());
  SmallVector<tile::AttentionOp> ops;
  module.walk([&](tile::AttentionOp op) { ops.push_back(op); });
  for (tile::AttentionOp op : ops)
    if (failed(lowerAttention(op, machineFor(isa, op))))
      return failure();

  PassManager pm(module.getContext());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  // What LLVM has no intrinsic for becomes a call into libm.
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  return pm.run(module);
}

} // namespace attn::cpu
