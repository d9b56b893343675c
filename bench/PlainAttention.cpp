#include "bench/PlainAttention.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace attn::bench {

void plainAttention(const PlainProblem &problem, const float *q, const float *k, const float *v,
                    float *o) {
  const int64_t tokens = problem.tokens, dim = problem.headDim;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  std::vector<float> weights(tokens);
  for (int64_t head = 0; head < problem.heads; ++head) {
    const float *keys = k + head * tokens * dim, *values = v + head * tokens * dim;
    for (int64_t t = 0; t < tokens; ++t) {
      const float *query = q + (head * tokens + t) * dim;
      float *out = o + (head * tokens + t) * dim;
      const int64_t first = std::max<int64_t>(t - problem.left, 0);
      const int64_t end = std::min<int64_t>(t + problem.right + 1, tokens);

      float maximum = -INFINITY;
      for (int64_t j = first; j < end; ++j) {
        float score = 0;
        for (int64_t d = 0; d < dim; ++d)
          score += query[d] * keys[j * dim + d];
        weights[j] = score * scale;
        maximum = std::max(maximum, weights[j]);
      }

      float sum = 0;
      std::fill(out, out + dim, 0.0f);
      for (int64_t j = first; j < end; ++j) {
        const float weight = std::exp(weights[j] - maximum);
        sum += weight;
        for (int64_t d = 0; d < dim; ++d)
          out[d] += weight * values[j * dim + d];
      }
      for (int64_t d = 0; d < dim; ++d)
        out[d] /= sum;
    }
  }
}

} // namespace attn::bench
