//===- SweepText.h - what --sweep= says --------------------------*- C++ -*-===//
//
//   window=1024|2048|4096..16384:4096,q_tile=64|128
//   window=18x24x24|6..18:6x24x24,stride=all,k_tile=2x8x8|4x8x8
//
// Keys are joined by commas, values of a key by '|'. A value has as many entries as the layout has
// dimensions, joined by 'x'. An entry is a number or a range lo..hi[:step], which stands for each of
// its numbers.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attn::tools {

struct SweepKey {
  std::string name;
  std::vector<std::vector<int64_t>> values; ///< each once, in the order of the text
  bool isAll = false;                       ///< `all` instead
};

/// An error names the part that is wrong: no key, a key twice, no number, an empty range, more than
/// `most` values of one key.
Expected<std::vector<SweepKey>> parseSweep(const std::string &text, int64_t most);

/// The values of one key: "64|128". `name` is what errors call it: "'--q-tile'".
Expected<std::vector<std::vector<int64_t>>> parseSweepValues(const std::string &text,
                                                             const std::string &name, int64_t most);

} // namespace attn::tools
