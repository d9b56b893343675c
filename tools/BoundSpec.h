//===- BoundSpec.h - a spec with its lengths bound, for pictures and counts -*- C++ -*-===//
#pragma once

#include "jit/Compilation.h"
#include "simulator/Problem.h"

namespace attn::tools {

/// Loads the spec of `options` (ShowOptions, SimulateOptions), selects its kernel and binds lengths
/// and tiles. Failure comes after a diagnostic.
template <class Options>
mlir::FailureOr<Problem> bindSpec(Compilation &compilation, const Options &options) {
  if (failed(compilation.loadFile(options.spec)) ||
      failed(compilation.selectKernel(options.kernel)))
    return mlir::failure();
  ProblemRequest request;
  request.tokens = options.tokens;
  request.kvTokens = options.kvTokens;
  request.queryOffset = options.queryOffset;
  request.queryTile = options.queryTile;
  request.keyTile = options.keyTile;
  return bindProblem(compilation.attention(), request);
}

inline std::string kernelName(Compilation &compilation) {
  return compilation.attention()->getParentOfType<mlir::func::FuncOp>().getName().str();
}

/// 148896 as 148,896.
std::string grouped(int64_t value);

/// "0..3, 7": ranges of consecutive heads.
std::string headsText(llvm::ArrayRef<int64_t> heads);

} // namespace attn::tools
