#include "simulator/Counts.h"
#include "tools/BoundSpec.h"
#include "tools/MaskText.h"
#include "tools/ShowFormats.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace attn::tools {

namespace {

// Lengths in SVG units. A panel is a matrix of tiles, and for layouts of several dimensions the
// slices of one query tile beside it.
constexpr double kPanel = 420, kLeft = 78, kRight = 36, kAbove = 50, kBelow = 68, kTitle = 48;
constexpr double kLegend = 36, kSliceTitle = 15, kSliceGap = 8;
constexpr size_t kMostBytes = 900000, kMostPanelsInARow = 3;
/// Characters of a line of text that is as wide as a panel.
constexpr size_t kLineLength = 72;
// Those of the page (tools/show/page.css): told apart in every colour vision, and in print.
constexpr const char *kPartial = "#e69f00", *kFull = "#0072b2", *kMixed = "#7fb8d8",
                     *kEmpty = "#f0f1f3";

std::string escaped(const std::string &text) {
  std::string out;
  for (char c : readable(text))
    out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return out;
}

/// The text in lines of a panel's width, broken at spaces; of more than two lines the rest is dots.
std::vector<std::string> fittingLines(std::string text) {
  std::vector<std::string> lines;
  while (text.size() > kLineLength && lines.size() < 2) {
    size_t end = text.rfind(' ', kLineLength);
    if (end == std::string::npos || end == 0)
      break;
    lines.push_back(text.substr(0, end));
    text = text.substr(end + 1);
  }
  if (lines.size() == 2)
    lines.back() += " ...";
  else
    lines.push_back(text.size() <= kLineLength ? text : text.substr(0, kLineLength) + "...");
  return lines;
}

std::string label(double x, double y, const char *style, const std::string &text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, style, text);
}

std::string frame(double x, double y, double width, double height) {
  return fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" "
                     "fill=\"{}\" stroke=\"#59636e\" stroke-width=\"0.75\"/>\n",
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
    std::string text = fmt::format("<g transform=\"translate({:.2f} {:.2f}) scale({:.5f} {:.5f})\" "
                                   "shape-rendering=\"crispEdges\">\n",
                                   x, y, cellWidth, cellHeight);
    for (auto [shade, color] :
         {std::pair(Shade::Mixed, kMixed), {Shade::Full, kFull}, {Shade::Partial, kPartial}})
      if (const std::string &path = paths[size_t(shade)]; !path.empty())
        text += fmt::format("<path fill=\"{}\" d=\"{}\"/>\n", color, path);
    return text + "</g>\n";
  }
  bool has(Shade shade) const { return !paths[size_t(shade)].empty(); }

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
        paths[size_t(run.shade)] +=
            fmt::format("M{} {}h{}v{}h-{}z", run.begin, run.top, run.end - run.begin, row - run.top,
                        run.end - run.begin);
    }
    open = std::move(here);
  }

  std::vector<Run> open;
  std::array<std::string, 4> paths; ///< of each shade; nothing is drawn where all is empty
};

//===----------------------------------------------------------------------===//
// The matrix: query tiles against key tiles
//===----------------------------------------------------------------------===//

/// Where tiles are numbered on an axis: at most six multiples of a power of two, or of the tiles of
/// one slice where the layout has several dimensions.
std::vector<int64_t> ticksOf(int64_t tiles, int64_t slice) {
  int64_t step = std::max<int64_t>(slice, 1);
  while (tiles / step > 6)
    step *= 2;
  std::vector<int64_t> ticks;
  for (int64_t t = 0; t <= tiles; t += step)
    ticks.push_back(t);
  return ticks;
}

/// The sides of a matrix. In one dimension they count tokens, in several the tiles in row-major
/// order.
struct Axes {
  double x, y, width, height;

