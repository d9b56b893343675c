//===- LaunchForm.h - a kernel in the form that is launched ------*- C++ -*-===//
//
// What the engine and packages share: from a loaded spec to a tiled kernel with its KernelInfo, and
// to machine code for this kind of processor.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "jit/Compilation.h"
#include "runtime/CpuFeatures.h"
#include "runtime/Error.h"
#include "runtime/KernelInfo.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/MemoryBuffer.h"

namespace attn {

/// What a back end says of a tiled kernel: cpu::kernelInfo, nvvm::kernelInfo.
using InfoOfKernel = llvm::function_ref<mlir::FailureOr<KernelInfo>(tile::AttentionOp)>;

/// Tiles the kernel named `kernel`, or the only one, and says how it is launched. The function is
/// renamed, so that no name of a kernel hides a function that the code calls.
mlir::FailureOr<KernelInfo> tileForLaunch(Compilation &c, llvm::StringRef kernel,
                                          const Target &target, const TilingOptions &tiling,
                                          InfoOfKernel infoOf);

/// The tiled kernel as an object file. Null after a diagnostic.
Expected<std::unique_ptr<llvm::MemoryBuffer>> objectOf(Compilation &c, IsaLevel isa);

} // namespace attn
