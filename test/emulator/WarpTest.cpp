// Warp-wide instructions, divergence, barriers and what is reported about them.
#include "test/emulator/Run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace attn::emulator {
namespace {

/// Stores %r9 of every lane.
const char *const kStore = "  add.u64 %d1, %out, %lane4;\n  st.global.b32 [%d1], %r9;\n";

void expectFault(const Outcome &outcome, const std::string &part) {
  EXPECT_NE(outcome.fault.find(part), std::string::npos) << outcome.fault;
}

/// As the CUDA guide defines __shfl_*_sync: within segments of `width` lanes.
unsigned shuffled(const std::string &mode, unsigned lane, unsigned n, unsigned width) {
  unsigned begin = lane / width * width, end = begin + width;
  if (mode == "idx")
    return begin + n % width;
  if (mode == "up")
    return lane >= begin + n ? lane - n : lane;
  if (mode == "down")
    return lane + n < end ? lane + n : lane;
  unsigned other = lane ^ n; // a lower segment may be read, a higher one not
  return other < end ? other : lane;
}

TEST(Shuffle, MovesWithinSegments) {
  for (const char *mode : {"idx", "up", "down", "bfly"})
    for (unsigned width : {2u, 8u, 16u, 32u})
      for (unsigned n : {0u, 1u, 3u, 7u, 16u, 31u}) {
        unsigned clamp = (32 - width) << 8 | (std::string(mode) == "up" ? 0 : 31);
        std::string body = fmt::format("  add.u32 %r0, %lane, 100;\n"
                                       "  shfl.sync.{}.b32 %r1|%p0, %r0, {}, {}, -1;\n"
                                       "  selp.u32 %r2, 1000, 0, %p0;\n  add.u32 %r9, %r1, %r2;\n",
                                       mode, n, clamp);
        Outcome outcome = runBody(body + kStore, {}, 32);
        ASSERT_EQ(outcome.fault, "");
        for (unsigned lane = 0; lane < 32; ++lane) {
          unsigned from = shuffled(mode, lane, n, width);
          unsigned sum = outcome.out[lane];
          ASSERT_EQ(sum % 1000, 100 + from) << mode << " " << n << " " << width << " " << lane;
          // Out of range is the only way to read oneself by another name.
          bool inRange = from != lane || n == 0 || std::string(mode) == "idx";
          ASSERT_EQ(sum >= 1000, inRange) << mode << " " << n << " " << width << " " << lane;
        }
      }
}

TEST(Shuffle, WantsItsMembersTogether) {
  expectFault(runBody("  setp.lt.u32 %p0, %lane, 16;\n  mov.b32 %r0, 1;\n"
                      "  @%p0 shfl.sync.idx.b32 %r1, %r0, 0, 31, -1;\n",
                      {}, 1),
              "the member mask 0xffffffff names lanes that are elsewhere");
  expectFault(runBody("  mov.b32 %r0, 1;\n  shfl.sync.idx.b32 %r1, %r0, 0, 31, 0xffff;\n", {}, 1),
              "the member mask 0x0000ffff does not name the executing lane");
  Outcome half =
      runBody("  setp.lt.u32 %p0, %lane, 16;\n  mov.b32 %r0, %lane;\n  mov.b32 %r9, 77;\n"
              "  @%p0 shfl.sync.idx.b32 %r9, %r0, 3, 31, 0xffff;\n" +
                  std::string(kStore),
              {}, 32);
  EXPECT_EQ(half.fault, "");
  EXPECT_EQ(half.out[5], 3u);
  EXPECT_EQ(half.out[20], 77u);
}

TEST(Shuffle, OfALaneThatIsNotThereIsUndefined) {
  expectFault(runBody("  setp.lt.u32 %p0, %lane, 16;\n  mov.b32 %r0, %lane;\n  mov.b32 %r9, 77;\n"
                      "  @%p0 shfl.sync.idx.b32 %r9, %r0, 20, 31, 0xffff;\n" +
                          std::string(kStore),
                      {}, 32),
              "a stored value depends on a register that was never written");
}

uint32_t oneWord(const std::string &body) {
  Outcome outcome = runBody(body + kStore, {}, 32);
  EXPECT_EQ(outcome.fault, "");
  for (uint32_t word : outcome.out)
    EXPECT_EQ(word, outcome.out[0]);
  return outcome.out[0];
}

TEST(Vote, CountsTheLanes) {
  const std::string isLow = "  setp.lt.u32 %p0, %lane, 5;\n";
  EXPECT_EQ(oneWord(isLow + "  vote.sync.ballot.b32 %r9, %p0, -1;\n"), 0x1fu);
  EXPECT_EQ(oneWord(isLow + "  vote.sync.ballot.b32 %r9, !%p0, -1;\n"), ~0x1fu);
  const std::string toWord = "  selp.u32 %r9, 1, 0, %p1;\n";
  EXPECT_EQ(oneWord(isLow + "  vote.sync.any.pred %p1, %p0, -1;\n" + toWord), 1u);
  EXPECT_EQ(oneWord(isLow + "  vote.sync.all.pred %p1, %p0, -1;\n" + toWord), 0u);
  EXPECT_EQ(oneWord(isLow + "  vote.sync.uni.pred %p1, %p0, -1;\n" + toWord), 0u);
  EXPECT_EQ(oneWord("  activemask.b32 %r9;\n"), ~0u);
}

TEST(Redux, ReducesOverTheMembers) {
  EXPECT_EQ(oneWord("  redux.sync.add.u32 %r9, %lane, -1;\n"), 496u);
  EXPECT_EQ(oneWord("  sub.u32 %r0, %lane, 7;\n  redux.sync.min.s32 %r9, %r0, -1;\n"),
            uint32_t(-7));
  EXPECT_EQ(oneWord("  sub.u32 %r0, %lane, 7;\n  redux.sync.max.u32 %r9, %r0, -1;\n"), ~0u);
  EXPECT_EQ(oneWord("  redux.sync.xor.b32 %r9, %lane, -1;\n"), 0u);
  EXPECT_EQ(oneWord("  redux.sync.or.b32 %r9, %lane, -1;\n"), 31u);
}

TEST(Match, FindsEqualLanes) {
  Outcome outcome = runBody("  and.b32 %r0, %lane, 3;\n  match.any.sync.b32 %r9, %r0, -1;\n" +
                                std::string(kStore),
                            {}, 32);
  for (unsigned lane = 0; lane < 32; ++lane)
    EXPECT_EQ(outcome.out[lane], 0x11111111u << lane % 4);
  EXPECT_EQ(oneWord("  mov.b32 %r0, 4;\n  match.all.sync.b32 %r9|%p0, %r0, -1;\n"), ~0u);
}

TEST(Elect, ChoosesTheFirst) {
  Outcome outcome = runBody(
      "  elect.sync %r0|%p0, -1;\n  selp.u32 %r9, 7, %r0, %p0;\n" + std::string(kStore), {}, 32);
  EXPECT_EQ(outcome.out[0], 7u);
  EXPECT_EQ(outcome.out[1], 0u);
}

// Lane l loops l times, then all meet: the shuffle works only if they have reconverged.
TEST(Divergence, EndsAfterALoop) {
  Outcome outcome = runBody(R"(
  mov.u32 %r0, 0;
  mov.u32 %r1, 0;
loop:
  setp.ge.u32 %p0, %r1, %lane;
  @%p0 bra done;
  add.u32 %r0, %r0, %r1;
  add.u32 %r1, %r1, 1;
  bra.uni loop;
done:
  shfl.sync.bfly.b32 %r9, %r0, 1, 31, -1;
)" + std::string(kStore),
                            {}, 32);
  ASSERT_EQ(outcome.fault, "");
  for (unsigned lane = 0; lane < 32; ++lane) {
    unsigned other = lane ^ 1;
    EXPECT_EQ(outcome.out[lane], other * (other - 1) / 2);
  }
}

