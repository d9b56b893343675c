//===- Inspect.h - attnc inspect ---------------------------------*- C++ -*-===//
#pragma once

#include <string>

namespace attn::tools {

struct InspectOptions {
  std::string package;
  std::string extract; ///< "kind" or "kind:target" of the section to write; empty: the description
  std::string output = "-";
  std::string format = "text"; ///< text or json
};

/// The verb; returns the exit code.
int inspectVerb(const InspectOptions &options);

} // namespace attn::tools
