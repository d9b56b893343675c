//===- EmitPTX.cpp - the LLVM and NVVM dialects to PTX --------------------===//
#include "codegen/nvvm/EmitPTX.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

// llvm/Support/TargetSelect.h can start all targets or the machine's own; this one alone is declared here.
extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

using namespace mlir;

namespace attn::nvvm {

static std::unique_ptr<llvm::TargetMachine> makeTargetMachine(ModuleOp module,
                                                              const Target &target) {
  static const bool initialized = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)initialized;
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string error;
  const llvm::Target *nvptx = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!nvptx) {
    module.emitError() << "no code generator for '" << triple.str() << "': " << error;
    return nullptr;
  }
  return std::unique_ptr<llvm::TargetMachine>(nvptx->createTargetMachine(
      triple, target.chip, target.features, llvm::TargetOptions(), std::nullopt, std::nullopt,
      llvm::CodeGenOptLevel::Aggressive));
}

static std::unique_ptr<llvm::Module> translate(ModuleOp module, llvm::LLVMContext &context,
                                               const llvm::TargetMachine &machine) {
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  registerNVVMDialectTranslation(*module.getContext());
  std::unique_ptr<llvm::Module> result = translateModuleToLLVMIR(module, context);
  if (!result) {
    module.emitError() << "the lowered module has no translation to LLVM IR";
    return nullptr;
  }
  result->setTargetTriple(machine.getTargetTriple());
  result->setDataLayout(machine.createDataLayout());
  return result;
}

FailureOr<std::string> translateToLLVMIR(ModuleOp module, const Target &target) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::TargetMachine> machine = makeTargetMachine(module, target);
  if (!machine)
    return failure();
  std::unique_ptr<llvm::Module> translated = translate(module, context, *machine);
  if (!translated)
    return failure();
  std::string text;
  llvm::raw_string_ostream stream(text);
  translated->print(stream, nullptr);
  return text;
}

FailureOr<std::string> emitPTX(ModuleOp module, const Target &target) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::TargetMachine> machine = makeTargetMachine(module, target);
  if (!machine)
    return failure();
  std::unique_ptr<llvm::Module> translated = translate(module, context, *machine);
  if (!translated)
    return failure();
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile)) {
    module.emitError() << "LLVM cannot write assembly for '" << target.name << "'";
    return failure();
  }
  passes.run(*translated);
  return text.str().str();
}

FailureOr<PtxKernel> compileToPTX(ModuleOp module, const Target &target) {
  SmallVector<tile::AttentionOp> attentions;
  module.walk([&](tile::AttentionOp op) { attentions.push_back(op); });
  if (attentions.size() != 1)
    return module.emitError() << "expected one 'tile.attention', found " << attentions.size();
  FailureOr<KernelInfo> info = kernelInfo(attentions.front(), target);
  if (failed(info) || failed(lowerToNVVM(module, target)))
    return failure();
  PtxKernel kernel{std::move(*info), {}, {}, {}};
  llvm::raw_string_ostream(kernel.nvvm) << module;
  FailureOr<std::string> llvmIr = translateToLLVMIR(module, target);
  if (failed(llvmIr))
    return failure();
  kernel.llvmIr = std::move(*llvmIr);
  FailureOr<std::string> ptx = emitPTX(module, target);
  if (failed(ptx))
    return failure();
  kernel.ptx = std::move(*ptx);
  return kernel;
}

} // namespace attn::nvvm
