// Kinds that are data, token groups and packed sequences.
#include "test/reference/Mask.h"
#include "test/reference/Pairs.h"

#include <gtest/gtest.h>

#include <limits>

using namespace attn::reference;

//===----------------------------------------------------------------------===//
// Labels and classes
//===----------------------------------------------------------------------===//

TEST(Data, LabelsOfQueriesAndKeysAreTwoVectors) {
  Context context = crossContext(3, 5); // the offset of 2 plays no part
  context.labels["q_doc"] = {-4, 2, 9};
  context.labels["k_doc"] = {2, -4, 2, std::numeric_limits<int32_t>::min(), -4};
  EXPECT_EQ(keysOf(same("q_doc", "k_doc"), context, 0), Keys({1, 4}));
  EXPECT_EQ(keysOf(same("q_doc", "k_doc"), context, 1), Keys({0, 2}));
  EXPECT_EQ(keysOf(same("q_doc", "k_doc"), context, 2), Keys());
}

TEST(Data, ClassesReadTheirTable) {
  Context context = selfContext({5});
  context.labels["kind"] = {0, 1, 1, 2, 0};
  Mask mask = classes("kind", {{1, 0, 0}, {1, 1, 0}, {0, 0, 0}});
  EXPECT_EQ(keysOf(mask, context, 0), Keys({0, 4}));
  EXPECT_EQ(keysOf(mask, context, 1), Keys({0, 1, 2, 4}));
  EXPECT_EQ(keysOf(mask, context, 3), Keys());
  EXPECT_EQ(toSpec(mask), "classes(kind, allow = [[1, 0, 0], [1, 1, 0], [0, 0, 0]])");
}

//===----------------------------------------------------------------------===//
// Mask tensors and block lists
//===----------------------------------------------------------------------===//

TEST(Data, ClassesOutsideOfTheTableSeeNothingAndAreNotSeen) {
  Context context = selfContext({3});
  context.labels["c"] = {0, -1, 1};
  Mask mask = classes("c", {{1}});
  EXPECT_TRUE(sees(mask, context, 0, 0, 0));
  for (int64_t other : {1, 2}) {
    EXPECT_FALSE(sees(mask, context, 0, 0, other));
    EXPECT_FALSE(sees(mask, context, 0, other, 0));
    EXPECT_FALSE(sees(mask, context, 0, other, other));
  }
}

TEST(Data, ClassesOfKeysMayBeAnotherVector) {
  Context context = crossContext(1, 2);
  context.labels["of_q"] = {1};
  context.labels["of_k"] = {0, 1};
  Mask mask = classes("of_q", {{0, 1}, {1, 0}});
  mask.keyInput = "of_k";
  EXPECT_TRUE(sees(mask, context, 0, 0, 0));
  EXPECT_FALSE(sees(mask, context, 0, 0, 1));
}

TEST(Data, TablesAreReadAtTheQuerysOwnRow) {
  Context context = crossContext(2, 5); // offset 3
  context.labels["t"] = {0, 7};
  Mask mask = predicate(lookup("t", {queryPosition()}) == 7);
  EXPECT_FALSE(sees(mask, context, 0, 0, 0));
  EXPECT_TRUE(sees(mask, context, 0, 1, 0));
}

TEST(Data, MaskTensorsBroadcast) {
  Context context = crossContext(2, 3);
  context.tensors["seen"] = {{1, 2, 1, 3}, {1, 0, 1, 0, 1, 0}}; // per head and key
  EXPECT_EQ(keysOf(from("seen"), context, 1, 5, 0), Keys({0, 2}));
  EXPECT_EQ(keysOf(from("seen"), context, 0, 7, 1), Keys({1}));
  context.tensors["seen"] = {{2, 1, 2, 1}, {0, 1, 1, 0}}; // per batch entry and query
  EXPECT_EQ(keysOf(from("seen"), context, 0, 0, 3), Keys());
  EXPECT_EQ(keysOf(from("seen"), context, 1, 0, 3), range(0, 3));
  EXPECT_EQ(keysOf(from("seen"), context, 0, 1, 3), range(0, 3));
}

