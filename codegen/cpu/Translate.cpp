//===- Translate.cpp - the LLVM dialect to optimised LLVM IR --------------===//
#include "codegen/cpu/EmitCpu.h"
#include "codegen/cpu/Machine.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;

namespace attn::cpu {

std::unique_ptr<llvm::TargetMachine> makeTargetMachine(ModuleOp module, IsaLevel isa) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  llvm::Triple triple(llvm::sys::getProcessTriple());
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) {
    module.emitError() << "no code generator for '" << triple.str() << "': " << error;
    return nullptr;
  }
  Machine machine = machineFor(isa);
  StringRef cpu = triple.isX86() ? machine.cpu : StringRef("generic");
  StringRef features = triple.isX86() ? machine.features : StringRef();
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, cpu, features, llvm::TargetOptions(), llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Aggressive));
}

/// The loops are already vectors, blocked for the registers: what is left is to share addresses, to move
/// what does not change out of loops, and to fold constants. LLVM's -O2 takes three times as long, most of
/// it for unrolling copies, and the code is no faster.
constexpr const char *kPasses = "function(early-cse<memssa>,simplifycfg,"
                                "loop-mssa(loop-rotate,licm),gvn,instcombine<no-verify-fixpoint>,"
                                "simplifycfg,loop(indvars),loop-mssa(licm))";

static void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  llvm::ModulePassManager passes;
  llvm::cantFail(builder.parsePassPipeline(passes, kPasses));
  passes.run(module, modules);
}

std::unique_ptr<llvm::Module> translateToLLVMIR(ModuleOp module, llvm::LLVMContext &context,
                                                IsaLevel isa) {
  std::unique_ptr<llvm::TargetMachine> machine = makeTargetMachine(module, isa);
  if (!machine)
    return nullptr;
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  std::unique_ptr<llvm::Module> result = translateModuleToLLVMIR(module, context);
  if (!result)
    return nullptr;
  result->setTargetTriple(machine->getTargetTriple());
  result->setDataLayout(machine->createDataLayout());
  optimise(*result, *machine);
  return result;
}

} // namespace attn::cpu
