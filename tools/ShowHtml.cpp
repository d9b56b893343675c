//===- ShowHtml.cpp - a tile map as one page that explains itself ----------===//
//
// The page is tools/show/page.html with its style and scripts, put together by
// tools/show/embed.cmake; this file writes the data in its middle. docs/show-json.md names the
// fields.
//
//===----------------------------------------------------------------------===//
#include "simulator/Counts.h"
#include "tools/BoundSpec.h"
#include "tools/MaskText.h"
#include "tools/ShowTerms.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

namespace attn::tools {

namespace {

constexpr const char kPageHead[] =
#include "tools/ShowPageHead.inc"
    ;
constexpr const char kPageTail[] =
#include "tools/ShowPageTail.inc"
    ;

/// The rows of all groups together; a group gets an equal share of what those before it left.
constexpr size_t kMostBytes = 2'500'000;
/// Query tiles looked at, at most: more take seconds.
constexpr int64_t kMostRows = int64_t(1) << 17;

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// Rows are lists of numbers: class, lo, hi of box after box. Neighbouring ones mostly differ by a
/// constant list, so they are written as progressions [count, first row, step].
class RowProgressions {
public:
  void add(std::vector<int64_t> row) {
    bool continues = count > 0 && fits(row);
    if (!continues)
      flush();
    if (count == 0)
      first = row;
    if (count == 1)
      step = difference(row, last);
    last = std::move(row);
    ++count;
  }
  const std::string &finish() {
    flush();
    return text;
  }
  size_t size() const { return text.size(); }

private:
  static std::vector<int64_t> difference(const std::vector<int64_t> &a,
                                         const std::vector<int64_t> &b) {
    std::vector<int64_t> result(a.size());
    for (size_t i = 0; i < a.size(); ++i)
      result[i] = a[i] - b[i];
    return result;
  }
  bool fits(const std::vector<int64_t> &row) const {
    return row.size() == last.size() && (count == 1 || difference(row, last) == step);
  }
  void flush() {
    if (count == 0)
      return;
    text += text.empty() ? "" : ",\n";
    text += count == 1
                ? fmt::format("[1,[{}]]", fmt::join(first, ","))
                : fmt::format("[{},[{}],[{}]]", count, fmt::join(first, ","), fmt::join(step, ","));
    count = 0;
  }

  std::vector<int64_t> first, last, step;
  int64_t count = 0;
  std::string text;
};

/// The rows of every `rowStep`-th query tile; nothing when they need more than `budget` bytes.
std::optional<std::string> rowsText(const TileMap &map, int64_t rowStep, size_t budget) {
  const TileGeometry &g = map.geometry();
  RowProgressions rows;
  std::vector<KeyBox> boxes;
  for (int64_t t = 0, count = g.numQueryTiles(); t < count; t += rowStep) {
    map.boxes(t, boxes);
    std::vector<int64_t> row;
    for (const KeyBox &box : boxes) {
      row.push_back(int64_t(box.full ? Shade::Full : Shade::Partial));
      row.insert(row.end(), box.lo.begin(), box.lo.begin() + g.rank);
      row.insert(row.end(), box.hi.begin(), box.hi.begin() + g.rank);
    }
    rows.add(std::move(row));
    if (rows.size() > budget)
      return std::nullopt;
  }
  return rows.finish();
}

struct Rows {
  int64_t step;
  std::vector<std::string> ofTerm;
};

/// The finest rows within the budget; one row is always written.
Rows fittingRows(const std::vector<MaskTerm> &terms, size_t budget) {
  int64_t queryTiles = terms.front().group.map.geometry().numQueryTiles();
  for (int64_t step = std::max<int64_t>(1, ceilDiv(queryTiles, kMostRows));; step *= 2) {
    bool coarsest = step >= queryTiles;
    Rows rows{step, {}};
    size_t left = budget;
    for (const MaskTerm &term : terms) {
      std::optional<std::string> text = rowsText(term.group.map, step, coarsest ? SIZE_MAX : left);
      if (!text)
        break;
      left -= std::min(left, text->size());
      rows.ofTerm.push_back(std::move(*text));
    }
    if (rows.ofTerm.size() == terms.size())
      return rows;
  }
}

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

std::string jsonNumber(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "null";
}

std::string countsText(const Counts &c) {
  return fmt::format(
      "\"exact\":{},\"exact_pairs\":{},\"tiles_visited\":{},\"tiles_full\":{},\"tiles_all\":{},"
      "\"tiles_worst_query\":{},\"visible_pairs\":{},\"all_pairs\":{},\"density\":{},"
      "\"bounds\":{{\"flop\":{},\"tile_mean\":{},\"tile_worst\":{}}}",
      c.exact, c.exactPairs, c.tiles.visited, c.tiles.full, c.tiles.all, c.tiles.worst,
      c.visiblePairs, c.allPairs, jsonNumber(c.density()), jsonNumber(c.flopBound()),
      jsonNumber(c.tileMeanBound()), jsonNumber(c.tileWorstBound()));
}

std::string groupText(const Picture &picture, const MaskGroup &group, size_t budget) {
  std::vector<MaskTerm> terms = termsOf(picture, group);
  Rows rows = fittingRows(terms, budget);
  std::string text =
      fmt::format("{{\"heads\":{},\"mask\":{},{},\"row_step\":{},\"terms\":[\n",
                  jsonList(group.heads), jsonString(maskText(group.mask)),
                  countsText(countsOf(picture.attention, picture.problem, group)), rows.step);
  for (size_t i = 0; i < terms.size(); ++i) {
    const MaskTerm &term = terms[i];
    text += fmt::format("{}{{\"op\":\"{}\",\"operands\":[{}],\"text\":{},\"rule\":{},\"data\":{},"
                        "\"rows\":[\n{}]}}",
                        i > 0 ? ",\n" : "", term.op, fmt::join(term.operands, ","),
                        jsonString(maskText(term.group.mask)), jsonString(term.rule),
                        term.group.readsInputs, rows.ofTerm[i]);
  }
  return text + "]}";
}

/// Inside a script element nothing may look like its end.
std::string withoutAngles(const std::string &json) {
  std::string text;
  for (char c : json)
    text += c == '<' ? "\\u003c" : std::string(1, c);
  return text;
}

} // namespace

Status writeHtml(const Picture &picture, const Sink &sink) {
  std::string data =
      fmt::format("{{{},\"heads\":{},\"groups\":[\n", jsonLayouts(picture), picture.problem.heads);
  size_t used = 0, count = picture.groups.size();
  for (size_t i = 0; i < count; ++i) {
    size_t left = kMostBytes - std::min(used, kMostBytes);
    std::string text = groupText(picture, *picture.groups[i], left / (count - i));
    used += text.size();
    data += (i > 0 ? ",\n" : "") + text;
  }
  data += "]}\n";
  Status written = sink(kPageHead);
  if (written)
    written = sink(withoutAngles(data));
  return written ? sink(kPageTail) : written;
}

} // namespace attn::tools
