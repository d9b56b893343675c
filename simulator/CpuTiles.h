//===- CpuTiles.h - tiles for kernels on processors --------------*- C++ -*-===//
#pragma once

#include "simulator/TileCandidates.h"

namespace attn {

/// What a visited tile costs. The unit is the product of a pair.
struct CpuTileCosts {
  /// Kernels compute so many queries at a time, and in a partial tile only from the first to the last key that one of
  /// them sees; 0: they have all keys of a tile.
  int64_t blockQueries;
  double queriesPerKey; ///< each key of a tile as much as so many more queries: it is found, asked for, maybe copied
  double keysPerQuery;  ///< each query as much as so many more keys: its maximum, sum and output go on
  double partialShare;  ///< finding what a partial tile shows, a share of its pairs
};
/// Of an ISA level, by its name in runtime/CpuFeatures.h; empty: AVX-512. Nothing for other names.
std::optional<CpuTileCosts> cpuTileCosts(llvm::StringRef isa, bool isBF16);

/// Makes of boxes that suit any target those near them with the least cost of all visited tiles. The usual ones stay
/// on layouts of one dimension, where maps do not tell (areMapsTelling) or would take long to make, and where no
/// others are cheaper by 3 %.
void suitCpu(AttentionOp op, TileChoice &tiles, const CpuTileCosts &costs);

} // namespace attn
