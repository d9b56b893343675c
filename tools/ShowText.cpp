#include "simulator/Counts.h"
#include "tools/BoundSpec.h"
#include "tools/MaskText.h"
#include "tools/ShowFormats.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attn::tools {

namespace {

constexpr int kMostRows = 48;

class TextPicture {
public:
  TextPicture(const Picture &picture, int columns, bool color)
      : picture(picture), columns(std::clamp(columns, 20, 130)), color(color) {}

  std::string group(const MaskGroup &group) {
    std::string text = fmt::format("\n{}: {}\n", headsTitle(group), readable(maskText(group.mask)));
    text += matrix(group.map) + counts(group);
    return hasSlices(group.map) ? text + slices(group.map) : text;
  }

  std::string legend() const {
    std::string text = fmt::format("\n{} empty  {} partial  {} full", cell(Shade::Empty),
                                   cell(Shade::Partial), cell(Shade::Full));
    return text + (mixed ? fmt::format("  {} some full, some empty\n", cell(Shade::Mixed)) : "\n");
  }

private:
  /// Colours of the 256-colour palette: grey, amber, blue, light blue.
  std::string cell(Shade shade, int width = 1) const {
    static constexpr const char *plain[] = {"·", "▒", "█", "░"};
    static constexpr const char *colors[] = {"240", "214", "32", "74"};
    std::string text;
    for (int i = 0; i < width; ++i)
      text += plain[int(shade)];
    return color ? fmt::format("\033[38;5;{}m{}\033[0m", colors[int(shade)], text) : text;
  }

  /// Before each row its first query: the token in one dimension, the tile's number in more.
  std::string matrix(const TileMap &map) {
    const TileGeometry &g = map.geometry();
    int64_t queryTiles = g.numQueryTiles(), keyTiles = g.numKeyTiles();
    if (queryTiles == 0 || keyTiles == 0)
      return "  no tiles\n";
    bool tokens = g.rank == 1;
    int64_t queryUnit = tokens ? g.queryTile[0] : 1;
    auto margin = int(grouped((queryTiles - 1) * queryUnit).size()) + 2;
    int room = std::max(columns - margin - 3, 8);
    // Characters are twice as high as wide: a tile is two of them where there is room.
    int width = 2 * keyTiles <= room && queryTiles <= kMostRows ? 2 : 1;
    ShadeGrid grid(map, std::min(kMostRows, std::max(room / 2, 8)), room / width);
    std::string text;
    for (int64_t r = 0; r < grid.rows; ++r) {
      text += fmt::format("{:>{}} ", grouped(r * grid.rowStep * queryUnit), margin);
      for (int64_t c = 0; c < grid.columns; ++c) {
        mixed |= grid.at(r, c) == Shade::Mixed;
        text += cell(grid.at(r, c), width);
      }
      text += "\n";
    }
    std::string end = grouped(tokens ? g.keys[0] : keyTiles);
    auto across = int(grid.columns) * width;
    text +=
        fmt::format("{:{}} 0{:>{}}\n", "", margin, end, std::max(across - 1, int(end.size()) + 1));
    return text + axes(g) + shared(grid);
  }

  static std::string axes(const TileGeometry &g) {
    if (g.rank == 1)
      return fmt::format(
          "  rows are query tokens, {} to a tile; columns key tokens, {} to a tile\n",
          g.queryTile[0], g.keyTile[0]);
    std::string query, key;
    for (int d = 0; d < g.rank; ++d) {
      query += fmt::format("{}{}", d ? " x " : "", g.queryTiles(d));
      key += fmt::format("{}{}", d ? " x " : "", g.keyTiles(d));
    }
    return fmt::format(
        "  rows are query tiles, row-major in {}; columns key tiles, row-major in {}\n", query,
        key);
  }

  std::string shared(const ShadeGrid &grid) const {
    if (grid.rowStep == 1 && grid.columnStep == 1)
      return "";
    return fmt::format("  {} x {} tiles to a character: {} if one of them is partial\n",
                       grid.rowStep, grid.columnStep, cell(Shade::Partial));
  }

  std::string counts(const MaskGroup &group) const {
    Counts counts = countsOf(picture.attention, picture.problem, group);
    bool exact = counts.exact; // else the mask is data
    return fmt::format("  {}{} of {} tiles visited, {}{} full; {}{:.3g} % of the pairs visible\n",
                       exact ? "" : "at most ", grouped(counts.tiles.visited),
                       grouped(counts.tiles.all), exact ? "" : "at least ",
                       grouped(counts.tiles.full), counts.exactPairs ? "" : "at most ",
                       100 * counts.density());
  }

  /// The key tiles of the query tile in the middle, a slice of the last two dimensions for each
  /// place in the others.
  std::string slices(const TileMap &map) const {
    MiddleTile middle(map);
    const TileGeometry &g = map.geometry();
    int64_t tilesAcross = g.keyTiles(g.rank - 1), height = g.keyTiles(g.rank - 2);
    int64_t depth = int64_t(middle.shades.size()) / (tilesAcross * height);
    std::string text =
        fmt::format("  key tiles of query tile {} at [{}]{}\n", grouped(middle.number),
                    fmt::join(middle.at.begin(), middle.at.begin() + g.rank, ", "),
                    depth > 1 ? ", a slice for each place in the other dimensions" : "");
    int cellWidth = 2 * tilesAcross <= columns - 4 ? 2 : 1;
    int64_t title = depth > 1 ? int64_t(sliceTitle(depth - 1, g).size()) : 0;
    int64_t wide = std::max(tilesAcross * cellWidth, title) + 2;
    int64_t beside = std::max<int64_t>(1, (columns - 2) / wide);
    for (int64_t first = 0; first < depth; first += beside) {
      int64_t last = std::min(depth, first + beside);
      if (depth > 1)
        text += sliceTitles(first, last, wide, g);
      for (int64_t y = 0; y < height; ++y) {
        std::string line = "  ";
        for (int64_t z = first; z < last; ++z) {
          for (int64_t x = 0; x < tilesAcross; ++x)
            line += cell(middle.shades[(z * height + y) * tilesAcross + x], cellWidth);
          if (z + 1 < last)
            line += std::string(wide - tilesAcross * cellWidth, ' ');
        }
        text += line + "\n";
      }
    }
    return text;
  }

  static std::string sliceTitles(int64_t first, int64_t last, int64_t wide,
                                 const TileGeometry &geometry) {
    std::string line = "  ";
    for (int64_t z = first; z < last; ++z)
      line += fmt::format("{:<{}}", sliceTitle(z, geometry), wide);
    return line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }

  const Picture &picture;
  int columns;
  bool color;
  bool mixed = false; ///< some cell was
};

} // namespace

Status writeText(const Picture &picture, int columns, bool color, const Sink &sink) {
  const Problem &p = picture.problem;
  TextPicture text(picture, columns, color);
  Status written =
      sink(fmt::format("{}: tokens {}, keys {}, query tile {}, key tile {}{}\n",
                       readable(picture.kernel), layoutText(p.tokens), layoutText(p.kvTokens),
                       fmt::join(p.tiles.queryTile, "x"), fmt::join(p.tiles.keyTile, "x"),
                       p.inputs ? fmt::format(", batch entry {}", p.inputs->batch) : ""));
  for (const MaskGroup *group : picture.groups)
    if (written)
      written = sink(text.group(*group));
  return written ? sink(text.legend()) : written;
}

} // namespace attn::tools
