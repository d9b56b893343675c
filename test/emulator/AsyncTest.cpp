// cp.async: what arrives when, and what is reported of programs that do not wait.
#include "test/emulator/Run.h"

#include <gtest/gtest.h>
#include <set>

namespace attn::emulator {
namespace {

constexpr LaunchOptions kLate{.mode = AsyncMode::Late}, kEarly{.mode = AsyncMode::Early},
    kRandom{.mode = AsyncMode::Random};

void expectFault(const Outcome &outcome, const std::string &part) {
  EXPECT_NE(outcome.fault.find(part), std::string::npos) << outcome.fault;
}

const std::vector<uint32_t> kInput{1, 2, 3, 4, 5, 6, 7, 8};

/// One thread; `body` copies to x and y (16 bytes each), then the eight words there are stored.
Outcome copied(const std::string &body, const LaunchOptions &options) {
  return runBody("  .shared .align 16 .b8 x[16];\n  .shared .align 16 .b8 y[16];\n" + body +
                     "  ld.shared.v4.u32 {%r1, %r2, %r3, %r4}, [x];\n"
                     "  st.global.v4.u32 [%out], {%r1, %r2, %r3, %r4};\n"
                     "  ld.shared.v4.u32 {%r1, %r2, %r3, %r4}, [y];\n"
                     "  st.global.v4.u32 [%out+16], {%r1, %r2, %r3, %r4};\n",
                 kInput, 8, options, 1);
}

const std::string kBoth =
    "  cp.async.cg.shared.global [x], [%in], 16;\n  cp.async.commit_group;\n"
    "  cp.async.cg.shared.global [y], [%in+16], 16;\n  cp.async.commit_group;\n";

TEST(AsyncCopy, ArrivesAtTheWait) {
  for (const LaunchOptions &options : {kLate, kEarly, kRandom}) {
    Outcome outcome = copied(kBoth + "  cp.async.wait_group 0;\n", options);
    EXPECT_EQ(outcome.fault, "");
    EXPECT_EQ(outcome.out, kInput);
    EXPECT_EQ(copied(kBoth + "  cp.async.wait_all;\n", options).out, kInput);
  }
}

TEST(AsyncCopy, IsInFlightUntilItsGroupIsWaitedFor) {
  // Wherever the bytes already are.
  for (const LaunchOptions &options : {kLate, kEarly, kRandom}) {
    // One group may be pending: x is there, y is not.
    expectFault(copied(kBoth + "  cp.async.wait_group 1;\n", options),
                "reads shared byte 16, while the cp.async of line");
    expectFault(copied(kBoth + "  cp.async.wait_group 2;\n", options),
                "reads shared byte 0, while the cp.async of line");
    expectFault(copied(kBoth, options), "reads shared byte 0, while");
  }
}

/// The words that a program which does not wait reads, without checks: x was 9 before the copy.
std::vector<uint32_t> readWithoutWaiting(AsyncMode mode, uint64_t seed) {
  Outcome outcome =
      copied("  mov.u32 %r0, 9;\n  st.shared.v4.u32 [x], {%r0, %r0, %r0, %r0};\n"
             "  st.shared.v4.u32 [y], {%r0, %r0, %r0, %r0};\n"
             "  cp.async.cg.shared.global [x], [%in], 16;\n"
             "  cp.async.cg.shared.global [y], [%in+16], 16;\n  mov.u32 %r5, 0;\n"
             "spin:\n  add.u32 %r5, %r5, 1;\n  setp.lt.u32 %p0, %r5, 99;\n  @%p0 bra spin;\n",
             {.mode = mode, .seed = seed, .checks = false});
  EXPECT_EQ(outcome.fault, "");
  return {outcome.out[0], outcome.out[4]};
}

TEST(AsyncCopy, ArrivesWhenTheModeSays) {
  using Words = std::vector<uint32_t>;
  EXPECT_EQ(readWithoutWaiting(AsyncMode::Late, 0), (Words{9, 9}));
  EXPECT_EQ(readWithoutWaiting(AsyncMode::Early, 0), (Words{1, 5}));
  // At random: none, both, and either one without the other; the same again from the same seed.
  std::set<Words> seen;
  for (uint64_t seed = 0; seed < 64; ++seed) {
    seen.insert(readWithoutWaiting(AsyncMode::Random, seed));
    EXPECT_EQ(readWithoutWaiting(AsyncMode::Random, seed),
              readWithoutWaiting(AsyncMode::Random, seed));
  }
  EXPECT_EQ(seen, (std::set<Words>{{1, 5}, {1, 9}, {9, 5}, {9, 9}}));
}

TEST(AsyncCopy, IsTheOnlyOneIntoItsBytes) {
  const std::string twice = "  cp.async.cg.shared.global [x], [%in], 16;\n"
                            "  cp.async.ca.shared.global [x+8], [%in], 4;\n";
  for (const LaunchOptions &options : {kLate, kEarly, kRandom})
    expectFault(copied(twice, options), "writes shared byte 8, while the cp.async of line");
}

TEST(AsyncCopy, OutsideOfAGroupIsNotWaitedFor) {
  expectFault(
      copied("  cp.async.cg.shared.global [x], [%in], 16;\n  cp.async.wait_group 0;\n", kLate),
      "reads shared byte 0, while");
}

TEST(AsyncCopy, EmptyGroupsCount) {
  const std::string body =
      "  cp.async.ca.shared.global [x], [%in], 16;\n"
      "  cp.async.ca.shared.global.L2::128B [y], [%in+16], 16;\n"
      "  cp.async.commit_group;\n  cp.async.commit_group;\n  cp.async.wait_group 1;\n";
  EXPECT_EQ(copied(body, kLate).out, kInput);
}

TEST(AsyncCopy, FillsWithZeros) {
  const std::string body =
      "  mov.u32 %r0, 8;\n  mov.u32 %r5, 0;\n  mov.u64 %d9, 0;\n"
      "  cp.async.cg.shared.global [x], [%in], 16, %r0;\n"
      // Nothing is read, so the address may be any.
      "  cp.async.cg.shared.global [y], [%d9], 16, %r5;\n  cp.async.wait_all;\n";
  for (const LaunchOptions &options : {kLate, kEarly, kRandom}) {
    Outcome outcome = copied(body, options);
    EXPECT_EQ(outcome.fault, "");
    EXPECT_EQ(outcome.out, (std::vector<uint32_t>{1, 2, 0, 0, 0, 0, 0, 0}));
  }
}

// A predicate in place of the size: where it holds, zeros come instead of the source.
TEST(AsyncCopy, MayIgnoreItsSource) {
  const std::string body = "  setp.eq.u32 %p0, %lane, 0;\n  mov.u64 %d9, 0;\n"
                           "  cp.async.cg.shared.global [x], [%d9], 16, %p0;\n"
                           "  cp.async.cg.shared.global [y], [%in], 16, !%p0;\n"
                           "  cp.async.wait_all;\n";
  Outcome outcome = copied(body, kLate);
  EXPECT_EQ(outcome.fault, "");
  EXPECT_EQ(outcome.out, (std::vector<uint32_t>{0, 0, 0, 0, 1, 2, 3, 4}));
}

TEST(AsyncCopy, CopiesSmallPieces) {
  Outcome outcome = copied("  cp.async.ca.shared.global [x], [%in+4], 4;\n"
                           "  cp.async.ca.shared.global [x+4], [%in+8], 4;\n"
                           "  cp.async.ca.shared.global [x+8], [%in], 8;\n"
                           "  cp.async.ca.shared.global [y], [%in+16], 16;\n  cp.async.wait_all;\n",
                           kLate);
  EXPECT_EQ(outcome.fault, "");
  EXPECT_EQ(outcome.out, (std::vector<uint32_t>{2, 3, 1, 2, 5, 6, 7, 8}));
}

TEST(AsyncCopy, MustNotBeOvertakenByAWrite) {
  expectFault(copied("  mov.u32 %r0, 0;\n  cp.async.cg.shared.global [x], [%in], 16;\n"
                     "  st.shared.u32 [x+4], %r0;\n",
                     kLate),
              "writes shared byte 4, while the cp.async of line");
}

TEST(AsyncCopy, ChecksItsAddresses) {
  expectFault(copied("  cp.async.cg.shared.global [x+8], [%in], 16;\n", kLate),
              "not a multiple of 16");
  expectFault(copied("  cp.async.cg.shared.global [x], [%in+8], 16;\n", kLate),
              "not a multiple of 16");
  expectFault(copied("  cp.async.cg.shared.global [x], [%in+32], 16;\n", kLate),
              "outside of global memory");
  expectFault(copied("  cp.async.cg.shared.global [y+16], [%in], 16;\n", kLate),
              "of the 32 bytes of shared memory");
}

// Each thread waits for its own groups: lanes commit at different times.
TEST(AsyncCopy, GroupsBelongToLanes) {
  const std::string body = R"(
  .shared .align 16 .b8 x[512];
  mov.u32 %r0, x;
  mad.lo.u32 %r0, %lane, 4, %r0;
  add.u64 %d0, %in, %lane4;
  cp.async.ca.shared.global [%r0], [%d0], 4;
  setp.lt.u32 %p0, %lane, 16;
  @%p0 cp.async.commit_group;
  cp.async.commit_group;
  cp.async.wait_group 1;
  @%p0 ld.shared.u32 %r9, [%r0];
  @!%p0 cp.async.wait_group 0;
  @!%p0 ld.shared.u32 %r9, [%r0];
  add.u64 %d1, %out, %lane4;
  st.global.u32 [%d1], %r9;
)";
  std::vector<uint32_t> in(32);
  for (unsigned i = 0; i < 32; ++i)
    in[i] = 3 * i;
  Outcome outcome = runBody(body, in, 32, kLate);
  EXPECT_EQ(outcome.fault, "");
  EXPECT_EQ(outcome.out, in);
  std::string without = body;
  without.erase(without.find("  @!%p0 cp.async.wait_group 0;\n"), 31);
  expectFault(runBody(without, in, 32, kLate), "in lane 16 of warp 0");
}

// Two stages, the refill one iteration ahead: correct with the barrier at the end of the loop, and
// reported without it or with a wait that is one group too weak.
std::string pipeline(const std::string &wait, const std::string &barrier) {
  return R"(
  .shared .align 16 .b8 stage[1024];
  mov.u32 %r20, %tid.x;
  mov.u32 %r21, stage;
  mad.lo.u32 %r0, %r20, 4, %r21;
  mul.wide.u32 %d5, %r20, 4;
  add.u64 %d0, %in, %d5;
  cp.async.ca.shared.global [%r0], [%d0], 4;
  cp.async.commit_group;
  mov.u32 %r1, 0;
  mov.u32 %r2, 0;
loop:
  add.u32 %r3, %r1, 1;
  setp.ge.u32 %p0, %r3, 8;
  @%p0 bra noCopy;
  and.b32 %r4, %r3, 1;
  mad.lo.u32 %r5, %r4, 512, %r0;
  mul.wide.u32 %d1, %r3, 512;
  add.u64 %d2, %d0, %d1;
  cp.async.ca.shared.global [%r5], [%d2], 4;
noCopy:
  cp.async.commit_group;
)" + wait +
         R"(
  bar.sync 0;
  and.b32 %r4, %r1, 1;
  xor.b32 %r6, %r20, 127;
  mad.lo.u32 %r6, %r6, 4, %r21;
  mad.lo.u32 %r6, %r4, 512, %r6;
  ld.shared.u32 %r7, [%r6];
  add.u32 %r2, %r2, %r7;
)" + barrier +
         R"(
  mov.u32 %r1, %r3;
  setp.lt.u32 %p1, %r1, 8;
  @%p1 bra loop;
  add.u64 %d3, %out, %d5;
  st.global.u32 [%d3], %r2;
)";
}

