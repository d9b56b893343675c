// Kinds that are formulas, against examples worked out by hand.
#include "test/reference/Mask.h"
#include "test/reference/Pairs.h"

#include <gtest/gtest.h>

using namespace attn::reference;

//===----------------------------------------------------------------------===//
// Windows, ranges and strides
//===----------------------------------------------------------------------===//

TEST(Kinds, DilatedWindowCountsStepsOfTheDilation) {
  EXPECT_EQ(keysOf(dilatedWindow(2, 3), selfContext({12}), 5), Keys({2, 5, 8}));
  EXPECT_EQ(keysOf(dilatedWindow(3, 2), selfContext({9}), 1), Keys({1, 3, 5}));
  EXPECT_EQ(keysOf(dilatedWindow(2, 1, 4), selfContext({20}), 9), Keys({1, 5, 9, 13}));
  EXPECT_EQ(keysOf(dilatedWindow(2, 1), selfContext({9}), 4),
            keysOf(window(2), selfContext({9}), 4));
  // Position 6 of the first query.
  EXPECT_EQ(keysOf(dilatedWindow(1, 0, 3), crossContext(4, 10), 0), Keys({3, 6}));
}

TEST(Kinds, GlobalTokensSeeAllAndAreSeenByAll) {
  EXPECT_EQ(keysOf(global(0, 2), selfContext({6}), 1), range(0, 6));
  EXPECT_EQ(keysOf(global(0, 2), selfContext({6}), 2), Keys({0, 1}));
  EXPECT_EQ(keysOf(global(2, 2), selfContext({6}), 0), Keys({2, 3}));
  EXPECT_EQ(keysOf(global(2, 2), selfContext({6}), 3), range(0, 6));
  // Queries stand at 4, 5, 6.
  EXPECT_EQ(keysOf(global(5, 1), crossContext(3, 7), 0), Keys({5}));
  EXPECT_EQ(keysOf(global(5, 1), crossContext(3, 7), 1), range(0, 7));
}

TEST(Kinds, RangesOfKeysAndQueries) {
  EXPECT_EQ(keysOf(keys(2, 3), selfContext({6}), 5), Keys({2, 3, 4}));
  EXPECT_EQ(keysOf(keys(4, 9), selfContext({6}), 0), Keys({4, 5}));
  EXPECT_EQ(keysOf(queries(2, 3), selfContext({6}), 1), Keys());
  EXPECT_EQ(keysOf(queries(2, 3), selfContext({6}), 2), range(0, 6));
  EXPECT_EQ(keysOf(queries(2, 3), selfContext({6}), 5), Keys());
  EXPECT_EQ(keysOf(queries(4, 1), crossContext(3, 7), 0), range(0, 7));
  EXPECT_EQ(keysOf(queries(0, 4), crossContext(3, 7), 0), Keys());
}

TEST(Kinds, StridedAndFixed) {
  EXPECT_EQ(keysOf(strided(4), selfContext({12}), 6), Keys({2, 6, 10}));
  EXPECT_EQ(keysOf(strided(4), crossContext(2, 9), 0), Keys({3, 7}));
  EXPECT_EQ(keysOf(fixed(5, 2), selfContext({12}), 0), Keys({3, 4, 8, 9}));
  EXPECT_EQ(keysOf(fixed(3, 3), selfContext({7}), 0), range(0, 7));
}

