//===- ExplainRanges.h - key tiles of a query tile as formulas ---*- C++ -*-===//
#pragma once

#include "tools/ExplainNames.h"
#include "tools/Explanation.h"

namespace attn::tools {

/// A tile map to compare formulas with, and what their names stand for.
struct RangeSample {
  TileMap map;
  NameValues values;
};

/// Every n-th query tile of a map is compared, and the last one.
int64_t checkStep(int64_t queryTiles);

/// Formulas of the ranges that a query tile visits, which agree with every sample, or why there are
/// none. `checked` of the result is left to the caller.
VisitFact visitFact(const Formula &formula, const Naming &naming, const TileChoice &tiles,
                    llvm::ArrayRef<RangeSample> samples);

} // namespace attn::tools
