#include "tools/ShowFormats.h"

#include "simulator/Counts.h"
#include "tools/BoundSpec.h"
#include "tools/MaskText.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attn::tools {

ShadeGrid::ShadeGrid(const TileMap &map, int64_t mostCells) {
  const TileGeometry &g = map.geometry();
  int64_t queryTiles = g.numQueryTiles(), keyTiles = g.numKeyTiles();
  step = std::max<int64_t>(1, ceilDiv(std::max(queryTiles, keyTiles), mostCells));
  rows = ceilDiv(queryTiles, step);
  columns = ceilDiv(keyTiles, step);
  visited.resize(rows * columns);
  full.resize(rows * columns);
  for (int64_t r = 0; r < rows; ++r)
    rowTiles.push_back(std::min(step, queryTiles - r * step));
  for (int64_t c = 0; c < columns; ++c)
    columnTiles.push_back(std::min(step, keyTiles - c * step));
  std::vector<KeyBox> boxes;
  auto addRun = [&](int64_t row, int64_t first, int64_t last, bool isFull) {
    for (int64_t c = first / step; c * step < last; ++c) {
      int64_t count = std::min(last, (c + 1) * step) - std::max(first, c * step);
      visited[row * columns + c] += count;
      full[row * columns + c] += isFull ? count : 0;
    }
  };
  for (int64_t t = 0; t < queryTiles; ++t) {
    map.boxes(t, boxes);
    // A box is a run along the last dimension for each of its other coordinates.
    for (const KeyBox &box : boxes) {
      int last = g.rank - 1;
      Coords c = box.lo;
      for (bool more = true; more;) {
        int64_t number = 0;
        for (int d = 0; d < last; ++d)
          number = (number + c[d]) * g.keyTiles(d + 1);
        addRun(t / step, number + box.lo[last], number + box.hi[last], box.full);
        int d = last - 1;
        while (d >= 0 && ++c[d] == box.hi[d]) {
          c[d] = box.lo[d];
          --d;
        }
        more = d >= 0;
      }
    }
  }
}

Shade ShadeGrid::at(int64_t row, int64_t column) const {
  int64_t all = rowTiles[row] * columnTiles[column], i = row * columns + column;
  return visited[i] == 0 ? Shade::Empty : full[i] == all ? Shade::Full : Shade::Partial;
}

namespace {

/// Colours of the 256-colour palette: grey, amber, blue.
std::string cell(Shade shade, bool color) {
  static constexpr const char *plain[] = {"·", "▒", "█"};
  static constexpr const char *colored[] = {"\033[38;5;240m·\033[0m", "\033[38;5;214m▒\033[0m",
                                            "\033[38;5;32m█\033[0m"};
  return (color ? colored : plain)[int(shade)];
}

} // namespace

Status writeText(const Picture &picture, int columns, bool color, const Sink &sink) {
  const Problem &p = picture.problem;
  std::string text = fmt::format("{}: tokens {}, keys {}, query tile {}, key tile {}\n", picture.kernel,
                                 layoutText(p.tokens), layoutText(p.kvTokens),
                                 fmt::join(p.tiles.queryTile, "x"), fmt::join(p.tiles.keyTile, "x"));
  for (const MaskGroup *group : picture.groups) {
    ShadeGrid grid(group->map, std::clamp(columns - 2, 8, 64));
    Counts counts = countsOf(group->map);
    text += fmt::format("\nheads {}: {}\n", headsText(group->heads), maskText(group->mask));
    for (int64_t r = 0; r < grid.rows; ++r) {
      text += "  ";
      for (int64_t c = 0; c < grid.columns; ++c)
        text += cell(grid.at(r, c), color);
      text += "\n";
    }
    text += fmt::format("  {}{} of {} tiles visited, {} full; rows are query tiles, columns key tiles{}\n",
                        counts.exact ? "" : "≈ ", counts.tiles.visited, counts.tiles.all,
                        counts.tiles.full,
                        grid.step > 1 ? fmt::format(", {0} x {0} to a character", grid.step) : "");
  }
  text += fmt::format("\n{} empty  {} partial  {} full\n", cell(Shade::Empty, color),
                      cell(Shade::Partial, color), cell(Shade::Full, color));
  return sink(text);
}

} // namespace attn::tools
