#include "simulator/time/Schedule.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <functional>

namespace attn {

static void sortLongestFirst(std::vector<Job> &jobs) {
  std::sort(jobs.begin(), jobs.end(), [](const Job &a, const Job &b) { return a.cost > b.cost; });
}

/// Tiles of one class go to the workers in turn, from the one after the last.
static double makespanInTurn(const std::vector<Job> &jobs, int64_t workers) {
  std::vector<double> loads(size_t(workers), 0.0);
  size_t next = 0;
  for (const Job &job : jobs) {
    for (double &load : loads)
      load += double(job.count / workers) * job.cost;
    for (int64_t i = 0; i < job.count % workers; ++i) {
      loads[next] += job.cost;
      next = (next + 1) % loads.size();
    }
  }
  return *std::max_element(loads.begin(), loads.end());
}

namespace {
/// Workers that are free at the same time. A class of tiles splits at most one group in two, so that
/// there is at most one group more than classes, however many workers there are.
struct Group {
  double load;
  int64_t workers;
};
} // namespace

/// Ascending, those of one load as one.
static void mergeGroups(std::vector<Group> &groups) {
  std::sort(groups.begin(), groups.end(), [](const Group &a, const Group &b) { return a.load < b.load; });
  size_t last = 0;
  for (size_t i = 1; i < groups.size(); ++i) {
    if (groups[i].load == groups[last].load)
      groups[last].workers += groups[i].workers;
    else
      groups[++last] = groups[i];
  }
  groups.resize(last + 1);
}

/// One tile for each of the first `count` workers.
static void dealOneEach(int64_t count, double cost, std::vector<Group> &groups) {
  for (size_t i = 0; count > 0; ++i) {
    assert(i < groups.size() && "fewer tiles than workers are left");
    if (groups[i].workers > count) {
      groups.push_back({groups[i].load, groups[i].workers - count});
      groups[i].workers = count;
    }
    groups[i].load += cost;
    count -= groups[i].workers;
  }
}

/// Greedy starts are the `count` smallest of load + k cost, k = 0, 1, ... In each round, a stretch
/// of `cost` from the least load on, every worker whose load lies before its end starts exactly one
/// tile: whole rounds are dealt at once, and of the last round the earliest starts. Groups are
/// ascending.
static void dealToTheFree(const Job &job, std::vector<Group> &groups) {
  if (job.cost <= 0 || job.count <= 0)
    return;
  double least = groups.front().load;
  auto roundOf = [&](double load) { return int64_t(std::floor((load - least) / job.cost)); };
  // With R rounds, workers of the groups 0 .. n-1 (those with roundOf < R) get R - roundOf tiles each.
  int64_t left = job.count, rounds = 0, workers = 0;
  size_t active = 0;
  while (true) {
    for (; active < groups.size() && roundOf(groups[active].load) <= rounds; ++active)
      workers += groups[active].workers;
    int64_t until = active < groups.size() ? roundOf(groups[active].load) : INT64_MAX;
    int64_t dealt = std::min(until - rounds, left / workers);
    rounds += dealt;
    left -= dealt * workers;
    if (rounds < until)
      break;
  }
  for (size_t i = 0; i < active; ++i)
    groups[i].load += double(std::max<int64_t>(0, rounds - roundOf(groups[i].load))) * job.cost;
  mergeGroups(groups);
  dealOneEach(left, job.cost, groups);
  mergeGroups(groups);
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
  workers = std::max<int64_t>(workers, 1);
  if (order == Order::RoundRobin)
    return makespanInTurn(jobs, workers);
  if (order == Order::LongestFirst)
    sortLongestFirst(jobs);
  std::vector<Group> groups{{0, workers}};
  for (const Job &job : jobs)
    dealToTheFree(job, groups);
  return groups.back().load;
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
