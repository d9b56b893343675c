// List scheduling over classes of equal tiles against a heap of the workers.
#include "simulator/time/Schedule.h"

#include <gtest/gtest.h>

#include <random>

namespace attn::test {
namespace {

TEST(Schedule, byHand) {
  // 3 workers: 5 5 4, then 3 where 4 ends, then 1 1 on the two that have 5.
  EXPECT_DOUBLE_EQ(makespan({{5, 2}, {4, 1}, {3, 1}, {1, 2}}, 3, Order::LongestFirst), 7);
  EXPECT_DOUBLE_EQ(makespan({{2, 10}}, 4, Order::LongestFirst), 6);
  EXPECT_DOUBLE_EQ(makespan({{2, 10}}, 4, Order::RoundRobin), 6);
  // Worker 0 gets 5 and 1, worker 1 gets 5 and 1.
  EXPECT_DOUBLE_EQ(makespan({{5, 2}, {1, 2}}, 2, Order::RoundRobin), 6);
  // Worker 0 gets 5 and 1, worker 1 gets 1.
  EXPECT_DOUBLE_EQ(makespan({{5, 1}, {1, 2}}, 2, Order::RoundRobin), 6);
  EXPECT_DOUBLE_EQ(makespan({{5, 1}, {1, 2}}, 2, Order::LongestFirst), 5);
  EXPECT_EQ(makespan({}, 5, Order::LongestFirst), 0);
  EXPECT_EQ(makespan({{0, 7}, {3, 0}}, 5, Order::LongestFirst), 0);
}

TEST(Schedule, classesGiveTheMakespanOfTheHeap) {
  std::mt19937_64 engine(1);
  auto between = [&](int64_t low, int64_t high) {
    return low + int64_t(engine() % uint64_t(high - low + 1));
  };
  for (int i = 0; i < 2000; ++i) {
    int64_t workers = between(1, 40);
    std::vector<Job> jobs;
    for (int64_t c = between(1, 8); c > 0; --c)
      // Quarters are exact, so that ties are ties.
      jobs.push_back({double(between(1, 400)) / 4, between(0, 300)});
    for (Order order : {Order::LongestFirst, Order::RoundRobin})
      ASSERT_DOUBLE_EQ(makespan(jobs, workers, order), makespanByHeap(jobs, workers, order))
          << "case " << i;
  }
}

/// Sum / workers <= makespan <= sum / workers + longest, and any order of starts is no shorter than
/// the bound.
TEST(Schedule, liesWithinGrahamsBounds) {
  std::mt19937_64 engine(2);
  for (int i = 0; i < 500; ++i) {
    std::vector<Job> jobs;
    double sum = 0, longest = 0;
    for (int c = 0; c < 5; ++c) {
      jobs.push_back({1 + double(engine() % 1000) / 7, int64_t(engine() % 100000)});
      sum += jobs.back().cost * double(jobs.back().count);
      longest = std::max(longest, jobs.back().cost);
    }
    double time = makespan(jobs, 132, Order::LongestFirst);
    ASSERT_GE(time, sum / 132 * (1 - 1e-12));
    ASSERT_LE(time, sum / 132 + longest);
  }
}

TEST(Schedule, coarseClassesKeepTilesAndWork) {
  std::vector<Job> jobs;
  for (int i = 1; i <= 500; ++i)
    jobs.push_back({double(i), 64});
  std::vector<Job> coarse = coarsened(jobs, 16);
  EXPECT_LE(coarse.size(), 16u);
  double work = 0;
  int64_t tiles = 0;
  for (const Job &job : coarse) {
    work += job.cost * double(job.count);
    tiles += job.count;
  }
  EXPECT_NEAR(work, 64.0 * 500 * 501 / 2, 1e-3);
  EXPECT_EQ(tiles, 64 * 500);
  double exact = makespan(jobs, 132, Order::LongestFirst);
  EXPECT_NEAR(makespan(coarse, 132, Order::LongestFirst), exact, 0.02 * exact);
}

} // namespace
} // namespace attn::test