  std::string drawn(const TileGeometry &geometry) const {
    std::string text;
    int64_t keyTiles = geometry.numKeyTiles(), queryTiles = geometry.numQueryTiles();
    for (int64_t t : ticksOf(keyTiles, sliceOf(geometry, false))) {
      double at = x + width * double(t) / double(keyTiles);
      text += line(at, y + height, at, y + height + 4);
      text += label(at, y + height + 16, "text-anchor=\"middle\"", number(t, geometry, false));
    }
    for (int64_t t : ticksOf(queryTiles, sliceOf(geometry, true))) {
      double at = y + height * double(t) / double(queryTiles);
      text += line(x - 4, at, x, at);
      if (t == 0 || height >= 30) // else the numbers would touch
        text += label(x - 7, at + 4, "text-anchor=\"end\"", number(t, geometry, true));
    }
    text += label(x + width / 2, y + height + 33, "text-anchor=\"middle\"", title(geometry, false));
    // A title that is longer than a low matrix begins at its foot, beside it.
    double middle = std::max(y + height / 2, y + 60);
    text += fmt::format("<text transform=\"translate({:.1f} {:.1f}) rotate(-90)\" "
                        "text-anchor=\"middle\">{}</text>\n",
                        x - kLeft + 14, middle, height < 120 ? "queries" : title(geometry, true));
    return text;
  }

private:
  static std::string line(double x0, double y0, double x1, double y1) {
    return fmt::format("<path d=\"M{:.2f} {:.2f}L{:.2f} {:.2f}\" stroke=\"#59636e\" "
                       "stroke-width=\"0.75\"/>\n",
                       x0, y0, x1, y1);
  }
  static int64_t sliceOf(const TileGeometry &geometry, bool query) {
    int64_t n = 1;
    for (int d = 1; d < geometry.rank; ++d)
      n *= query ? geometry.queryTiles(d) : geometry.keyTiles(d);
    return n;
  }
  static std::string number(int64_t tile, const TileGeometry &geometry, bool query) {
    if (geometry.rank > 1)
      return grouped(tile);
    int64_t extent = query ? geometry.queryTile[0] : geometry.keyTile[0];
    return grouped(std::min(tile * extent, query ? geometry.queries[0] : geometry.keys[0]));
  }
  static std::string title(const TileGeometry &geometry, bool query) {
    const char *side = query ? "query" : "key";
    if (geometry.rank == 1)
      return fmt::format("{} tokens, {} to a tile", side,
                         query ? geometry.queryTile[0] : geometry.keyTile[0]);
    std::string grid;
    for (int d = 0; d < geometry.rank; ++d)
      grid += fmt::format("{}{}", d ? " \u00d7 " : "",
                          query ? geometry.queryTiles(d) : geometry.keyTiles(d));
    return fmt::format("{} tiles, row-major in {}", side, grid);
  }
};

struct Cells {
  std::string text;
  bool mixed = false; ///< some cell is
};

/// Cells as fine as `budget` bytes allow.
Cells matrixCells(const TileMap &map, const Axes &axes, size_t budget) {
  for (int64_t most = 1024;; most /= 2) {
    ShadeGrid grid(map, most, most);
    CellPaths paths(grid.rows, grid.columns,
                    [&](int64_t row, int64_t column) { return grid.at(row, column); });
    // The last cell may stand for fewer tiles, so that the picture ends where the axes do.
    double cellWidth = axes.width * double(grid.columnStep) / double(map.geometry().numKeyTiles());
    double cellHeight = axes.height * double(grid.rowStep) / double(map.geometry().numQueryTiles());
    Cells cells{paths.drawn(axes.x, axes.y, cellWidth, cellHeight), paths.has(Shade::Mixed)};
    if (cells.text.size() <= budget || most <= 32)
      return cells;
  }
}

//===----------------------------------------------------------------------===//
// Slices: the key tiles of one query tile in their layout
//===----------------------------------------------------------------------===//

