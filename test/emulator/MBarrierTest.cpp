// mbarrier objects: phases, what arrivals and waits order, and what is reported.
#include "test/emulator/Run.h"

#include <gtest/gtest.h>

namespace attn::emulator {
namespace {

void expectFault(const Outcome &outcome, const std::string &part) {
  EXPECT_NE(outcome.fault.find(part), std::string::npos) << outcome.fault;
}

const std::string kShared = "  .shared .align 8 .b64 m;\n  .shared .align 16 .b8 x[512];\n";

/// One thread; stores %r9.
uint32_t oneThread(const std::string &body) {
  Outcome outcome = runBody(kShared + body + "  st.global.u32 [%out], %r9;\n", {}, 1, {}, 1);
  EXPECT_EQ(outcome.fault, "") << body;
  return outcome.out[0];
}
void oneThreadFails(const std::string &body, const std::string &part) {
  expectFault(runBody(kShared + body, {}, 1, {}, 1), part);
}

const std::string kInit2 = "  mbarrier.init.shared.b64 [m], 2;\n";
const std::string kArrive = "  mbarrier.arrive.shared.b64 %d0, [m];\n";
const std::string kToWord = "  selp.u32 %r9, 1, 0, %p0;\n";

// After `body` on an mbarrier for 2, whether the phase whose parity is 0 is over.
TEST(MBarrier, CompletesPhases) {
  struct Case {
    const char *body;
    uint32_t over;
  };
  for (const Case &c : {
           Case{"mbarrier.arrive.shared.b64 %d1, [m];", 0},
           Case{"mbarrier.arrive.shared::cta.b64 _, [m]; mbarrier.arrive.shared.b64 _, [m];", 1},
           Case{"mbarrier.arrive.release.cta.shared.b64 %d1, [m], 2;", 1},
           Case{"mbarrier.arrive.relaxed.cta.shared.b64 %d1, [m], 2;", 1},
           Case{"mbarrier.arrive.noComplete.shared.b64 %d1, [m], 1;", 0},
           Case{"mbarrier.arrive.expect_tx.shared.b64 %d1, [m], 64; "
                "mbarrier.arrive.shared.b64 %d1, [m];",
                0},
           Case{"mbarrier.arrive.expect_tx.shared.b64 %d1, [m], 64; "
                "mbarrier.arrive.shared.b64 %d1, [m]; "
                "mbarrier.complete_tx.relaxed.cta.shared.b64 [m], 64;",
                1},
           Case{"mbarrier.expect_tx.relaxed.cta.shared.b64 [m], 32; "
                "mbarrier.arrive.shared.b64 %d1, [m], 2;",
                0},
           Case{"mbarrier.arrive_drop.shared.b64 %d1, [m]; mbarrier.arrive.shared.b64 %d1, [m];",
                1},
           // The third and fourth arrivals end the next phase: the current one is even again.
           Case{"mbarrier.arrive.shared.b64 %d1, [m], 2; mbarrier.arrive.shared.b64 %d1, [m], 2;",
                0},
           // After a drop one arrival ends a phase.
           Case{"mbarrier.arrive_drop.shared.b64 %d1, [m]; mbarrier.arrive.shared.b64 %d1, [m]; "
                "mbarrier.arrive.shared.b64 %d1, [m];",
                0},
       })
    for (const char *wait : {"mbarrier.test_wait.parity.shared.b64 %p0, [m], 0;",
                             "mbarrier.try_wait.parity.shared::cta.b64 %p0, [m], 0;",
                             "mbarrier.try_wait.parity.acquire.cta.shared.b64 %p0, [m], 0, 100;",
                             "mbarrier.test_wait.parity.relaxed.cta.shared.b64 %p0, [m], 0;"})
      EXPECT_EQ(oneThread(kInit2 + "  " + c.body + "\n  " + wait + "\n" + kToWord), c.over)
          << c.body << wait;
}

TEST(MBarrier, NamesPhasesByStates) {
  const std::string wait = "  mbarrier.test_wait.shared.b64 %p0, [m], %d0;\n" + kToWord;
  EXPECT_EQ(oneThread(kInit2 + kArrive + wait), 0u);
  EXPECT_EQ(oneThread(kInit2 + kArrive + "  mbarrier.arrive.shared.b64 %d1, [m];\n" + wait), 1u);
  EXPECT_EQ(oneThread(kInit2 + kArrive + "  mbarrier.pending_count.b64 %r9, %d0;\n"), 2u);
  EXPECT_EQ(oneThread(kInit2 + kArrive + kArrive + "  mbarrier.pending_count.b64 %r9, %d0;\n"), 1u);
  oneThreadFails(kInit2 + kArrive + "  mbarrier.arrive.shared.b64 %d1, [m];\n" +
                     "  mbarrier.arrive.shared.b64 %d1, [m], 2;\n" + wait,
                 "a state of phase 0, which is neither the current phase 2 nor the one before");
}

TEST(MBarrier, ChecksItsUse) {
  oneThreadFails(kArrive, "there is no mbarrier at shared byte 0");
  oneThreadFails("  mbarrier.init.shared.b64 [m], 0;\n", "an mbarrier for 0 arrivals");
  oneThreadFails("  mbarrier.init.shared.b64 [m], 1048576;\n", "an mbarrier for 1048576 arrivals");
  oneThreadFails("  mbarrier.init.shared.b64 [x+4], 1;\n", "which is not a multiple of 8");
  oneThreadFails(kInit2 + kInit2, "exists already");
  oneThreadFails(kInit2 + "  mbarrier.arrive.shared.b64 _, [m], 3;\n",
                 "3 arrivals at an mbarrier whose phase lacks 2");
  oneThreadFails(kInit2 + "  mbarrier.arrive.noComplete.shared.b64 %d0, [m], 2;\n",
                 "an arrival with '.noComplete' completes the phase");
  oneThreadFails(kInit2 + "  mbarrier.expect_tx.relaxed.cta.shared.b64 [m], 1048576;\n",
                 "lacks 1048576 bytes");
  oneThreadFails(kInit2 + "  mbarrier.test_wait.parity.shared.b64 %p0, [m], 2;\n",
                 "the parity of a phase is 0 or 1, not 2");
  oneThreadFails(kInit2 + "  ld.shared.u32 %r0, [m+4];\n",
                 "reads shared byte 4, which belongs to the mbarrier of line");
  oneThreadFails(kInit2 + "  mov.u64 %d1, 0;\n  st.shared.u64 [m], %d1;\n",
                 "writes shared byte 0, which belongs to the mbarrier of line");
  EXPECT_EQ(
      oneThread(kInit2 + "  mbarrier.inval.shared.b64 [m];\n" + kInit2 + "  mov.u32 %r9, 3;\n"),
      3u);
  // Generic addresses.
  EXPECT_EQ(oneThread("  mov.u64 %d5, m;\n  cvta.shared.u64 %d6, %d5;\n"
                      "  mbarrier.init.b64 [%d6], 1;\n  mbarrier.arrive.b64 %d0, [%d6];\n"
                      "  mbarrier.test_wait.b64 %p0, [%d6], %d0;\n" +
                      kToWord),
            1u);
}

/// Two warps: 0 produces in x, 1 consumes; %p1 and %p2 hold in them.
std::string handOver(const std::string &init, const std::string &produce,
                     const std::string &consume) {
  return kShared + R"(
  mov.u32 %r19, %tid.x;
  shr.u32 %r18, %r19, 5;
  setp.eq.u32 %p1, %r18, 0;
  setp.eq.u32 %p2, %r18, 1;
  setp.eq.u32 %p3, %r19, 0;
  mov.u32 %r21, x;
  mad.lo.u32 %r20, %lane, 4, %r21;
)" + init +
         "  @%p2 bra consumer;\n" + produce + "  bra done;\nconsumer:\n" + consume +
         "  add.u64 %d1, %out, %lane4;\n  st.global.u32 [%d1], %r9;\ndone:\n";
}
const std::string kInit32 = "  @%p3 mbarrier.init.shared.b64 [m], 32;\n  bar.sync 0;\n";
const std::string kWait = "wait:\n  mbarrier.try_wait.parity.shared.b64 %p0, [m], 0;\n"
                          "  @!%p0 bra wait;\n";
const std::string kRead = "  ld.shared.u32 %r9, [%r20];\n";
const std::string kProduce = "  st.shared.u32 [%r20], %lane;\n";

TEST(MBarrier, OrdersProducerAndConsumer) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    LaunchOptions options{.seed = seed};
    Outcome outcome =
        runBody(handOver(kInit32, kProduce + kArrive, kWait + kRead), {}, 32, options, 64);
    EXPECT_EQ(outcome.fault, "");
    EXPECT_EQ(outcome.out[7], 7u);
    // Written after the arrival; and read with a wait that acquires nothing.
    expectFault(runBody(handOver(kInit32, kArrive + kProduce, kWait + kRead), {}, 32, options, 64),
                "shared byte");
    std::string relaxed = kWait;
    relaxed.replace(relaxed.find("parity"), 6, "parity.relaxed.cta");
    expectFault(
        runBody(handOver(kInit32, kProduce + kArrive, relaxed + kRead), {}, 32, options, 64),
        "in a race: warp 0 writes it");
  }
  // Made by a thread, used by others with no barrier in between.
  expectFault(runBody(handOver("  @%p3 mbarrier.init.shared.b64 [m], 32;\n", kProduce + kArrive,
                               kWait + kRead),
                      {}, 32, {}, 64),
              "shared byte 0 in a race");
}

