#include "simulator/time/Timeline.h"

#include <algorithm>
#include <queue>

namespace attn {

/// Appends a tile that begins where the timeline ends.
static void run(Timeline &timeline, size_t job, double cycles) {
  if (timeline.runs.empty() || timeline.runs.back().job != job)
    timeline.runs.push_back({job, 0, timeline.end});
  ++timeline.runs.back().count;
  timeline.end += cycles;
}

std::pair<Timeline, Timeline> lastAndFirst(const Machine &machine, const KernelShape &shape,
                                           const std::vector<TileJob> &jobs) {
  std::vector<size_t> order(jobs.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  if (shape.order == Order::LongestFirst)
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return jobs[a].cycles() > jobs[b].cycles(); });
  std::vector<Timeline> all(size_t(std::max(1.0, machine[Constant::Sms])));
  using Free = std::pair<double, size_t>; // when, which
  std::priority_queue<Free, std::vector<Free>, std::greater<>> free;
  for (size_t i = 0; i < all.size(); ++i)
    free.push({0, i});
  size_t next = 0;
  for (size_t job : order)
    for (int64_t i = 0; i < jobs[job].count; ++i) {
      size_t worker = next;
      if (shape.order == Order::LongestFirst) {
        worker = free.top().second;
        free.pop();
      }
      run(all[worker], job, jobs[job].cycles());
      if (shape.order == Order::LongestFirst)
        free.push({all[worker].end, worker});
      next = (next + 1) % all.size();
    }
  auto [first, last] = std::minmax_element(
      all.begin(), all.end(), [](const Timeline &a, const Timeline &b) { return a.end < b.end; });
  return {*last, *first};
}

} // namespace attn
