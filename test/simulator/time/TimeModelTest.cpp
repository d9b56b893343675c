// The equations on cases that can be computed by hand, and what must hold of every prediction.
#include "simulator/time/TimeModel.h"

#include "dialect/algebra/FormulaBuilder.h"
#include "dialect/algebra/TileMap.h"
#include "simulator/time/Schedule.h"
#include "test/simulator/time/MachineNamed.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace attn::test {
namespace {

TEST(Step, unitsByHand) {
  Machine m = machineNamed("h100");
  KernelShape shape;
  StepCycles c = stepCycles(m, shape, true);
  EXPECT_DOUBLE_EQ(c.matrix, 2048);                     // 4 x 128^3 / 4096
  EXPECT_DOUBLE_EQ(c.exp, 1024);                        // 128^2 / 16
  EXPECT_DOUBLE_EQ(c.alu, (16384 * 4.0 + 16384) / 128); // 4 a score, 1 an output
  EXPECT_DOUBLE_EQ(c.mask, 16384 * 3.0 / 128);
  EXPECT_DOUBLE_EQ(c.l2, 65536 / 43.0);                        // k and v of 32 KB
  EXPECT_DOUBLE_EQ(c.shared, (32768 + 2 * 2 * 32768) / 128.0); // q once, k and v for each 64 rows
  double p = m[Constant::OverlapPower];
  double softmax = c.exp + c.alu + c.mask;
  EXPECT_NEAR(c.all,
              std::pow(std::pow(c.matrix, p) + std::pow(softmax, p) + std::pow(c.l2, p) +
                           std::pow(c.shared, p),
                       1 / p),
              1e-9 * c.all);
}

TEST(Step, backwardHasFiveProducts) {
  Machine m = machineNamed("h100");
  KernelShape shape;
  double forward = stepCycles(m, shape, false).matrix;
  shape.pass = Pass::Backward;
  EXPECT_DOUBLE_EQ(stepCycles(m, shape, false).matrix, 2.5 * forward);
  EXPECT_GT(stepCycles(m, shape, false).shared, 2 * stepCycles(m, KernelShape(), false).shared);
}

TEST(Step, whatCannotOverlapAddsUp) {
  Machine m = machineNamed("h100");
  KernelShape shape;
  shape.overlap = Overlap::None;
  StepCycles c = stepCycles(m, shape, false);
  EXPECT_GT(c.all, c.matrix + c.exp + c.alu);
  EXPECT_LT(stepCycles(m, KernelShape(), false).all, c.all);
}

TEST(Step, shortQueryTilesCostTheRowsOfTheMatrixUnit) {
  Machine m = machineNamed("h100");
  KernelShape one, all;
  one.rows = 1;
  all.rows = 64;
  EXPECT_DOUBLE_EQ(stepCycles(m, one, false).matrix, stepCycles(m, all, false).matrix);
}

/// Terms are shares of one time, and the step's elasticities those of numerical differences.
TEST(Prediction, sharesAddUpToOne) {
  Machine m = machineNamed("h100");
  for (int64_t tokens : {128, 1000, 8192, 65536})
    for (bool isCausal : {false, true}) {
      KernelShape shape;
      Work work = (isCausal ? causalWork : denseWork)(tokens, tokens, 128, 128, 8, 8, 1);
      Prediction p = predict(m, shape, work, nattenPermuted());
      double sum = 0;
      for (const Term &term : p.terms)
        sum += term.share;
      EXPECT_NEAR(sum, 1, 1e-9) << tokens;
      EXPECT_NE(p.limiter, p.next);
      EXPECT_GE(p[p.limiter].share, p[p.next].share);
      for (size_t i = 0; i < kNumTerms; ++i)
        EXPECT_LE(p.terms[i].share, p[p.limiter].share);
    }
}

/// Faster by 1 % where the limiter says it pays, and by about the share that it says.
TEST(Prediction, aShareIsWhatAFasterUnitSaves) {
  Machine m = machineNamed("h100");
  m.set(Constant::ClockDrop, 0);
  KernelShape shape;
  Work work = denseWork(65536, 65536, 128, 128, 16, 16, 1);
  Prediction p = predict(m, shape, work);
  struct Unit {
    Constant constant;
    TermKind term;
  };
  for (Unit unit :
       {Unit{Constant::MatrixF16, TermKind::Matrix}, Unit{Constant::ExpPerClock, TermKind::Exp},
        Unit{Constant::SharedBytesPerClock, TermKind::SharedMemory}}) {
    Machine faster = m;
    faster.set(unit.constant, m[unit.constant] * 1.001);
    double saved = (1 - predict(faster, shape, work).us / p.us) / 0.001;
    EXPECT_NEAR(saved, p[unit.term].share, 0.01) << nameOf(unit.term);
  }
  EXPECT_EQ(p.limiter, TermKind::Matrix);
  EXPECT_GT(p.fractionOfPeak(TermKind::Matrix), 0.6);
  EXPECT_LT(p.fractionOfPeak(TermKind::Matrix), 1);
}

TEST(Prediction, fewVisitsTakeLess) {
  Machine m = machineNamed("h100");
  KernelShape shape;
  Work dense = denseWork(16384, 16384, 128, 128, 16, 16, 1), sparse = dense;
  sparse.groups[0].classes = {{128, 16, 2}};
  Prediction a = predict(m, shape, dense), b = predict(m, shape, sparse);
  EXPECT_GT(a.us / b.us, 4);
  EXPECT_LT(a.us / b.us, 128.0 / 18);
  EXPECT_GT(b[TermKind::Mask].us, 0);
  EXPECT_EQ(a[TermKind::Mask].us, 0);
}

TEST(Prediction, maskOnEveryTileCostsMore) {
  Machine m = machineNamed("h100");
  KernelShape shape;
  shape.maskOps = 16;
  Work work = denseWork(16384, 16384, 128, 128, 16, 16, 1);
  work.groups[0].classes = {{128, 16, 2}};
  double split = predict(m, shape, work).us;
  shape.masksEveryTile = true;
  EXPECT_GT(predict(m, shape, work).us, 1.2 * split);
  work.groups[0].classes = {{128, 18, 0}};
  double unmasked = predict(m, shape, work).us;
  EXPECT_LT(unmasked, split);
}

/// One query a sequence: keys and values from memory once, whatever the tensor cores do.
TEST(Decode, isBoundByMemory) {
  Machine m = machineNamed("h100");
  KernelShape shape;
  shape.rows = 64;
  shape.splits = 0;
  shape.packedHeads = 4;
  Work work = denseWork(1, 65536, 64, 128, 32, 8, 16);
  Prediction p = predict(m, shape, work);
  EXPECT_EQ(p.limiter, TermKind::Hbm);
  double bytes = 16.0 * 8 * 65536 * 256 * 2;
  EXPECT_NEAR(p[TermKind::Hbm].us, bytes / (3350e3 * 0.92), 0.01 * p[TermKind::Hbm].us);
  EXPECT_GT(p.fractionOfPeak(TermKind::Hbm), 0.8);
  // More memory bandwidth, less time.
  EXPECT_LT(predict(machineNamed("h200"), shape, work).us, 0.8 * p.us);
}

TEST(Decode, splitKeysFillTheMachine) {
  Machine m = machineNamed("h100");
  KernelShape whole, split;
  whole.rows = split.rows = 64;
  split.splits = 0;
  Work work = denseWork(1, 65536, 64, 128, 8, 8, 1);
  Prediction a = predict(m, whole, work), b = predict(m, split, work);
  EXPECT_EQ(a.splits, 1);
  EXPECT_GE(b.splits, 8);
  EXPECT_GT(a.us / b.us, 3);
  EXPECT_GT(b[TermKind::Merge].us, 0);
  EXPECT_EQ(a[TermKind::Merge].us, 0);
}

TEST(Surroundings, costByHand) {
  Machine m = machineNamed("h100");
  KernelShape shape;
  Work work = denseWork(115200, 115200, 128, 128, 24, 24, 1);
  double kernel = predict(m, shape, work).us;
  System permuted = nattenPermuted();
  double elements = 4.0 * 115200 * 24 * 128;
  EXPECT_NEAR(predict(m, shape, work, permuted).us - kernel,
              elements * permuted.permuteOps / (128 * 132 * 1.98e3) + 4 * 3, 1);
  permuted.permuteOps = 1;
  EXPECT_NEAR(predict(m, shape, work, permuted).us - kernel, 4 * elements / (3350e3 * 0.92) + 4 * 3,
              1);
  System builds;
  builds.maskPairs = 115200.0 * 115200;
  double once = predict(m, shape, work, builds).us - kernel;
  builds.maskUses = 10;
  EXPECT_GT(once, 1000);
  EXPECT_NEAR(predict(m, shape, work, builds).us - kernel, once / 10, 1e-6 * once);
}

TEST(Prediction, theHeapSaysTheSame) {
  Machine m = machineNamed("h100");
  KernelShape shape;
  for (int64_t tokens : {1000, 8192, 40000}) {
    Work work = causalWork(tokens, tokens, 128, 128, 12, 12, 2);
    double byClass = predict(m, shape, work).us;
    EXPECT_NEAR(predict(m, shape, work, {}, Scheduling::ByHeap).us, byClass, 1e-9 * byClass);
  }
}

TEST(Prediction, nothingToDoTakesALaunch) {
  Machine m = machineNamed("h100");
  for (Work work : {denseWork(0, 128, 128, 128, 8, 8, 1), denseWork(128, 0, 128, 128, 8, 8, 1),
                    denseWork(128, 128, 128, 128, 8, 8, 0)}) {
    Prediction p = predict(m, KernelShape(), work);
    EXPECT_GE(p.us, m[Constant::LaunchUs]);
    EXPECT_LT(p.us, m[Constant::LaunchUs] + 5);
    EXPECT_TRUE(std::isfinite(p.us));
  }
}

TEST(Prediction, rangesHoldTheValue) {
  for (const char *name : {"a100", "h100", "h200", "b200"}) {
    Prediction p = predictWithRange(machineNamed(name), KernelShape(),
                                    denseWork(8192, 8192, 128, 128, 16, 16, 1));
    EXPECT_LT(p.low, p.us) << name;
    EXPECT_GT(p.high, p.us) << name;
  }
}

TEST(Work, causalIsThatOfTheTileMap) {
  for (auto [queries, keys] : {std::pair(1000, 1000), std::pair(256, 1024), std::pair(300, 77)}) {
    FormulaBuilder builder({keys});
    LinearBound end{true, 1 + keys - queries, {}};
    Formula formula = *builder.finish(builder.interval(std::nullopt, end));
    TileGeometry geometry;
    geometry.queries[0] = queries;
    geometry.keys[0] = keys;
    geometry.queryTile[0] = 96;
    geometry.keyTile[0] = 64;
    std::vector<int64_t> symbols(formula.symbols.size(), 0);
    for (size_t i = 0; i < symbols.size(); ++i)
      symbols[i] = formula.symbols[i].kind == SymbolKind::NumKeys ? keys : 0;
    TileMap map(formula, geometry, symbols);
    Work work = causalWork(queries, keys, 96, 64, 1, 1, 1);
    EXPECT_DOUBLE_EQ(work.visiblePairs, double(map.visiblePairs())) << queries;
    std::vector<TileClass> counted = classesOf(map);
    double visited = 0;
    for (const TileClass &c : counted)
      visited += double(c.tiles * c.visited());
    EXPECT_EQ(work.visitedTiles(), visited) << queries;
  }
}

TEST(Shape, impossibleTilesAreTold) {
  Machine h100 = machineNamed("h100");
  KernelShape shape;
  EXPECT_TRUE(checkShape(shape, h100));
  for (int64_t d : {64, 128, 256})
    for (bool causal : {false, true})
      EXPECT_TRUE(checkShape(flashAttention3(d, causal), h100)) << d;
  shape.columns = 512;
  Status status = checkShape(shape, h100);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "tiles of 128 queries and 512 keys with head_dim 128 need 544 KB of "
            "shared memory, but a thread block of 'h100' has 227 KB");
  shape.columns = 128;
  shape.rows = 256;
  status = checkShape(shape, h100);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "tiles of 256 queries and 128 keys with head_dim 128 need 81920 registers "
            "for their accumulators, but about 55296 of 'h100' are usable");
  EXPECT_TRUE(checkShape(shape, machineNamed("b200"))) << "accumulators lie in tensor memory";
  shape.rows = 384;
  shape.columns = 64;
  status = checkShape(shape, machineNamed("b200"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "tiles of 384 queries and 64 keys with head_dim 128 need 576 columns of "
            "tensor memory, but 'b200' has 512");
  shape = KernelShape();
  shape.precision = Precision::F8;
  status = checkShape(shape, machineNamed("a100"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "machine 'a100' has no matrix products of f8");
  shape.rows = 0;
  EXPECT_FALSE(checkShape(shape, h100));
}

} // namespace
} // namespace attn::test