TEST(Divergence, NestsAndLeavesOthersAlone) {
  Outcome outcome = runBody(R"(
  mov.u32 %r9, 0;
  setp.lt.u32 %p0, %lane, 16;
  @!%p0 bra high;
  setp.lt.u32 %p1, %lane, 8;
  @%p1 bra lowest;
  mov.u32 %r9, 2;
  bra.uni join;
lowest:
  mov.u32 %r9, 1;
  bra.uni join;
high:
  mov.u32 %r9, 3;
  setp.eq.u32 %p2, %lane, 31;
  @%p2 exit;
join:
  add.u32 %r9, %r9, 10;
)" + std::string(kStore),
                            {}, 32);
  ASSERT_EQ(outcome.fault, "");
  for (unsigned lane = 0; lane < 31; ++lane)
    EXPECT_EQ(outcome.out[lane], lane < 8 ? 11u : lane < 16 ? 12u : 13u);
  EXPECT_EQ(outcome.out[31], 0xccccccccu);
}

TEST(Divergence, OfAUniformBranchIsAFault) {
  expectFault(runBody("  setp.lt.u32 %p0, %lane, 16;\n  @%p0 bra.uni end;\nend:\n", {}, 1),
              "only some of the active lanes take a '.uni' branch");
}

TEST(IndexedBranch, ChoosesByLane) {
  const std::string body = R"(
  and.b32 %r0, %lane, 3;
  table: .branchtargets a, b, c, a;
  brx.idx %r0, table;
a:
  mov.u32 %r9, 1;
  bra.uni join;
b:
  mov.u32 %r9, 2;
  bra.uni join;
c:
  mov.u32 %r9, 3;
join:
)";
  Outcome outcome = runBody(body + kStore, {}, 32);
  ASSERT_EQ(outcome.fault, "");
  constexpr uint32_t kExpected[] = {1, 2, 3, 1};
  for (unsigned lane = 0; lane < 32; ++lane)
    EXPECT_EQ(outcome.out[lane], kExpected[lane % 4]);
}

