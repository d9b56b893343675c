//===- Interpreter.h - runs tile IR alone ------------------------*- C++ -*-===//
//
// A direct reading of dialect/TileOps.td in f64, element by element, so that passes/ can be checked
// without any target. Slow on purpose: no op is fused, skipped or reordered.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/Tile.h"

#include <vector>

namespace attn::test {

/// A dense row-major tensor.
struct Array {
  std::vector<int64_t> shape;
  std::vector<double> data;
};

struct TileRun {
  Array query, key, value;
  std::vector<Array> inputs;
  int64_t queryOffset = 0;
  /// Lengths of the tiled layout of queries and of keys, dynamic ones included.
  std::vector<int64_t> queryDims, keyDims;

  // Results.
  Array output, lse;
  int64_t tilesVisited = 0, tilesPartial = 0;
};

/// Runs the body for every batch entry, head and query tile.
void interpret(tile::AttentionOp op, TileRun &run);

} // namespace attn::test
