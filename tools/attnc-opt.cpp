//===- attnc-opt.cpp - runs single passes on MLIR, for tests --------------===//
#include "codegen/cpu/EmitCpu.h"
#include "codegen/nvvm/EmitPTX.h"
#include "dialect/Targets.h"
#include "passes/Passes.h"
#include "passes/Pipeline.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace attn {
namespace {

/// The lowerings are functions, as the compiler calls them; these passes make them reachable here.
struct TileToLLVM : PassWrapper<TileToLLVM, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TileToLLVM)
  TileToLLVM() = default;
  TileToLLVM(const TileToLLVM &other) : PassWrapper(other) {}
  StringRef getArgument() const final { return "tile-to-llvm"; }
  StringRef getDescription() const final { return "tile to the LLVM dialect, for the CPU"; }
  void runOnOperation() override {
    std::optional<IsaLevel> level = parseIsaLevel(isa.getValue());
    if (!level) {
      getOperation().emitError() << "unknown ISA level '" << isa.getValue() << "'";
      return signalPassFailure();
    }
    if (failed(cpu::lowerToLLVM(getOperation(), *level)))
      signalPassFailure();
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<LLVM::LLVMDialect, cf::ControlFlowDialect, scf::SCFDialect,
                    vector::VectorDialect>();
  }
  Option<std::string> isa{*this, "isa", llvm::cl::desc("baseline, avx2, avx512, avx512bf16 or amx"),
                          llvm::cl::init("avx2")};
};

struct TileToNVVM : PassWrapper<TileToNVVM, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TileToNVVM)
  TileToNVVM() = default;
  TileToNVVM(const TileToNVVM &other) : PassWrapper(other) {}
  StringRef getArgument() const final { return "tile-to-nvvm"; }
  StringRef getDescription() const final { return "tile to the NVVM dialect, for a GPU"; }
  void runOnOperation() override {
    const Target *gpu = findTarget(target.getValue());
    if (!gpu || gpu->kind != TargetKind::Gpu) {
      getOperation().emitError() << "'" << target.getValue() << "' is no GPU target";
      return signalPassFailure();
    }
    if (failed(nvvm::lowerToNVVM(getOperation(), *gpu)))
      signalPassFailure();
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<LLVM::LLVMDialect, NVVM::NVVMDialect, cf::ControlFlowDialect, scf::SCFDialect,
                    vector::VectorDialect>();
  }
  Option<std::string> target{*this, "target", llvm::cl::desc("sm_80"), llvm::cl::init("sm_80")};
};

void registerEverything(DialectRegistry &registry) {
  registry.insert<AttnDialect, tile::TileDialect, arith::ArithDialect, cf::ControlFlowDialect,
                  func::FuncDialect, gpu::GPUDialect, LLVM::LLVMDialect, math::MathDialect,
                  memref::MemRefDialect, NVVM::NVVMDialect, scf::SCFDialect, tensor::TensorDialect,
                  vector::VectorDialect>();
  registerAttnPasses();
  registerTransformsPasses();
  PassRegistration<TileToLLVM>();
  PassRegistration<TileToNVVM>();
  PassPipelineRegistration<>("attn-to-tile", "the whole way from attn to tile",
                             [](OpPassManager &pm) { buildTilingPipeline(pm); });
}

} // namespace
} // namespace attn

int main(int argc, char **argv) {
  DialectRegistry registry;
  attn::registerEverything(registry);
  return asMainReturnCode(MlirOptMain(argc, argv, "attnc-opt: passes of attnc\n", registry));
}
