#include "dialect/Targets.h"
#include "simulator/TileChooser.h"
#include "simulator/TimedProblem.h"
#include "simulator/WarpKernel.h"
#include "test/simulator/Spec.h"

#include <gtest/gtest.h>
#include <set>

namespace attn::test {
namespace {

const Target &sm80() { return *findTarget("sm_80"); }

Machine machineNamed(const char *name) {
  Expected<Machine> machine = builtinMachine(name);
  EXPECT_TRUE(machine);
  return *machine;
}

int64_t tokensOf(llvm::ArrayRef<int64_t> tile) {
  return std::accumulate(tile.begin(), tile.end(), int64_t(1), std::multiplies<>());
}

std::vector<CostedTiles> costed(const std::string &text, const char *gpu = "h200") {
  Spec spec(text);
  EXPECT_TRUE(spec.attention) << spec.diagnostics;
  if (!spec.attention)
    return {};
  mlir::FailureOr<TileChoice> usual = tilesOfSpec(spec.attention, {});
  EXPECT_TRUE(succeeded(usual));
  std::vector<CostedTiles> list = costedTiles(spec.attention, *usual, sm80(), machineNamed(gpu));
  EXPECT_EQ(spec.diagnostics, "");
  return list;
}

std::string kernel(const std::string &tokens, const std::string &mask, const std::string &rest = "dtype f16 head_dim 64 heads 4") {
  return "kernel k { " + rest + " tokens [" + tokens + "] mask " + mask + " }";
}

TEST(TileChooser, ordersDistinctTilesThatFit) {
  for (const char *tokens : {"4096", "?", "64, 64", "?, 32", "16, 32, 32", "8, 8, 16, 16"}) {
    int dims = int(std::count(tokens, tokens + strlen(tokens), ',')) + 1;
    std::string window = "5";
    for (int d = 1; d < dims; ++d)
      window += ", 5";
    std::vector<CostedTiles> list = costed(kernel(tokens, "neighborhood(window = [" + window + "])"));
    ASSERT_GT(list.size(), 5u) << tokens;
    std::set<std::vector<int64_t>> seen;
    for (const CostedTiles &one : list) {
      std::vector<int64_t> key(one.tiles.queryTile.begin(), one.tiles.queryTile.end());
      key.insert(key.end(), one.tiles.keyTile.begin(), one.tiles.keyTile.end());
      EXPECT_TRUE(seen.insert(key).second) << "twice";
      EXPECT_EQ(one.tiles.queryTile.size(), one.tiles.layout.size());
      EXPECT_EQ(tokensOf(one.tiles.queryTile) % 16, 0);
      EXPECT_LE(one.shape.sharedBytes, sm80().sharedBytes);
      EXPECT_GT(one.prediction.us, 0);
      // Only the usual tiles may come before faster ones, by what they need not be beaten by.
      EXPECT_LE(list.front().prediction.us * kClearlyFaster, one.prediction.us * 1.0001);
    }
  }
}

TEST(TileChooser, keepsTheUsualTilesWhereTimesSayLittle) {
  for (const std::string &text :
       {kernel("64", "all"), kernel("4096", "all", "dtype f32 head_dim 64 heads 4"),
        kernel("4096", "all", "dtype f16 head_dim 72 heads 4"), kernel("4096", "(q, k) => (q * k) % 3 == 0"),
        std::string("kernel k { dtype f16 head_dim 64 heads 4 tokens [4096] input doc : i32[tokens] mask same(doc) }"),
        std::string("kernel k { dtype f16 head_dim 64 heads 4 tokens [4096] mask causal score (s, q, k) => softcap(s, 9) }")}) {
    std::vector<CostedTiles> list = costed(text);
    ASSERT_EQ(list.size(), 1u) << text;
    EXPECT_EQ(list.front().prediction.us, 0) << text;
  }
}

/// What is predicted of a choice is what the model says of that problem.
TEST(TileChooser, predictsTheProblemWithThoseTiles) {
  Spec spec(kernel("64, 64", "neighborhood(window = [9, 9])"));
  mlir::FailureOr<TileChoice> usual = tilesOfSpec(spec.attention, {});
  Machine machine = machineNamed("a100");
  for (const CostedTiles &one : costedTiles(spec.attention, *usual, sm80(), machine)) {
    ProblemRequest request;
    request.queryTile = one.tiles.queryTile;
    request.keyTile = one.tiles.keyTile;
    mlir::FailureOr<Problem> problem = bindProblem(spec.attention, request);
    ASSERT_TRUE(succeeded(problem));
    EXPECT_DOUBLE_EQ(predict(machine, one.shape, workOf(*problem), {}, Scheduling::Coarse).us, one.prediction.us);
  }
}

TEST(WarpPlan, takesWhatFits) {
  WarpPlan plan({128, 64, 128, 128}, sm80().sharedBytes);
  EXPECT_EQ(plan.blocks, 2);
  EXPECT_EQ(plan.warps, 4);
  EXPECT_FALSE(plan.queryInRegisters);
  EXPECT_EQ(plan.sharedBytes(), 81920);
  EXPECT_EQ(plan.blocksAtOnce(227 * 1024), 2);
  WarpPlan narrow({32, 32, 64, 64}, sm80().sharedBytes);
  EXPECT_EQ(narrow.blocks, 1);
  EXPECT_TRUE(narrow.queryInRegisters);
  EXPECT_EQ(narrow.blocksAtOnce(227 * 1024), 8);
  // Wide rows leave one row block, and few stages.
  WarpPlan wide({128, 64, 256, 256}, sm80().sharedBytes);
  EXPECT_EQ(wide.blocks, 1);
  EXPECT_LE(wide.sharedBytes(), sm80().sharedBytes);
}

} // namespace
} // namespace attn::test
