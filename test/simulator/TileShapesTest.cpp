// Which tiles are chosen when nobody says so.
#include "simulator/TileShapes.h"

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

} // namespace
} // namespace attn::test
