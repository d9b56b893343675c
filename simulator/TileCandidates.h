//===- TileCandidates.h - tiles that may suit a mask better -------*- C++ -*-===//
//
// What choosing tiles for GPUs and for processors has in common: which boxes are worth a look, and the tile
// maps of an attention under them.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "simulator/Problem.h"

#include <optional>
#include <vector>

namespace attn {

using Box = llvm::SmallVector<int64_t>;
int64_t productOf(llvm::ArrayRef<int64_t> box);

/// Other tiles are taken where they need at most this share of the time of the usual ones.
constexpr double kClearlyFaster = 0.97;

/// Where the spec leaves lengths open, tile maps are made for about so many tokens.
constexpr int64_t kNominalTokens = 8192;

/// Boxes of so many tokens near the usual one, the nearest first: each extent is at most 2.6 times what the
/// usual box's would be, shrunk alike in all dimensions. `layout` bounds the extents.
std::vector<Box> boxesNear(llvm::ArrayRef<int64_t> usual, llvm::ArrayRef<int64_t> layout, int64_t tokens);

/// Whether the masks and lengths of an attention are such that its tile maps say what is fastest: some hundred
/// queries, no mask of unknown run-time inputs or of blocks.
bool areMapsTelling(AttentionOp op, const TileChoice &usual);

/// An attention at its own lengths, or nominal ones where they are open, under other tiles.
class TiledProblems {
public:
  explicit TiledProblems(AttentionOp op);
  /// Nothing where the tiles cannot be had.
  std::optional<Problem> with(llvm::ArrayRef<int64_t> queryTile, llvm::ArrayRef<int64_t> keyTile);

private:
  AttentionOp op;
  llvm::SmallVector<int64_t> tokens, kvTokens;
};

} // namespace attn
