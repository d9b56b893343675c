#include "test/reference/Mask.h"
#include "test/reference/Pairs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

using namespace attn::reference;

static Keys row(int64_t window, int64_t stride, int64_t dilation, bool causal, int64_t length,
                int64_t i) {
  return neighborhoodKeys({window, stride, dilation, causal}, length, i);
}

//===----------------------------------------------------------------------===//
// Linear kinds
//===----------------------------------------------------------------------===//

TEST(Mask, AllSeesEverything) { EXPECT_EQ(keysOf(all(), selfContext({5}), 3), range(0, 5)); }

TEST(Mask, CausalIncludesTheQueryItself) {
  EXPECT_EQ(keysOf(causal(), selfContext({5}), 0), Keys({0}));
  EXPECT_EQ(keysOf(causal(), selfContext({5}), 3), range(0, 4));
}

TEST(Mask, CausalAlignsTheLastQueryWithTheLastKey) {
  EXPECT_EQ(keysOf(causal(), crossContext(2, 5), 0), range(0, 4));
  EXPECT_EQ(keysOf(causal(), crossContext(2, 5), 1), range(0, 5));
  // More queries than keys: the first ones see nothing.
  EXPECT_EQ(keysOf(causal(), crossContext(5, 2), 2), Keys());
  EXPECT_EQ(keysOf(causal(), crossContext(5, 2), 3), Keys({0}));
}

TEST(Mask, CausalTopLeftIgnoresTheOffset) {
  EXPECT_EQ(keysOf(causalTopLeft(), crossContext(2, 5), 0), Keys({0}));
  EXPECT_EQ(keysOf(causalTopLeft(), crossContext(5, 2), 4), range(0, 2));
}

TEST(Mask, WindowIsStrictOnBothSides) {
  EXPECT_EQ(keysOf(window(1), selfContext({9}), 4), Keys({4}));
  EXPECT_EQ(keysOf(window(3), selfContext({9}), 4), range(2, 7));
  EXPECT_EQ(keysOf(window(3), selfContext({9}), 0), range(0, 3));
}

TEST(Mask, CausalWindowHoldsTheLastKeysItselfIncluded) {
  EXPECT_EQ(keysOf(causal() & window(3), selfContext({9}), 4), Keys({2, 3, 4}));
}

TEST(Mask, WindowWithSidesIsInclusive) {
  EXPECT_EQ(keysOf(window(3, 2), selfContext({9}), 4), range(1, 7));
  EXPECT_EQ(keysOf(window(0, 0), selfContext({9}), 4), Keys({4}));
}

TEST(Mask, WindowsUseTheOffset) {
  EXPECT_EQ(keysOf(window(2), crossContext(1, 9), 0), Keys({7, 8}));
  EXPECT_EQ(keysOf(window(1, 5), crossContext(3, 9), 0), range(5, 9));
  Context context = crossContext(3, 9);
  context.qOffset = -2;
  EXPECT_EQ(keysOf(window(2), context, 0), Keys()); // position -2, keys -3 .. -1
  EXPECT_EQ(keysOf(window(2), context, 1), Keys({0}));
}

TEST(Mask, SinkAndPrefixCountKeysFromTheStart) {
  EXPECT_EQ(keysOf(sink(4), selfContext({9}), 8), range(0, 4));
  EXPECT_EQ(keysOf(sink(0), selfContext({9}), 8), Keys());
  EXPECT_EQ(keysOf(prefix(7), crossContext(2, 5), 0), range(0, 5));
}

TEST(Mask, PrefixAndKeyLengthReadTheirBatchEntry) {
  Context context = selfContext({6});
  context.batchInputs["len"] = {2, 0};
  context.batchInputs["kl"] = {5, 3};
  EXPECT_EQ(keysOf(prefix("len"), context, 4, 0), range(0, 2));
  EXPECT_EQ(keysOf(prefix("len"), context, 4, 1), Keys());
  EXPECT_EQ(keysOf(keyLength("kl"), context, 0, 0), range(0, 5));
  EXPECT_EQ(keysOf(keyLength("kl"), context, 5, 1), range(0, 3));
}

