// Kernels of warps, and tiles that are cut to fit, on cases that can be computed by hand.
#include "simulator/time/TimeModel.h"
#include "test/simulator/time/MachineNamed.h"

#include <gtest/gtest.h>

#include <cmath>

namespace attn::test {
namespace {

KernelShape warpShape() {
  KernelShape shape;
  shape.products = Products::OfWarps;
  shape.columns = 64;
  return shape;
}

TEST(WarpStep, unitsByHand) {
  Machine m = machineNamed("h200");
  StepCycles c = stepCycles(m, warpShape(), false);
  EXPECT_DOUBLE_EQ(c.matrix, 4.0 * 128 * 64 * 128 / m[Constant::WarpMatrixF16]);
  EXPECT_DOUBLE_EQ(c.exp, 128 * 64 / 16.0);
  EXPECT_DOUBLE_EQ(c.alu, 128 * 64 * m[Constant::WarpScoreOps] / 128);
  // k and v of 16 KB each, for each of four warps and once by the copies; q of 32 KB.
  EXPECT_DOUBLE_EQ(c.shared, (5 * 32768 + 32768) / 128.0);
  KernelShape held = warpShape();
  held.queryInRegisters = true;
  EXPECT_DOUBLE_EQ(stepCycles(m, held, false).shared, 5 * 32768 / 128.0);
  // Two blocks of four warps: two warps a scheduler.
  EXPECT_DOUBLE_EQ(overlapPower(m, warpShape()), m[Constant::WarpOverlapPower] + m[Constant::WarpOverlapMore]);
}

/// One query tile on one multiprocessor: nobody to share it with.
TEST(WarpStep, loneBlocksHaveNobodyToHideBehind) {
  Machine m = machineNamed("h200");
  KernelShape alone = warpShape();
  alone.blocksAtOnce = 1;
  StepCycles c = stepCycles(m, alone, false);
  Work work = denseWork(128, 64 * 32, 128, 64, 1, 1, 1);
  Prediction p = predict(m, warpShape(), work);
  double cycles = 32 * c.all + fixedCycles(m, alone);
  EXPECT_NEAR(p.us - m[Constant::LaunchUs], cycles / p.clockGhz / 1e3, 1e-6);
  EXPECT_NEAR(p[TermKind::Imbalance].us, (p.us - m[Constant::LaunchUs]) * 131 / 132, 1e-6);
}

TEST(WarpStep, sharesAddUp) {
  Machine m = machineNamed("h200");
  Work work = causalWork(4096, 4096, 128, 64, 16, 16, 1);
  for (int64_t splits : {0, 1, 4}) {
    KernelShape shape = warpShape();
    shape.splits = splits;
    Prediction p = predict(m, shape, work);
    double sum = 0;
    for (const Term &term : p.terms)
      sum += term.share;
    EXPECT_NEAR(sum, 1, 1e-9);
  }
}

TEST(FitShape, cutsTheLargerExtent) {
  Machine m = machineNamed("h100");
  KernelShape shape;
  shape.rows = 256;
  Expected<TileParts> parts = fitShape(shape, m);
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ(parts->queries, 2);
  EXPECT_EQ(parts->keys, 1);
  EXPECT_EQ(shape.rows, 128);
  EXPECT_EQ(shape.columns, 128);
  Expected<TileParts> whole = fitShape(shape, m);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->queries * whole->keys, 1);
}

TEST(FitShape, refusesWhatNoHalfFits) {
  KernelShape shape;
  shape.headDim = shape.valueDim = 8192;
  Expected<TileParts> parts = fitShape(shape, machineNamed("h100"));
  ASSERT_FALSE(parts);
  EXPECT_NE(parts.error().message.find("tiles of 128 queries and 128 keys"), std::string::npos) << parts.error().message;
  EXPECT_EQ(shape.rows, 128);
}

/// Smaller tiles do the same work: only what a query tile costs by itself is paid more often.
TEST(CutInto, keepsThePairs) {
  Work work = causalWork(4096, 4096, 256, 128, 2, 2, 1);
  Work cut = cutInto(work, 2, 4);
  EXPECT_EQ(cut.queryTiles, 2 * work.queryTiles);
  EXPECT_EQ(cut.keyTiles, 4 * work.keyTiles);
  EXPECT_DOUBLE_EQ(cut.visitedTiles(), 8 * work.visitedTiles());
  EXPECT_DOUBLE_EQ(cut.partialTiles(), 8 * work.partialTiles());
  EXPECT_DOUBLE_EQ(cut.visiblePairs, work.visiblePairs);
}

} // namespace
} // namespace attn::test
