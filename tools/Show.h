//===- Show.h - attnc show ---------------------------------------*- C++ -*-===//
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attn::tools {

struct ShowOptions {
  std::string spec;
  std::string kernel;                      ///< empty: the only one
  std::vector<int64_t> tokens, kvTokens;   ///< bind `?`; empty: as in the spec
  std::optional<int64_t> queryOffset;      ///< absent: as in the spec, or Nk - Nq
  std::vector<int64_t> queryTile, keyTile; ///< empty: chosen by the compiler
  std::optional<int64_t> head; ///< only this head; absent: all, those with one mask together
  std::string format = "text"; ///< text, svg, html, json (docs/show-json.md) or npy
  bool elements = false;       ///< the mask itself instead of its tiles; npy alone holds it
  std::string color = "auto";  ///< auto (a terminal without NO_COLOR), always, never
  std::string output = "-";
};

/// The verb; returns the exit code. Errors go to the standard error stream, and nothing is
/// half-written.
int showVerb(const ShowOptions &options);

} // namespace attn::tools
