#include "simulator/CpuTiles.h"

#include "mlir/IR/BuiltinTypeInterfaces.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <algorithm>
#include <limits>
#include <tuple>

using llvm::ArrayRef;

namespace attn {

namespace {

/// The cheapest tiles so far.
class Cheapest {
public:
  Cheapest(AttentionOp op, const TileChoice &usual, const CpuTileCosts &costs)
      : usual(usual), costs(costs), problems(op), masks(int64_t(groupHeads(op).size())) {}

  /// Looks at the tiles unless that has taken long already; the first ones are the usual ones.
  void lookAt(ArrayRef<int64_t> queryTile, ArrayRef<int64_t> keyTile) {
    std::pair<Box, Box> tiles(queryTile, keyTile);
    if (llvm::is_contained(seen, tiles) || !mayMap(queryTile))
      return;
    seen.push_back(tiles);
    std::optional<Problem> problem = problems.with(queryTile, keyTile);
    if (!problem)
      return;
    note(*problem);
    double cost = costOf(*problem);
    if (seen.size() == 1)
      cost *= kClearlyFaster;
    costOfQueryTile.push_back({cost, Box(queryTile)});
    if (cost < best)
      best = cost, bestTiles = seen.back();
  }

  /// The query tiles of the cheapest, the cheapest first.
  std::vector<Box> bestQueryTiles(size_t count) {
    llvm::stable_sort(costOfQueryTile, llvm::less_first());
    std::vector<Box> boxes;
    for (auto &[cost, box] : costOfQueryTile)
      if (boxes.size() < count && !llvm::is_contained(boxes, box))
        boxes.push_back(box);
    return boxes;
  }

  bool hasAny() const { return !costOfQueryTile.empty(); }
  /// Needs any.
  TileChoice choice() const {
    TileChoice tiles = usual;
    tiles.queryTile = bestTiles.first;
    tiles.keyTile = bestTiles.second;
    return tiles;
  }

private:
  /// Whether maps of such query tiles can be made in some ten milliseconds, those made already included.
  bool mayMap(ArrayRef<int64_t> queryTile) const {
    constexpr int64_t kMostMaps = 64, kMostOfMask = 8, kMostQueryTiles = 1 << 18;
    double tiles = double(queryTiles), each = double(masks);
    for (auto [length, extent] : llvm::zip_equal(usual.layout, queryTile))
      if (!mlir::ShapedType::isDynamic(length)) // open lengths are short ones here
        each *= double(ceilDiv(length, extent));
    return maps <= std::max(kMostMaps, kMostOfMask * masks) && tiles + each <= double(kMostQueryTiles);
  }
  void note(const Problem &problem) {
    maps += int64_t(problem.groups.size());
    queryTiles += int64_t(problem.groups.size()) * problem.tiling.numQueryTiles();
  }

  /// Of all visited tiles.
  double costOf(const Problem &problem) {
    double queries = double(productOf(problem.tiles.queryTile));
    double keys = double(productOf(problem.tiles.keyTile)), cost = pairsOf(problem);
    for (const MaskGroup &group : problem.groups) {
      TileCounts counts = group.map.counts();
      double tile = queries * costs.keysPerQuery + keys * costs.queriesPerKey;
      double partial = double(counts.visited - counts.full) * costs.partialShare * queries * keys;
      cost += double(group.heads.size()) * (double(counts.visited) * tile + partial);
    }
    return cost;
  }

