// Races between warps in shared memory: what is reported, and what orders accesses so that nothing
// is.
#include "test/emulator/Run.h"

#include <gtest/gtest.h>

namespace attn::emulator {
namespace {

/// Two warps unless said otherwise; %p1 holds in warp 1, which goes first without a seed, %p2 in
/// warp 0; %r20 is the word of the thread in x. x is written before a barrier.
const std::string kBegin = R"(
  .shared .align 16 .b8 x[1024];
  .shared .align 4 .u32 flag;
  mov.u32 %r19, %tid.x;
  shr.u32 %r18, %r19, 5;
  setp.eq.u32 %p1, %r18, 1;
  setp.eq.u32 %p2, %r18, 0;
  mov.u32 %r21, x;
  mad.lo.u32 %r20, %r19, 4, %r21;
  mov.u32 %r0, 0;
  st.shared.u32 [%r20], %r0;
  st.shared.u32 [%r20+512], %r0;
  setp.eq.u32 %p3, %r19, 0;
  @%p3 st.shared.u32 [flag], %r0;
  bar.sync 0;
)";

Outcome race(const std::string &body, uint32_t threads = 64, LaunchOptions options = {}) {
  return runBody(kBegin + body, std::vector<uint32_t>(64, 5), 64, options, threads);
}

void expectFault(const Outcome &outcome, const std::string &part) {
  EXPECT_NE(outcome.fault.find(part), std::string::npos) << outcome.fault;
}

const std::string kWriteA = "  @%p1 st.shared.u32 [x+8], %r0;\n";
const std::string kReadB = "  @%p2 ld.shared.u32 %r1, [x+8];\n";
const std::string kWriteB = "  @%p2 st.shared.u32 [x+8], %r0;\n";

TEST(Race, OfAWriteAndARead) {
  Outcome outcome = race(kWriteA + kReadB);
  expectFault(outcome, "'@%p2 ld.shared.u32 %r1, [x+8];': reads shared byte 8 in a race: warp 1 "
                       "writes it in line 30, and no barrier orders the two");
  expectFault(outcome, "of warp 0 of block (0, 0, 0)");
  expectFault(outcome, "line 30 is '@%p1 st.shared.u32 [x+8], %r0;'");
  EXPECT_EQ(race(kWriteA + "  bar.sync 0;\n" + kReadB).fault, "");
  EXPECT_EQ(race(kWriteA + "  @%p1 ld.shared.u32 %r1, [x+8];\n").fault, ""); // within a warp
}

TEST(Race, OfAReadAndAWrite) {
  expectFault(race("  @%p1 ld.shared.u32 %r1, [x+8];\n" + kWriteB),
              "writes shared byte 8 in a race: warp 1 reads it in line");
  EXPECT_EQ(race("  @%p1 ld.shared.u32 %r1, [x+8];\n  bar.sync 0;\n" + kWriteB).fault, "");
  // Any number of warps may read; the one that is not ordered is named.
  expectFault(race("  ld.shared.u32 %r1, [x+8];\n  setp.ne.u32 %p4, %r18, 2;\n"
                   "  @%p4 bar.sync 1, 96;\n" +
                       kWriteB,
                   128, {.seed = 3}),
              "writes shared byte 8 in a race: warp 2 reads it");
}

TEST(Race, OfTwoWrites) {
  expectFault(race(kWriteA + kWriteB), "writes shared byte 8 in a race: warp 1 writes it");
}

TEST(Race, IsFoundInEverySchedule) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    expectFault(race(kWriteA + kReadB, 64, {.seed = seed}), "in a race");
    EXPECT_EQ(race(kWriteA + "  bar.sync 0;\n" + kReadB, 64, {.seed = seed}).fault, "");
  }
}

