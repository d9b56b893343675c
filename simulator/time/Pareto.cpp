#include "simulator/time/Pareto.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace attn {

std::vector<size_t> paretoFront(const std::vector<Point> &points) {
  std::vector<size_t> order(points.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tuple(-points[a].x, -points[a].y, a) < std::tuple(-points[b].x, -points[b].y, b);
  });
  std::vector<size_t> front;
  double best = -std::numeric_limits<double>::infinity();
  for (size_t i : order)
    if (points[i].y > best) {
      best = points[i].y;
      front.push_back(i);
    }
  std::reverse(front.begin(), front.end());
  return front;
}

std::vector<int64_t> worthwhileStrides(int64_t window,
                                       const std::function<int64_t(int64_t stride)> &worst) {
  std::vector<int64_t> strides;
  int64_t fewest = std::numeric_limits<int64_t>::max();
  for (int64_t stride = 1; stride <= window; ++stride)
    if (int64_t tiles = worst(stride); tiles < fewest) {
      fewest = tiles;
      strides.push_back(stride);
    }
  return strides;
}

} // namespace attn
