#include "simulator/Counts.h"
#include "tools/BoundSpec.h"
#include "tools/MaskText.h"
#include "tools/ShowFormats.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

namespace attn::tools {

namespace {

// Lengths in SVG units. A panel is a matrix of tiles, and for layouts of several dimensions the
// slices of one query tile beside it.
constexpr double kPanel = 420, kLeft = 62, kRight = 18, kAbove = 46, kBelow = 66, kTitle = 44;
constexpr double kLegend = 34;
constexpr size_t kMostBytes = 900000, kMostPanelsInARow = 3;
// Told apart in every colour vision, and in print.
constexpr const char *kPartial = "#e69f00", *kFull = "#0072b2", *kEmpty = "#f4f4f4";

std::string escaped(const std::string &text) {
  std::string out;
  for (char c : text)
    out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return out;
}

/// Shortened so that it stays inside its panel.
std::string fitted(const std::string &text, size_t most) {
  return escaped(text.size() <= most ? text : text.substr(0, most - 3) + "...");
}

std::string label(double x, double y, const char *style, const std::string &text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, style, text);
}

std::string frame(double x, double y, double width, double height) {
  return fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" "
                     "fill=\"{}\" stroke=\"#777\" stroke-width=\"0.75\"/>\n",
                     x, y, width, height, kEmpty);
}

//===----------------------------------------------------------------------===//
// Cells
//===----------------------------------------------------------------------===//

/// Equal cells as few rectangles: runs along a row, joined with the same run of the row above. One
/// path for a shade, in units of cells.
class CellPaths {
public:
  template <class At> CellPaths(int64_t rows, int64_t columns, At &&at) {
    for (int64_t r = 0; r < rows; ++r) {
      std::vector<Run> here;
      for (int64_t c = 0; c < columns;) {
        Shade shade = at(r, c);
        int64_t end = c + 1;
        while (end < columns && at(r, end) == shade)
          ++end;
        if (shade != Shade::Empty)
          here.push_back({c, end, r, shade});
        c = end;
      }
      advance(std::move(here), r);
    }
    advance({}, rows);
  }

  std::string drawn(double x, double y, double cellWidth, double cellHeight) const {
    return fmt::format("<g transform=\"translate({:.2f} {:.2f}) scale({:.5f} {:.5f})\" "
                       "shape-rendering=\"crispEdges\">\n<path fill=\"{}\" d=\"{}\"/>\n"
                       "<path fill=\"{}\" d=\"{}\"/>\n</g>\n",
                       x, y, cellWidth, cellHeight, kPartial, paths[0], kFull, paths[1]);
  }

private:
  struct Run {
    int64_t begin, end, top;
    Shade shade;
  };

  /// The runs of row `row` continue those of the row above, which end where they do not.
  void advance(std::vector<Run> here, int64_t row) {
    size_t next = 0;
    for (const Run &run : open) {
      while (next < here.size() && here[next].begin < run.begin)
        ++next;
      bool continues = next < here.size() && here[next].begin == run.begin &&
                       here[next].end == run.end && here[next].shade == run.shade;
      if (continues)
        here[next].top = run.top;
      else
        paths[run.shade == Shade::Full] +=
            fmt::format("M{} {}h{}v{}h-{}z", run.begin, run.top, run.end - run.begin, row - run.top,
                        run.end - run.begin);
    }
    open = std::move(here);
  }

  std::vector<Run> open;
  std::string paths[2];
};

//===----------------------------------------------------------------------===//
// The matrix: query tiles against key tiles
//===----------------------------------------------------------------------===//

/// Where to write tile numbers on an axis of `tiles`: at most six multiples of a round number, or
/// of the tiles of one slice where the layout has several dimensions.
std::vector<int64_t> ticksOf(int64_t tiles, int64_t slice) {
  int64_t step = std::max<int64_t>(slice, 1);
  for (int64_t factor : {2, 5, 10, 20, 50, 100, 200, 500, 1000})
    if (tiles / step >= 6)
      step = std::max<int64_t>(slice, 1) * factor;
  while (tiles / step >= 6)
    step *= 10;
  std::vector<int64_t> ticks;
  for (int64_t t = 0; t < tiles; t += step)
    ticks.push_back(t);
  return ticks;
}

