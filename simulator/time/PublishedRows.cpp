#include "simulator/time/PublishedRows.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace attn {

// arXiv 2407.08608, figures 5 and 6.
std::span<const FlashAttentionRow> flashAttentionRows() {
  struct Line {
    int64_t headDim;
    bool causal, isFitted;
    double tflops[6]; ///< at 512, 1024, ..., 16384 tokens
  };
  static const Line lines[] = {{64, false, false, {333, 392, 460, 476, 496, 497}},
                               {64, true, false, {197, 265, 371, 420, 460, 473}},
                               {128, false, true, {467, 565, 625, 638, 646, 648}},
                               {128, true, false, {292, 423, 521, 579, 602, 616}},
                               {256, false, false, {482, 639, 707, 736, 746, 756}},
                               {256, true, false, {286, 427, 537, 612, 628, 642}}};
  static const std::vector<FlashAttentionRow> rows = [] {
    std::vector<FlashAttentionRow> list;
    for (const Line &line : lines)
      for (int i = 0; i < 6; ++i)
        list.push_back(
            {line.headDim, line.causal, int64_t(512) << i, line.tflops[i], line.isFitted});
    return list;
  }();
  return rows;
}

Work workOf(const FlashAttentionRow &row) {
  KernelShape shape = flashAttention3(row.headDim, row.causal);
  int64_t heads = 2048 / row.headDim, batch = 16384 / row.tokens;
  auto make = row.causal ? causalWork : denseWork;
  return make(row.tokens, row.tokens, shape.rows, shape.columns, heads, heads, batch);
}

double flopsOf(const FlashAttentionRow &row) {
  return 4.0 * 16384 * double(row.tokens) * 2048 * (row.causal ? 0.5 : 1);
}

double predictedTflops(const Machine &machine, const FlashAttentionRow &row) {
  KernelShape shape = flashAttention3(row.headDim, row.causal);
  return flopsOf(row) / predict(machine, shape, workOf(row)).us / 1e6;
}

void ErrorSummary::add(double predicted, double published) {
  double error = std::abs(predicted / published - 1);
  mean = (mean * double(rows) + error) / double(rows + 1);
  worst = std::max(worst, error);
  ++rows;
}

} // namespace attn
