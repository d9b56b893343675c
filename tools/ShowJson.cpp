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
    coords += (coords.empty() ? "" : ",") + jsonList(firstOf(c, geometry.rank));
  }
  const char *name = full ? "full" : "partial";
  return fmt::format("\"{0}\":[{1}],\"{0}_coords\":[{2}]", name, numbers, coords);
}

std::string boxesText(const std::vector<KeyBox> &boxes, const TileGeometry &geometry, bool full) {
  std::string text;
  for (const KeyBox &box : boxes)
    if (box.full == full)
      text += fmt::format("{}{{\"lo\":{},\"hi\":{}}}", text.empty() ? "" : ",",
                          jsonList(firstOf(box.lo, geometry.rank)),
                          jsonList(firstOf(box.hi, geometry.rank)));
  return fmt::format("\"{}_boxes\":[{}]", full ? "full" : "partial", text);
}

/// How many tiles a layout has in each dimension.
std::string gridText(const TileGeometry &geometry, bool query) {
  return jsonList(firstOf(tileGrid(geometry, query), geometry.rank));
}

Status writeGroup(const MaskGroup &group, bool listed, const Sink &sink) {
  const TileGeometry &geometry = group.map.geometry();
  Counts counts = countsOf(group.map);
  std::string head =
      fmt::format("{{\"heads\":{},\"mask\":{},\"exact\":{},\"tiles_visited\":{},\"tiles_full\":{},"
                  "\"tiles_all\":{},\"query_tiles\":[\n",
                  jsonList(group.heads), jsonString(maskText(group.mask)), counts.exact,
                  counts.tiles.visited, counts.tiles.full, counts.tiles.all);
  if (Status written = sink(head); !written)
    return written;
  std::vector<KeyBox> boxes;
  for (int64_t t = 0, count = geometry.numQueryTiles(); t < count; ++t) {
    group.map.boxes(t, boxes);
    auto tiles = listed ? tilesText : boxesText;
    std::string row = fmt::format("{{\"tile\":{},\"coords\":{},{},{}}}{}\n", t,
                                  jsonList(firstOf(coordsOf(t, geometry, true), geometry.rank)),
                                  tiles(boxes, geometry, true), tiles(boxes, geometry, false),
                                  t + 1 < count ? "," : "");
    if (Status written = sink(row); !written)
      return written;
  }
  return sink("]}");
}

} // namespace

std::string jsonString(const std::string &text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string readable(const std::string &text) {
  auto valid = nlohmann::json::parse(jsonString(text)).get<std::string>();
  for (char &c : valid)
    if (static_cast<unsigned char>(c) < ' ')
      c = ' ';
  return valid;
}

std::string jsonList(llvm::ArrayRef<int64_t> values) {
  return fmt::format("[{}]", fmt::join(values, ","));
}

std::string jsonLayouts(const Picture &picture) {
  const Problem &p = picture.problem;
  return fmt::format(
      "\"kernel\":{},\"tokens\":{},\"kv_tokens\":{},\"num_queries\":{},"
      "\"num_keys\":{},\"q_offset\":{},\"batch_entry\":{},\"layout\":{},"
      "\"kv_layout\":{},\"steps\":{},\"q_tile\":{},\"k_tile\":{},\"q_tiles\":{},\"k_tiles\":{}",
      jsonString(picture.kernel), jsonList(p.tokens), jsonList(p.kvTokens), p.numQueries, p.numKeys,
      p.queryOffset, p.inputs ? std::to_string(p.inputs->batch) : "null", jsonList(p.tiles.layout),
      jsonList(p.tiles.kvLayout), jsonList(p.tiles.steps), jsonList(p.tiles.queryTile),
      jsonList(p.tiles.keyTile), gridText(p.geometry(), true), gridText(p.geometry(), false));
}

Status writeJson(const Picture &picture, const Sink &sink) {
  const TileGeometry &geometry = picture.problem.geometry();
  bool listed =
      geometry.numQueryTiles() <= kMostListedTiles / std::max<int64_t>(geometry.numKeyTiles(), 1);
  std::string head = fmt::format("{{{},\"encoding\":\"{}\",\"groups\":[\n", jsonLayouts(picture),
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