  /// That are computed: those of a block of queries and a slab of keys of which any is visible.
  double pairsOf(const Problem &problem) {
    Box queryTile = problem.tiles.queryTile, keyTile = problem.tiles.keyTile;
    if (costs.blockQueries > 0) {
      while (productOf(queryTile) > costs.blockQueries)
        shorten(queryTile);
      // What is left out begins at a multiple of eight keys; between the first and the last nothing is.
      constexpr int64_t kStep = 8;
      auto outer = llvm::find_if(keyTile, [](int64_t extent) { return extent > 1; });
      while (outer != keyTile.end() && *outer > 1 && productOf(keyTile) > kStep)
        *outer /= 2;
    }
    auto known = llvm::find_if(pairsOfBlocks, [&](const auto &one) {
      return std::get<0>(one) == queryTile && std::get<1>(one) == keyTile;
    });
    if (known != pairsOfBlocks.end())
      return std::get<2>(*known);
    std::optional<Problem> blocks;
    if (mayMap(queryTile))
      blocks = problems.with(queryTile, keyTile);
    if (!blocks)
      return visitedPairs(problem);
    note(*blocks);
    double pairs = visitedPairs(*blocks);
    pairsOfBlocks.emplace_back(queryTile, keyTile, pairs);
    return pairs;
  }

  static double visitedPairs(const Problem &problem) {
    double visited = 0;
    for (const MaskGroup &group : problem.groups)
      visited += double(group.heads.size()) * double(group.map.counts().visited);
    return visited * double(productOf(problem.tiles.queryTile)) * double(productOf(problem.tiles.keyTile));
  }

  /// Halves the outermost extent that can be: the rows of a box are numbered row-major.
  static void shorten(Box &box) {
    *llvm::find_if(box, [](int64_t extent) { return extent > 1; }) /= 2;
  }

  const TileChoice &usual;
  const CpuTileCosts &costs;
  TiledProblems problems;
  std::vector<std::pair<Box, Box>> seen;
  std::vector<std::pair<double, Box>> costOfQueryTile;
  std::vector<std::tuple<Box, Box, double>> pairsOfBlocks; ///< pairsOf, of a block and a slab
  const int64_t masks;
  int64_t maps = 0, queryTiles = 0; ///< that were made, and of them all
  double best = std::numeric_limits<double>::infinity();
  std::pair<Box, Box> bestTiles;
};

} // namespace

/// Fitted to what `attnc bench` measured of dense masks and of neighborhoods on two and three dimensions, with nine
/// tiles each. AMX makes copies of all keys and values, in its own order.
std::optional<CpuTileCosts> cpuTileCosts(llvm::StringRef isa, bool isBF16) {
  if (isa == "amx" && isBF16)
    return CpuTileCosts{0, 40, 1, 0.05};
  auto blockQueries = llvm::StringSwitch<int64_t>(isa)
                          .Cases({"", "avx512", "avx512bf16", "amx"}, 32)
                          .Case("avx2", 16)
                          .Case("baseline", 8)
                          .Default(0);
  if (blockQueries == 0)
    return std::nullopt;
  return CpuTileCosts{blockQueries, 6, 1, 0.05};
}

void suitCpu(AttentionOp op, TileChoice &tiles, const CpuTileCosts &costs) {
  if (tiles.layout.size() == 1 || !areMapsTelling(op, tiles))
    return;
  constexpr int64_t kQuerySizes[] = {64, 128, 32}, kKeySizes[] = {64, 32, 128};
  constexpr size_t kShapes = 3, kRefined = 2;
  auto nearest = [&](std::vector<Box> boxes) {
    boxes.resize(std::min(boxes.size(), kShapes));
    return boxes;
  };
  const TileChoice usual = tiles;
  auto keyBoxes = [&](int64_t keys) { return nearest(boxesNear(usual.keyTile, usual.kvLayout, keys)); };
  Cheapest cheapest(op, usual, costs);
  cheapest.lookAt(usual.queryTile, usual.keyTile);
  if (!cheapest.hasAny()) // nothing to compare others with
    return;
  for (int64_t queries : kQuerySizes)
    for (const Box &queryTile : nearest(boxesNear(usual.queryTile, usual.layout, queries)))
      for (int64_t keys : kKeySizes)
        if (std::vector<Box> boxes = keyBoxes(keys); !boxes.empty())
          cheapest.lookAt(queryTile, boxes.front());
  for (const Box &queryTile : cheapest.bestQueryTiles(kRefined))
    for (int64_t keys : kKeySizes)
      for (const Box &keyTile : keyBoxes(keys))
        cheapest.lookAt(queryTile, keyTile);
  tiles = cheapest.choice();
}

} // namespace attn