TEST(Race, IsOfOverlappingBytesOnly) {
  EXPECT_EQ(race(kWriteA + "  @%p2 ld.shared.u32 %r1, [x+12];\n").fault, "");
  expectFault(race(kWriteA + "  @%p2 ld.shared.u16 %h1, [x+10];\n"), "reads shared byte 10");
  expectFault(race(kWriteA + "  @%p2 ld.shared.v4.u32 {%r1, %r2, %r3, %r4}, [x];\n"),
              "reads shared byte 8");
  // Bytes and halves of one word that different warps write.
  const std::string bytes = "  @%p1 st.shared.u8 [x+8], %r0;\n  @%p2 st.shared.u8 [x+9], %r0;\n";
  EXPECT_EQ(race(bytes).fault, "");
  expectFault(race(bytes + "  @%p2 ld.shared.u16 %h1, [x+8];\n"), "reads shared byte 8 in a race");
  expectFault(race("  mov.b16 %h0, 1;\n  @%p1 st.shared.b16 [x+8], %h0;\n"
                   "  @%p2 st.shared.b16 [x+8], %h0;\n"),
              "writes shared byte 8 in a race");
  // Through a generic address.
  expectFault(race(kWriteA + "  mov.u64 %d0, x;\n  cvta.shared.u64 %d1, %d0;\n"
                             "  @%p2 ld.u32 %r1, [%d1+8];\n"),
              "reads shared byte 8 in a race");
}

// One warp writes and arrives, the other waits.
TEST(Race, IsOrderedByNamedBarriers) {
  const std::string handOver = "  @%p1 bar.arrive 1, 64;\n  @%p2 bar.sync 1, 64;\n";
  EXPECT_EQ(race(kWriteA + handOver + kReadB).fault, "");
  for (uint64_t seed = 0; seed < 4; ++seed)
    EXPECT_EQ(race(kWriteA + handOver + kReadB, 64, {.seed = seed}).fault, "");
  // The one that only arrives knows nothing of the other.
  expectFault(race(kWriteB + handOver + "  @%p1 ld.shared.u32 %r1, [x+8];\n"), "in a race");
  // What is written after the arrival is not part of it.
  expectFault(race(handOver + kWriteA + kReadB), "in a race");
}

TEST(Race, IsNotOrderedByABarrierOfOthers) {
  const std::string some = "  setp.lt.u32 %p4, %r18, 2;\n  @%p4 bar.sync 1, 64;\n";
  const std::string read2 = "  setp.eq.u32 %p5, %r18, 2;\n  @%p5 ld.shared.u32 %r1, [x+8];\n";
  EXPECT_EQ(race(kWriteA + some + kReadB, 96).fault, "");
  for (uint64_t seed = 0; seed < 4; ++seed)
    expectFault(race(kWriteA + some + read2, 96, {.seed = seed}), "in a race");
  // Two barriers one after the other hand on.
  const std::string more = "  setp.ge.u32 %p6, %r18, 1;\n  @%p6 bar.sync 2, 64;\n";
  EXPECT_EQ(race(kWriteA + some + more + read2, 96).fault, "");
  EXPECT_EQ(
      race(kWriteA + "  setp.ne.u32 %p7, %r19, 0;\n  bar.red.popc.u32 %r5, 0, %p7;\n" + kReadB)
          .fault,
      "");
}

TEST(Race, IsNoneBetweenAtomics) {
  const std::string add = "  atom.shared.add.u32 %r5, [x+8], 1;\n";
  EXPECT_EQ(race(add + "  bar.sync 0;\n" + kReadB).fault, "");
  expectFault(race("  @%p1 red.shared.add.u32 [x+8], 1;\n" + kReadB),
              "reads shared byte 8 in a race: warp 1 updates it");
  expectFault(race("  @%p1 ld.shared.u32 %r1, [x+8];\n  @%p2 red.shared.add.u32 [x+8], 1;\n"),
              "updates shared byte 8 in a race: warp 1 reads it");
}

/// One warp writes x, then the flag; the other waits for the flag, then reads x.
std::string flagged(const std::string &store, const std::string &before, const std::string &load,
                    const std::string &after) {
  return "  mov.u32 %r8, 1;\n" + kWriteA + before + "  @%p1 " + store +
         " [flag], %r8;\nspin:\n  @%p2 " + load + " %r9, [flag];\n  setp.ne.u32 %p5, %r9, 1;\n" +
         "  and.pred %p6, %p5, %p2;\n  @%p6 bra spin;\n" + after + kReadB;
}

