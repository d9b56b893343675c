//===- Simulate.h - attnc simulate -------------------------------*- C++ -*-===//
#pragma once

#include "tools/BoundOptions.h"

namespace attn::tools {

struct SimulateOptions : BoundOptions {
  std::string format = "text"; ///< text or json (docs/simulate-json.md)
};

/// The verb; returns the exit code. Errors go to the standard error stream, and nothing is
/// half-written.
int simulateVerb(const SimulateOptions &options);

} // namespace attn::tools
