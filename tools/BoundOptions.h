//===- BoundOptions.h - a spec, its lengths, tiles and inputs ----*- C++ -*-===//
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attn::tools {

/// What the verbs that look at tile maps have in common.
struct BoundOptions {
  std::string spec;
  std::string kernel;                      ///< empty: the only one
  std::vector<int64_t> tokens, kvTokens;   ///< bind `?`; empty: as in the spec or the inputs
  std::optional<int64_t> queryOffset;      ///< absent: as in the spec, or Nk - Nq
  std::vector<int64_t> queryTile, keyTile; ///< empty: chosen by the compiler
  std::string inputs;                      ///< safetensors with the run-time inputs; empty: unknown
  std::optional<int64_t> batch;            ///< entry whose maps are made; absent: 0
  std::string output = "-";
};

} // namespace attn::tools
