#include "jit/CodeMemory.h"

#include "runtime/DType.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"

namespace attn {

static Error fromLlvm(llvm::Error error, const char *what) {
  return makeError("{}: {}", what, llvm::toString(std::move(error)));
}

Expected<std::unique_ptr<llvm::MemoryBuffer>> emitObject(llvm::Module &module,
                                                         llvm::TargetMachine &machine) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream os(bytes);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, os, nullptr, llvm::CodeGenFileType::ObjectFile))
    return makeError("LLVM cannot write object files for '{}'", module.getTargetTriple().str());
  passes.run(module);
  return std::unique_ptr<llvm::MemoryBuffer>(std::make_unique<llvm::SmallVectorMemoryBuffer>(
      std::move(bytes), "kernel.o", /*RequiresNullTerminator=*/false));
}

// Processors without the instructions convert f16 by calls that not every libgcc has. Such a value
// travels in the low half of the register that a float travels in, so floats stand in for it here.
static float truncateToF16(float x) { return std::bit_cast<float>(uint32_t(f32ToF16(x))); }
static float extendF16(float x) { return f16ToF32(uint16_t(std::bit_cast<uint32_t>(x))); }

static llvm::Error defineConversions(llvm::orc::LLJIT &jit) {
  llvm::orc::SymbolMap symbols;
  auto define = [&](const char *name, float (*function)(float)) {
    symbols[jit.mangleAndIntern(name)] = {llvm::orc::ExecutorAddr::fromPtr(function),
                                          llvm::JITSymbolFlags::Callable};
  };
  define("__truncsfhf2", truncateToF16);
  define("__extendhfsf2", extendF16);
  return jit.getMainJITDylib().define(llvm::orc::absoluteSymbols(std::move(symbols)));
}

Expected<CodeMemory> CodeMemory::link(std::unique_ptr<llvm::MemoryBuffer> object) {
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return fromLlvm(jit.takeError(), "cannot start the linker for kernels");
  if (llvm::Error error = defineConversions(**jit))
    return fromLlvm(std::move(error), "cannot define the helpers of a kernel");
  if (llvm::Error error = (*jit)->addObjectFile(std::move(object)))
    return fromLlvm(std::move(error), "cannot link a kernel");
  return CodeMemory(std::move(*jit));
}

Expected<void *> CodeMemory::lookup(const std::string &symbol) {
  auto address = jit->lookup(symbol);
  if (!address)
    return fromLlvm(address.takeError(), "cannot link a kernel");
  return address->toPtr<void *>();
}

CodeMemory::CodeMemory(std::unique_ptr<llvm::orc::LLJIT> jit) : jit(std::move(jit)) {}
CodeMemory::CodeMemory(CodeMemory &&) = default;
CodeMemory::~CodeMemory() = default;

} // namespace attn
