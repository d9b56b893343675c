//===- Bench.h - attnc bench -------------------------------------*- C++ -*-===//
#pragma once

#include "tools/Run.h"

namespace attn::tools {

/// What `attnc run` takes, for each of several specs.
struct BenchOptions : RunOptions {
  BenchOptions() { repeat = 0; }  ///< 0: so many that they take about a second
  std::vector<std::string> specs; ///< or packages; of specs without `kernel` all kernels
  bool dense = false;             ///< measure the same kernels under mask all, too
};

/// The verb; returns the exit code. Errors go to the standard error stream.
int benchVerb(const BenchOptions &options);

} // namespace attn::tools