struct Axes {
  double x, y, width, height;

  std::string drawn(const TileGeometry &geometry) const {
    auto slice = [&](bool query) {
      int64_t n = 1;
      for (int d = 1; d < geometry.rank; ++d)
        n *= query ? geometry.queryTiles(d) : geometry.keyTiles(d);
      return geometry.rank > 1 ? n : 1;
    };
    std::string text;
    int64_t keyTiles = geometry.numKeyTiles(), queryTiles = geometry.numQueryTiles();
    for (int64_t t : ticksOf(keyTiles, slice(false))) {
      double at = x + width * double(t) / double(keyTiles);
      text += line(at, y + height, at, y + height + 4);
      text += label(at, y + height + 15, "text-anchor=\"middle\"", std::to_string(t));
    }
    for (int64_t t : ticksOf(queryTiles, slice(true))) {
      double at = y + height * double(t) / double(queryTiles);
      text += line(x - 4, at, x, at);
      text += label(x - 7, at + 4, "text-anchor=\"end\"", std::to_string(t));
    }
    text += label(x + width / 2, y + height + 31, "text-anchor=\"middle\"",
                  "key tile" + gridText(geometry, false));
    text += fmt::format("<text transform=\"translate({:.1f} {:.1f}) rotate(-90)\" "
                        "text-anchor=\"middle\">query tile{}</text>\n",
                        x - 46, y + height / 2, gridText(geometry, true));
    return text;
  }

private:
  static std::string line(double x0, double y0, double x1, double y1) {
    return fmt::format("<path d=\"M{:.2f} {:.2f}L{:.2f} {:.2f}\" stroke=\"#777\" "
                       "stroke-width=\"0.75\"/>\n",
                       x0, y0, x1, y1);
  }
  /// ", row-major in 15 x 6 x 10" where numbers need it.
  static std::string gridText(const TileGeometry &geometry, bool query) {
    if (geometry.rank == 1)
      return "";
    std::string text;
    for (int d = 0; d < geometry.rank; ++d)
      text += fmt::format("{}{}", d ? " x " : "",
                          query ? geometry.queryTiles(d) : geometry.keyTiles(d));
    return ", row-major in " + text;
  }
};

/// Cells as fine as `budget` bytes allow.
std::string matrixCells(const TileMap &map, const Axes &axes, size_t budget) {
  for (int64_t most = 1024;; most /= 2) {
    ShadeGrid grid(map, most, most);
    CellPaths paths(grid.rows, grid.columns,
                    [&](int64_t row, int64_t column) { return grid.at(row, column); });
    // The last cell may stand for fewer tiles, so that the picture ends where the axes do.
    double cellWidth = axes.width * double(grid.columnStep) / double(map.geometry().numKeyTiles());
    double cellHeight = axes.height * double(grid.rowStep) / double(map.geometry().numQueryTiles());
    std::string text = paths.drawn(axes.x, axes.y, cellWidth, cellHeight);
    if (text.size() <= budget || most <= 32)
      return text;
  }
}

//===----------------------------------------------------------------------===//
// Slices: the key tiles of one query tile in their layout
//===----------------------------------------------------------------------===//

