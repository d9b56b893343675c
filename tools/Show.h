//===- Show.h - attnc show ---------------------------------------*- C++ -*-===//
#pragma once

#include "tools/BoundOptions.h"

namespace attn::tools {

struct ShowOptions : BoundOptions {
  std::optional<int64_t> head; ///< only this head; absent: all, those with one mask together
  std::string format = "text"; ///< text, svg, html, json (docs/show-json.md) or npy
  bool elements = false;       ///< the mask itself instead of its tiles; npy alone holds it
  std::string color = "auto";  ///< auto (a terminal without NO_COLOR), always, never
};

/// The verb; returns the exit code. Errors go to the standard error stream, and nothing is
/// half-written.
int showVerb(const ShowOptions &options);

} // namespace attn::tools
