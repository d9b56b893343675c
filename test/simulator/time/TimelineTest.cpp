// What multiprocessors run, and products of tile maps, against the model and against whole maps.
#include "simulator/time/Timeline.h"

#include "dialect/algebra/FormulaBuilder.h"
#include "dialect/algebra/TileMap.h"
#include "simulator/time/EndToEndRows.h"
#include "simulator/time/PublishedRows.h"
#include "simulator/time/Schedule.h"
#include "test/simulator/time/MachineNamed.h"

#include <algorithm>

namespace attn::test {
namespace {

std::vector<Job> jobsOf(const std::vector<TileJob> &tiles) {
  std::vector<Job> jobs;
  for (const TileJob &tile : tiles)
    jobs.push_back({tile.cycles(), tile.count});
  return jobs;
}

int64_t tilesOf(const Timeline &timeline) {
  int64_t sum = 0;
  for (const TimelineRun &run : timeline.runs)
    sum += run.count;
  return sum;
}

TEST(Timeline, endsWhenTheScheduleDoes) {
  Machine machine = machineNamed("h100");
  for (Order order : {Order::LongestFirst, Order::RoundRobin})
    for (int64_t tokens : {100, 3000, 16384}) {
      KernelShape shape;
      shape.order = order;
      Work work = causalWork(tokens, tokens, shape.rows, shape.columns, 6, 2, 1);
      std::vector<TileJob> jobs = tileJobs(machine, shape, work, 1);
      auto [last, first] = lastAndFirst(machine, shape, jobs);
      double end = makespanByHeap(jobsOf(jobs), 132, order);
      EXPECT_NEAR(last.end, end, 1e-9 * end) << tokens;
      EXPECT_LE(first.end, last.end);
      EXPECT_GE(tilesOf(last) + tilesOf(first), 1);
    }
}

TEST(Timeline, runsEveryTileOnOneMultiprocessor) {
  Machine machine = machineNamed("h100");
  machine.set(Constant::Sms, 1);
  KernelShape shape;
  Work work = causalWork(4096, 4096, shape.rows, shape.columns, 4, 4, 3);
  std::vector<TileJob> jobs = tileJobs(machine, shape, work, 1);
  auto [last, first] = lastAndFirst(machine, shape, jobs);
  EXPECT_EQ(tilesOf(last), 32 * 4 * 3);
  EXPECT_EQ(first.end, last.end);
  double sum = 0;
  for (const TileJob &job : jobs)
    sum += double(job.count) * job.cycles();
  EXPECT_NEAR(last.end, sum, 1e-9 * sum);
}

/// The parts of a job are those of the prediction: they add up to what is not idle.
TEST(Timeline, jobsAddUpToThePrediction) {
  Machine machine = machineNamed("h100");
  for (int64_t splits : {1, 4}) {
    KernelShape shape;
    shape.splits = splits;
    Work work = causalWork(8192, 8192, shape.rows, shape.columns, 8, 2, 2);
    Prediction p = predict(machine, shape, work);
    double cycles = 0, fixed = 0;
    for (const TileJob &job : tileJobs(machine, shape, work, splits)) {
      cycles += double(job.count) * job.cycles();
      fixed += double(job.count) * job.fixed;
    }
    double perUs = machine[Constant::Sms] * p.clockGhz * 1e3;
    EXPECT_NEAR(fixed / perUs, p[TermKind::Fixed].us, 1e-6 * p.us);
    EXPECT_NEAR(cycles / perUs + p[TermKind::Imbalance].us + p[TermKind::Launch].us +
                    p[TermKind::Merge].us,
                p.us, 1e-6 * p.us);
  }
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// A window of `width` with the given modulus in each of three dimensions.
Formula boxFormula(const Coords &lengths, const Coords &width, const Coords &modulus) {
  FormulaBuilder builder({lengths[0], lengths[1], lengths[2]});
  std::vector<AtomDim> dims;
  for (int d = 0; d < 3; ++d) {
    ExprDag &e = builder.dag(d);
    ExprId q = builder.query(d), reach = e.constant(width[size_t(d)] / 2);
    dims.push_back({e.sub(q, reach), e.add(e.add(q, reach), e.constant(1)), modulus[size_t(d)]});
  }
  return *builder.finish(builder.box(std::move(dims)));
}

TEST(Product, isWhatTheWholeMapSays) {
  Coords lengths{7, 10, 13, 1};
  for (Coords width : {Coords{3, 4, 5, 1}, Coords{1, 20, 2, 1}, Coords{14, 20, 26, 1}})
    for (Coords modulus : {Coords{1, 1, 1, 1}, Coords{2, 1, 3, 1}})
      for (Coords queryTile : {Coords{2, 4, 4, 1}, Coords{7, 3, 5, 1}})
        for (Coords keyTile : {Coords{1, 2, 8, 1}, Coords{3, 3, 3, 1}}) {
          Formula formula = boxFormula(lengths, width, modulus);
          TileGeometry geometry;
          geometry.rank = 3;
          geometry.numQueries = geometry.numKeys = 7 * 10 * 13;
          geometry.queries = geometry.keys = lengths;
          geometry.queryTile = queryTile;
          geometry.keyTile = keyTile;
          std::vector<int64_t> symbols(formula.symbols.size(), 0);
          ASSERT_TRUE(isProduct(formula, geometry));
          TileMap map(formula, geometry, symbols);
          ProductCounts counts = countsOfProduct(formula, geometry, symbols);
          EXPECT_EQ(counts.classes, classesOf(map));
          EXPECT_EQ(counts.visiblePairs, double(map.visiblePairs()));
        }
}

TEST(Product, isNotWhatADenialOrTwoBoxesAre) {
  Coords lengths{8, 8, 8, 1};
  TileGeometry geometry;
  geometry.rank = 3;
  Formula box = boxFormula(lengths, {3, 3, 3, 1}, {1, 1, 1, 1});
  EXPECT_TRUE(isProduct(box, geometry));
  Formula denied = box;
  denied.truth.push_back({TruthOp::Not});
  EXPECT_FALSE(isProduct(denied, geometry));
  Formula both = box;
  both.atoms.push_back(both.atoms.front());
  EXPECT_FALSE(isProduct(both, geometry));
  geometry.bounded = true;
  EXPECT_FALSE(isProduct(box, geometry));
}

//===----------------------------------------------------------------------===//
// End-to-end rows
//===----------------------------------------------------------------------===//

TEST(EndToEndRows, arePublishedOnesPredictedAlike) {
  Machine machine = machineNamed("h100");
  std::vector<Measurement> rows = publishedRows();
  ASSERT_EQ(rows.size(), 24u);
  size_t i = 0;
  for (const FlashAttentionRow &row : flashAttentionRows()) {
    if (row.isExtra())
      continue;
    Expected<EndToEndRow> parsed = parseEndToEndRow(rows[i].name);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_NEAR(predictRow(machine, *parsed) / rows[i].value,
                row.tflops / predictedTflops(machine, row), 1e-9)
        << rows[i].name;
    ++i;
  }
}

TEST(EndToEndRows, mistakes) {
  auto message = [](const char *name) {
    Expected<EndToEndRow> row = parseEndToEndRow(name);
    return row ? std::string("no error") : row.error().message;
  };
  EXPECT_EQ(message("attention tokens=8 heads=4 head_dim=64 kv_heads=2 batch=3 causal"), "no error");
  EXPECT_EQ(message("attention tokens=8 heads=4"),
            "the end-to-end row 'attention tokens=8 heads=4' lacks tokens=, heads= or head_dim=");
  EXPECT_EQ(message("attention tokens=8 heads=4 head_dim=64 kv_heads=3"),
            "the end-to-end row 'attention tokens=8 heads=4 head_dim=64 kv_heads=3' has 4 heads, no "
            "multiple of its 3 kv_heads");
  EXPECT_EQ(message("attention tokens=-8 heads=4 head_dim=64"),
            "'tokens' of an end-to-end row is '-8', but 1 to 1073741824 are allowed");
  EXPECT_EQ(message("attention tokens=8x heads=4 head_dim=64"),
            "'tokens' of an end-to-end row is '8x', but 1 to 1073741824 are allowed");
  EXPECT_EQ(message("attention tokens=8 heads=4 head_dim=1000"),
            "the end-to-end row 'attention tokens=8 heads=4 head_dim=1000' has head_dim 1000, but at "
            "most 512 is allowed");
  EXPECT_EQ(message("attention window=3"), "unknown word 'window=3' in an end-to-end row");
}

} // namespace
} // namespace attn::test
