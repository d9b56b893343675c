#include "tools/ReadableExpr.h"

#include <gtest/gtest.h>

#include <random>

namespace attn::tools {
namespace {

/// Expressions of a query q, below 64, and of two numbers m and n, below 200.
struct Drawn {
  ExprDag dag;
  std::vector<ExprId> nodes;
};

Drawn draw(std::mt19937 &generator) {
  auto below = [&](int n) { return int(generator() % unsigned(n)); };
  Drawn drawn;
  ExprDag &e = drawn.dag;
  drawn.nodes = {e.query(), e.symbol(0), e.symbol(1), e.constant(below(20) - 10)};
  for (int i = 0; i < 8; ++i) {
    auto any = [&] { return drawn.nodes[size_t(below(int(drawn.nodes.size())))]; };
    ExprId a = any(), b = any(), node = -1;
    switch (below(9)) {
    case 0:
      node = e.add(a, b);
      break;
    case 1:
      node = e.sub(a, b);
      break;
    case 2:
      node = e.mul(a, e.constant(below(9) - 2));
      break;
    case 3:
      node = e.floorDiv(a, e.constant(1 + below(12)));
      break;
    case 4:
      node = e.floorDiv(a, b);
      break;
    case 5:
      node = e.mod(a, e.constant(1 + below(12)));
      break;
    case 6:
      node = e.min(a, b);
      break;
    case 7:
      node = e.max(a, b);
      break;
    default:
      node = e.select(e.less(a, b), any(), any());
      break;
    }
    drawn.nodes.push_back(node);
  }
  return drawn;
}

const Leaves kLeaves{Sum::name("q"), {Sum::name("m"), Sum::name("n")}, {}};

TEST(ReadableExpr, hasTheValueOfItsExpression) {
  std::mt19937 generator(7);
  for (int i = 0; i < 3000; ++i) {
    Drawn drawn = draw(generator);
    ExprId root = drawn.nodes.back();
    Sum sum = readable(drawn.dag, root, kLeaves);
    Sum limited = sum.within({{"q", 63}, {"m", 199}, {"n", 199}});
    for (int point = 0; point < 20; ++point) {
      int64_t symbols[2] = {int64_t(generator() % 200), int64_t(generator() % 200)};
      int64_t q = int64_t(generator() % 64);
      std::vector<int64_t> values;
      drawn.dag.evaluate(q, Environment(symbols), values);
      NameValues names{{"q", q}, {"m", symbols[0]}, {"n", symbols[1]}};
      ASSERT_EQ(sum.evaluate(names), values[size_t(root)])
          << drawn.dag.print(root, {"m", "n"}) << "\n"
          << sum.text() << "\nat q = " << q << ", m = " << symbols[0] << ", n = " << symbols[1];
      ASSERT_EQ(limited.evaluate(names), values[size_t(root)])
          << sum.text() << "\n"
          << limited.text() << "\nat q = " << q << ", m = " << symbols[0] << ", n = " << symbols[1];
    }
  }
}

TEST(ReadableExpr, isShort) {
  Sum t = Sum::name("T"), n = Sum::name("N");
  EXPECT_EQ((t * 128 - 4095).text(), "128*T - 4095");
  EXPECT_EQ(floorOf(larger(0, t * 128 - 4095), 128).text(), "max(0, T - 32)");
  EXPECT_EQ((floorOf(larger(0, t * 128 - 4095), 128) + 1).text(), "max(1, T - 31)");
  EXPECT_EQ(ceilOf(smaller(t * 128 + 128, n), 128).text(), "min(T + 1, ceil(N/128))");
  EXPECT_EQ(floorOf(t * 128 - n, 128).text(), "T - ceil(N/128)");
  EXPECT_EQ(floorOf(floorOf(n, 2) + 1, 4).text(), "floor((N + 2)/8)");
  EXPECT_EQ(remainder(t * 6 + 8, 6).text(), "2");
  EXPECT_EQ(smaller(n, n + 3).text(), "N");
  EXPECT_EQ((n - t - n).text(), "-T");
}

TEST(ReadableExpr, forgetsWhatIsNeverChosen) {
  Sum t = Sum::name("T");
  EXPECT_EQ(larger(0, smaller(2, t - 1)).within({{"T", 3}}).text(), "max(0, T - 1)");
  EXPECT_EQ(smaller(3, t + 1).within({{"T", 3}}).text(), "min(3, T + 1)");
  EXPECT_EQ(smaller(3, t + 1).within({{"T", 2}}).text(), "T + 1");
}

/// The position of the first query may be negative.
TEST(ReadableExpr, knowsTheSignOfNames) {
  EXPECT_EQ(larger(0, Sum::name("N")).text(), "N");
  EXPECT_EQ(larger(0, Sum::name(kOffsetName)).text(), "max(0, q_offset)");
}

} // namespace
} // namespace attn::tools
