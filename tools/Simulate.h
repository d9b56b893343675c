//===- Simulate.h - attnc simulate -------------------------------*- C++ -*-===//
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attn::tools {

struct SimulateOptions {
  std::string spec;
  std::string kernel;                      ///< empty: the only one
  std::vector<int64_t> tokens, kvTokens;   ///< bind `?`; empty: as in the spec
  std::optional<int64_t> queryOffset;      ///< absent: as in the spec, or Nk - Nq
  std::vector<int64_t> queryTile, keyTile; ///< empty: chosen by the compiler
  std::string format = "text";             ///< text or json (docs/simulate-json.md)
  std::string output = "-";
};

/// The verb; returns the exit code. Errors go to the standard error stream, and nothing is
/// half-written.
int simulateVerb(const SimulateOptions &options);

} // namespace attn::tools
