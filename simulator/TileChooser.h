//===- TileChooser.h - tiles by predicted time -------------------*- C++ -*-===//
#pragma once

#include "simulator/TileShapes.h"
#include "simulator/time/TimeModel.h"

#include <vector>

namespace attn {

/// Half the usual keys leave registers for two row blocks of output in a warp, which halves what it reads from
/// shared memory per product; a score region needs registers for the elements it works on, and so does a mask that reads
/// run-time inputs.
void shortenKeyTile(AttentionOp op, TileChoice &tiles);

/// Tiles of a kernel for sm_80 (dialect/WarpPlan.h) and its predicted time.
struct CostedTiles {
  TileChoice tiles; ///< layouts and steps of the usual choice
  KernelShape shape;
  Prediction prediction;
};

/// Where the spec leaves lengths open, times are predicted for about so many tokens.
constexpr int64_t kNominalTokens = 8192;

/// The usual tiles and others near them, fastest first; a tile must beat the usual ones by kClearlyFaster to come
/// before them. Only the usual ones, without a prediction, where times would say little: few queries, masks that
/// depend on run-time inputs or consist of blocks, types other than f16 and bf16, score regions.
///
/// A box is near where each of its extents is at most 2.6 times what the usual one's would be, shrunk alike in all
/// dimensions; of the key tiles those that the best query tiles like are looked at. That is some fifty tile maps.
std::vector<CostedTiles> costedTiles(AttentionOp op, const TileChoice &usual, int64_t sharedLimit,
                                     const Machine &machine);
constexpr double kClearlyFaster = 0.97;

} // namespace attn
