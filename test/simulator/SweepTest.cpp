// Sweeps against specs that are parsed anew for each configuration.
#include "simulator/ParameterSweep.h"
#include "test/simulator/Spec.h"
#include "test/simulator/time/MachineNamed.h"

#include "llvm/ADT/STLExtras.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace attn::test {
namespace {

using Lengths = std::vector<int64_t>;
using Values = std::vector<llvm::SmallVector<int64_t>>;

std::string kernel(const std::string &body) {
  return "kernel test {\n  heads 2   head_dim 64   dtype bf16\n" + body + "\n}\n";
}

SweepTiles tilesOf(AttentionOp op, const Lengths &queryTile, const Lengths &keyTile) {
  ProblemRequest request;
  request.queryTile = queryTile;
  request.keyTile = keyTile;
  mlir::FailureOr<Problem> problem = bindSizes(op, request);
  EXPECT_TRUE(succeeded(problem));
  KernelShape shape = shapeOf(op, *problem, Pass::Forward, 1);
  return {std::move(*problem), shape, 0};
}

SweepAxis axisOf(AttentionOp op, const std::string &name, Values values) {
  for (const SweptParameter &p : parametersOf(op))
    if (p.parameter.name == name)
      return {p.mask, name, std::move(values), false};
  ADD_FAILURE() << "no parameter " << name;
  return {};
}

/// What a sweep must say of the spec with these tiles.
void expectLikeParsed(const SweepResult &result, const std::string &body, const Problem &swept) {
  Spec spec(kernel(body));
  ASSERT_TRUE(spec.attention) << spec.diagnostics;
  ProblemRequest request;
  request.queryTile = swept.tiles.queryTile;
  request.keyTile = swept.tiles.keyTile;
  mlir::FailureOr<Problem> problem = bindProblem(spec.attention, request);
  ASSERT_TRUE(succeeded(problem)) << spec.diagnostics;
  std::vector<Counts> counts;
  for (const MaskGroup &group : problem->groups)
    counts.push_back(countsOf(spec.attention, *problem, group));
  Counts total = totalOf(*problem, counts);
  KernelShape shape = shapeOf(spec.attention, *problem, Pass::Forward, problem->groups.size());
  Prediction p = predict(machineNamed("h100"), shape, workOf(*problem, counts), {},
                         Scheduling::Coarse);
  EXPECT_EQ(result.visited, double(total.tiles.visited)) << body;
  EXPECT_EQ(result.full, double(total.tiles.full)) << body;
  EXPECT_DOUBLE_EQ(result.density, total.density()) << body;
  EXPECT_NEAR(result.us, p.us, 1e-9 * p.us) << body;
  EXPECT_EQ(result.limiter, p.limiter) << body;
  EXPECT_EQ(result.exact, total.exact) << body;
}

/// Runs the sweep of `body`, a format string for the values, and compares each configuration.
void expectSweepLikeParsed(const std::string &spelled, const std::vector<std::string> &names,
                           const std::vector<Values> &values,
                           const std::vector<std::pair<Lengths, Lengths>> &tiles,
                           const std::function<std::string(const Values &)> &bodyOf) {
  Spec spec(kernel(spelled));
  ASSERT_TRUE(spec.attention) << spec.diagnostics;
  std::vector<SweepAxis> axes;
  size_t expected = tiles.size();
  for (auto [name, list] : llvm::zip_equal(names, values)) {
    axes.push_back(axisOf(spec.attention, name, list));
    expected *= list.size();
  }
  std::vector<SweepTiles> pairs;
  for (const auto &[queryTile, keyTile] : tiles)
    pairs.push_back(tilesOf(spec.attention, queryTile, keyTile));
  Expected<SweepPlan> plan = planSweep(spec.attention, axes, std::move(pairs));
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->configurations.size() + size_t(plan->refused), expected);
  std::vector<SweepResult> results = runSweep(spec.attention, *plan, machineNamed("h100"), 2);
  ASSERT_EQ(results.size(), plan->configurations.size());
  for (auto [configuration, result] : llvm::zip_equal(plan->configurations, results))
    expectLikeParsed(result, bodyOf(plan->masks[configuration.masks].values),
                     plan->tiles[configuration.tiles].problem);
  EXPECT_EQ(spec.diagnostics, "");
}

