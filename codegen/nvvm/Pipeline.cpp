//===- Pipeline.cpp - from tiles to the LLVM and NVVM dialects ------------===//
#include "codegen/KernelInfoOf.h"
#include "codegen/nvvm/EmitPTX.h"
#include "codegen/nvvm/Lower.h"
#include "codegen/nvvm/Merge.h"
#include "codegen/nvvm/Regions.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace attn::nvvm {

/// Everything that can be wrong is said before anything is changed.
static LogicalResult planAttention(tile::AttentionOp op, const Target &target, TileOps &ops,
                                   std::optional<Plan> &plan) {
  if (target.kind != TargetKind::Gpu || !target.asyncCopy)
    return op.emitError() << "no PTX for '" << target.name << "'; use '--target=sm_80'";
  FailureOr<TileOps> matched = matchTiles(op);
  if (failed(matched) || failed(checkRegions(*matched, target)))
    return failure();
  ops = *matched;
  FailureOr<Plan> planned = planKernel(ops, target);
  if (failed(planned))
    return failure();
  plan = *planned;
  return success();
}

FailureOr<KernelInfo> kernelInfo(tile::AttentionOp op, const Target &target) {
  TileOps ops;
  std::optional<Plan> plan;
  if (failed(planAttention(op, target, ops, plan)))
    return failure();
  FailureOr<KernelInfo> info = kernelInfoOf(op);
  if (succeeded(info)) {
    info->target = target.name.str();
    info->threadsPerBlock = plan->threads();
    info->sharedBytes = plan->sharedBytes();
    info->packedHeads = plan->packedHeads;
    info->mergeEntry = info->entry + kMergeSuffix;
  }
  return info;
}

void loadLoweringDialects(MLIRContext &context) {
  context.loadDialect<arith::ArithDialect, LLVM::LLVMDialect, NVVM::NVVMDialect>();
}

LogicalResult lowerToNVVM(ModuleOp module, const Target &target) {
  loadLoweringDialects(*module.getContext());
  SmallVector<tile::AttentionOp> attentions;
  module.walk([&](tile::AttentionOp op) { attentions.push_back(op); });
  for (tile::AttentionOp op : attentions) {
    TileOps ops;
    std::optional<Plan> plan;
    if (failed(planAttention(op, target, ops, plan)))
      return failure();
    lowerAttention(ops, *plan);
  }
  PassManager pm(module.getContext());
  // Neighbouring elements share most of their positions and masks: what is equal is computed once.
  pm.addPass(createCSEPass());
  pm.addPass(createArithToLLVMConversionPass());
  return pm.run(module);
}

} // namespace attn::nvvm