TEST(Data, BlockListsHoldKeyTilesOfBlockRows) {
  Context context = crossContext(10, 14); // 3 x 4 blocks of 4
  context.tensors["rows"] = {{4}, {0, 2, 2, 3}};
  context.tensors["cols"] = {{4}, {3, 0, 1, 2}}; // any order; the last entry belongs to no row
  Mask mask = blocks("rows", "cols", 4);
  EXPECT_EQ(keysOf(mask, context, 3), Keys({0, 1, 2, 3, 12, 13}));
  EXPECT_EQ(keysOf(mask, context, 4), Keys());
  EXPECT_EQ(keysOf(mask, context, 9), range(4, 8));
  EXPECT_EQ(toSpec(mask), "blocks(rows, cols, size = 4)");
}

TEST(Data, BlockListsMayDifferByBatchEntryAndHead) {
  Context context = selfContext({4});
  context.tensors["rows"] = {{1, 2, 3}, {0, 1, 2, 0, 0, 1}};
  context.tensors["cols"] = {{1, 2, 2}, {1, 0, 1, 7}};
  Mask mask = blocks("rows", "cols", 2, 2, true, {true, false});
  EXPECT_EQ(keysOf(mask, context, 0, 3, 0), Keys({2, 3}));
  EXPECT_EQ(keysOf(mask, context, 2, 3, 0), Keys({0, 1}));
  EXPECT_EQ(keysOf(mask, context, 0, 3, 1), Keys());
  EXPECT_EQ(keysOf(mask, context, 3, 0, 1), Keys({2, 3}));
}

TEST(Data, BlockBitsCountFromTheLowestBit) {
  Context context = crossContext(2, 40); // one row of 40 blocks of 1, two words; and a second row
  context.tensors["bits"] = {{2, 2}, {std::numeric_limits<int32_t>::min() | 5, 1 << 7, -1, 0}};
  Mask mask = blockBits("bits", 1);
  EXPECT_EQ(keysOf(mask, context, 0), Keys({0, 2, 31, 39}));
  EXPECT_EQ(keysOf(mask, context, 1), range(0, 32));
  EXPECT_EQ(toSpec(mask), "blocks(bits, size = 1)");
}

//===----------------------------------------------------------------------===//
// Token groups
//===----------------------------------------------------------------------===//

TEST(Groups, VirtualLayoutHasRoomForAllTokens) {
  EXPECT_EQ(virtualLayout({{"video", {30, 48, 80}}, {"text", {256}}}), Keys({31, 48, 80}));
  EXPECT_EQ(virtualLayout({{"video", {2, 3}}, {"text", {6}}, {"speech", {1}}}), Keys({5, 3}));
  EXPECT_EQ(virtualLayout({{"video", {2, 3}}}), Keys({2, 3}));
}

TEST(Groups, NamesStandForTokens) {
  Context context = groupContext({{"video", {2, 3}}, {"text", {2}}, {"speech", {1}}});
  EXPECT_EQ(context.nk, 9);
  EXPECT_EQ(keysOf(keys("text"), context, 0), Keys({6, 7}));
  EXPECT_EQ(keysOf(queries("speech"), context, 8), range(0, 9));
  EXPECT_EQ(keysOf(queries("speech"), context, 7), Keys());
  EXPECT_EQ(keysOf(keys("video"), context, 8), range(0, 6));
}

TEST(Groups, KindsOfSeveralDimensionsAreAboutTheFirstGroup) {
  Context context = groupContext({{"video", {3, 3}}, {"text", {2}}});
  Mask near = neighborhood({{1}, {3}});
  EXPECT_EQ(keysOf(near, context, 4), Keys({3, 4, 5}));
  EXPECT_EQ(keysOf(near, context, 9), Keys()); // text
  EXPECT_EQ(keysOf(causalDim(1), context, 1), Keys({0, 1, 3, 4, 6, 7}));
  EXPECT_EQ(keysOf(block({2, 2}), context, 8), Keys({8}));
  EXPECT_EQ(keysOf(block({2, 2}), context, 10), Keys());
  EXPECT_EQ(keysOf(near | keys("text") | queries("text"), context, 4), Keys({3, 4, 5, 9, 10}));
  // Row-major kinds go through all tokens.
  EXPECT_EQ(keysOf(causal() & window(3), context, 10), Keys({8, 9, 10}));
}

//===----------------------------------------------------------------------===//
// Packed sequences
//===----------------------------------------------------------------------===//

