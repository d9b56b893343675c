// Launches that split the keys of their query tiles, and those that pack heads.
#include "test/runtime/PlannedKernel.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace attn {
namespace {

using namespace test;

/// Key tiles with their flags, in the order in which a kernel walks them.
using Walk = std::vector<std::vector<int64_t>>;

template <class Word> void walkBox(const Word *box, int rank, Walk &walk) {
  std::vector<int64_t> at(box, box + rank);
  while (true) {
    walk.push_back(at);
    walk.back().push_back(box[2 * rank]);
    int d = rank - 1;
    for (; d >= 0 && ++at[size_t(d)] == box[rank + d]; --d)
      at[size_t(d)] = box[d];
    if (d < 0)
      return;
  }
}

/// What entries [first, last) of the map's offsets visit.
Walk walkOf(const KernelArgs &args, int rank, int64_t first, int64_t last) {
  Walk walk;
  for (int64_t i = args.mapOffsets[first]; i < args.mapOffsets[last]; ++i) {
    int64_t word = i * (2 * rank + 1);
    if (rank > 1)
      walkBox(static_cast<const uint16_t *>(args.boxes) + word, rank, walk);
    else
      walkBox(static_cast<const int32_t *>(args.boxes) + word, rank, walk);
  }
  return walk;
}

LaunchPlan planned(const KernelInfo &info, const Buffers &buffers, const LaunchOptions &options) {
  Expected<LaunchPlan> plan = planLaunch(info, buffers.bindings, nullptr, options);
  EXPECT_TRUE(plan) << plan.error().message;
  return *std::move(plan);
}

/// The parts of each query tile are its walk, cut into runs whose lengths differ by one at most.
void expectSameWalk(const KernelInfo &info, const Buffers &buffers, int64_t splits) {
  LaunchPlan whole = planned(info, buffers, {}), split = planned(info, buffers, {.splits = splits});
  ASSERT_EQ(split.splits(), splits);
  EXPECT_EQ(split.tickets(), whole.tickets() * splits);
  EXPECT_EQ(split.visitedTiles, whole.visitedTiles);
  EXPECT_EQ(split.fullTiles, whole.fullTiles);
  EXPECT_EQ(split.allTiles, whole.allTiles);
  EXPECT_EQ(split.blindHeads(), whole.blindHeads());
  int64_t tiles = whole.args().queryTiles;
  for (int64_t map = 0; map < whole.numMaps(); ++map)
    for (int64_t tile = 0; tile < tiles; ++tile) {
      int64_t wholeEntry = map * (tiles + 1) + tile, entry = map * (tiles * splits + 1) + tile * splits;
      Walk all = walkOf(whole.args(), info.rank, wholeEntry, wholeEntry + 1);
      EXPECT_EQ(walkOf(split.args(), info.rank, entry, entry + splits), all);
      for (int64_t s = 0; s < splits; ++s) {
        int64_t length = int64_t(walkOf(split.args(), info.rank, entry + s, entry + s + 1).size());
        EXPECT_LE(std::abs(length * splits - int64_t(all.size())), splits) << "part " << s;
      }
    }
}

TEST(SplitKeys, PartsAreTheWalkCutInRuns) {
  KernelInfo info = kernelOf(causal());
  info.mergeEntry = "merge";
  Buffers buffers(100, 300);
  for (int64_t splits : {2, 3, 7, 16})
    expectSameWalk(info, buffers, splits);
}

TEST(SplitKeys, BoxesOfSeveralDimensionsAreCut) {
  FormulaBuilder builder({-1, -1, -1});
  KernelInfo info = kernelOf(*builder.finish(builder.always()));
  info.rank = 3;
  info.tokens = info.kvTokens = {5, -1, 9};
  info.queryTile = {5, 8, 9, 1};
  info.keyTile = {1, 2, 2, 1};
  info.mergeEntry = "merge";
  Buffers buffers(5 * 7 * 9, 5 * 7 * 9);
  for (int64_t splits : {2, 3, 5, 13, 64})
    expectSameWalk(info, buffers, splits);
}

TEST(SplitKeys, ChosenForFewPiecesOfWork) {
  KernelInfo info = kernelOf(causal());
  info.mergeEntry = "merge";
  Buffers decode(1, 2000), prefill(1000, 1000);
  EXPECT_EQ(planned(info, decode, {}).splits(), 1) << "nothing is known of the device";
  // 8 pieces of 125 key tiles. 12 parts keep 96 of 108 thread blocks busy; more parts gain little.
  EXPECT_EQ(planned(info, decode, {.concurrentBlocks = 108}).splits(), 12);
  EXPECT_EQ(planned(info, decode, {.concurrentBlocks = 9}).splits(), 1) << "enough as it is";
  EXPECT_EQ(planned(info, prefill, {.concurrentBlocks = 108}).splits(), 1) << "504 pieces";
  EXPECT_EQ(planned(info, decode, {.splits = 1000}).splits(), 125) << "as many as there are key tiles";
  info.mergeEntry.clear();
  EXPECT_EQ(planned(info, decode, {.concurrentBlocks = 108}).splits(), 1) << "nobody merges";
}

TEST(SplitKeys, ScratchHoldsThePartialOutputs) {
  KernelInfo info = kernelOf(causal());
  info.mergeEntry = "merge";
  Buffers buffers(3, 200);
  LaunchPlan plan = planned(info, buffers, {.splits = 4});
  std::vector<LaunchPlan::Scratch> scratch = plan.scratch();
  ASSERT_EQ(scratch.size(), 2u);
  EXPECT_EQ(scratch[0].field, offsetof(KernelArgs, partialO));
  EXPECT_EQ(scratch[0].bytes, 4 * (2 * 4 * 3) * 4 * int64_t(sizeof(float)));
  EXPECT_EQ(scratch[1].bytes, 4 * (2 * 4 * 3) * int64_t(sizeof(float)));
  EXPECT_EQ(plan.mergeBlocks(), 1) << "24 rows of one thread each";
  buffers.bindings.lse.reset();
  EXPECT_EQ(planned(info, buffers, {}).scratch().size(), 1u) << "lse, which nobody wants";
}

TEST(PackedHeads, APieceIsAGroupOfHeads) {
  KernelInfo info = kernelOf(causal());
  info.packedHeads = 2;
  Buffers buffers(40, 50);
  LaunchPlan plan = planned(info, buffers, {});
  EXPECT_EQ(plan.tickets(), 2 * 2 * 3);
  EXPECT_EQ(plan.visitedTiles, 2 * 2 * (2 + 3 + 4));
  std::vector<uint32_t> order(plan.args().order, plan.args().order + plan.tickets());
  std::sort(order.begin(), order.end());
  for (uint32_t i = 0; i < order.size(); ++i)
    EXPECT_EQ(order[i], i);
}

} // namespace
} // namespace attn
