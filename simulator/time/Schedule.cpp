#include "simulator/time/Schedule.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>

namespace attn {

static void sortLongestFirst(std::vector<Job> &jobs) {
  std::sort(jobs.begin(), jobs.end(), [](const Job &a, const Job &b) { return a.cost > b.cost; });
}

/// Tiles of one class go to the workers in turn, from the one after the last.
static void dealInTurn(const Job &job, std::vector<double> &loads, size_t &next) {
  int64_t workers = int64_t(loads.size());
  for (double &load : loads)
    load += double(job.count / workers) * job.cost;
  for (int64_t i = 0; i < job.count % workers; ++i) {
    loads[next] += job.cost;
    next = (next + 1) % loads.size();
  }
}

/// Sorts what consists of a few ascending runs.
static void mergeRuns(std::vector<double> &values, std::vector<double> &scratch) {
  while (!std::is_sorted(values.begin(), values.end())) {
    scratch.clear();
    for (auto begin = values.begin(); begin != values.end();) {
      auto middle = std::is_sorted_until(begin, values.end());
      auto end = std::is_sorted_until(middle, values.end());
      std::merge(begin, middle, middle, end, std::back_inserter(scratch));
      begin = end;
    }
    values.swap(scratch);
  }
}

/// Greedy starts are the `count` smallest of load + k cost, k = 0, 1, ... In each round, a stretch
/// of `cost` from the least load on, every worker whose load lies before its end starts exactly one
/// tile: whole rounds are dealt at once, and of the last round the earliest starts. Loads are
/// ascending.
static void dealToTheFree(const Job &job, std::vector<double> &loads,
                          std::vector<double> &scratch) {
  if (job.cost <= 0 || job.count <= 0)
    return;
  double least = loads.front();
  auto roundOf = [&](double load) { return int64_t(std::floor((load - least) / job.cost)); };
  // With R rounds, workers 0 .. n-1 (those with roundOf < R) get R - roundOf tiles each.
  int64_t left = job.count, rounds = 0;
  size_t active = 0;
  while (true) {
    while (active < loads.size() && roundOf(loads[active]) <= rounds)
      ++active;
    int64_t until = active < loads.size() ? roundOf(loads[active]) : INT64_MAX;
    int64_t dealt = std::min(until - rounds, left / int64_t(active));
    rounds += dealt;
    left -= dealt * int64_t(active);
    if (rounds < until)
      break;
  }
  for (size_t i = 0; i < active; ++i)
    loads[i] += double(std::max<int64_t>(0, rounds - roundOf(loads[i]))) * job.cost;
  mergeRuns(loads, scratch);
  for (int64_t i = 0; i < left; ++i)
    loads[i] += job.cost;
  mergeRuns(loads, scratch);
}

std::vector<Job> coarsened(std::vector<Job> jobs, size_t classes) {
  if (jobs.size() <= classes)
    return jobs;
  sortLongestFirst(jobs);
  double all = 0, done = 0;
  for (const Job &job : jobs)
    all += job.cost * double(job.count);
  std::vector<Job> coarse(classes);
  for (const Job &job : jobs) {
    double work = job.cost * double(job.count);
    size_t at = all > 0 ? size_t((done + work / 2) / all * double(classes)) : 0;
    Job &to = coarse[std::min(at, classes - 1)];
    to.cost += work;
    to.count += job.count;
    done += work;
  }
  std::erase_if(coarse, [](const Job &job) { return job.count == 0; });
  for (Job &job : coarse)
    job.cost /= double(job.count);
  return coarse;
}

double makespan(std::vector<Job> jobs, int64_t workers, Order order) {
  std::vector<double> loads(size_t(std::max<int64_t>(workers, 1)), 0.0);
  if (order == Order::LongestFirst)
    sortLongestFirst(jobs);
  std::vector<double> scratch;
  size_t next = 0;
  for (const Job &job : jobs) {
    if (order == Order::RoundRobin)
      dealInTurn(job, loads, next);
    else
      dealToTheFree(job, loads, scratch);
  }
  return *std::max_element(loads.begin(), loads.end());
}

double makespanByHeap(std::vector<Job> jobs, int64_t workers, Order order) {
  workers = std::max<int64_t>(workers, 1);
  if (order == Order::LongestFirst)
    sortLongestFirst(jobs);
  std::vector<double> loads(size_t(workers), 0.0);
  size_t next = 0;
  auto later = std::greater<double>();
  double last = 0;
  for (const Job &job : jobs)
    for (int64_t i = 0; i < job.count; ++i) {
      if (order == Order::RoundRobin) {
        loads[next] += job.cost;
        last = std::max(last, loads[next]);
        next = (next + 1) % loads.size();
        continue;
      }
      std::pop_heap(loads.begin(), loads.end(), later);
      loads.back() += job.cost;
      last = std::max(last, loads.back());
      std::push_heap(loads.begin(), loads.end(), later);
    }
  return last;
}

} // namespace attn
