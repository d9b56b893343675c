// Masks on which hulls, disjunctive normal forms or sampling go wrong; 8192 tokens in tiles of 128.
// The expected counts are those of brute force.
#include "dialect/algebra/FormulaBuilder.h"
#include "dialect/algebra/HeadParameters.h"
#include "dialect/algebra/TileMap.h"

#include <gtest/gtest.h>

namespace attn::test {
namespace {

constexpr int64_t kTokens = 8192;
constexpr int64_t kTile = 128;

class CounterExample : public ::testing::Test {
protected:
  /// q - left <= k <= q + right.
  TermId window(int64_t left, int64_t right) {
    return builder.interval(LinearBound{true, -left, {}}, LinearBound{true, right + 1, {}});
  }
  TermId causal() { return builder.interval(std::nullopt, LinearBound{true, 1, {}}); }
  TermId keys(int64_t first, int64_t end) {
    return builder.interval(LinearBound{false, first, {}}, LinearBound{false, end, {}});
  }
  TermId queries(int64_t first, int64_t end) {
    ExprId none = e().constant(0), all = e().constant(kTokens);
    ExprId hi = e().select(e().less(e().query(), e().constant(end)), all, none);
    return builder.box({{none, e().select(e().less(e().query(), e().constant(first)), none, hi)}});
  }
  TermId block(int64_t size) {
    ExprId length = e().constant(size);
    ExprId lo = e().mul(e().floorDiv(e().query(), length), length);
    return builder.box({{lo, e().add(lo, length)}});
  }
  TermId multipleOf(int64_t modulus) {
    return builder.box({{e().constant(-kInfinity), e().constant(kInfinity), modulus}});
  }
  TermId exclusiveOr(TermId a, TermId b) {
    return builder.andOf(builder.orOf(a, b), builder.notOf(builder.andOf(a, b)));
  }
  ExprDag &e() { return builder.dag(0); }

  TileCounts countsOf(TermId root) {
    TileGeometry geometry;
    geometry.queries[0] = geometry.keys[0] = kTokens;
    geometry.queryTile[0] = geometry.keyTile[0] = kTile;
    std::optional<Formula> formula = builder.finish(root);
    EXPECT_TRUE(formula.has_value());
    return TileMap(*formula, geometry, {}).counts();
  }

  FormulaBuilder builder{{kTokens}};
};

TEST_F(CounterExample, aWindowWithoutItselfIsEmpty) {
  EXPECT_EQ(countsOf(builder.andOf(window(499, 499), builder.notOf(window(499, 499)))).visited, 0);
}

TEST_F(CounterExample, boundsThatJumpInsideATile) {
  TermId far = builder.andOf(causal(), builder.notOf(window(499, 499)));
  EXPECT_EQ(countsOf(builder.andOf(block(1030), far)).visited, 149);
}

TEST_F(CounterExample, queriesInTheMiddleOfATile) {
  EXPECT_EQ(countsOf(builder.orOf(window(100, 0), queries(2080, 2100))).visited, 189);
}

TEST_F(CounterExample, fullByAUnionOfAHalfPlaneAndAWindow) {
  TermId old = builder.interval(std::nullopt, LinearBound{true, -299, {}});
  EXPECT_EQ(countsOf(builder.orOf(old, window(299, 0))).full, 2016);
  EXPECT_EQ(countsOf(causal()).full, 2016);
}

TEST_F(CounterExample, fullByAUnionOfTwoHalves) {
  EXPECT_EQ(countsOf(builder.orOf(keys(0, 64), keys(64, 128))).full, 64);
}

TEST_F(CounterExample, residuesThatContradict) {
  EXPECT_EQ(countsOf(builder.andOf(multipleOf(4), builder.notOf(multipleOf(2)))).visited, 0);
  EXPECT_EQ(countsOf(builder.andOf(multipleOf(2), builder.notOf(multipleOf(2)))).visited, 0);
}

TEST_F(CounterExample, residuesThatCoverEachOther) {
  EXPECT_EQ(countsOf(builder.orOf(multipleOf(2), builder.notOf(multipleOf(4)))).full, 64 * 64);
}

/// A formula in disjunctive normal form would have tens of thousands of disjuncts. Window i ends
/// 300 * i keys behind the query, so alternate stripes of 300 keys are visible.
TEST_F(CounterExample, exclusiveOrOfManyWindows) {
  TermId mask = window(300, 0);
  for (int64_t i = 2; i <= 6; ++i)
    mask = exclusiveOr(mask, window(300 * i, 0));
  TileCounts counts = countsOf(mask);
  int64_t visited = 0, full = 0;
  // As many windows hold a distance d >= 1 as have 300 * i >= d; all six hold 0.
  auto sees = [](int64_t d) { return d >= 1 && d <= 1800 && (6 - (d - 1) / 300) % 2 == 1; };
  for (int64_t behind = 0; behind < kTokens / kTile; ++behind) {
    bool any = false, all = true;
    for (int64_t distance = behind * kTile - kTile + 1; distance < behind * kTile + kTile;
         ++distance) {
      any |= sees(distance);
      all &= sees(distance);
    }
    visited += any ? kTokens / kTile - behind : 0;
    full += any && all ? kTokens / kTile - behind : 0;
  }
  EXPECT_EQ(counts.visited, visited);
  EXPECT_EQ(counts.full, full);
}

TEST_F(CounterExample, moreAtomsThanAFormulaMayHave) {
  TermId mask = builder.always();
  for (int64_t i = 0; i < kMaxAtoms + 1; ++i)
    mask = builder.andOf(mask, builder.notOf(keys(3 * i, 3 * i + 1)));
  EXPECT_FALSE(builder.finish(mask).has_value());
}

} // namespace
} // namespace attn::test
