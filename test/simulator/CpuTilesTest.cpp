#include "simulator/CpuTiles.h"
#include "simulator/Counts.h"
#include "test/simulator/Spec.h"

#include <gtest/gtest.h>

namespace attn::test {
namespace {

std::string kernel(const std::string &tokens, const std::string &mask, const std::string &rest = "heads 4") {
  return "kernel k { dtype f32 head_dim 64 " + rest + " tokens [" + tokens + "] mask " + mask + " }";
}

struct Tiles {
  Box query, key;
  bool operator==(const Tiles &) const = default;
};
std::ostream &operator<<(std::ostream &os, const Tiles &tiles) {
  return os << layoutText(tiles.query) << " by " << layoutText(tiles.key);
}

/// The usual tiles and what becomes of them.
struct Choice {
  Choice(const std::string &text, const CpuTileCosts &costs = *cpuTileCosts("avx512", false)) : spec(text) {
    EXPECT_TRUE(spec.attention) << spec.diagnostics;
    mlir::FailureOr<TileChoice> found = tilesOfSpec(spec.attention, {});
    EXPECT_TRUE(succeeded(found));
    TileChoice tiles = *found;
    usual = {tiles.queryTile, tiles.keyTile};
    suitCpu(spec.attention, tiles, costs);
    chosen = {tiles.queryTile, tiles.keyTile};
    EXPECT_EQ(spec.diagnostics, "");
  }
  /// Pairs in visited tiles.
  double pairsOf(const Tiles &tiles) {
    std::optional<Problem> problem = TiledProblems(spec.attention).with(tiles.query, tiles.key);
    EXPECT_TRUE(problem);
    double pairs = 0;
    for (const MaskGroup &group : problem->groups)
      pairs += double(group.map.counts().visited) * double(group.heads.size());
    return pairs * double(productOf(tiles.query) * productOf(tiles.key));
  }

  Spec spec;
  Tiles usual, chosen;
};

TEST(CpuTiles, NarrowNeighborhoodsGetSmallerTiles) {
  for (const std::string &text :
       {kernel("64, 64", "neighborhood(window = [9, 9])"), kernel("?, ?", "neighborhood(window = [12, 12])"),
        kernel("16, 16, 16", "neighborhood(window = [5, 5, 5])"),
        kernel("64, 64", "neighborhood(window = [8, 8], stride = [8, 8])"),
        kernel("8, 8, 16, 16", "neighborhood(window = [3, 3, 3, 3])")}) {
    SCOPED_TRACE(text);
    Choice choice(text);
    EXPECT_LT(productOf(choice.chosen.query) * productOf(choice.chosen.key), 128 * 128) << choice.chosen;
    EXPECT_LT(choice.pairsOf(choice.chosen), choice.pairsOf(choice.usual));
    EXPECT_EQ(choice.chosen.query.size(), choice.usual.query.size());
  }
}

/// Of one dimension blocks of queries leave out the same whatever the tile, and no maps are made.
TEST(CpuTiles, OneDimensionKeepsTheUsualTiles) {
  for (const char *mask : {"all", "causal", "window(9)", "causal & window(100)", "neighborhood(window = 8)"}) {
    Choice choice(kernel("4096", mask));
    EXPECT_EQ(choice.chosen, choice.usual) << mask;
  }
}

TEST(CpuTiles, TheUsualTilesStayWhereMapsDoNotTell) {
  for (const std::string &text :
       {kernel("8, 8", "neighborhood(window = [3, 3])"), // few queries
        kernel("64, 64", "neighborhood(window = [3, 3]) & same(doc)", "heads 1 input doc : i32[tokens]"),
        kernel("64, 64", "neighborhood(window = [3, 3]) & (q, k) => (q * k) % 3 == 0")}) {
    SCOPED_TRACE(text);
    Choice choice(text);
    EXPECT_EQ(choice.chosen, choice.usual);
  }
}

/// Tiles whose boxes fit the windows need no mask, and nothing smaller is cheaper.
TEST(CpuTiles, BlockSparseMasksStayBlockSparse) {
  Choice choice(kernel("64, 64", "neighborhood(window = [24, 48], stride = [8, 16])"));
  std::optional<Problem> problem =
      TiledProblems(choice.spec.attention).with(choice.chosen.query, choice.chosen.key);
  ASSERT_TRUE(problem);
  TileCounts counts = problem->groups.front().map.counts();
  EXPECT_EQ(counts.visited, counts.full) << choice.chosen;
}

/// The more each key costs, the more queries share it.
TEST(CpuTiles, DearKeysMakeLongQueryTiles) {
  std::string text = kernel("64, 64", "neighborhood(window = [9, 9])");
  Choice cheap(text, {32, 1, 1, 0.05}), dear(text, {32, 400, 1, 0.05});
  EXPECT_LT(productOf(cheap.chosen.query), productOf(dear.chosen.query)) << cheap.chosen << dear.chosen;
}

TEST(CpuTiles, EveryLevelHasCosts) {
  for (const char *isa : {"", "baseline", "avx2", "avx512", "avx512bf16", "amx"})
    for (bool isBF16 : {false, true})
      EXPECT_TRUE(cpuTileCosts(isa, isBF16)) << isa;
  EXPECT_FALSE(cpuTileCosts("generic", false));
  EXPECT_GT(cpuTileCosts("amx", true)->queriesPerKey, cpuTileCosts("amx", false)->queriesPerKey);
}

/// Whose maps would take seconds.
TEST(CpuTiles, HugeLayoutsKeepTheUsualTiles) {
  Choice choice(kernel("16384, 16384", "neighborhood(window = [9, 9])", "heads 1"));
  EXPECT_EQ(choice.chosen, choice.usual);
}

/// Which are as many maps for each tile.
TEST(CpuTiles, ManyMasks) {
  std::string heads;
  for (int h = 1; h < 64; ++h)
    heads += " heads " + std::to_string(h) + ".." + std::to_string(h) + " { mask neighborhood(window = [" +
             std::to_string(2 + h % 8) + ", " + std::to_string(2 + h / 8) + "]) }";
  Choice choice(kernel("64, 64", "neighborhood(window = [5, 5])" + heads, "heads 64"));
  EXPECT_EQ(choice.usual, (Tiles{{8, 16}, {8, 16}}));
  EXPECT_LT(choice.pairsOf(choice.chosen), choice.pairsOf(choice.usual));
}

} // namespace
} // namespace attn::test