TEST(Kinds, StridedCountsBackwardsFromQueriesBeforeTheFirstKey) {
  Context context = crossContext(5, 2); // the first query stands at -3
  EXPECT_EQ(keysOf(strided(2), context, 0), Keys({1}));
  EXPECT_EQ(keysOf(strided(2), context, 1), Keys({0}));
  EXPECT_EQ(keysOf(block({4}), context, 0), Keys()); // -3 lies in the block of -4 .. -1
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

TEST(Kinds, BlocksHoldTheirOwnTokens) {
  EXPECT_EQ(keysOf(block({4}), selfContext({10}), 5), range(4, 8));
  EXPECT_EQ(keysOf(block({4}), selfContext({10}), 9), Keys({8, 9}));
  EXPECT_EQ(keysOf(block({4}), crossContext(3, 10), 0), range(4, 8)); // position 7
}

TEST(Kinds, BlocksWithAnOffsetStartLate) {
  // [-2, 2), [2, 6), [6, 10)
  EXPECT_EQ(keysOf(block({4}, {2}), selfContext({10}), 1), Keys({0, 1}));
  EXPECT_EQ(keysOf(block({4}, {2}), selfContext({10}), 2), range(2, 6));
  EXPECT_EQ(keysOf(block({4}, {2}), selfContext({10}), 9), range(6, 10));
}

TEST(Kinds, BlocksOfSeveralDimensionsAreProducts) {
  // [5, 6] tokens in blocks of 2 x 4, the second dimension from -3: columns 0 | 1 .. 4 | 5.
  Context context = selfContext({5, 6});
  Mask mask = block({2, 4}, {0, 1});
  EXPECT_EQ(keysOf(mask, context, 6 * 2 + 2), Keys({13, 14, 15, 16, 19, 20, 21, 22}));
  EXPECT_EQ(keysOf(mask, context, 6 * 4 + 5), Keys({29}));
  EXPECT_EQ(keysOf(block({2}), context, 0), Keys({0, 1, 6, 7})); // one size for all
}

/// S2 attention (arXiv 2309.12307), segments per head: 8 tokens a group, half of the heads with
/// segments [0, 4), [4, 12), .. [28, 32). N = 32: 4 * 36 visible pairs, and 3 * 36 + 2 * 10.
TEST(Kinds, ShiftedSparseAttentionCounts) {
  Context context = selfContext({32});
  EXPECT_EQ(pairsOf(block({8}) & causal(), context), 144);
  EXPECT_EQ(pairsOf(block({8}, {4}) & causal(), context), 128);
  // No query looks ahead, and the first tokens do not see the last ones.
  for (int64_t q = 0; q < 32; ++q)
    for (int64_t k : keysOf(block({8}, {4}) & causal(), context, q))
      EXPECT_TRUE(k <= q && (k + 4) / 8 == (q + 4) / 8);
  // With four global tokens: the others gain the sinks that they do not see yet, the sinks gain all
  // later ones; 32 * 4 * 2 - 16 pairs have a sink, of which 4 * 5 / 2 were there.
  EXPECT_EQ(pairsOf((block({8}, {4}) & causal()) | global(0, 4), context), 128 - 10 + 240);
}

//===----------------------------------------------------------------------===//
// Dimensions
//===----------------------------------------------------------------------===//

TEST(Kinds, CausalInOneDimensionLeavesTheOthersFree) {
  Context context = selfContext({3, 4});
  EXPECT_EQ(keysOf(causalDim(0), context, 5), range(0, 8)); // rows 0 and 1
  EXPECT_EQ(keysOf(causalDim(1), context, 5), Keys({0, 1, 4, 5, 8, 9}));
  EXPECT_EQ(keysOf(causalDim(0), crossContext(2, 5), 0), range(0, 4)); // one dimension: causal
}

TEST(Kinds, FourDimensions) {
  Context context = selfContext({2, 3, 4, 5});
  EXPECT_EQ(coordinates({2, 3, 4, 5}, 119), Keys({1, 2, 3, 4}));
  Mask mask = neighborhood({{1}, {3}, {2}, {5}});
  // Query (1, 0, 2, 4): coordinate 1; 0 .. 2; 1 .. 2; all.
  Keys expected;
  for (int64_t y = 0; y < 3; ++y)
    for (int64_t x = 1; x <= 2; ++x)
      for (int64_t w = 0; w < 5; ++w)
        expected.push_back(((1 * 3 + y) * 4 + x) * 5 + w);
  EXPECT_EQ(keysOf(mask, context, ((1 * 3 + 0) * 4 + 2) * 5 + 4), expected);
  EXPECT_EQ(keysOf(block({1, 2, 2, 5}), context, 0).size(), 2u * 2 * 5);
  EXPECT_EQ(keysOf(causalDim(3), context, 0).size(), 24u);
}

//===----------------------------------------------------------------------===//
// Borders
//===----------------------------------------------------------------------===//

TEST(Borders, ClippedWindowsAreCut) {
  EXPECT_EQ(neighborhoodKeys({5}, 9, 0, Border::Clip), Keys({0, 1, 2}));
  EXPECT_EQ(neighborhoodKeys({5}, 9, 4, Border::Clip), range(2, 7));
  EXPECT_EQ(neighborhoodKeys({5}, 9, 8, Border::Clip), Keys({6, 7, 8}));
  EXPECT_EQ(neighborhoodKeys({4}, 9, 0, Border::Clip), Keys({0, 1})); // two left, one right
  // Group {1, 4, 7, 10} of dilation 3.
  EXPECT_EQ(neighborhoodKeys({3, 1, 3}, 11, 1, Border::Clip), Keys({1, 4}));
  EXPECT_EQ(neighborhoodKeys({3, 1, 3}, 11, 7, Border::Clip), Keys({4, 7, 10}));
}

/// Even strides lead right of the centre; the last group of a ragged dimension is led by its last.
TEST(Borders, StrideLeadersDoNotDependOnTheBorder) {
  for (int64_t i = 4; i < 8; ++i)
    EXPECT_EQ(neighborhoodKeys({5, 4}, 16, i, Border::Clip), range(4, 9)) << i;
  EXPECT_EQ(neighborhoodKeys({4, 2}, 9, 8, Border::Clip), Keys({6, 7, 8}));
  EXPECT_EQ(neighborhoodKeys({3, 2}, 9, 0, Border::Clip), Keys({0, 1, 2}));
}

TEST(Borders, CausalWindowsAreCutInAnyCase) {
  for (int64_t i = 0; i < 12; ++i)
    for (Border border : {Border::Clip, Border::Zero})
      EXPECT_EQ(neighborhoodKeys({4, 2, 1, true}, 12, i, border),
                neighborhoodKeys({4, 2, 1, true}, 12, i));
}

TEST(Borders, WindowOfMinusOneIsTheWholeDimension) {
  for (Border border : {Border::Shift, Border::Clip, Border::Zero}) {
    EXPECT_EQ(neighborhoodKeys({-1}, 7, 1, border), range(0, 7));
    EXPECT_EQ(neighborhoodKeys({-1, 4}, 7, 6, border), range(0, 7));
    EXPECT_EQ(neighborhoodKeys({-1, 1, 1, true}, 7, 3, border), range(0, 4));
    EXPECT_EQ(neighborhoodKeys({-1, 1, 3}, 7, 4, border), Keys({1, 4}));
  }
  // All of time, 3 x 3 in space.
  EXPECT_EQ(keysOf(neighborhood({{-1}, {3}, {3}}), selfContext({2, 4, 4}), 5),
            Keys({0, 1, 2, 4, 5, 6, 8, 9, 10, 16, 17, 18, 20, 21, 22, 24, 25, 26}));
}

/// 3 x 3 taps of a convolution that pads with zeros (arXiv 2310.04134): 5 of 9 are outside at a
/// corner, 3 at an edge.
TEST(Borders, ZerosStandForTheTapsOutside) {
  Context context = selfContext({4, 5});
  Mask mask = neighborhood({{3}, {3}}, Border::Zero);
  EXPECT_EQ(zeroKeys(mask, context, 0), 5);
  EXPECT_EQ(zeroKeys(mask, context, 2), 3);
  EXPECT_EQ(zeroKeys(mask, context, 7), 0);
  EXPECT_EQ(keysOf(mask, context, 0), Keys({0, 1, 5, 6}));
  for (int64_t q = 0; q < context.nq; ++q)
    EXPECT_EQ(int64_t(keysOf(mask, context, q).size()) + zeroKeys(mask, context, q), 9);
  // Dilation 2: taps two apart. Query (0, 0) has the 2 x 2 with coordinates 0 and 2.
  Mask dilated = neighborhood({{3, 1, 2}, {3, 1, 2}}, Border::Zero);
  EXPECT_EQ(keysOf(dilated, context, 0), Keys({0, 2, 10, 12}));
  EXPECT_EQ(zeroKeys(dilated, context, 0), 5);
  // A window longer than the layout keeps all of its taps.
  EXPECT_EQ(zeroKeys(neighborhood({{9}}, Border::Zero), selfContext({3}), 0), 6);
}

TEST(Borders, OtherMasksHaveNoZeros) {
  EXPECT_EQ(zeroKeys(neighborhood({{3}}, Border::Clip), selfContext({5}), 0), 0);
  EXPECT_EQ(zeroKeys(causal() & window(3), selfContext({5}), 0), 0);
}

//===----------------------------------------------------------------------===//
// Spans
//===----------------------------------------------------------------------===//

TEST(Spans, ElasticRuleOfPublishedPlans) {
  // vicuna-7b, layer 4, 8192 tokens and 1024 new ones.
  EXPECT_EQ(spanOf(0, 0.25, 8192, 1024).cache, 2304);
  EXPECT_EQ(spanOf(0, 0.625, 8192, 1024).cache, 5760);
  Span span = spanOf(0, 0.25, 8192, 1024);
  EXPECT_EQ(span.sink, 64);
  EXPECT_EQ(span.local, 2240);
  EXPECT_EQ(spanOf(-1024, 1, 4096, 0).cache, 3072);
  EXPECT_EQ(spanOf(1024, 0.125, 100, 0).cache, 128); // not more than N, but 128 at least
  EXPECT_EQ(spanOf(0, 0.125, 4096, 2).cache, 512);   // 512.25, cut
  EXPECT_EQ(spanOf(0, 0.125, 4096, 8).cache, 576);   // 513, rounded up to blocks
  EXPECT_EQ(spanOf(-1024, 1, 100, 0).cache, 128);    // negative
}

/// Blocks that a head visits: of 64 x 65 / 2 = 2080 causal ones at 4096 tokens, one sink block and
/// the last 8, or 31.
static int64_t visitedBlocks(double alpha) {
  Mask mask = spans({alpha}, {0});
  Context context = selfContext({4096});
  int64_t visited = 0;
  for (int64_t i = 0; i < 64; ++i)
    for (int64_t j = 0; j < 64; ++j)
      visited += sees(mask, context, 0, 64 * i + 63, 64 * j); // last row, first column
  return visited;
}

TEST(Spans, VisitedBlocks) {
  EXPECT_EQ(visitedBlocks(4096), 2080);
  EXPECT_EQ(visitedBlocks(9 * 64), 540);
  EXPECT_EQ(visitedBlocks(32 * 64), 1552);
}

TEST(Spans, HeadsDifferAndRowsAreCausal) {
  Mask mask = spans({0, 1000}, {0, 0}); // 128 tokens: one sink block and one local; and all
  Context context = selfContext({300});
  EXPECT_EQ(keysOf(mask, context, 200, 0, 1), range(0, 201));
  Keys expected = range(0, 64), local = range(192, 201);
  expected.insert(expected.end(), local.begin(), local.end());
  EXPECT_EQ(keysOf(mask, context, 200, 0, 0), expected);
  EXPECT_EQ(keysOf(mask, context, 100, 0, 0), range(0, 101)); // block 1 is local, block 0 the sink
  // The last 100 queries: the first stands at 200.
  EXPECT_EQ(keysOf(mask, crossContext(100, 300), 0, 0, 0), expected);
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

TEST(Spec, NewKindsAreWrittenAsInTheLanguage) {
  EXPECT_EQ(toSpec(causalDim(1)), "causal(dim = 1)");
  EXPECT_EQ(toSpec(dilatedWindow(4, 2)), "window(4, dilation = 2)");
  EXPECT_EQ(toSpec(dilatedWindow(4, 1, 3)), "window(left = 4, right = 1, dilation = 3)");
  EXPECT_EQ(toSpec(global(0, 4)), "global(4)");
  EXPECT_EQ(toSpec(global(2, 4)), "global(first = 2, count = 4)");
  EXPECT_EQ(toSpec(keys(0, 4)), "keys(first = 0, count = 4)");
  EXPECT_EQ(toSpec(queries(3, 4)), "queries(first = 3, count = 4)");
  EXPECT_EQ(toSpec(keys("text") | queries("text")), "keys(text) | queries(text)");
  EXPECT_EQ(toSpec(block({8})), "block(8)");
  EXPECT_EQ(toSpec(block({8}, {4})), "block(8, offset = 4)");
  EXPECT_EQ(toSpec(block({2, 4}, {0, 0})), "block([2, 4])");
  EXPECT_EQ(toSpec(block({2, 4}, {0, 1})), "block([2, 4], offset = [0, 1])");
  EXPECT_EQ(toSpec(strided(3)), "strided(3)");
  EXPECT_EQ(toSpec(fixed(8, 2)), "fixed(8, 2)");
  EXPECT_EQ(toSpec(neighborhood({{-1, 1, 2}}, Border::Zero)),
            "neighborhood(window = [-1], stride = [1], dilation = [2], causal = [false], "
            "border = zero)");
  EXPECT_EQ(toSpec(spans({0}, {1}, 7, "a.json", 4)),
            "spans(\"a.json\", layer = 4, max_new_tokens = 7)");
}