TEST(Mask, SameComparesLabels) {
  Context context = selfContext({6});
  context.labels["doc"] = {7, 7, 1, 1, 7, 2};
  EXPECT_EQ(keysOf(same("doc"), context, 0), Keys({0, 1, 4}));
  EXPECT_EQ(keysOf(same("doc") & causal(), context, 3), Keys({2, 3}));
  EXPECT_EQ(keysOf(same("doc"), context, 5), Keys({5}));
}

TEST(Mask, ConnectivesAreBoolean) {
  Context context = selfContext({8});
  EXPECT_EQ(keysOf(causal() & (window(2) | sink(1)), context, 5), Keys({0, 4, 5}));
  EXPECT_EQ(keysOf(!causal(), context, 5), Keys({6, 7}));
  EXPECT_EQ(keysOf(!(!sink(2)), context, 5), range(0, 2));
}

TEST(Mask, LinearKindsUseRowMajorIndices) {
  Context context = selfContext({3, 4});
  EXPECT_EQ(keysOf(causal(), context, 5), range(0, 6));
  EXPECT_EQ(keysOf(window(2), context, 4), Keys({3, 4, 5})); // 3 ends the row above
  EXPECT_EQ(coordinates({3, 4}, 5), Keys({1, 1}));
  EXPECT_EQ(coordinates({2, 3, 4}, 23), Keys({1, 2, 3}));
}

//===----------------------------------------------------------------------===//
// Neighbourhoods
//===----------------------------------------------------------------------===//

TEST(Neighborhood, OddWindowIsCentredAndShiftedAtTheBorders) {
  EXPECT_EQ(row(3, 1, 1, false, 7, 3), Keys({2, 3, 4}));
  EXPECT_EQ(row(3, 1, 1, false, 7, 0), Keys({0, 1, 2}));
  EXPECT_EQ(row(3, 1, 1, false, 7, 6), Keys({4, 5, 6}));
}

TEST(Neighborhood, EvenWindowHasOneMoreKeyOnTheLeft) {
  EXPECT_EQ(row(4, 1, 1, false, 9, 4), Keys({2, 3, 4, 5}));
  EXPECT_EQ(row(2, 1, 1, false, 9, 4), Keys({3, 4}));
}

TEST(Neighborhood, EvenStrideLeadsRightOfTheCentre) {
  // Stride group {4, 5, 6, 7} is led by 6.
  for (int64_t i = 4; i < 8; ++i)
    EXPECT_EQ(row(5, 4, 1, false, 16, i), range(4, 9)) << i;
  // Stride group {4, 5} is led by 5.
  EXPECT_EQ(row(3, 2, 1, false, 16, 4), Keys({4, 5, 6}));
}

TEST(Neighborhood, StrideEqualToWindowIsBlockedAttention) {
  for (int64_t w : {1, 2, 3, 4, 6})
    for (int64_t i = 0; i < 12; ++i)
      EXPECT_EQ(row(w, w, 1, false, 12, i), range(i / w * w, i / w * w + w)) << w << " " << i;
}

TEST(Neighborhood, RaggedLastBlockShiftsBack) {
  EXPECT_EQ(row(4, 4, 1, false, 10, 9), Keys({6, 7, 8, 9}));
  EXPECT_EQ(row(4, 4, 1, false, 10, 7), Keys({4, 5, 6, 7}));
}

TEST(Neighborhood, WindowOfTheWholeLengthIsDense) {
  for (int64_t s = 1; s <= 7; ++s)
    for (int64_t i = 0; i < 7; ++i)
      EXPECT_EQ(row(7, s, 1, false, 7, i), range(0, 7)) << s << " " << i;
}

TEST(Neighborhood, CausalGroupGrowsKeyByKey) {
  for (int64_t i = 0; i < 12; ++i)
    EXPECT_EQ(int64_t(row(4, 4, 1, true, 12, i).size()), i % 4 + 1) << i;
  EXPECT_EQ(row(4, 4, 1, true, 12, 6), Keys({4, 5, 6}));
}

TEST(Neighborhood, CausalWithoutStrideIsASlidingWindow) {
  EXPECT_EQ(row(3, 1, 1, true, 9, 5), Keys({3, 4, 5}));
  EXPECT_EQ(row(3, 1, 1, true, 9, 1), Keys({0, 1}));
}

