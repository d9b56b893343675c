//===- SharedObject.h - machine code that stands by itself -------*- C++ -*-===//
#pragma once

#include "runtime/CpuFeatures.h"
#include "runtime/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/MemoryBuffer.h"

#include <string>

namespace attn {

/// LLVM's linker: `ld.lld` beside LLVM's other programs or on PATH; empty if nowhere.
std::string findLinker();

/// Links an object file and the conversions of f16 that its code may call into a shared object
/// which exports `entry` and needs no library but, where the code copies memory, the process's C
/// library. An error holds what the linker printed and the command that repeats it. `module` is for
/// diagnostics.
Expected<std::string> linkSharedObject(mlir::ModuleOp module, const llvm::MemoryBuffer &object,
                                       IsaLevel isa);

} // namespace attn
