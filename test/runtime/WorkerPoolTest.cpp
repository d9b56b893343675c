#include "runtime/WorkerPool.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <numeric>
#include <vector>

using namespace attn;

class Pools : public ::testing::TestWithParam<unsigned> {};

TEST_P(Pools, EveryTicketOnce) {
  WorkerPool pool(GetParam());
  for (uint64_t tickets : {0, 1, 2, 7, 1000, 1}) {
    std::vector<int> calls(tickets, 0); // not atomic: tickets are distinct, and run() orders memory
    pool.run(tickets, [&](uint64_t ticket, unsigned worker) {
      ASSERT_LT(ticket, tickets);
      ASSERT_LT(worker, pool.size());
      ++calls[ticket];
    });
    EXPECT_EQ(calls, std::vector<int>(tickets, 1));
  }
}

TEST_P(Pools, WorkerNumbersIndexScratchMemory) {
  WorkerPool pool(GetParam());
  std::vector<uint64_t> sums(pool.size(), 0); // a race here is a race of the pool
  for (int round = 0; round < 200; ++round)
    pool.run(50, [&](uint64_t ticket, unsigned worker) { sums[worker] += ticket; });
  EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), uint64_t(0)), 200u * (49 * 50 / 2));
}

TEST_P(Pools, ConcurrentRunsAreSerialised) {
  WorkerPool pool(GetParam());
  constexpr size_t kCallers = 4;
  std::atomic<int> running[kCallers] = {};
  std::atomic<uint64_t> calls = 0;
  std::vector<std::jthread> callers;
  for (size_t caller = 0; caller < kCallers; ++caller)
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 50; ++round)
        pool.run(20, [&](uint64_t, unsigned) {
          ++running[caller];
          std::this_thread::yield();
          for (size_t other = 0; other < kCallers; ++other)
            EXPECT_TRUE(other == caller || running[other] == 0);
          --running[caller];
          ++calls;
        });
    });
  callers.clear();
  EXPECT_EQ(calls, kCallers * 50 * 20);
}

TEST_P(Pools, NestedRunsWorkInPlace) {
  WorkerPool pool(GetParam());
  std::atomic<uint64_t> calls = 0;
  pool.run(8, [&](uint64_t, unsigned outer) {
    pool.run(5, [&](uint64_t, unsigned inner) {
      EXPECT_EQ(inner, outer);
      ++calls;
    });
  });
  EXPECT_EQ(calls, 40u);
}

TEST_P(Pools, PoolsWithinPools) {
  WorkerPool outer(GetParam()), inner(2);
  std::atomic<uint64_t> calls = 0;
  outer.run(6, [&](uint64_t, unsigned) {
    inner.run(3, [&](uint64_t, unsigned) { ++calls; });
    inner.run(1, [&](uint64_t, unsigned) { outer.run(2, [&](uint64_t, unsigned) { ++calls; }); });
  });
  EXPECT_EQ(calls, 6u * 5);
}

INSTANTIATE_TEST_SUITE_P(WorkerPool, Pools, ::testing::Values(0, 1, 2, 5));

TEST(WorkerPool, Sizes) {
  EXPECT_EQ(WorkerPool(1).size(), 1u);
  EXPECT_EQ(WorkerPool(3).size(), 3u);
  EXPECT_GE(WorkerPool(0).size(), 1u);
}

TEST(WorkerPool, OneWorkerTakesTicketsInOrder) {
  WorkerPool pool(1);
  std::vector<uint64_t> order;
  pool.run(5, [&](uint64_t ticket, unsigned worker) {
    EXPECT_EQ(worker, 0u);
    order.push_back(ticket);
  });
  EXPECT_EQ(order, (std::vector<uint64_t>{0, 1, 2, 3, 4}));
}

TEST(WorkerPool, WorkersHelp) {
  // Two tickets that wait for each other end only where two threads run them.
  WorkerPool pool(2);
  std::atomic<int> arrived = 0;
  pool.run(2, [&](uint64_t, unsigned) {
    ++arrived;
    while (arrived < 2)
      std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 2);
}

TEST(WorkerPool, ScratchIsTheWorkersOwnAndStays) {
  WorkerPool pool(2);
  std::atomic<int> arrived = 0;
  auto ofBoth = [&](int64_t bytes) {
    std::array<void *, 2> found{};
    EXPECT_TRUE(pool.reserveScratch(bytes));
    arrived = 0;
    pool.run(2, [&](uint64_t, unsigned worker) {
      found[worker] = pool.scratch(worker);
      std::memset(found[worker], int(worker), size_t(bytes));
      ++arrived;
      while (arrived < 2)
        std::this_thread::yield();
    });
    return found;
  };
  EXPECT_EQ(pool.scratch(0), nullptr);
  std::array<void *, 2> large = ofBoth(1000);
  EXPECT_EQ(ofBoth(10), large) << "what is there is enough";
  EXPECT_NE(large[0], large[1]);
  for (void *memory : large)
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
  ofBoth(1 << 20);
  EXPECT_TRUE(pool.reserveScratch(0));
  EXPECT_FALSE(pool.reserveScratch(INT64_MAX / 4)) << "no machine has that";
  ofBoth(100);
}

TEST(WorkerPool, ConstAndMoveOnlyCallables) {
  WorkerPool pool(2);
  std::atomic<int> calls = 0;
  const auto constant = [&](uint64_t, unsigned) { ++calls; };
  pool.run(3, constant);
  pool.run(3, [&calls, owned = std::make_unique<int>(1)](uint64_t, unsigned) { calls += *owned; });
  EXPECT_EQ(calls, 6);
}