TEST(Race, IsOrderedByFlags) {
  const std::string begin = "  mov.u32 %r9, 0;\n";
  const std::string fence = "  membar.cta;\n";
  for (uint64_t seed : {0, 1, 2}) {
    LaunchOptions options{.seed = seed};
    EXPECT_EQ(
        race(begin + flagged("st.release.cta.shared.u32", "", "ld.acquire.cta.shared.u32", ""), 64,
             options)
            .fault,
        "");
    EXPECT_EQ(
        race(begin + flagged("st.volatile.shared.u32", fence, "ld.volatile.shared.u32", fence), 64,
             options)
            .fault,
        "");
    EXPECT_EQ(race(begin + flagged("atom.release.cta.shared.exch.b32 %r7,", "",
                                   "ld.acquire.cta.shared.u32", ""),
                   64, options)
                  .fault,
              "");
    expectFault(race(begin + flagged("st.volatile.shared.u32", "", "ld.volatile.shared.u32", fence),
                     64, options),
                "reads shared byte 8 in a race");
    expectFault(race(begin + flagged("st.volatile.shared.u32", fence, "ld.volatile.shared.u32", ""),
                     64, options),
                "reads shared byte 8 in a race");
    expectFault(
        race(begin + flagged("st.shared.u32", fence, "ld.volatile.shared.u32", fence), 64, options),
        "in a race");
  }
}

const std::string kCopyA = "  @%p1 cp.async.ca.shared.global [%r20], [%in], 4;\n"
                           "  cp.async.commit_group;\n";
const std::string kReadCopyB = "  add.u32 %r22, %r20, 128;\n  @%p2 ld.shared.u32 %r1, [%r22];\n";

// A wait is for the thread that waits; others need a barrier after it.
TEST(Race, OfACopyAndItsReaders) {
  const std::string wait = "  cp.async.wait_all;\n", barrier = "  bar.sync 0;\n";
  const std::string right = kCopyA + wait + barrier + kReadCopyB;
  for (AsyncMode mode : {AsyncMode::Late, AsyncMode::Early}) {
    LaunchOptions options{.mode = mode};
    expectFault(race(kCopyA + wait + kReadCopyB, 64, options),
                "reads shared byte 128 in a race: the cp.async of line 30 wrote it for warp 1, "
                "whose wait shows it to that warp alone");
    expectFault(race(kCopyA + barrier + kReadCopyB, 64, options),
                "reads shared byte 128, while the cp.async of line 30 is still writing it: warp 1 "
                "issued it and has not waited for it");
    expectFault(race(kReadCopyB + barrier + barrier + kReadCopyB + kCopyA, 64, options),
                "shared byte 128");
  }
  for (AsyncMode mode : {AsyncMode::Late, AsyncMode::Early, AsyncMode::Random})
    for (uint64_t seed = 0; seed < 5; ++seed) {
      LaunchOptions options{.mode = mode, .seed = seed};
      EXPECT_EQ(race(right, 64, options).fault, "");
      EXPECT_EQ(race(right + barrier + kCopyA + wait, 64, options).fault, "");
      expectFault(race(kCopyA + wait + kReadCopyB, 64, options), "shared byte 128");
      expectFault(race(kCopyA + barrier + kReadCopyB, 64, options), "shared byte 128");
      expectFault(race(kCopyA + barrier + wait + kReadCopyB, 64, options), "shared byte 128");
      // The refill of what another warp reads, with no barrier in between.
      expectFault(race(kReadCopyB + kCopyA, 64, options), "shared byte 128");
      expectFault(race(right + kCopyA + wait, 64, options), "shared byte 128");
    }
}

TEST(Checks, MayBeOff) {
  LaunchOptions off{.checks = false};
  EXPECT_EQ(race(kWriteA + kReadB, 64, off).fault, "");
  EXPECT_EQ(runBody("  st.global.u32 [%out], %r0;\n", {}, 1, off).fault, "");
  EXPECT_EQ(runBody("  .shared .align 4 .b8 x[8];\n  ld.shared.u32 %r0, [x];\n", {}, 1, off).fault,
            "");
  expectFault(runBody("  ld.global.u32 %r0, [%in+8];\n", {1, 2}, 1, off),
              "outside of global memory");
  expectFault(runBody("  .shared .align 4 .b8 x[16];\n  ld.shared.u32 %r0, [x+16];\n", {}, 1, off),
              "of the 16 bytes of shared memory");
  expectFault(runBody("  setp.lt.u32 %p0, %lane, 16;\n  @%p0 bar.sync 0;\n", {}, 1, off),
              "a divergent barrier");
}

} // namespace
} // namespace attn::emulator