// Warp 0 waits for warp 1, and the other way round.
TEST(Barrier, OrdersTheWarps) {
  const std::string body = R"(
  .shared .align 4 .b8 x[1024];
  mov.u32 %r0, %tid.x;
  mov.u32 %r1, x;
  mad.lo.u32 %r2, %r0, 4, %r1;
  st.shared.u32 [%r2], %r0;
  bar.sync 0;
  xor.b32 %r3, %r0, 96;
  mad.lo.u32 %r3, %r3, 4, %r1;
  ld.shared.u32 %r9, [%r3];
  mul.wide.u32 %d2, %r0, 4;
  add.u64 %d1, %out, %d2;
  st.global.b32 [%d1], %r9;
)";
  for (uint64_t seed : {0, 1, 2, 3}) {
    Outcome outcome = runBody(body, {}, 128, {.seed = seed}, 128);
    ASSERT_EQ(outcome.fault, "");
    for (unsigned thread = 0; thread < 128; ++thread)
      EXPECT_EQ(outcome.out[thread], thread ^ 96);
  }
  std::string without = body;
  without.erase(without.find("  bar.sync 0;\n"), 14);
  expectFault(runBody(without, {}, 128, {}, 128), "which was never written");
}

TEST(Barrier, GoesByTwoNames) {
  const std::string body = R"(
  .shared .align 4 .b8 x[256];
  mov.u32 %r0, %tid.x;
  mov.u32 %r1, x;
  mad.lo.u32 %r2, %r0, 4, %r1;
  st.shared.u32 [%r2], %r0;
  barrier.sync.aligned 2, 64;
  xor.b32 %r3, %r0, 32;
  mad.lo.u32 %r3, %r3, 4, %r1;
  ld.shared.u32 %r9, [%r3];
  mul.wide.u32 %d2, %r0, 4;
  add.u64 %d1, %out, %d2;
  st.global.b32 [%d1], %r9;
)";
  Outcome outcome = runBody(body, {}, 64, {.seed = 1}, 64);
  ASSERT_EQ(outcome.fault, "");
  for (unsigned thread = 0; thread < 64; ++thread)
    EXPECT_EQ(outcome.out[thread], thread ^ 32);
}

// The join lies before one of the two ways, as compilers place it: whoever comes first waits.
TEST(Divergence, EndsWhereverTheJoinLies) {
  Outcome outcome = runBody(R"(
  setp.lt.u32 %p0, %lane, 16;
  mov.u32 %r0, 1;
  @%p0 bra low;
join:
  shfl.sync.bfly.b32 %r9, %r0, 16, 31, -1;
  bar.sync 0;
  bra.uni store;
low:
  mov.u32 %r0, 2;
  bra.uni join;
store:
)" + std::string(kStore),
                            {}, 32);
  ASSERT_EQ(outcome.fault, "");
  for (unsigned lane = 0; lane < 32; ++lane)
    EXPECT_EQ(outcome.out[lane], lane < 16 ? 1u : 2u);
}

TEST(Divergence, ThatNeverEndsIsReported) {
  expectFault(runBody("  setp.lt.u32 %p0, %lane, 16;\n  @%p0 bra low;\n  bar.sync 0;\n  ret;\nlow:\n  bar.sync 1;\n",
                      {}, 1),
              "a divergent barrier");
}

TEST(Barrier, WithFewerThreadsIsForThoseWarps) {
  Outcome outcome = runBody(R"(
  mov.u32 %r0, %tid.x;
  setp.ge.u32 %p0, %r0, 64;
  @%p0 bra done;
  bar.sync 1, 64;
done:
)",
                            {}, 1, {}, 96);
  EXPECT_EQ(outcome.fault, "");
}