/// Slices of the last two dimensions, as large as fit in a panel; four dimensions make a table.
struct SliceTable {
  int64_t width, height, depth; ///< tiles of a slice, and slices
  int64_t across = 1;
  double cellWidth = 0, cellHeight = 0, pitchX = 0, pitchY = 0, top = 0;

  explicit SliceTable(const TileGeometry &g)
      : width(g.keyTiles(g.rank - 1)), height(g.keyTiles(g.rank - 2)),
        depth(g.numKeyTiles() / (width * height)) {
    // Tokens are squares, but a slice is at most six times as long as wide.
    double ratio = double(g.keyTile[g.rank - 2]) / double(g.keyTile[g.rank - 1]);
    double shape = double(height) / double(width);
    ratio = std::clamp(ratio * shape, 1.0 / 6, 6.0) / shape;
    top = depth > 1 ? kSliceTitle : 0;
    for (int64_t n = 1; n <= depth; ++n) {
      if (g.rank == 4 && n != g.keyTiles(1))
        continue;
      auto down = double((depth + n - 1) / n);
      double fitted = std::min((kPanel + kSliceGap) / double(n) - kSliceGap,
                               (kPanel / down - top - kSliceGap) / (shape * ratio));
      if (fitted <= cellWidth * double(width))
        continue;
      across = n;
      cellWidth = fitted / double(width);
    }
    cellHeight = cellWidth * ratio;
    pitchX = cellWidth * double(width) + kSliceGap;
    pitchY = cellHeight * double(height) + top + kSliceGap;
  }
  double bottom() const { return pitchY * double((depth + across - 1) / across); }
};

std::string slices(const TileMap &map, double x, double y) {
  MiddleTile middle(map);
  const TileGeometry &g = map.geometry();
  SliceTable table(g);
  std::string text =
      label(x, y - 8, "",
            fmt::format("key tiles of query tile {} at [{}]{}", grouped(middle.number),
                        fmt::join(middle.at.begin(), middle.at.begin() + g.rank, ", "),
                        table.depth > 1 ? fmt::format("; dimensions {} and {}, slice by slice",
                                                      g.rank - 2, g.rank - 1)
                                        : ""));
  for (int64_t z = 0; z < table.depth; ++z) {
    double left = x + table.pitchX * double(z % table.across);
    double top = y + table.pitchY * double(z / table.across) + table.top;
    if (table.depth > 1)
      text += label(left, top - 3, "font-size=\"9\"", sliceTitle(z, g));
    text += frame(left, top, table.cellWidth * double(table.width),
                  table.cellHeight * double(table.height));
    CellPaths paths(table.height, table.width, [&](int64_t row, int64_t column) {
      return middle.shades[(z * table.height + row) * table.width + column];
    });
    text += paths.drawn(left, top, table.cellWidth, table.cellHeight);
  }
  return text;
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

std::string countsText(const Counts &counts) {
  bool exact = counts.exact; // else the mask is data
  return fmt::format("{}{} of {} tiles visited, {}{} full; {}{:.3g} % of the pairs visible",
                     exact ? "" : "at most ", grouped(counts.tiles.visited),
                     grouped(counts.tiles.all), exact ? "" : "at least ",
                     grouped(counts.tiles.full), counts.exactPairs ? "" : "at most ",
                     100 * counts.density());
}

double panelWidth(const TileMap &map) {
  return kLeft + kPanel + kRight + (hasSlices(map) ? kPanel + kRight : 0);
}

/// The matrix of a panel, at (0, 0): tokens are squares unless that makes it a line.
Axes axesOf(const TileGeometry &geometry) {
  auto queries = double(geometry.numQueryTiles()), keys = double(geometry.numKeyTiles());
  if (geometry.rank == 1) {
    queries *= double(geometry.queryTile[0]);
    keys *= double(geometry.keyTile[0]);
  }
  double longest = std::max({queries, keys, 1.0});
  return {0, 0, std::max(kPanel * keys / longest, 24.0),
          std::max(kPanel * queries / longest, 24.0)};
}

double panelHeight(const TileMap &map) {
  double height = axesOf(map.geometry()).height + kBelow;
  return kAbove + (hasSlices(map) ? std::max(height, SliceTable(map.geometry()).bottom()) : height);
}

/// Draws a panel; whether it has mixed cells.
Cells panel(const Picture &picture, const MaskGroup &group, double left, double top,
            size_t budget) {
  const TileGeometry &geometry = group.map.geometry();
  Axes axes = axesOf(geometry);
  axes.x = left + kLeft;
  axes.y = top + kAbove;
  std::string mask = maskText(group.mask);
  std::vector<std::string> lines = fittingLines(readable(mask));
  Cells result{"<g><title>" + escaped(mask) + "</title>\n"};
  result.text +=
      label(axes.x, axes.y - 8 - 13 * double(lines.size()), "font-weight=\"bold\" font-size=\"12\"",
            fittingLines(headsTitle(group)).front());
  for (size_t i = 0; i < lines.size(); ++i)
    result.text +=
        label(axes.x, axes.y - 8 - 13 * double(lines.size() - 1 - i), "", escaped(lines[i]));
  result.text += frame(axes.x, axes.y, axes.width, axes.height);
  if (geometry.numQueryTiles() > 0 && geometry.numKeyTiles() > 0) {
    Cells cells = matrixCells(group.map, axes, budget);
    result.text += cells.text + axes.drawn(geometry);
    result.mixed = cells.mixed;
  }
  result.text += label(axes.x, axes.y + axes.height + 52, "",
                       countsText(countsOf(picture.attention, picture.problem, group)));
  if (hasSlices(group.map))
    result.text += slices(group.map, axes.x + kPanel + kRight, axes.y);
  result.text += "</g>\n";
  return result;
}

std::string legend(double x, double y, bool mixed) {
  std::string text;
  for (auto [color, name, width] : {std::tuple(kFull, "full: no mask needed", 138.0),
                                    {kPartial, "partial", 66.0},
                                    {kEmpty, "empty: never loaded", 136.0},
                                    {kMixed, "some full, some empty", 0.0}}) {
    if (color == kMixed && !mixed)
      continue;
    text += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"11\" height=\"11\" fill=\"{}\" "
                        "stroke=\"#59636e\" stroke-width=\"0.5\"/>\n",
                        x, y - 10, color);
    text += label(x + 16, y, "", name);
    x += width + 16;
  }
  return text;
}

} // namespace