TEST(Neighborhood, DilationStaysInsideItsGroup) {
  EXPECT_EQ(row(3, 1, 2, false, 11, 5), Keys({3, 5, 7}));
  EXPECT_EQ(row(3, 1, 2, false, 11, 0), Keys({0, 2, 4}));
  // Length 11 by dilation 3: groups of 4, 4 and 3 tokens.
  EXPECT_EQ(row(3, 1, 3, false, 11, 10), Keys({4, 7, 10}));
  EXPECT_EQ(row(3, 1, 3, false, 11, 8), Keys({2, 5, 8}));
  EXPECT_EQ(row(2, 1, 3, true, 11, 7), Keys({4, 7}));
}

TEST(Neighborhood, StrideCountsStepsInsideTheDilationGroup) {
  // Group 1 of dilation 2: tokens 1, 3, 5, 7, 9, 11; stride groups of two are led by the second.
  EXPECT_EQ(row(3, 2, 2, false, 12, 5), Keys({5, 7, 9}));
  EXPECT_EQ(row(3, 2, 2, false, 12, 7), Keys({5, 7, 9}));
}

TEST(Neighborhood, WindowLongerThanTheDimensionIsCut) {
  EXPECT_EQ(row(9, 1, 1, false, 4, 2), range(0, 4));
  EXPECT_EQ(row(9, 4, 1, true, 4, 2), range(0, 3));
}

/// Every rule of section 1.1 at once, for all small parameters.
TEST(Neighborhood, CountsAndOrderHoldForAllSmallParameters) {
  for (int64_t length = 1; length <= 13; ++length)
    for (int64_t w = 1; w <= length; ++w)
      for (int64_t s = 1; s <= w; ++s)
        for (int64_t d = 1; d * w <= length; ++d)
          for (int64_t i = 0; i < length; ++i) {
            Keys free = row(w, s, d, false, length, i), bound = row(w, s, d, true, length, i);
            ASSERT_EQ(int64_t(free.size()), w);
            ASSERT_FALSE(bound.empty());
            ASSERT_EQ(bound.back(), i); // ends at the query itself
            ASSERT_LE(int64_t(bound.size()), w);
            for (int64_t k : free)
              ASSERT_TRUE(k >= 0 && k < length && k % d == i % d);
            for (int64_t k : bound)
              ASSERT_TRUE(k >= 0 && k <= i && k % d == i % d);
          }
}

TEST(Neighborhood, SeveralDimensionsAreAProduct) {
  Mask mask = neighborhood({{3, 1, 1, false}, {2, 1, 1, true}});
  // Query (2, 3) of [5, 4]: rows 1 .. 3, columns 2 and 3.
  EXPECT_EQ(keysOf(mask, selfContext({5, 4}), 11), Keys({6, 7, 10, 11, 14, 15}));
}

/// HunyuanVideo, 30 x 48 x 80 tokens, window 18 x 24 x 24, stride 16 x 8 x 8: 11.111 times fewer
/// pairs than dense, for every query the same number.
TEST(Neighborhood, HunyuanVideoQueriesSeeTheWholeWindow) {
  Keys dims = {30, 48, 80};
  Mask mask = neighborhood({{18, 16, 1, false}, {24, 8, 1, false}, {24, 8, 1, false}});
  Context context = selfContext(dims);
  EXPECT_EQ(context.nk, 115200);
  EXPECT_EQ(int64_t(keysOf(mask, context, 12345).size()), 18 * 24 * 24);
  for (int64_t q = 0; q < context.nq; ++q) {
    Keys at = coordinates(dims, q);
    size_t count = 1;
    for (size_t d = 0; d < 3; ++d)
      count *= neighborhoodKeys(mask.neighborhood[d], dims[d], at[d]).size();
    ASSERT_EQ(count, 10368u) << q;
  }
  EXPECT_NEAR(115200.0 / 10368.0, 11.111, 1e-3);
}

/// Which queries see key j, from the inverse formulas (section 1.3; group-local, so dilation 1):
/// the other direction of the same definition, derived separately.
static Keys queriesOf(int64_t w, int64_t s, bool causal, int64_t n, int64_t j) {
  int64_t off = s - s / 2 - 1, left = w / 2, right = w - left - 1;
  if (causal)
    return range(j, std::min(((j + w) / s + (j + w >= n)) * s, n));
  int64_t begin = j < w ? 0 : (j - right + off) / s * s;
  int64_t end = j >= n - w ? n : (j + left + off + 1) / s * s;
  return range(begin, end);
}

