//===- TilePairs.h - shapes of tiles that are tried on a machine -*- C++ -*-===//
#pragma once

#include "simulator/ParameterSweep.h"
#include "tools/SimulateTime.h"

namespace attn::tools {

using Extents = std::vector<int64_t>;

struct LeftOutTiles {
  Extents queryTile, keyTile;
  std::string reason;
};

struct TilePairs {
  std::vector<SweepTiles> possible;
  std::vector<LeftOutTiles> leftOut; ///< the layout, the mask's blocks or the machine forbid them
};

/// Every query tile with every key tile; an empty tile is chosen by the compiler. The kernel is
/// selected, and binds with the options.
TilePairs tilePairs(Compilation &compilation, const BoundOptions &options,
                    const TimeQuestion &question, const std::vector<Extents> &queryTiles,
                    const std::vector<Extents> &keyTiles);

} // namespace attn::tools
