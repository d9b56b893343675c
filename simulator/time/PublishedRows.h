//===- PublishedRows.h - measured times to check the model against -*- C++ -*-===//
//
// End-to-end rows check; constants come from elsewhere. The one exception are the rows marked
// `isFitted`, which gave two constants that no data sheet has, overlap and fixed_cycles
// (Machine.cpp).
//
//===----------------------------------------------------------------------===//
#pragma once

#include "simulator/time/TimeModel.h"

#include <span>

namespace attn {

/// FlashAttention-3 forward, f16, on an H100 SXM5: 16,384 tokens in all, heads x head_dim = 2048.
/// TFLOP/s as the authors count them, half for causal masks.
struct FlashAttentionRow {
  int64_t headDim;
  bool causal;
  int64_t tokens; ///< of a sequence
  double tflops;
  bool isFitted;
  /// Beyond the rows that targets are set for.
  bool isExtra() const { return headDim == 256; }
};
std::span<const FlashAttentionRow> flashAttentionRows();

Work workOf(const FlashAttentionRow &row);
/// Operations of a call, as the authors count them.
double flopsOf(const FlashAttentionRow &row);
/// TFLOP/s, counted in the same way.
double predictedTflops(const Machine &machine, const FlashAttentionRow &row);

struct ErrorSummary {
  double mean = 0, worst = 0; ///< of |predicted / published - 1|
  int64_t rows = 0;
  void add(double predicted, double published);
};

} // namespace attn
