//===- BoundSpec.h - a spec with its lengths bound, for pictures and counts -*- C++ -*-===//
#pragma once

#include "jit/Compilation.h"
#include "simulator/Problem.h"
#include "tools/BoundOptions.h"

namespace attn::tools {

/// Loads the spec, selects its kernel, binds lengths and tiles, and maps its heads, with the inputs
/// where there are any. Failure comes after a message.
mlir::FailureOr<Problem> bindSpec(Compilation &compilation, const BoundOptions &options);

/// The same for a selected kernel.
mlir::FailureOr<Problem> bindKernel(Compilation &compilation, const BoundOptions &options);

/// The same without groups.
mlir::FailureOr<Problem> bindWithoutMaps(Compilation &compilation, const BoundOptions &options);

std::string kernelName(Compilation &compilation);

/// 148896 as 148,896.
std::string grouped(int64_t value);

/// "0..3, 7": ranges of consecutive heads.
std::string headsText(llvm::ArrayRef<int64_t> heads);

} // namespace attn::tools
