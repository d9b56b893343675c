//===- Plan.h - how one attention is spread over a thread block --*- C++ -*-===//
#pragma once

#include "dialect/Targets.h"
#include "dialect/Tile.h"
#include "dialect/WarpPlan.h"

namespace attn::nvvm {

/// The ops of a tile.attention, found by `matchTiles`, in the order in which a key tile runs them.
struct TileOps {
  tile::AttentionOp attention;
  tile::LoadOp query, key, value;
  tile::InitOp init;
  tile::ForKeysOp loop;
  tile::ScoresOp scores;
  tile::ScoreOp score; ///< null where there is no score region
  tile::MaskOp mask;   ///< null where no visited tile is partial
};

/// Checks that the body is the chain load, scores[, score][, mask], softmax, load, accumulate.
mlir::FailureOr<TileOps> matchTiles(tile::AttentionOp op);

/// How the warps of a thread block share its tiles (dialect/WarpPlan.h), and what the kernel computes. A query tile
/// holds the rows of `packedHeads` heads, those of one after those of the other, filled up to a multiple of 16 rows.
///
/// In shared memory 16-byte chunk c of row r lies at chunk c ^ s(r) (swizzleOf in Gather.h, r & 7 for long rows), so
/// that the eight rows that ldmatrix reads at once lie in different banks, and so do the chunks that eight threads
/// copy. What lies in which slot says KeyStages.h.
struct Plan : WarpPlan {
  Plan(const TileOps &ops, const Target &target);

  int64_t packedHeads;
  bool scaleFirst; ///< scale the scores themselves, not only their exponents
  double scale;
};

/// The plan, or a diagnostic that says what of the attention the target has no code for.
mlir::FailureOr<Plan> planKernel(const TileOps &ops, const Target &target);

} // namespace attn::nvvm
