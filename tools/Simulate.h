//===- Simulate.h - attnc simulate -------------------------------*- C++ -*-===//
#pragma once

#include "tools/BoundOptions.h"

namespace attn::tools {

struct SimulateOptions : BoundOptions {
  std::string format = "text"; ///< text or json (docs/simulate-json.md)
  std::string gpu;             ///< a machine's name or file; empty: counts alone
  std::string target;          ///< whose kernel to predict; empty: one of the machine's own kind
  std::string model;           ///< a model's name or file, for end-to-end figures; empty: none
  std::string pass = "forward"; ///< or backward
  std::optional<int64_t> denseSteps; ///< of the model; absent: as it says
  std::string sweep;                 ///< what to vary (tools/SweepText.h); empty: nothing
  int64_t top = 10;                  ///< rows of the sweep's table
  std::string html;                  ///< a page to write beside the report; empty: none
};

/// The verb; returns the exit code. Errors go to the standard error stream, and nothing is
/// half-written.
int simulateVerb(const SimulateOptions &options);

} // namespace attn::tools