TEST(MBarrier, DeadlocksAreReportedByName) {
  for (const char *kind : {"try_wait", "test_wait"}) {
    std::string wait = kWait;
    wait.replace(wait.find("try_wait"), 8, kind);
    Outcome outcome = runBody(handOver("  @%p3 mbarrier.init.shared.b64 [m], 33;\n  bar.sync 0;\n",
                                       kProduce + kArrive, wait + kRead),
                              {}, 32, {}, 64);
    expectFault(outcome, "every warp of block (0, 0, 0) has exited or waits at a barrier");
    expectFault(outcome, "warp 0 has exited");
    expectFault(outcome, "at the mbarrier at shared byte 0, whose phase 0 lacks 1 of 33 arrivals "
                         "and 0 bytes");
  }
}

// The copies of a thread count as an arrival once they are complete.
TEST(MBarrier, TracksAsyncCopies) {
  const std::string copy = "  add.u64 %d5, %in, %lane4;\n"
                           "  cp.async.ca.shared.global [%r20], [%d5], 4;\n";
  const std::string noInc = "  cp.async.mbarrier.arrive.noinc.shared.b64 [m];\n";
  const std::string inc = "  cp.async.mbarrier.arrive.shared.b64 [m];\n";
  std::vector<uint32_t> in(32);
  for (uint32_t i = 0; i < 32; ++i)
    in[i] = 3 * i;
  for (AsyncMode mode : {AsyncMode::Late, AsyncMode::Early, AsyncMode::Random})
    for (uint64_t seed = 0; seed < 3; ++seed) {
      LaunchOptions options{.mode = mode, .seed = seed};
      auto run = [&](const std::string &produce, const std::string &consume) {
        return runBody(handOver(kInit32, produce, consume), in, 32, options, 64);
      };
      Outcome outcome = run(copy + noInc, kWait + kRead);
      EXPECT_EQ(outcome.fault, "");
      EXPECT_EQ(outcome.out, in);
      // Without .noinc the copies arrive on top of the 32 threads.
      EXPECT_EQ(run(copy + inc + kArrive, kWait + kRead).out, in);
      expectFault(run(copy + inc, kWait + kRead), "lacks 32 of 32 arrivals");
      // A copy issued after the instruction is not part of it; an arrival alone waits for nothing.
      expectFault(run(noInc + copy, kWait + kRead), "shared byte");
      expectFault(run(copy + kArrive, kWait + kRead), "while the cp.async of line");
    }
}

} // namespace
} // namespace attn::emulator
