// Expressions: lines really continue as long as they say, and folding keeps values.
#include "test/dialect/algebra/Draw.h"

#include <gtest/gtest.h>

namespace attn::test {
namespace {

constexpr int64_t kSymbols = 3;

TEST(Expr, linesContinueForTheStepsTheySay) {
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    Draw draw(seed);
    ExprDag dag;
    ExprId root = draw.expression(dag, 5, 12, kSymbols);
    int64_t symbols[kSymbols];
    for (int64_t &value : symbols)
      value = draw.between(-9, 9);
    int64_t q = draw.between(0, 40), step = draw.between(1, 4);
    std::vector<Line> lines;
    std::vector<int64_t> values;
    dag.trace(q, step, symbols, lines);
    for (int64_t n = 0; n <= 60; ++n) {
      dag.evaluate(q + n * step, symbols, values);
      for (size_t i = 0; i < lines.size(); ++i) {
        if (n > lines[i].steps)
          continue;
        ASSERT_EQ(values[i], lines[i].value + n * lines[i].slope)
            << "seed " << seed << ", q " << q << " and " << n << " steps of " << step << ": "
            << dag.print(static_cast<ExprId>(i), {"s0", "s1", "s2"});
      }
    }
    ASSERT_GE(lines[root].steps, 0);
  }
}

TEST(Expr, linesOfBoundsThatAdvanceWithTheQueryAreLong) {
  ExprDag dag;
  ExprId clamped =
      dag.max(dag.min(dag.add(dag.query(), dag.constant(-10)), dag.constant(70)), dag.constant(0));
  std::vector<Line> lines;
  dag.trace(0, 1, nullptr, lines);
  EXPECT_EQ(lines[clamped].steps, 10);
  dag.trace(10, 1, nullptr, lines);
  EXPECT_EQ(lines[clamped].slope, 1);
  EXPECT_EQ(lines[clamped].steps, 70);
  dag.trace(80, 1, nullptr, lines);
  EXPECT_EQ(lines[clamped].slope, 0);
  EXPECT_GE(lines[clamped].steps, int64_t(1) << 50);
}

TEST(Expr, foldsConstantsAndReusesEqualNodes) {
  ExprDag dag;
  EXPECT_EQ(dag.add(dag.constant(2), dag.constant(3)), dag.constant(5));
  EXPECT_EQ(dag.floorDiv(dag.constant(-7), dag.constant(2)), dag.constant(-4));
  EXPECT_EQ(dag.mod(dag.constant(-7), dag.constant(4)), dag.constant(1));
  EXPECT_EQ(
      dag.select(dag.less(dag.constant(1), dag.constant(2)), dag.constant(8), dag.constant(9)),
      dag.constant(8));
  EXPECT_EQ(dag.add(dag.query(), dag.constant(1)), dag.add(dag.query(), dag.constant(1)));
}

/// A dimension of length 0 is a divisor of 0 in row-major arithmetic; nothing of it is used, but it
/// is evaluated.
TEST(Expr, divisionByAnEmptyLengthIsDefined) {
  ExprDag dag;
  ExprId quotient = dag.floorDiv(dag.query(), dag.symbol(0));
  ExprId rest = dag.mod(dag.query(), dag.constant(0));
  int64_t zero = 0;
  std::vector<int64_t> values;
  dag.evaluate(7, &zero, values);
  EXPECT_EQ(values[quotient], 7);
  EXPECT_EQ(values[rest], 0);
  std::vector<Line> lines;
  dag.trace(7, 1, &zero, lines);
  EXPECT_EQ(lines[quotient].value, 7);
}

TEST(Expr, knowsWhatDependsOnTheQuery) {
  ExprDag dag;
  ExprId fixed = dag.add(dag.symbol(0), dag.constant(1));
  ExprId moving = dag.min(fixed, dag.query());
  std::vector<bool> depends = dag.dependsOnQuery();
  EXPECT_FALSE(depends[fixed]);
  EXPECT_TRUE(depends[moving]);
}

TEST(Expr, refusesNodesThatPointForwards) {
  ExprDag dag;
  dag.query();
  EXPECT_TRUE(dag.isValidNode({ExprOp::Add, 0, 0}));
  EXPECT_FALSE(dag.isValidNode({ExprOp::Add, 0, 1}));
  EXPECT_FALSE(dag.isValidNode({ExprOp::Add, -1, 0}));
  EXPECT_FALSE(dag.isValidNode({ExprOp::Select, 0, 0, -1}));
  EXPECT_FALSE(dag.isValidNode({static_cast<ExprOp>(77), 0, 0, 0}));
}

/// Parameterised formulas with their parameters mean what the originals meant.
TEST(Parameterize, keepsTheMeaning) {
  int64_t merged = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Draw draw(seed);
    TileGeometry geometry;
    geometry.queries[0] = geometry.keys[0] = 24;
    std::vector<Formula> formulas;
    for (int i = 0; i < 6; ++i) {
      FormulaBuilder builder({24});
      TermId window = builder.interval(LinearBound{true, draw.between(-9, 0), {}},
                                       LinearBound{true, draw.between(1, 9), {}});
      TermId sink = builder.interval(std::nullopt, LinearBound{false, draw.between(0, 9), {}});
      TermId root = draw.oneIn(3) ? builder.notOf(window) : builder.orOf(window, sink);
      formulas.push_back(*builder.finish(root));
    }
    ParameterizedFormulas result = parameterize(formulas);
    merged += static_cast<int64_t>(formulas.size() - result.formulas.size());
    for (size_t i = 0; i < formulas.size(); ++i) {
      const Formula &shared = result.formulas[result.formulaOf[i]];
      std::vector<int64_t> values;
      for (const Symbol &symbol : shared.symbols)
        values.push_back(
            symbol.kind == SymbolKind::HeadParam ? result.parameters[i][symbol.index].value : 0);
      for (int64_t q = 0; q < 24; ++q)
        for (int64_t k = 0; k < 24; ++k)
          ASSERT_EQ(shared.sees(&q, &k, values.data()), formulas[i].sees(&q, &k, nullptr))
              << "seed " << seed << ", formula " << i << ": " << shared.print();
    }
  }
  EXPECT_GT(merged, 300) << "formulas that differ in constants alone become one";
}

} // namespace
} // namespace attn::test
