//===- Counts.h - how much work a mask leaves --------------------*- C++ -*-===//
//
// Exact tile counts and the bounds on the speed-up over dense attention that follow from them.
// There are three, named so that nobody mixes them up:
//   flop        all pairs / visible pairs: no kernel does less
//   tile_mean   all tiles / visited tiles: a kernel that skips empty tiles and keeps every core
//   busy tile_worst  key tiles / tiles of the query tile that visits most: the rule of the
//   published
//               neighbourhood-attention simulator (arXiv 2504.16922, B.1)
//
//===----------------------------------------------------------------------===//
#pragma once

#include "simulator/Problem.h"

namespace attn {

/// Of one head and batch entry, or of several heads together. Numbers saturate at 2^63 - 1.
struct Counts {
  TileCounts tiles;     ///< visited, full, all; and the most that one query tile visits
  int64_t keyTiles = 0; ///< that a dense query tile visits
  int64_t visiblePairs = 0, allPairs = 0;
  /// False where data, or a modulus too large to be swept, makes the map an upper bound of what is
  /// visited and a lower bound of what is full.
  bool exact = true;
  bool exactPairs = true; ///< else `visiblePairs` is an upper bound

  /// Infinite where nothing is visible, 1 where there is nothing at all.
  double flopBound() const;
  double tileMeanBound() const;
  double tileWorstBound() const;
  /// Share of the pairs that are visible, 0 to 1.
  double density() const;
  /// Every visited tile is full: such kernels need no mask.
  bool isBlockSparse() const { return tiles.visited == tiles.full; }
};

Counts countsOf(const TileMap &map);
/// Pairs of data that is known are told from the tiles and, up to 2^24 pairs, counted one by one.
Counts countsOf(AttentionOp op, const Problem &problem, const MaskGroup &group);
/// Over all heads of the problem: sums, and the worst of the worst query tiles.
Counts totalOf(const Problem &problem, llvm::ArrayRef<Counts> perGroup);

} // namespace attn
