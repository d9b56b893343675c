//===- CodeMemory.h - an object file, linked and ready to call ---*- C++ -*-===//
#pragma once

#include "runtime/Error.h"

#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>

namespace llvm {
class Module;
class TargetMachine;
namespace orc {
class LLJIT;
}
} // namespace llvm

namespace attn {

/// Machine code of a module, as an object file in memory.
Expected<std::unique_ptr<llvm::MemoryBuffer>> emitObject(llvm::Module &module,
                                                         llvm::TargetMachine &machine);

/// An object linked against this process and the conversions of f16. Move-only.
class CodeMemory {
public:
  static Expected<CodeMemory> link(std::unique_ptr<llvm::MemoryBuffer> object);
  CodeMemory(CodeMemory &&);
  ~CodeMemory();

  /// Address of a symbol of the object.
  Expected<void *> lookup(const std::string &symbol);

private:
  explicit CodeMemory(std::unique_ptr<llvm::orc::LLJIT> jit);
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

} // namespace attn
