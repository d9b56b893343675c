//===- TileGeometry.h - a tiled token layout ---------------------*- C++ -*-===//
#pragma once

#include "dialect/algebra/Expr.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace attn {

constexpr int kMaxRank = 4;
using Coords = std::array<int64_t, kMaxRank>;

/// Entries beyond `rank` are 1. Tiles at the far edge may be ragged.
struct TileGeometry {
  int rank = 1;
  Coords queries{1, 1, 1, 1}, keys{1, 1, 1, 1}; ///< lengths in tokens
  Coords queryTile{1, 1, 1, 1}, keyTile{1, 1, 1, 1};
  /// Row-major positions from numQueries, or numKeys, on do not exist: a layout of token groups.
  bool bounded = false;
  int64_t numQueries = 0, numKeys = 0;

  int64_t queryTiles(int d) const { return ceilDiv(queries[d], queryTile[d]); }
  int64_t keyTiles(int d) const { return ceilDiv(keys[d], keyTile[d]); }
  int64_t numQueryTiles() const;
  int64_t numKeyTiles() const;
};

/// Row-major number of a tile, or of a token, in a grid of these extents.
inline int64_t rowMajor(const Coords &at, const Coords &extents, int rank) {
  int64_t number = 0;
  for (int d = 0; d < rank; ++d)
    number = number * extents[d] + at[d];
  return number;
}
inline Coords coordsAt(int64_t number, const Coords &extents, int rank) {
  Coords at{0, 0, 0, 0};
  for (int d = rank - 1; d >= 0; --d) {
    at[d] = number % extents[d];
    number /= extents[d];
  }
  return at;
}
/// Tiles per dimension.
inline Coords tileGrid(const TileGeometry &geo, bool ofQueries) {
  Coords grid{1, 1, 1, 1};
  for (int d = 0; d < geo.rank; ++d)
    grid[d] = ofQueries ? geo.queryTiles(d) : geo.keyTiles(d);
  return grid;
}

/// Tokens lo <= x < hi.
struct TokenBox {
  Coords lo{0, 0, 0, 0}, hi{1, 1, 1, 1};
};
/// Positions below `count` of a row-major layout, as disjoint boxes, at most one for each dimension.
std::vector<TokenBox> boxesBelow(int64_t count, const Coords &lengths, int rank);
/// Dimensions of a layout that is split by steps, of which there are as many as lengths or none: positions
/// and, where a step is above 1, residues. Open lengths are negative and stay what they are.
std::vector<int64_t> splitLengths(std::span<const int64_t> lengths,
                                  std::span<const int64_t> steps);
/// Whether the last position of the first dimension does not exist for all residues, or may not. Other
/// dimensions are split evenly.
bool isUnevenSplit(std::span<const int64_t> lengths, std::span<const int64_t> steps);
/// The tokens of a tile inside the layout. Token groups may end before them.
inline TokenBox tokensOfTile(const TileGeometry &geo, const Coords &tile, bool ofQueries) {
  TokenBox box;
  for (int d = 0; d < geo.rank; ++d) {
    int64_t extent = ofQueries ? geo.queryTile[d] : geo.keyTile[d];
    box.lo[d] = tile[d] * extent;
    box.hi[d] = std::min(box.lo[d] + extent, ofQueries ? geo.queries[d] : geo.keys[d]);
  }
  return box;
}

} // namespace attn
