//===- Pareto.h - choices that no other choice beats -------------*- C++ -*-===//
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace attn {

/// Indices of the points that no other has at least as much of both and more of one; by rising `x`.
struct Point {
  double x, y;
};
std::vector<size_t> paretoFront(const std::vector<Point> &points);

/// Strides of one dimension worth trying: 1, and each with which the query tile that visits most
/// visits fewer tiles than with every smaller one. `worst(stride)` says how many; strides go up to
/// `window`.
std::vector<int64_t> worthwhileStrides(int64_t window,
                                       const std::function<int64_t(int64_t stride)> &worst);

} // namespace attn
