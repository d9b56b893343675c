//===- PlainAttention.h - the peer of the benchmarks -------------*- C++ -*-===//
#pragma once

#include <cstdint>

namespace attn::bench {

/// One batch entry, contiguous f32: q [heads, tokens, headDim], k and v alike, o alike. Query t sees the
/// keys t - left .. t + right that exist.
struct PlainProblem {
  int64_t heads, tokens, headDim;
  int64_t left, right;
};

/// Attention as one writes it first: for each query a loop over its visible keys for the scores, and one
/// for the output. One thread.
void plainAttention(const PlainProblem &problem, const float *q, const float *k, const float *v,
                    float *o);

} // namespace attn::bench
