//===- Tune.h - attnc tune: which tiles, and which strides -------*- C++ -*-===//
#pragma once

#include "tools/Simulate.h"

namespace attn::tools {

struct TuneOptions : SimulateOptions {
  std::string queryTiles, keyTiles; ///< candidates as SweepText.h spells values; empty: powers of two
  /// Share of visited tiles that may be partial where strides are to avoid masks.
  int64_t tolerancePercent = 0;
  double tolerance() const { return double(tolerancePercent) / 100; }
};

/// The verb. Errors go to the standard error stream, and nothing is half-written.
int tuneVerb(const TuneOptions &options);

} // namespace attn::tools
