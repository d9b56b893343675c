#include "test/reference/Attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

namespace attn::reference {

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

double Problem::effectiveScale() const {
  return scale != 0 ? scale : 1.0 / std::sqrt(double(qkDim));
}

Sees seesOf(Mask mask, Context context) {
  return [mask = std::move(mask), context = std::move(context)](int64_t batch, int64_t head,
                                                                int64_t q, int64_t k) {
    return sees(mask, context, batch, head, q, k);
  };
}

ZeroKeys zeroKeysOf(Mask mask, Context context) {
  return [mask = std::move(mask), context = std::move(context)](int64_t, int64_t, int64_t q) {
    return zeroKeys(mask, context, q);
  };
}

Score biasScore(std::vector<double> bias, std::array<int64_t, 4> shape) {
  return
      [bias = std::move(bias), shape](double s, int64_t batch, int64_t head, int64_t q, int64_t k) {
        std::array<int64_t, 4> at = {batch, head, q, k};
        int64_t linear = 0;
        for (size_t d = 0; d < 4; ++d) {
          assert((shape[d] == 1 || at[d] < shape[d]) && "the bias has this entry");
          linear = linear * shape[d] + (shape[d] == 1 ? 0 : at[d]);
        }
        return s + bias.at(size_t(linear));
      };
}

static void checkSizes(const Problem &problem, std::span<const double> q, std::span<const double> k,
                       std::span<const double> v) {
  assert(problem.kvHeads > 0 && problem.heads % problem.kvHeads == 0 &&
         "heads share KV heads evenly");
  assert(q.size() == problem.qSize() && k.size() == problem.kSize() &&
         v.size() == problem.vSize() && "the tensors have the sizes of the problem");
  (void)problem, (void)q, (void)k, (void)v;
}

/// Calls row(batch, head, query, Q row, first K row, first V row, O row, LSE) for every query row.
template <typename Row>
static Result forEachRow(const Problem &p, std::span<const double> q, std::span<const double> k,
                         std::span<const double> v, Row row) {
  checkSizes(p, q, k, v);
  Result result;
  result.o.assign(p.oSize(), 0.0);
  result.lse.assign(p.lseSize(), -kInfinity);
  int64_t group = p.heads / p.kvHeads;
  for (int64_t b = 0; b < p.batch; ++b)
    for (int64_t h = 0; h < p.heads; ++h) {
      int64_t kvHead = b * p.kvHeads + h / group;
      for (int64_t i = 0; i < p.nq; ++i) {
        int64_t r = (b * p.heads + h) * p.nq + i;
        row(b, h, i, q.data() + r * p.qkDim, k.data() + kvHead * p.nk * p.qkDim,
            v.data() + kvHead * p.nk * p.vDim, result.o.data() + r * p.vDim, result.lse[r]);
      }
    }
  return result;
}

/// The keys of a row with a score above -inf, and their scores, in the arithmetic of `Real`.
template <typename Real> struct RowScores {
  std::vector<int64_t> keys;
  std::vector<Real> scores;
  int64_t zeros = 0; // further keys with score 0 and value 0
  Real maximum = -std::numeric_limits<Real>::infinity();

  bool empty() const { return keys.empty() && zeros == 0; }
  /// The part of the zero keys in the sum of exp(score - maximum).
  Real zeroSum() const { return zeros == 0 ? Real(0) : Real(zeros) * std::exp(-maximum); }
};

template <typename Real>
static RowScores<Real> scoreRow(const Problem &p, int64_t b, int64_t h, int64_t i, const double *q,
                                const double *k, const Sees &sees, const Score &score,
                                const ZeroKeys &zeroKeys) {
  RowScores<Real> row;
  row.zeros = zeroKeys ? zeroKeys(b, h, i) : 0;
  if (row.zeros > 0)
    row.maximum = 0;
  Real scale = Real(p.effectiveScale());
  for (int64_t j = 0; j < p.nk; ++j) {
    if (!sees(b, h, i, j))
      continue;
    Real dot = 0;
    for (int64_t d = 0; d < p.qkDim; ++d)
      dot += Real(q[d]) * Real(k[j * p.qkDim + d]);
    Real s = scale * dot;
    if (score)
      s = Real(score(double(s), b, h, i, j));
    if (s == -std::numeric_limits<Real>::infinity())
      continue;
    row.keys.push_back(j);
    row.scores.push_back(s);
    row.maximum = std::max(row.maximum, s); // a NaN score reaches O and LSE through exp below
  }
  return row;
}

Result attention(const Problem &p, std::span<const double> q, std::span<const double> k,
                 std::span<const double> v, const Sees &sees, const Score &score,
                 const ZeroKeys &zeroKeys) {
  double maxAbsScore = 0;
  Result result = forEachRow(p, q, k, v,
                             [&](int64_t b, int64_t h, int64_t i, const double *qRow,
                                 const double *kHead, const double *vHead, double *o, double &lse) {
                               RowScores<double> row =
                                   scoreRow<double>(p, b, h, i, qRow, kHead, sees, score, zeroKeys);
                               if (row.empty())
                                 return;
                               double sum = row.zeroSum();
                               for (size_t n = 0; n < row.keys.size(); ++n) {
                                 if (std::isfinite(row.scores[n]))
                                   maxAbsScore = std::max(maxAbsScore, std::abs(row.scores[n]));
                                 double weight = std::exp(row.scores[n] - row.maximum);
                                 sum += weight;
                                 for (int64_t d = 0; d < p.vDim; ++d)
                                   o[d] += weight * vHead[row.keys[n] * p.vDim + d];
                               }
                               for (int64_t d = 0; d < p.vDim; ++d)
                                 o[d] /= sum;
                               lse = row.maximum + std::log(sum);
                             });
  result.maxAbsScore = maxAbsScore;
  return result;
}

Result denseRounded(Type type, const Problem &p, std::span<const double> q,
                    std::span<const double> k, std::span<const double> v, const Sees &sees,
                    const Score &score, const ZeroKeys &zeroKeys) {
  double maxAbsScore = 0;
  std::vector<float> sums(p.vDim);
  Result result = forEachRow(p, q, k, v,
                             [&](int64_t b, int64_t h, int64_t i, const double *qRow,
                                 const double *kHead, const double *vHead, double *o, double &lse) {
                               RowScores<float> row =
                                   scoreRow<float>(p, b, h, i, qRow, kHead, sees, score, zeroKeys);
                               if (row.empty())
                                 return;
                               float denominator = row.zeroSum();
                               for (float &s : row.scores) {
                                 if (std::isfinite(s))
                                   maxAbsScore = std::max(maxAbsScore, std::abs(double(s)));
                                 s = std::exp(s - row.maximum);
                                 denominator += s;
                               }
                               std::fill(sums.begin(), sums.end(), 0.0f);
                               for (size_t n = 0; n < row.keys.size(); ++n) {
                                 float weight = float(roundTo(type, row.scores[n] / denominator));
                                 for (int64_t d = 0; d < p.vDim; ++d)
                                   sums[d] += weight * float(vHead[row.keys[n] * p.vDim + d]);
                               }
                               for (int64_t d = 0; d < p.vDim; ++d)
                                 o[d] = roundTo(type, sums[d]);
                               lse = row.maximum + std::log(denominator);
                             });
  result.maxAbsScore = maxAbsScore;
  return result;
}

} // namespace attn::reference
