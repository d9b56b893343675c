//===- Tune.h - attnc tune: which tiles, and which strides -------*- C++ -*-===//
#pragma once

#include "tools/Simulate.h"

namespace attn::tools {

struct TuneOptions : SimulateOptions {
  std::string queryTiles, keyTiles; ///< candidates as SweepText.h spells values; empty: powers of two
  double tolerance = 0; ///< share of visited tiles that may be partial where strides are to avoid masks
};

/// The verb. Errors go to the standard error stream, and nothing is half-written.
int tuneVerb(const TuneOptions &options);

} // namespace attn::tools