TEST(Packed, SequencesDoNotSeeEachOther) {
  Context context = packedContext({0, 5, 5, 70, 128}); // one is empty
  EXPECT_EQ(context.nq, 128);
  EXPECT_EQ(keysOf(all(), context, 4), range(0, 5));
  EXPECT_EQ(keysOf(all(), context, 5), range(5, 70));
  EXPECT_EQ(keysOf(causal(), context, 72), range(70, 73));
  EXPECT_EQ(keysOf(!causal(), context, 67), Keys({68, 69})); // not those of other sequences
}

TEST(Packed, KindsSpeakOfPositionsInsideTheSequence) {
  Context context = packedContext({0, 4, 10});
  EXPECT_EQ(keysOf(sink(1), context, 9), Keys({4}));
  EXPECT_EQ(keysOf(global(5, 1), context, 0), Keys());
  EXPECT_EQ(keysOf(global(5, 1), context, 6), Keys({9}));
  EXPECT_EQ(keysOf(block({4}), context, 5), range(4, 8));
  EXPECT_EQ(keysOf(neighborhood({{3}}), context, 4), Keys({4, 5, 6})); // shifted inside
  EXPECT_EQ(keysOf(neighborhood({{5}}), context, 2), range(0, 4));     // cut to the sequence
  EXPECT_EQ(keysOf(predicate(keyPosition() == queryPosition() - queryCount() + 2), context, 9),
            Keys({5}));
  EXPECT_EQ(zeroKeys(neighborhood({{3}}, Border::Zero), context, 4), 1);
}

TEST(Packed, DataIsReadAtTheTokensOwnNumber) {
  Context context = packedContext({0, 3, 6});
  context.labels["doc"] = {0, 0, 0, 1, 2, 1}; // inside the sequences all would be equal
  EXPECT_EQ(keysOf(same("doc"), context, 3), Keys({3, 5}));
  EXPECT_EQ(keysOf(same("doc"), context, 4), Keys({4}));
}

TEST(Packed, TablesAreReadAtTheTokensOwnNumber) {
  Context context = packedContext({0, 3, 6});
  context.labels["t"] = {0, 1, 2, 3, 4, 5};
  Expr q = queryPosition(), k = keyPosition();
  EXPECT_TRUE(sees(predicate(lookup("t", {k}) == 5), context, 0, 4, 5));
  EXPECT_TRUE(sees(predicate(lookup("t", {q}) == 4), context, 0, 4, 5));
  EXPECT_TRUE(sees(predicate(lookup("t", {k + 0}, {"tokens"}) == 2), context, 0, 4, 5))
      << "what is computed is a position inside the sequence";
}

TEST(Packed, LastQueriesMeetLastKeys) {
  Context context = packedContext({0, 2, 5}, {0, 4, 5});
  EXPECT_EQ(keysOf(causal(), context, 0), range(0, 3)); // position 2 of 4
  EXPECT_EQ(keysOf(causal(), context, 1), range(0, 4));
  EXPECT_EQ(keysOf(causal(), context, 2), Keys()); // position -2 of 1
  EXPECT_EQ(keysOf(causal(), context, 4), Keys({4}));
  EXPECT_EQ(keysOf(causalTopLeft(), context, 1), Keys({0, 1}));
  context.sequenceOffset = 0;
  EXPECT_EQ(keysOf(causal(), context, 0), Keys({0}));
}

TEST(Packed, TokensBehindTheLastSequenceSeeNothing) {
  Context context = packedContext({0, 3});
  context.nq = context.nk = 5;
  EXPECT_EQ(keysOf(all(), context, 2), range(0, 3));
  EXPECT_EQ(keysOf(all(), context, 3), Keys());
}

/// Tasks of one document of 64 tokens, as (queries, keys): the queries are the last ones of the
/// keys' prefix. Together they are the causal triangle: 64 * 65 / 2 pairs.
TEST(Packed, TasksOfADocumentAddUpToTheTriangle) {
  Context tasks = packedContext({0, 27, 32, 37, 64}, {0, 27, 59, 96, 160});
  EXPECT_EQ(pairsOf(causal(), tasks), 2080);
  EXPECT_EQ(pairsOf(causal(), selfContext({64})), 2080);
  // Query 32 of the document is the first of the third task, (5, 37), and sees its 33 keys.
  EXPECT_EQ(keysOf(causal(), tasks, 32), range(59, 59 + 33));
}