TEST(Sweep, ofAWindowIsWhatParsedSpecsSay) {
  auto body = [](const Values &v) {
    return fmt::format("tokens [1000] mask causal & (window({}) | sink({}))", v[0][0], v[1][0]);
  };
  expectSweepLikeParsed(body({{256}, {64}}), {"window", "sink"},
                        {{{1}, {100}, {256}, {1000}}, {{0}, {64}, {65}}},
                        {{{64}, {64}}, {{128}, {32}}, {{100}, {7}}}, body);
}

TEST(Sweep, ofOneOfTwoMasksOfHeadsIsWhatParsedSpecsSay) {
  auto body = [](const Values &v) {
    return fmt::format("tokens [700] mask window(left = {}, right = 5) heads 1..1 {{ mask causal }}",
                       v[0][0]);
  };
  expectSweepLikeParsed(body({{3}}), {"left"}, {{{0}, {3}, {300}}}, {{{64}, {64}}}, body);
}

TEST(Sweep, ofStridesIsWhatParsedSpecsSay) {
  auto body = [](const Values &v) {
    return fmt::format("tokens [512] mask causal & strided({})", v[0][0]);
  };
  expectSweepLikeParsed(body({{4}}), {"stride"}, {{{1}, {3}, {128}}}, {{{64}, {64}}}, body);
  // Tiles of a layout that is split by 4 say nothing of other strides.
  expectSweepLikeParsed(body({{4}}), {"stride"}, {{{1}, {4}, {128}}}, {{{64, 1}, {64, 1}}}, body);
}

TEST(Sweep, refusesMasksThatWantAnotherSplit) {
  Spec spec(kernel("tokens [512] mask strided(4)"));
  Expected<SweepPlan> plan =
      planSweep(spec.attention, {axisOf(spec.attention, "stride", {{2}, {4}, {8}})},
                {tilesOf(spec.attention, {64, 1}, {64, 1}), tilesOf(spec.attention, {64}, {64})});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->configurations.size(), 4u);
  EXPECT_EQ(plan->refused, 2);
  EXPECT_NE(plan->whyRefused.find("want another split"), std::string::npos);
}

TEST(Sweep, ofANeighborhoodIsWhatParsedSpecsSay) {
  auto body = [](const Values &v) {
    return fmt::format("tokens [8, 12, 20] mask neighborhood(window = {}, stride = {})",
                       layoutText(v[0]), layoutText(v[1]));
  };
  // Strides of 6 and more do not fit a window of 5: they are refused.
  expectSweepLikeParsed(body({{4, 6, 6}, {1, 1, 1}}), {"window", "stride"},
                        {{{4, 6, 6}, {5, 12, 7}, {8, 12, 20}}, {{1, 1, 1}, {4, 2, 6}, {8, 1, 1}}},
                        {{{2, 4, 8}, {2, 4, 8}}, {{4, 4, 4}, {2, 4, 4}}, {{3, 5, 2}, {1, 12, 3}}}, body);
}

TEST(Sweep, onTilesWithDataCountsItsPairs) {
  auto body = [](const Values &v) {
    return fmt::format("tokens [512] input document : i32[tokens] mask same(document) & window({})",
                       v[0][0]);
  };
  expectSweepLikeParsed(body({{9}}), {"window"}, {{{9}, {100}}}, {{{64}, {64}}, {{128}, {32}}}, body);
}

