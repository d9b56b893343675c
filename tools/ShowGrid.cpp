#include "tools/BoundSpec.h"
#include "tools/ShowFormats.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attn::tools {

int64_t numberOf(const Coords &tile, const TileGeometry &geometry, bool query) {
  return rowMajor(tile, tileGrid(geometry, query), geometry.rank);
}

Coords coordsOf(int64_t number, const TileGeometry &geometry, bool query) {
  return coordsAt(number, tileGrid(geometry, query), geometry.rank);
}

/// A box is a run of row-major numbers along the last dimension for each of its other coordinates.
template <class Visit>
static void forRuns(const KeyBox &box, const TileGeometry &geometry, Visit &&visit) {
  int last = geometry.rank - 1;
  Coords c = box.lo;
  for (bool more = true; more;) {
    int64_t first = numberOf(c, geometry, false);
    visit(first, first + box.hi[last] - box.lo[last]);
    int d = last - 1;
    while (d >= 0 && ++c[d] == box.hi[d]) {
      c[d] = box.lo[d];
      --d;
    }
    more = d >= 0;
  }
}

//===----------------------------------------------------------------------===//
// ShadeGrid
//===----------------------------------------------------------------------===//

ShadeGrid::ShadeGrid(const TileMap &map, int64_t mostRows, int64_t mostColumns)
    : queryTiles(map.geometry().numQueryTiles()), keyTiles(map.geometry().numKeyTiles()) {
  rowStep = std::max<int64_t>(1, ceilDiv(queryTiles, mostRows));
  columnStep = std::max<int64_t>(1, ceilDiv(keyTiles, mostColumns));
  rows = ceilDiv(queryTiles, rowStep);
  columns = ceilDiv(keyTiles, columnStep);
  visited.resize(rows * columns);
  full.resize(rows * columns);
  std::vector<KeyBox> boxes;
  for (int64_t t = 0; t < queryTiles; ++t)
    addTile(map, t, boxes);
}

void ShadeGrid::addTile(const TileMap &map, int64_t queryTile, std::vector<KeyBox> &boxes) {
  map.boxes(queryTile, boxes);
  for (const KeyBox &box : boxes)
    forRuns(box, map.geometry(), [&](int64_t first, int64_t last) {
      addRun(queryTile / rowStep, first, last, box.full);
    });
}

void ShadeGrid::addRun(int64_t row, int64_t first, int64_t last, bool isFull) {
  for (int64_t c = first / columnStep; c * columnStep < last; ++c) {
    int64_t count = std::min(last, (c + 1) * columnStep) - std::max(first, c * columnStep);
    visited[row * columns + c] += count;
    full[row * columns + c] += isFull ? count : 0;
  }
}

Shade ShadeGrid::at(int64_t row, int64_t column) const {
  int64_t rowTiles = std::min(rowStep, queryTiles - row * rowStep);
  int64_t columnTiles = std::min(columnStep, keyTiles - column * columnStep);
  int64_t i = row * columns + column;
  if (visited[i] == 0)
    return Shade::Empty;
  if (visited[i] != full[i])
    return Shade::Partial;
  return full[i] == rowTiles * columnTiles ? Shade::Full : Shade::Mixed;
}

//===----------------------------------------------------------------------===//
// MiddleTile
//===----------------------------------------------------------------------===//

bool hasSlices(const TileMap &map) {
  constexpr int64_t most = 1 << 14;
  const TileGeometry &geometry = map.geometry();
  int64_t keyTiles = geometry.numKeyTiles();
  return geometry.rank > 1 && geometry.numQueryTiles() > 0 && keyTiles > 0 && keyTiles <= most;
}

MiddleTile::MiddleTile(const TileMap &map) {
  const TileGeometry &geometry = map.geometry();
  for (int d = 0; d < geometry.rank; ++d)
    at[d] = geometry.queryTiles(d) / 2;
  number = numberOf(at, geometry, true);
  shades.assign(geometry.numKeyTiles(), Shade::Empty);
  std::vector<KeyBox> boxes;
  map.boxes(number, boxes);
  for (const KeyBox &box : boxes)
    forRuns(box, geometry, [&](int64_t first, int64_t last) {
      std::fill(shades.begin() + first, shades.begin() + last,
                box.full ? Shade::Full : Shade::Partial);
    });
}

std::string headsTitle(const MaskGroup &group) {
  return (group.heads.size() == 1 ? "head " : "heads ") + headsText(group.heads);
}

std::string sliceTitle(int64_t slice, const TileGeometry &geometry) {
  int rank = geometry.rank;
  Coords at =
      coordsOf(slice * geometry.keyTiles(rank - 1) * geometry.keyTiles(rank - 2), geometry, false);
  return fmt::format("[{}]", fmt::join(at.begin(), at.begin() + rank - 2, ", "));
}

} // namespace attn::tools
