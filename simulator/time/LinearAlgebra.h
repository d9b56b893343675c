//===- LinearAlgebra.h - small dense symmetric matrices ----------*- C++ -*-===//
#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

namespace attn {

/// n x n, row-major.
struct SquareMatrix {
  explicit SquareMatrix(size_t n) : n(n), entries(n * n, 0.0) {}
  double &operator()(size_t i, size_t j) { return entries[i * n + j]; }
  double operator()(size_t i, size_t j) const { return entries[i * n + j]; }
  size_t n;
  std::vector<double> entries;
};

struct EigenSystem {
  std::vector<double> values;
  SquareMatrix vectors; ///< columns, of length 1
};

/// Of a symmetric matrix, by Jacobi's rotations.
inline EigenSystem eigenSystem(SquareMatrix a) {
  size_t n = a.n;
  SquareMatrix v(n);
  for (size_t i = 0; i < n; ++i)
    v(i, i) = 1;
  for (int sweep = 0; sweep < 60; ++sweep) {
    double off = 0, all = 0;
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j)
        (i == j ? all : off) += a(i, j) * a(i, j);
    if (off <= 1e-30 * (all + off) || off == 0)
      break;
    for (size_t p = 0; p < n; ++p)
      for (size_t q = p + 1; q < n; ++q) {
        if (a(p, q) == 0)
          continue;
        double theta = (a(q, q) - a(p, p)) / (2 * a(p, q));
        double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (size_t k = 0; k < n; ++k) {
          double x = a(k, p), y = a(k, q);
          a(k, p) = c * x - s * y;
          a(k, q) = s * x + c * y;
        }
        for (size_t k = 0; k < n; ++k) {
          double x = a(p, k), y = a(q, k);
          a(p, k) = c * x - s * y;
          a(q, k) = s * x + c * y;
        }
        for (size_t k = 0; k < n; ++k) {
          double x = v(k, p), y = v(k, q);
          v(k, p) = c * x - s * y;
          v(k, q) = s * x + c * y;
        }
      }
  }
  std::vector<double> values(n);
  for (size_t i = 0; i < n; ++i)
    values[i] = a(i, i);
  return {std::move(values), std::move(v)};
}

/// Solves a x = b for a symmetric positive definite matrix, by Cholesky's decomposition.
inline std::vector<double> solve(SquareMatrix a, std::vector<double> b) {
  size_t n = a.n;
  assert(b.size() == n && "as many right sides as rows");
  for (size_t j = 0; j < n; ++j) {
    for (size_t k = 0; k < j; ++k)
      for (size_t i = j; i < n; ++i)
        a(i, j) -= a(i, k) * a(j, k);
    double pivot = std::sqrt(std::max(a(j, j), 1e-300));
    for (size_t i = j; i < n; ++i)
      a(i, j) /= pivot;
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k)
      b[i] -= a(i, k) * b[k];
    b[i] /= a(i, i);
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k)
      b[i] -= a(k, i) * b[k];
    b[i] /= a(i, i);
  }
  return b;
}

} // namespace attn
