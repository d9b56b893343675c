#include "tools/ShowFormats.h"

#include "simulator/Counts.h"
#include "tools/BoundSpec.h"
#include "tools/MaskText.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attn::tools {

namespace {

constexpr double kPanel = 480, kMargin = 56, kHead = 64, kFoot = 44;
/// Cells along the longer side: more would be smaller than a printed dot.
constexpr int64_t kMostCells = 240;
constexpr const char *kPartial = "#e69f00", *kFull = "#0072b2"; // told apart in every colour vision

std::string escaped(const std::string &text) {
  std::string out;
  for (char c : text)
    out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return out;
}

/// Text of a panel shortened so that it stays inside.
std::string fitted(const std::string &text) {
  constexpr size_t most = 74;
  return escaped(text.size() <= most ? text : text.substr(0, most - 3) + "...");
}

std::string label(double x, double y, int size, const char *extra, const std::string &text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{}\" {}>{}</text>\n", x, y, size, extra,
                     text);
}

/// Runs of equal cells of one row, each one rectangle.
std::string cells(const ShadeGrid &grid, double left, double top, double size) {
  std::string text;
  for (int64_t r = 0; r < grid.rows; ++r)
    for (int64_t c = 0; c < grid.columns;) {
      Shade shade = grid.at(r, c);
      int64_t end = c + 1;
      while (end < grid.columns && grid.at(r, end) == shade)
        ++end;
      if (shade != Shade::Empty)
        text += fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" "
                            "fill=\"{}\"/>\n",
                            left + c * size, top + r * size, (end - c) * size, size,
                            shade == Shade::Full ? kFull : kPartial);
      c = end;
    }
  return text;
}

std::string panel(const MaskGroup &group, double left) {
  ShadeGrid grid(group.map, kMostCells);
  Counts counts = countsOf(group.map);
  double size = kPanel / double(std::max<int64_t>({grid.rows, grid.columns, 1}));
  double width = size * double(grid.columns), height = size * double(grid.rows), top = kHead;
  std::string text = label(left, top - 24, 13, "font-weight=\"bold\"",
                           escaped("heads " + headsText(group.heads)));
  text += label(left, top - 8, 11, "", fitted(maskText(group.mask)));
  text += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
                      "fill=\"#f4f4f4\" stroke=\"#888\" stroke-width=\"0.75\"/>\n",
                      left, top, width, height);
  text += "<g shape-rendering=\"crispEdges\">\n" + cells(grid, left, top, size) + "</g>\n";
  text += label(left + width / 2, top + height + 16, 11, "text-anchor=\"middle\"",
                fmt::format("key tiles, 0 to {}", group.map.geometry().numKeyTiles() - 1));
  text += fmt::format("<text transform=\"translate({:.1f},{:.1f}) rotate(-90)\" font-size=\"11\" "
                      "text-anchor=\"middle\">query tiles, 0 to {}</text>\n",
                      left - 10, top + height / 2, group.map.geometry().numQueryTiles() - 1);
  text += label(left, top + height + 34, 11, "",
                fmt::format("{}{} of {} tiles visited, {} full; density {:.2f} %",
                            counts.exact ? "" : "≈ ", counts.tiles.visited, counts.tiles.all,
                            counts.tiles.full, 100 * counts.density()));
  return text;
}

std::string legend(double x, double y) {
  std::string text;
  for (auto [color, name] : {std::pair(kFull, "full: no mask needed"), {kPartial, "partial"},
                             {"#f4f4f4", "empty: never loaded"}}) {
    text += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"11\" height=\"11\" fill=\"{}\" "
                        "stroke=\"#888\" stroke-width=\"0.5\"/>\n",
                        x, y - 10, color);
    text += label(x + 16, y, 11, "", name);
    x += 140;
  }
  return text;
}

} // namespace

Status writeSvg(const Picture &picture, const Sink &sink) {
  const Problem &p = picture.problem;
  double width = kMargin + double(picture.groups.size()) * (kPanel + kMargin);
  double height = kHead + kPanel + kFoot + 28;
  std::string head = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" font-family=\"Helvetica, Arial, sans-serif\" fill=\"#222\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      width, height);
  head += label(kMargin, 22, 14, "font-weight=\"bold\"",
                escaped(fmt::format("{}: tokens {}, query tile {}, key tile {}", picture.kernel,
                                    layoutText(p.tokens), fmt::join(p.tiles.queryTile, "x"),
                                    fmt::join(p.tiles.keyTile, "x"))));
  if (Status written = sink(head); !written)
    return written;
  double left = kMargin;
  for (const MaskGroup *group : picture.groups) {
    if (Status written = sink(panel(*group, left)); !written)
      return written;
    left += kPanel + kMargin;
  }
  return sink(legend(kMargin, height - 12) + "</svg>\n");
}

} // namespace attn::tools
