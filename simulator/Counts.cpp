#include "simulator/Counts.h"

#include "llvm/ADT/STLExtras.h"

#include <limits>

using namespace mlir;

namespace attn {

static double ratio(int64_t whole, int64_t part) {
  if (part == 0)
    return whole == 0 ? 1 : std::numeric_limits<double>::infinity();
  return static_cast<double>(whole) / static_cast<double>(part);
}

double Counts::flopBound() const { return ratio(allPairs, visiblePairs); }
double Counts::tileMeanBound() const { return ratio(tiles.all, tiles.visited); }
double Counts::tileWorstBound() const { return ratio(tiles.all ? keyTiles : 0, tiles.worst); }
double Counts::density() const { return 1 / flopBound(); }

static int64_t saturated(__int128 value) {
  int64_t limit = std::numeric_limits<int64_t>::max();
  return value > limit ? limit : static_cast<int64_t>(value);
}

Counts countsOf(const TileMap &map) {
  const TileGeometry &geometry = map.geometry();
  Counts counts;
  counts.tiles = map.counts();
  counts.keyTiles = geometry.numKeyTiles();
  counts.visiblePairs = map.visiblePairs();
  __int128 pairs = 1;
  // Two layouts of at most 2^40 tokens: at most 2^80.
  for (int d = 0; d < geometry.rank; ++d)
    pairs *= __int128(geometry.queries[d]) * geometry.keys[d];
  counts.allPairs = saturated(pairs);
  counts.exact = counts.exactPairs = map.exact();
  return counts;
}

/// Pairs of the visited tiles, and of the full ones among them.
static std::pair<__int128, __int128> pairsOfTiles(const TileMap &map) {
  const TileGeometry &geometry = map.geometry();
  Coords grid = tileGrid(geometry, true);
  std::vector<KeyBox> boxes;
  __int128 visited = 0, full = 0;
  for (int64_t t = 0, count = geometry.numQueryTiles(); t < count; ++t) {
    TokenBox rows = tokensOfTile(geometry, coordsAt(t, grid, geometry.rank), true);
    map.boxes(t, boxes);
    for (const KeyBox &box : boxes) {
      __int128 pairs = 1;
      for (int d = 0; d < geometry.rank; ++d) {
        int64_t end = std::min(box.hi[d] * geometry.keyTile[d], geometry.keys[d]);
        pairs *= __int128(rows.hi[d] - rows.lo[d]) * (end - box.lo[d] * geometry.keyTile[d]);
      }
      visited += pairs;
      full += box.full ? pairs : 0;
    }
  }
  return {visited, full};
}

constexpr int64_t kMostElements = int64_t(1) << 24;

/// Nothing where they are too many, or some are left open.
static std::optional<int64_t> countElements(AttentionOp op, const Problem &problem,
                                            const MaskGroup &group) {
  int64_t pairs;
  if (__builtin_mul_overflow(problem.numQueries, problem.numKeys, &pairs) || pairs > kMostElements)
    return std::nullopt;
  FailureOr<MaskGroup> elements = mapElements(op, group, problem);
  if (failed(elements))
    return std::nullopt;
  TileCounts counts = elements->map.counts();
  if (counts.full != counts.visited)
    return std::nullopt;
  return counts.visited;
}

Counts countsOf(AttentionOp op, const Problem &problem, const MaskGroup &group) {
  Counts counts = countsOf(group.map);
  if (group.dataAtoms == 0)
    return counts;
  auto [visited, full] = pairsOfTiles(group.map);
  counts.visiblePairs = std::min(counts.visiblePairs, saturated(visited));
  counts.exactPairs = visited == full;
  if (counts.exactPairs || group.readsInputs)
    return counts;
  if (std::optional<int64_t> pairs = countElements(op, problem, group)) {
    counts.visiblePairs = *pairs;
    counts.exactPairs = true;
  }
  return counts;
}

Counts totalOf(const Problem &problem, ArrayRef<Counts> perGroup) {
  Counts total;
  __int128 visited = 0, full = 0, all = 0, visible = 0, pairs = 0;
  for (auto [group, counts] : llvm::zip_equal(problem.groups, perGroup)) {
    int64_t heads = static_cast<int64_t>(group.heads.size());
    visited += __int128(heads) * counts.tiles.visited;
    full += __int128(heads) * counts.tiles.full;
    all += __int128(heads) * counts.tiles.all;
    visible += __int128(heads) * counts.visiblePairs;
    pairs += __int128(heads) * counts.allPairs;
    total.tiles.worst = std::max(total.tiles.worst, counts.tiles.worst);
    total.keyTiles = counts.keyTiles;
    total.exact &= counts.exact;
    total.exactPairs &= counts.exactPairs;
  }
  total.tiles.visited = saturated(visited);
  total.tiles.full = saturated(full);
  total.tiles.all = saturated(all);
  total.visiblePairs = saturated(visible);
  total.allPairs = saturated(pairs);
  return total;
}

} // namespace attn