std::string slices(const TileMap &map, double x, double y) {
  MiddleTile middle(map);
  const TileGeometry &g = map.geometry();
  int64_t width = g.keyTiles(g.rank - 1), height = g.keyTiles(g.rank - 2);
  int64_t depth = int64_t(middle.shades.size()) / (width * height);
  auto across = static_cast<int64_t>(std::ceil(std::sqrt(double(depth))));
  double pitch = kPanel / double(across), room = pitch - (depth > 1 ? 14 : 0);
  double size = std::min((pitch - 6) / double(width), room / double(height));
  std::string text =
      label(x, y - 8, "",
            fmt::format("key tiles of query tile {} at [{}]", middle.number,
                        fmt::join(middle.at.begin(), middle.at.begin() + g.rank, ", ")));
  for (int64_t z = 0; z < depth; ++z) {
    double left = x + pitch * double(z % across), top = y + pitch * double(z / across);
    if (depth > 1) {
      top += 12;
      text += label(left, top - 2, "font-size=\"9\"", fmt::format("[{}]", z));
    }
    text += frame(left, top, size * double(width), size * double(height));
    CellPaths paths(height, width, [&](int64_t row, int64_t column) {
      return middle.shades[(z * height + row) * width + column];
    });
    text += paths.drawn(left, top, size, size);
  }
  return text;
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

std::string countsText(const Counts &counts) {
  bool exact = counts.exact; // else the mask is data
  return fmt::format("{}{} of {} tiles visited, {}{} full; density {}{:.3g} %",
                     exact ? "" : "at most ", counts.tiles.visited, counts.tiles.all,
                     exact ? "" : "at least ", counts.tiles.full, exact ? "" : "at most ",
                     100 * counts.density());
}

double panelWidth(const TileMap &map) {
  return kLeft + kPanel + kRight + (hasSlices(map) ? kPanel + kRight : 0);
}

std::string panel(const MaskGroup &group, double left, double top, size_t budget) {
  const TileGeometry &geometry = group.map.geometry();
  int64_t queryTiles = geometry.numQueryTiles(), keyTiles = geometry.numKeyTiles();
  double longest = double(std::max<int64_t>({queryTiles, keyTiles, 1}));
  // A matrix of a few rows only would be a line.
  Axes axes{left + kLeft, top + kAbove, std::max(kPanel * double(keyTiles) / longest, 12.0),
            std::max(kPanel * double(queryTiles) / longest, 12.0)};
  std::string text = label(axes.x, top + 14, "font-weight=\"bold\" font-size=\"13\"",
                           fitted("heads " + headsText(group.heads), 60));
  text += label(axes.x, top + 30, "", fitted(maskText(group.mask), 78));
  text += frame(axes.x, axes.y, axes.width, axes.height);
  if (queryTiles > 0 && keyTiles > 0)
    text += matrixCells(group.map, axes, budget) + axes.drawn(geometry);
  text += label(axes.x, axes.y + axes.height + 50, "", countsText(countsOf(group.map)));
  if (hasSlices(group.map))
    text += slices(group.map, axes.x + kPanel + kRight, axes.y);
  return text;
}

std::string legend(double x, double y) {
  std::string text;
  for (auto [color, name] : {std::pair(kFull, "full: no mask needed"),
                             {kPartial, "partial"},
                             {kEmpty, "empty: never loaded"}}) {
    text += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"11\" height=\"11\" fill=\"{}\" "
                        "stroke=\"#777\" stroke-width=\"0.5\"/>\n",
                        x, y - 10, color);
    text += label(x + 16, y, "", name);
    x += 140;
  }
  return text;
}

} // namespace

Status writeSvg(const Picture &picture, const Sink &sink) {
  const Problem &p = picture.problem;
  size_t count = picture.groups.size();
  double pitchX = panelWidth(picture.groups.front()->map), pitchY = kAbove + kPanel + kBelow;
  size_t across = std::min(count, pitchX > kLeft + 2 * kPanel ? size_t(1) : kMostPanelsInARow);
  double width = pitchX * double(across);
  double height = kTitle + pitchY * double((count + across - 1) / across) + kLegend;
  std::string head = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"11\" "
      "fill=\"#222\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      width, height);
  head += label(kLeft, 26, "font-size=\"15\" font-weight=\"bold\"", escaped(picture.kernel));
  head += label(kLeft, 42, "",
                fmt::format("tokens {}, keys {}, query tile {}, key tile {}", layoutText(p.tokens),
                            layoutText(p.kvTokens), fmt::join(p.tiles.queryTile, "x"),
                            fmt::join(p.tiles.keyTile, "x")));
  Status written = sink(head);
  for (size_t i = 0; i < count && written; ++i)
    written = sink(panel(*picture.groups[i], pitchX * double(i % across),
                         kTitle + pitchY * double(i / across), kMostBytes / count));
  return written ? sink(legend(kLeft, height - 14) + "</svg>\n") : written;
}

} // namespace attn::tools