TEST(Neighborhood, AgreesWithTheInverseWindow) {
  for (int64_t n = 1; n <= 16; ++n)
    for (int64_t w = 1; w <= n; ++w)
      for (int64_t s = 1; s <= w; ++s)
        for (bool causal : {false, true})
          for (int64_t j = 0; j < n; ++j) {
            Keys queries;
            for (int64_t i = 0; i < n; ++i) {
              Keys keys = row(w, s, 1, causal, n, i);
              if (std::find(keys.begin(), keys.end(), j) != keys.end())
                queries.push_back(i);
            }
            ASSERT_EQ(queries, queriesOf(w, s, causal, n, j))
                << "n " << n << " w " << w << " s " << s << " causal " << causal << " key " << j;
          }
}

/// Pairs of tiles of one dimension with a visible pair of tokens. Key sets are products over the
/// dimensions, so the pairs of boxes are the product of these.
static int64_t tilePairs(const NeighborhoodDim &dim, int64_t length, int64_t tileQ, int64_t tileK) {
  std::set<std::pair<int64_t, int64_t>> visited;
  for (int64_t i = 0; i < length; ++i)
    for (int64_t k : neighborhoodKeys(dim, length, i))
      visited.insert({i / tileQ, k / tileK});
  return int64_t(visited.size());
}

static int64_t hunyuanTiles(Keys stride, Keys tileQ, Keys tileK) {
  Keys dims = {30, 48, 80}, window = {18, 24, 24};
  int64_t count = 1;
  for (size_t d = 0; d < 3; ++d)
    count *= tilePairs({window[d], stride[d], 1, false}, dims[d], tileQ[d], tileK[d]);
  return count;
}

/// Tiles visited by HunyuanVideo, 2 x 8 x 8 keys each; dense would be 810000 and 432000.
TEST(Neighborhood, HunyuanVideoVisitsTheKnownNumberOfTiles) {
  EXPECT_EQ(hunyuanTiles({1, 1, 1}, {2, 8, 8}, {2, 8, 8}), 148896);
  EXPECT_EQ(hunyuanTiles({16, 8, 8}, {2, 8, 8}, {2, 8, 8}), 72900);
  EXPECT_EQ(hunyuanTiles({1, 1, 1}, {4, 8, 8}, {2, 8, 8}), 82368);
  EXPECT_EQ(hunyuanTiles({16, 8, 8}, {4, 8, 8}, {2, 8, 8}), 38880);
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

TEST(Spec, KindsAreWrittenAsInTheLanguage) {
  EXPECT_EQ(toSpec(all()), "all");
  EXPECT_EQ(toSpec(causal()), "causal");
  EXPECT_EQ(toSpec(causalTopLeft()), "causal(top_left)");
  EXPECT_EQ(toSpec(window(64)), "window(64)");
  EXPECT_EQ(toSpec(window(3, 5)), "window(left = 3, right = 5)");
  EXPECT_EQ(toSpec(sink(4)), "sink(4)");
  EXPECT_EQ(toSpec(prefix(7)), "prefix(7)");
  EXPECT_EQ(toSpec(prefix("len")), "prefix(len)");
  EXPECT_EQ(toSpec(keyLength("kl")), "key_length(kl)");
  EXPECT_EQ(toSpec(same("doc")), "same(doc)");
  EXPECT_EQ(toSpec(neighborhood({{3, 1, 1, false}, {5, 2, 1, true}})),
            "neighborhood(window = [3, 5], stride = [1, 2], dilation = [1, 1], causal = [false, "
            "true])");
}

TEST(Spec, NestedConnectivesGetParentheses) {
  EXPECT_EQ(toSpec(causal() & (window(64) | sink(4))), "causal & (window(64) | sink(4))");
  EXPECT_EQ(toSpec(!causal()), "!causal");
  EXPECT_EQ(toSpec(!(causal() & sink(1))), "!(causal & sink(1))");
  EXPECT_EQ(toSpec(!causal() | all()), "(!causal) | all");
}