TEST(AsyncCopy, FeedsAPipeline) {
  std::vector<uint32_t> in(8 * 128), expected(128);
  for (unsigned i = 0; i < in.size(); ++i) {
    in[i] = i * 2654435761u;
    expected[127 - i % 128] += in[i];
  }
  const std::string wait = "  cp.async.wait_group 1;\n", barrier = "  bar.sync 0;\n";
  for (AsyncMode mode : {AsyncMode::Late, AsyncMode::Early, AsyncMode::Random})
    for (uint64_t seed = 0; seed < 6; ++seed) {
      LaunchOptions options{.mode = mode, .seed = seed};
      Outcome right = runBody(pipeline(wait, barrier), in, 128, options, 128);
      EXPECT_EQ(right.fault, "");
      EXPECT_EQ(right.out, expected);
    }
  for (uint64_t seed = 0; seed < 6; ++seed)
    EXPECT_EQ(runBody(pipeline(wait, barrier), in, 128, {.seed = seed, .checks = false}, 128).out,
              expected);
  // The checks find each fault in every mode and schedule.
  auto caught = [&](const std::string &body) {
    for (AsyncMode mode : {AsyncMode::Late, AsyncMode::Early, AsyncMode::Random})
      for (uint64_t seed = 0; seed < 6; ++seed)
        if (runBody(body, in, 128, {.mode = mode, .seed = seed}, 128).fault.empty())
          return false;
    return true;
  };
  EXPECT_TRUE(caught(pipeline("", barrier)));
  EXPECT_TRUE(caught(pipeline("  cp.async.wait_group 2;\n", barrier)));
  EXPECT_TRUE(caught(pipeline(wait, "")));
  std::string noFirstBarrier = pipeline(wait, barrier);
  noFirstBarrier.erase(noFirstBarrier.find("  bar.sync 0;\n"), 14);
  EXPECT_TRUE(caught(noFirstBarrier));
}

} // namespace
} // namespace attn::emulator