Status writeSvg(const Picture &picture, const Sink &sink) {
  const Problem &p = picture.problem;
  size_t count = picture.groups.size();
  const TileMap &map = picture.groups.front()->map;
  double pitchX = panelWidth(map), pitchY = panelHeight(map);
  size_t across = std::min(count, hasSlices(map) ? size_t(1) : kMostPanelsInARow);
  double width = pitchX * double(across);
  double height = kTitle + pitchY * double((count + across - 1) / across) + kLegend;
  std::string head = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"11\" "
      "fill=\"#1f2328\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      width, height);
  head += label(kLeft, 26, "font-size=\"15\" font-weight=\"bold\"", escaped(picture.kernel));
  head += label(kLeft, 43, "",
                fmt::format("tokens {}, keys {}, query tile {}, key tile {}", layoutText(p.tokens),
                            layoutText(p.kvTokens), fmt::join(p.tiles.queryTile, " \u00d7 "),
                            fmt::join(p.tiles.keyTile, " \u00d7 ")));
  Status written = sink(head);
  bool mixed = false;
  for (size_t i = 0; i < count && written; ++i) {
    Cells drawn = panel(picture, *picture.groups[i], pitchX * double(i % across),
                        kTitle + pitchY * double(i / across), kMostBytes / count);
    mixed |= drawn.mixed;
    written = sink(drawn.text);
  }
  return written ? sink(legend(kLeft, height - 16, mixed) + "</svg>\n") : written;
}

} // namespace attn::tools
