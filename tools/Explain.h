//===- Explain.h - attnc explain ---------------------------------*- C++ -*-===//
#pragma once

#include "tools/BoundOptions.h"

namespace attn::tools {

struct ExplainOptions : BoundOptions {
  std::string format = "text"; ///< text or json (docs/explain-json.md)
};

/// The verb; returns the exit code. Errors go to the standard error stream, and nothing is
/// half-written.
int explainVerb(const ExplainOptions &options);

} // namespace attn::tools
