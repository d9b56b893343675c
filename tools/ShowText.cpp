#include "simulator/Counts.h"
#include "tools/BoundSpec.h"
#include "tools/MaskText.h"
#include "tools/ShowFormats.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attn::tools {

namespace {

class TextPicture {
public:
  TextPicture(int columns, bool color) : columns(std::clamp(columns - 2, 16, 128)), color(color) {}

  std::string group(const MaskGroup &group) const {
    std::string text =
        fmt::format("\nheads {}: {}\n", headsText(group.heads), maskText(group.mask));
    text += matrix(group.map) + counts(group.map);
    return hasSlices(group.map) ? text + slices(group.map) : text;
  }

  std::string legend() const {
    return fmt::format("\n{} empty  {} partial  {} full\n", cell(Shade::Empty),
                       cell(Shade::Partial), cell(Shade::Full));
  }

private:
  /// Colours of the 256-colour palette: grey, amber, blue.
  std::string cell(Shade shade) const {
    static constexpr const char *plain[] = {"·", "▒", "█"};
    static constexpr const char *colored[] = {"\033[38;5;240m·\033[0m", "\033[38;5;214m▒\033[0m",
                                              "\033[38;5;32m█\033[0m"};
    return (color ? colored : plain)[int(shade)];
  }

  /// Characters are twice as high as wide, so a large map gets half as many rows as columns.
  std::string matrix(const TileMap &map) const {
    ShadeGrid grid(map, std::min(columns, 64) * 3 / 4, columns);
    std::string text;
    for (int64_t r = 0; r < grid.rows; ++r) {
      text += "  ";
      for (int64_t c = 0; c < grid.columns; ++c)
        text += cell(grid.at(r, c));
      text += "\n";
    }
    text += "  rows are query tiles, columns key tiles";
    if (grid.rowStep > 1 || grid.columnStep > 1)
      text += fmt::format(", {} x {} to a character; one of unlike tiles is {}", grid.rowStep,
                          grid.columnStep, cell(Shade::Partial));
    return text + "\n";
  }

  std::string counts(const TileMap &map) const {
    Counts counts = countsOf(map);
    bool exact = counts.exact; // else the mask is data
    return fmt::format("  {}{} of {} tiles visited, {}{} full\n", exact ? "" : "at most ",
                       counts.tiles.visited, counts.tiles.all, exact ? "" : "at least ",
                       counts.tiles.full);
  }

  /// The key tiles of the query tile in the middle, a slice for every index of the first of three
  /// dimensions.
  std::string slices(const TileMap &map) const {
    MiddleTile middle(map);
    const TileGeometry &g = map.geometry();
    int64_t width = g.keyTiles(g.rank - 1), height = g.keyTiles(g.rank - 2);
    int64_t depth = int64_t(middle.shades.size()) / (width * height);
    std::string text = fmt::format("  key tiles of query tile {} at [{}]{}\n", middle.number,
                                   fmt::join(middle.at.begin(), middle.at.begin() + g.rank, ", "),
                                   depth > 1 ? ", one slice for each first coordinate" : "");
    int64_t wide = std::max<int64_t>(width, 4) + 2, beside = std::max<int64_t>(1, columns / wide);
    for (int64_t first = 0; first < depth; first += beside) {
      int64_t last = std::min(depth, first + beside);
      if (depth > 1)
        text += sliceTitles(first, last, wide);
      for (int64_t y = 0; y < height; ++y) {
        std::string line = "  ";
        for (int64_t z = first; z < last; ++z) {
          for (int64_t x = 0; x < width; ++x)
            line += cell(middle.shades[(z * height + y) * width + x]);
          if (z + 1 < last)
            line += std::string(wide - width, ' ');
        }
        text += line + "\n";
      }
    }
    return text;
  }

  static std::string sliceTitles(int64_t first, int64_t last, int64_t wide) {
    std::string line = "  ";
    for (int64_t z = first; z < last; ++z)
      line += fmt::format("{:<{}}", fmt::format("[{}]", z), wide);
    return line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }

  int columns;
  bool color;
};

} // namespace

Status writeText(const Picture &picture, int columns, bool color, const Sink &sink) {
  const Problem &p = picture.problem;
  TextPicture text(columns, color);
  Status written = sink(fmt::format(
      "{}: tokens {}, keys {}, query tile {}, key tile {}\n", picture.kernel, layoutText(p.tokens),
      layoutText(p.kvTokens), fmt::join(p.tiles.queryTile, "x"), fmt::join(p.tiles.keyTile, "x")));
  for (const MaskGroup *group : picture.groups)
    if (written)
      written = sink(text.group(*group));
  return written ? sink(text.legend()) : written;
}

} // namespace attn::tools
