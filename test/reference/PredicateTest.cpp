#include "test/reference/Predicate.h"
#include "test/reference/Pairs.h"

#include <gtest/gtest.h>

using namespace attn::reference;

static const Expr q = queryPosition(), k = keyPosition();

static int64_t valueAt(const Expr &expr, int64_t queryAt, int64_t keyAt) {
  ExprPoint point;
  point.q = queryAt;
  point.k = keyAt;
  return evaluate(expr, point);
}

TEST(Predicate, DivisionRoundsDown) {
  EXPECT_EQ(valueAt(floordiv(q, k), 7, 2), 3);
  EXPECT_EQ(valueAt(floordiv(q, k), -7, 2), -4);
  EXPECT_EQ(valueAt(floordiv(q, k), -8, 2), -4);
  EXPECT_EQ(valueAt(floordiv(q, k), 7, -2), -4);
  EXPECT_EQ(valueAt(mod(q, k), 7, 4), 3);
  EXPECT_EQ(valueAt(mod(q, k), -7, 4), 1);
  EXPECT_EQ(valueAt(mod(q, k), -8, 4), 0);
}

TEST(Predicate, ArithmeticAndComparisons) {
  EXPECT_EQ(valueAt(q * 3 - k + 1, 5, 20), -4);
  EXPECT_EQ(valueAt(-q, 5, 0), -5);
  EXPECT_EQ(valueAt(minimum(q, k) * 100 + maximum(q, k), 7, 3), 307);
  EXPECT_EQ(valueAt(absolute(k - q), 9, 2), 7);
  for (int64_t a : {-1, 0, 1}) {
    EXPECT_EQ(valueAt(q < k, a, 0), a < 0);
    EXPECT_EQ(valueAt(q <= k, a, 0), a <= 0);
    EXPECT_EQ(valueAt(q > k, a, 0), a > 0);
    EXPECT_EQ(valueAt(q >= k, a, 0), a >= 0);
    EXPECT_EQ(valueAt(q == k, a, 0), a == 0);
    EXPECT_EQ(valueAt(q != k, a, 0), a != 0);
    EXPECT_EQ(valueAt(!(q < k), a, 0), a >= 0);
  }
  EXPECT_EQ(valueAt(select(q < k, q, k * 2), 1, 5), 1);
  EXPECT_EQ(valueAt(select(q < k, q, k * 2), 6, 5), 10);
  // 64 bits do not wrap where 32 would.
  EXPECT_EQ(valueAt(q * q, 1 << 20, 0), int64_t(1) << 40);
}

TEST(Predicate, OnlyTheSideThatCountsIsComputed) {
  Expr entry = lookup("t", {k}); // there is no table
  EXPECT_EQ(valueAt(q == 1 && entry > 0, 0, 0), 0);
  EXPECT_EQ(valueAt(q == 0 || entry > 0, 0, 0), 1);
  EXPECT_EQ(valueAt(select(q == 0, 3, entry), 0, 0), 3);
}

TEST(Predicate, StridedWindowOfTheFirstPage) {
  Mask mask = predicate(k <= q && (q - k < 3 || mod(q - k, 8) == 0));
  EXPECT_EQ(keysOf(mask, selfContext({20}), 17), Keys({1, 9, 15, 16, 17}));
  EXPECT_EQ(keysOf(mask, crossContext(3, 20), 0), Keys({1, 9, 15, 16, 17})); // with the offset
}

TEST(Predicate, CoordinatesOfSeveralDimensions) {
  Context context = selfContext({3, 4});
  Expr dy = queryCoordinate(0) - keyCoordinate(0), dx = queryCoordinate(1) - keyCoordinate(1);
  Mask disc = predicate(dx * dx + dy * dy <= 1);
  EXPECT_EQ(keysOf(disc, context, 5), Keys({1, 4, 5, 6, 9})); // a plus sign around (1, 1)
  EXPECT_EQ(keysOf(disc, context, 3), Keys({2, 3, 7}));       // no neighbour beyond the edge
  // Token groups: text lies behind the video in the virtual layout.
  Context groups = groupContext({{"video", {2, 2}}, {"text", {3}}});
  EXPECT_EQ(keysOf(predicate(keyCoordinate(0) == 2), groups, 0), Keys({4, 5}));
  EXPECT_EQ(keysOf(predicate(keyCoordinate(0) == 3), groups, 0), Keys({6}));
  // In one dimension a coordinate is a position.
  EXPECT_EQ(keysOf(predicate(keyCoordinate(0) == queryCoordinate(0)), crossContext(2, 5), 1),
            Keys({4}));
}

TEST(Predicate, HeadsBatchEntriesAndLengths) {
  Context context = selfContext({6});
  Mask mask = predicate(q - k < headNumber() + 1 && k <= q + batchNumber());
  EXPECT_EQ(keysOf(mask, context, 3, 0, 0), Keys({3}));
  EXPECT_EQ(keysOf(mask, context, 3, 1, 2), Keys({1, 2, 3, 4}));
  EXPECT_EQ(keysOf(predicate(k + 2 == keyCount()), context, 0), Keys({4}));
}

TEST(Predicate, TablesAreFoundByName) {
  Context context = selfContext({4});
  context.labels["c"] = {0, 1, 1, 0};
  context.batchInputs["len"] = {4, 2};
  context.tensors["allow"] = {{2, 2}, {1, 0, 1, 1}};
  Mask mask = predicate(lookup("allow", {lookup("c", {q}), lookup("c", {k})}) > 0 &&
                        k < lookup("len", {batchNumber()}));
  EXPECT_EQ(keysOf(mask, context, 0, 0), Keys({0, 3}));
  EXPECT_EQ(keysOf(mask, context, 1, 0), range(0, 4));
  EXPECT_EQ(keysOf(mask, context, 1, 1), Keys({0, 1}));
}

TEST(Predicate, TextHasParenthesesAroundOperands) {
  EXPECT_EQ(toSpec(k <= q && (q - k < 256 || mod(q - k, 64) == 0)),
            "(k <= q) && (((q - k) < 256) || (((q - k) mod 64) == 0))");
  EXPECT_EQ(toSpec(absolute(queryCoordinate(1) - keyCoordinate(1)) + -3),
            "abs(q.d1 - k.d1) + (-3)");
  EXPECT_EQ(toSpec(select(headNumber() == 0, minimum(q, 4), floordiv(k, 2))),
            "(h == 0) ? min(q, 4) : (k floordiv 2)");
  EXPECT_EQ(toSpec(!(k > q)), "!(k > q)");
  EXPECT_EQ(toSpec(lookup("allow", {lookup("c", {q}), lookup("c", {k})})), "allow[c[q], c[k]]");
  EXPECT_EQ(toSpec(causal() & predicate(k < q)), "causal & ((q, k) => k < q)");
  EXPECT_EQ(toSpec(predicate(k < q)), "(q, k) => k < q");
}

TEST(Predicate, ExtentsOfATableComeFromBareIndices) {
  using Extents = std::vector<std::string>;
  EXPECT_EQ(extentsOf(lookup("t", {q, k})), Extents({"tokens", "kv_tokens"}));
  EXPECT_EQ(extentsOf(lookup("t", {batchNumber(), headNumber()})), Extents({"batch", "heads"}));
  EXPECT_EQ(extentsOf(lookup("t", {mod(k, 4)}, {"4"})), Extents({"4"}));
}
