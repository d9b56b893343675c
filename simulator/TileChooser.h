//===- TileChooser.h - tiles by predicted time -------------------*- C++ -*-===//
#pragma once

#include "dialect/Targets.h"
#include "simulator/TileCandidates.h"
#include "simulator/time/TimeModel.h"

#include <vector>

namespace attn {

/// Which tiles somebody asked for.
struct AskedTiles {
  bool query = false, key = false;
};
/// Makes of tiles that suit any target those that a kernel for a GPU takes: a key tile that nobody asked for gets shorter,
/// and where nobody asked for either, the tiles of the least predicted time are taken.
void suitGpu(AttentionOp op, TileChoice &tiles, AskedTiles asked, const Target &target, const Machine &machine);

/// Tiles of a kernel for sm_80 (dialect/WarpPlan.h) and its predicted time.
struct CostedTiles {
  TileChoice tiles; ///< layouts and steps of the usual choice
  KernelShape shape;
  Prediction prediction;
};

/// The usual tiles and others near them, fastest first; a tile must beat the usual ones by kClearlyFaster to come
/// before them. Only the usual ones, without a prediction, where times would say little: tile maps that do not tell
/// (areMapsTelling), types other than f16 and bf16, score regions. Of the key tiles those that the best query tiles
/// like are looked at. That is some fifty tile maps.
std::vector<CostedTiles> costedTiles(AttentionOp op, const TileChoice &usual, const Target &target,
                                     const Machine &machine);

} // namespace attn