TEST(Sweep, refusesCombinationsAndSaysWhy) {
  Spec spec(kernel("tokens [64] mask neighborhood(window = [8])"));
  std::vector<SweepAxis> axes{axisOf(spec.attention, "window", {{4}, {16}}),
                              axisOf(spec.attention, "stride", {{2}, {8}})};
  Expected<SweepPlan> plan = planSweep(spec.attention, axes, {tilesOf(spec.attention, {16}, {16})});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->configurations.size(), 3u);
  EXPECT_EQ(plan->refused, 1);
  EXPECT_EQ(plan->whyRefused, "stride 8 of dimension 0 is larger than its window 4");

  axes[0].values = {{4}};
  axes[1].values = {{8}};
  plan = planSweep(spec.attention, axes, {tilesOf(spec.attention, {16}, {16})});
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().message.find("larger than its window 4"), std::string::npos);
}

TEST(Sweep, hasAMostNumberOfConfigurations) {
  Spec spec(kernel("tokens [4096] mask causal & (window(8) | sink(4))"));
  Values many;
  for (int64_t i = 1; i <= 1024; ++i)
    many.push_back({i});
  std::vector<SweepAxis> axes{axisOf(spec.attention, "window", many),
                              axisOf(spec.attention, "sink", many)};
  Expected<SweepPlan> plan = planSweep(spec.attention, axes, {tilesOf(spec.attention, {64}, {64})});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().message, "the sweep has more than 262144 configurations");
}

/// The published sets (Strides.thePublishedSetsFollowFromTheRule) on the layout itself.
TEST(Sweep, strideAllTriesThePublishedStrides) {
  Spec spec(kernel("tokens [30, 48, 80] mask neighborhood(window = [18, 24, 24])"));
  SweepAxis axis = axisOf(spec.attention, "stride", {});
  axis.isWorthwhile = true;
  Expected<SweepPlan> plan =
      planSweep(spec.attention, {axis}, {tilesOf(spec.attention, {4, 8, 8}, {2, 8, 8})});
  ASSERT_TRUE(plan) << plan.error().message;
  Values strides;
  for (const SweepMasks &masks : plan->masks)
    strides.push_back(masks.values.front());
  Values published;
  for (int64_t t : {1, 2, 16})
    for (int64_t y : {1, 8})
      for (int64_t x : {1, 8})
        published.push_back({t, y, x});
  EXPECT_EQ(strides, published);
}

TEST(Sweep, findsTheParametersOfNestedMasksOnce) {
  Spec spec(kernel("tokens [64] mask causal & (window(8) | sink(4))\n"
                   "heads 1..1 { mask window(left = 3, right = 9) | sink(4) }"));
  std::string text;
  for (const SweptParameter &p : parametersOf(spec.attention))
    text += p.parameter.name.str() + layoutText(p.parameter.values);
  EXPECT_EQ(text, "window[8]sink[4]left[3]right[9]");
}

TEST(Sweep, saysTheSameOnAnyNumberOfThreads) {
  Spec spec(kernel("tokens [2048] mask causal & window(8)"));
  Values windows;
  for (int64_t w = 1; w < 300; w += 3)
    windows.push_back({w});
  Expected<SweepPlan> plan =
      planSweep(spec.attention, {axisOf(spec.attention, "window", windows)},
                {tilesOf(spec.attention, {64}, {64}), tilesOf(spec.attention, {128}, {64})});
  ASSERT_TRUE(plan);
  size_t told = 0;
  std::vector<SweepResult> one = runSweep(spec.attention, *plan, machineNamed("h100"), 1,
                                          [&](size_t done) { told = done; });
  EXPECT_EQ(told, one.size());
  std::vector<SweepResult> many = runSweep(spec.attention, *plan, machineNamed("h100"), 7);
  ASSERT_EQ(one.size(), many.size());
  for (auto [a, b] : llvm::zip_equal(one, many))
    EXPECT_EQ(a.us, b.us);
}

} // namespace
} // namespace attn::test
