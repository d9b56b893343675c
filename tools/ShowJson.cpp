#include "tools/ShowFormats.h"

#include "simulator/Counts.h"
#include "tools/BoundSpec.h"
#include "tools/MaskText.h"

#include "nlohmann/json.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attn::tools {

namespace {

/// Up to so many tiles in all, every tile is listed; above, boxes.
constexpr int64_t kMostListedTiles = 1 << 16;

/// In quotes; bytes that are no UTF-8, which MLIR allows in names, become U+FFFD.
std::string quoted(const std::string &text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string listOf(llvm::ArrayRef<int64_t> values) {
  return fmt::format("[{}]", fmt::join(values, ","));
}

llvm::ArrayRef<int64_t> firstOf(const Coords &coords, int rank) {
  return {coords.data(), size_t(rank)};
}

/// Calls visit(linear number, coordinates) for the tiles of a box.
template <class Visit>
void forTiles(const KeyBox &box, const TileGeometry &geometry, Visit &&visit) {
  Coords c = box.lo;
  for (bool more = true; more;) {
    visit(numberOf(c, geometry, false), c);
    int d = geometry.rank - 1;
    while (d >= 0 && ++c[d] == box.hi[d]) {
      c[d] = box.lo[d];
      --d;
    }
    more = d >= 0;
  }
}

std::string tilesText(const std::vector<KeyBox> &boxes, const TileGeometry &geometry, bool full) {
  std::vector<std::pair<int64_t, Coords>> tiles;
  for (const KeyBox &box : boxes)
    if (box.full == full)
      forTiles(box, geometry, [&](int64_t number, const Coords &c) {
        tiles.push_back({number, c});
      });
  std::sort(tiles.begin(), tiles.end());
  std::string numbers, coords;
  for (const auto &[number, c] : tiles) {
    numbers += fmt::format("{}{}", numbers.empty() ? "" : ",", number);
    coords += (coords.empty() ? "" : ",") + listOf(firstOf(c, geometry.rank));
  }
  const char *name = full ? "full" : "partial";
  return fmt::format("\"{0}\":[{1}],\"{0}_coords\":[{2}]", name, numbers, coords);
}

std::string boxesText(const std::vector<KeyBox> &boxes, const TileGeometry &geometry, bool full) {
  std::string text;
  for (const KeyBox &box : boxes)
    if (box.full == full)
      text += fmt::format("{}{{\"lo\":{},\"hi\":{}}}", text.empty() ? "" : ",",
                          listOf(firstOf(box.lo, geometry.rank)),
                          listOf(firstOf(box.hi, geometry.rank)));
  return fmt::format("\"{}_boxes\":[{}]", full ? "full" : "partial", text);
}

/// How many tiles a layout has in each dimension.
std::string gridOf(const TileGeometry &geometry, bool query) {
  Coords tiles{};
  for (int d = 0; d < geometry.rank; ++d)
    tiles[d] = query ? geometry.queryTiles(d) : geometry.keyTiles(d);
  return listOf(firstOf(tiles, geometry.rank));
}

Status writeGroup(const MaskGroup &group, bool listed, const Sink &sink) {
  const TileGeometry &geometry = group.map.geometry();
  Counts counts = countsOf(group.map);
  std::string head =
      fmt::format("{{\"heads\":{},\"mask\":{},\"exact\":{},\"tiles_visited\":{},\"tiles_full\":{},"
                  "\"tiles_all\":{},\"query_tiles\":[\n",
                  listOf(group.heads), quoted(maskText(group.mask)), counts.exact,
                  counts.tiles.visited, counts.tiles.full, counts.tiles.all);
  if (Status written = sink(head); !written)
    return written;
  std::vector<KeyBox> boxes;
  for (int64_t t = 0, count = geometry.numQueryTiles(); t < count; ++t) {
    group.map.boxes(t, boxes);
    auto tiles = listed ? tilesText : boxesText;
    std::string row = fmt::format("{{\"tile\":{},\"coords\":{},{},{}}}{}\n", t,
                                  listOf(firstOf(coordsOf(t, geometry, true), geometry.rank)),
                                  tiles(boxes, geometry, true), tiles(boxes, geometry, false),
                                  t + 1 < count ? "," : "");
    if (Status written = sink(row); !written)
      return written;
  }
  return sink("]}");
}

} // namespace

Status writeJson(const Picture &picture, const Sink &sink) {
  const Problem &p = picture.problem;
  const TileGeometry &geometry = p.geometry();
  bool listed =
      geometry.numQueryTiles() <= kMostListedTiles / std::max<int64_t>(geometry.numKeyTiles(), 1);
  std::string head =
      fmt::format("{{\"kernel\":{},\"tokens\":{},\"kv_tokens\":{},\"q_offset\":{},\"layout\":{},"
                  "\"kv_layout\":{},"
                  "\"q_tile\":{},\"k_tile\":{},\"q_tiles\":{},\"k_tiles\":{},\"encoding\":\"{}\","
                  "\"groups\":[\n",
                  quoted(picture.kernel), listOf(p.tokens), listOf(p.kvTokens), p.queryOffset,
                  listOf(p.tiles.layout), listOf(p.tiles.kvLayout), listOf(p.tiles.queryTile),
                  listOf(p.tiles.keyTile), gridOf(geometry, true), gridOf(geometry, false),
                  listed ? "tiles" : "boxes");
  if (Status written = sink(head); !written)
    return written;
  for (size_t i = 0; i < picture.groups.size(); ++i) {
    if (i > 0)
      if (Status written = sink(",\n"); !written)
        return written;
    if (Status written = writeGroup(*picture.groups[i], listed, sink); !written)
      return written;
  }
  return sink("\n]}\n");
}

} // namespace attn::tools