TEST(Barrier, ArrivalDoesNotWait) {
  // Warp 1 produces, warp 0 consumes.
  Outcome outcome = runBody(R"(
  .shared .align 4 .b8 x[4];
  mov.u32 %r0, %tid.x;
  setp.ge.u32 %p0, %r0, 32;
  @%p0 bra produce;
  bar.sync 3, 64;
  ld.shared.u32 %r9, [x];
  st.global.u32 [%out], %r9;
  ret;
produce:
  mov.u32 %r1, 5;
  st.shared.u32 [x], %r1;
  bar.arrive 3, 64;
)",
                            {}, 1, {}, 64);
  EXPECT_EQ(outcome.fault, "");
  EXPECT_EQ(outcome.out[0], 5u);
}

TEST(Barrier, Reduces) {
  Outcome outcome = runBody(R"(
  mov.u32 %r0, %tid.x;
  setp.lt.u32 %p0, %r0, 40;
  bar.red.popc.u32 %r1, 0, %p0;
  bar.red.and.pred %p1, 0, %p0;
  bar.red.or.pred %p2, 0, %p0;
  selp.u32 %r2, 100, 0, %p1;
  selp.u32 %r3, 1000, 0, %p2;
  add.u32 %r9, %r1, %r2;
  add.u32 %r9, %r9, %r3;
  mul.wide.u32 %d2, %r0, 4;
  add.u64 %d1, %out, %d2;
  st.global.b32 [%d1], %r9;
)",
                            {}, 64, {.seed = 5}, 64);
  ASSERT_EQ(outcome.fault, "");
  EXPECT_EQ(outcome.out, std::vector<uint32_t>(64, 1040));
}

TEST(Barrier, MustNotDiverge) {
  expectFault(runBody("  setp.lt.u32 %p0, %lane, 16;\n  @%p0 bar.sync 0;\n", {}, 1),
              "a divergent barrier");
}

TEST(Barrier, ThatNobodyElseReachesIsADeadlock) {
  Outcome outcome = runBody("  mov.u32 %r0, %tid.x;\n  setp.lt.u32 %p0, %r0, 32;\n"
                            "  @%p0 bra end;\n  bar.sync 0;\nend:\n",
                            {}, 1, {}, 64);
  expectFault(outcome, "kernel 'k' does not end");
  expectFault(outcome, "warp 0 has exited");
  expectFault(outcome, "at barrier 0, where 32 of 64 threads have arrived");
}

TEST(Limit, EndsAnEndlessLoop) {
  expectFault(runBody("forever:\n  bra.uni forever;\n", {}, 1, {.instructionLimit = 100000}),
              "has executed 100000 warp instructions");
}

TEST(Trap, IsReported) {
  expectFault(runBody("  setp.eq.u32 %p0, %lane, 9;\n  @%p0 trap;\n", {}, 1),
              "in lane 9 of warp 0");
}

TEST(Poison, ReachesPredicatesThroughArithmetic) {
  expectFault(
      runBody("  add.u32 %r1, %r0, 1;\n  setp.eq.u32 %p0, %r1, 0;\n  @%p0 bra end;\nend:\n", {}, 1),
      "the predicate depends on a register that was never written");
  // What a selection drops does not count, nor what a known false decides.
  Outcome outcome = runBody("  setp.lt.u32 %p0, %lane, 99;\n  mov.u32 %r1, 4;\n"
                            "  selp.u32 %r9, %r1, %r0, %p0;\n"
                            "  not.pred %p1, %p0;\n  and.pred %p2, %p1, %p3;\n  @%p2 trap;\n" +
                                std::string(kStore),
                            {}, 32);
  EXPECT_EQ(outcome.fault, "");
  EXPECT_EQ(outcome.out[3], 4u);
}

// Without a meaning here, but they must be well-formed.
TEST(Hints, AreTakenOrRefused) {
  EXPECT_EQ(oneWord("  griddepcontrol.wait;\n  griddepcontrol.launch_dependents;\n"
                    "  setmaxnreg.dec.sync.aligned.u32 40;\n  nanosleep.u32 100;\n"
                    "  fence.mbarrier_init.release.cluster;\n  mov.u32 %r9, 6;\n"),
            6u);
  expectFault(runBody("  setmaxnreg.inc.sync.aligned.u32 41;\n", {}, 1),
              "the number of registers is a multiple of 8 from 24 to 256");
}

} // namespace
} // namespace attn::emulator
