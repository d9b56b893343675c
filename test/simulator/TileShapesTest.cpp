// Which tiles are chosen when nobody says so.
#include "test/simulator/Spec.h"

#include "mlir/IR/BuiltinTypeInterfaces.h"

#include <gtest/gtest.h>

namespace attn::test {
namespace {

using Lengths = llvm::SmallVector<int64_t>;
constexpr int64_t kAny = mlir::ShapedType::kDynamic;

Lengths boxOn(const Lengths &layout) { return chooseTiles(layout, layout, false).queryTile; }

TEST(TileShapes, linearMasksAreTiledInOneDimension) {
  TileChoice choice = chooseTiles({30, 48, 80}, {30, 48, 80}, true);
  EXPECT_EQ(choice.layout, (Lengths{115200}));
  EXPECT_EQ(choice.kvLayout, (Lengths{115200}));
  EXPECT_EQ(choice.queryTile, (Lengths{128}));
  EXPECT_EQ(choice.keyTile, (Lengths{128}));
}

TEST(TileShapes, flattenedDynamicLengthsStayDynamic) {
  EXPECT_EQ(chooseTiles({kAny, 8}, {16}, true).layout, (Lengths{kAny}));
  EXPECT_EQ(chooseTiles({kAny, 8}, {16}, true).kvLayout, (Lengths{16}));
}

TEST(TileShapes, neighborhoodsAreTiledInBoxes) {
  EXPECT_EQ(boxOn({4096}), (Lengths{128}));
  EXPECT_EQ(boxOn({64, 64}), (Lengths{8, 16}));
  EXPECT_EQ(boxOn({30, 48, 80}), (Lengths{2, 8, 8}));
}

TEST(TileShapes, shortDimensionsGiveToTheOthers) {
  EXPECT_EQ(boxOn({1, 48, 80}), (Lengths{1, 8, 16}));
  EXPECT_EQ(boxOn({30, 48, 3}), (Lengths{4, 8, 4}));
  EXPECT_EQ(boxOn({3, 1000}), (Lengths{4, 32}));
  EXPECT_EQ(boxOn({1000, 5}), (Lengths{16, 8}));
}

TEST(TileShapes, dynamicDimensionsCountAsLong) {
  EXPECT_EQ(boxOn({kAny, kAny}), (Lengths{8, 16}));
  EXPECT_EQ(boxOn({kAny, 1, 4}), (Lengths{32, 1, 4}));
}

TEST(TileShapes, everyTileHasTheSameNumberOfTokens) {
  for (const Lengths &layout : {Lengths{5}, Lengths{0}, Lengths{2, 2}, Lengths{1, 1, 1},
                                Lengths{0, 7, 3}, Lengths{100, 100, 100}, Lengths{1, kAny, 2}}) {
    int64_t tokens = 1;
    for (int64_t extent : boxOn(layout)) {
      EXPECT_EQ(extent & (extent - 1), 0) << "a power of two";
      tokens *= extent;
    }
    EXPECT_EQ(tokens, kTileTokens);
  }
}

//===----------------------------------------------------------------------===//
// Positions and residues
//===----------------------------------------------------------------------===//

/// The choice for a kernel with this body; no tiles are asked for.
TileChoice choiceOf(const std::string &body, const Lengths &tile = {}) {
  Spec spec("kernel test {\n  heads 4   head_dim 64   dtype f16\n" + body + "\n}\n");
  EXPECT_TRUE(spec.attention) << spec.diagnostics;
  if (!spec.attention)
    return {};
  bool linear = true;
  for (int64_t head = 0; head < 4; ++head)
    linear &= mlir::cast<MaskAttrInterface>(spec.attention.getMaskOfHead(head)).isLinear();
  mlir::FailureOr<TileChoice> choice = tilesOf(spec.attention, linear, tile, tile, 1024);
  EXPECT_TRUE(mlir::succeeded(choice)) << spec.diagnostics;
  return mlir::succeeded(choice) ? *choice : TileChoice();
}

TEST(TileShapes, dilatedMasksAreTiledByResidue) {
  TileChoice choice = choiceOf("tokens [8192] mask causal & window(64, dilation = 8)");
  EXPECT_EQ(choice.steps, (Lengths{8}));
  EXPECT_EQ(choice.layout, (Lengths{1024, 8}));
  EXPECT_EQ(choice.queryTile, (Lengths{128, 1}));
  choice = choiceOf("tokens [30, 44, 80] mask neighborhood(window = 4, dilation = [1, 11, 1])");
  EXPECT_EQ(choice.steps, (Lengths{1, 11, 1}));
  EXPECT_EQ(choice.layout, (Lengths{30, 4, 11, 80}));
  EXPECT_EQ(choice.keyTile, (Lengths{4, 4, 1, 8}));
}

TEST(TileShapes, theFirstDimensionMaySplitUnevenly) {
  EXPECT_EQ(choiceOf("tokens [8190] mask strided(8)").layout, (Lengths{1024, 8}));
  EXPECT_EQ(choiceOf("tokens [?] mask strided(8)").layout, (Lengths{kAny, 8}));
  std::string dilated = " mask neighborhood(window = 3, dilation = 4)";
  EXPECT_EQ(choiceOf("tokens [30, 40]" + dilated).steps, (Lengths{4, 4}));
  EXPECT_EQ(choiceOf("tokens [30, 42]" + dilated).steps, (Lengths{4, 1}));
  EXPECT_TRUE(choiceOf("tokens [?, 42]" + dilated).steps.empty());
}

TEST(TileShapes, residuesThatMixAreNotSplit) {
  for (const char *mask : {"causal & window(64)", "window(64, dilation = 8) | sink(4)",
                           "!window(64, dilation = 8)", "window(9, dilation = 8) & block(32)",
                           "window(9, dilation = 8) & window(9, dilation = 4)",
                           "strided(8) heads 1 { mask causal }",
                           "strided(8) heads 1 { mask strided(16) }"})
    EXPECT_TRUE(choiceOf("tokens [512] mask " + std::string(mask)).steps.empty()) << mask;
  EXPECT_FALSE(choiceOf("tokens [512] mask strided(8) & causal "
                        "heads 1 { mask window(9, dilation = 8) & (sink(5) | window(100)) }")
                   .steps.empty());
}

/// Zeros outside the layout are counted by one box.
TEST(TileShapes, bordersOfZerosSplitEvenlyOrNotAtAll) {
  std::string zeros = " mask neighborhood(window = 3, dilation = 4, border = zero)";
  EXPECT_EQ(choiceOf("tokens [40]" + zeros).steps, (Lengths{4}));
  EXPECT_TRUE(choiceOf("tokens [42]" + zeros).steps.empty());
}

TEST(TileShapes, aTileOfTheLayoutsRankKeepsItWhole) {
  const char *body = "tokens [512] mask strided(8)";
  EXPECT_TRUE(choiceOf(body, {64}).steps.empty());
  EXPECT_EQ(choiceOf(body, {64, 1}).steps, (Lengths{8}));
}

/// 143 positions are two tiles for each of 7 residues; contiguous tiles are 8 in all.
TEST(TileShapes, shortSequencesStayWholeWhereThatVisitsFewerTiles) {
  EXPECT_TRUE(choiceOf("tokens [1000] mask window(9, dilation = 7)").steps.empty());
  EXPECT_EQ(choiceOf("tokens [10000] mask window(90, dilation = 7)").steps, (Lengths{7}));
  EXPECT_EQ(choiceOf("tokens [?] mask window(90, dilation = 7)").steps, (Lengths{7}));
}

TEST(TileShapes, fewPositionsShareATileWithOtherResidues) {
  EXPECT_EQ(choiceOf("tokens [1024] mask strided(64)").queryTile, (Lengths{16, 8}));
}

} // namespace
} // namespace attn::test
