// Attention in f64, a second opinion: three loops and the definition. Also the yardstick for 16-bit
// kernels and the comparison with the project's tolerances.
//
// Everything is a pure function of its arguments; tensors are contiguous and belong to the caller.
#pragma once

#include "test/reference/Mask.h"

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace attn::reference {

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

enum class Type { F32, F16, BF16 };

/// "f32", "f16", "bf16", as in a spec.
std::string toSpec(Type type);

/// `x` rounded to the nearest value of the type, ties to even; beyond the largest finite value,
/// infinity. NaN stays NaN.
double roundTo(Type type, double x);

/// The distance of neighbouring values of the type at the magnitude of `x`.
double ulp(Type type, double x);

/// The 16-bit pattern of a value, rounding it first, and back. Not for F32.
uint16_t encode16(Type type, double x);
double decode16(Type type, uint16_t bits);

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// Q [batch, heads, nq, qkDim], K [batch, kvHeads, nk, qkDim], V [batch, kvHeads, nk, vDim],
/// O [batch, heads, nq, vDim], LSE [batch, heads, nq]. Query head h reads KV head
/// h / (heads / kvHeads); heads is a multiple of kvHeads.
struct Problem {
  int64_t batch = 1;
  int64_t heads = 1;
  int64_t kvHeads = 1;
  int64_t nq = 0;
  int64_t nk = 0;
  int64_t qkDim = 0;
  int64_t vDim = 0;
  double scale = 0; // 0 stands for 1 / sqrt(qkDim)

  double effectiveScale() const;
  size_t qSize() const { return size_t(batch * heads * nq * qkDim); }
  size_t kSize() const { return size_t(batch * kvHeads * nk * qkDim); }
  size_t vSize() const { return size_t(batch * kvHeads * nk * vDim); }
  size_t oSize() const { return size_t(batch * heads * nq * vDim); }
  size_t lseSize() const { return size_t(batch * heads * nq); }
};

/// Whether query q of (batch, head) sees key k.
using Sees = std::function<bool(int64_t batch, int64_t head, int64_t q, int64_t k)>;
/// The score that replaces s = scale * q.k; empty means s itself. Called for visible pairs only.
using Score = std::function<double(double s, int64_t batch, int64_t head, int64_t q, int64_t k)>;

/// How many keys with score 0 and value 0 query q of (batch, head) sees besides; empty means none.
using ZeroKeys = std::function<int64_t(int64_t batch, int64_t head, int64_t q)>;

/// One mask for all heads. Keeps its own copy of mask and context.
Sees seesOf(Mask mask, Context context);
ZeroKeys zeroKeysOf(Mask mask, Context context);

/// s + bias[batch, head, q, k]; an extent of 1 serves all of its dimension.
Score biasScore(std::vector<double> bias, std::array<int64_t, 4> shape);

struct Result {
  std::vector<double> o;   // [batch, heads, nq, vDim]
  std::vector<double> lse; // [batch, heads, nq]
  double maxAbsScore = 0;  // over all visible pairs, after the score function; finite ones only
};

/// O = softmax(s) V over the visible keys and LSE = log(sum(exp(s))), in f64; zero keys are visible
/// keys whose score stays 0 and whose value is 0. A row without a visible key (or with all scores
/// at -inf) has O = 0 and LSE = -inf. A key whose score is -inf weighs nothing even where its V is
/// not finite.
Result attention(const Problem &problem, std::span<const double> q, std::span<const double> k,
                 std::span<const double> v, const Sees &sees, const Score &score = {},
                 const ZeroKeys &zeroKeys = {});

/// The yardstick for 16-bit kernels: the same with f32 arithmetic, with P and O rounded to `type`.
/// The inputs must already be values of the type.
Result denseRounded(Type type, const Problem &problem, std::span<const double> q,
                    std::span<const double> k, std::span<const double> v, const Sees &sees,
                    const Score &score = {}, const ZeroKeys &zeroKeys = {});

//===----------------------------------------------------------------------===//
// Comparison
//===----------------------------------------------------------------------===//

/// How far one tensor is from the reference.
struct Error {
  double maxError = 0; // largest |x - ref| of the finite references
  double rmsError = 0;
  double worstRatio = 0; // largest error as a part of what is allowed there; above 1 is a failure
  size_t worstIndex = 0; // linear index into the tensor of the element with `worstRatio`
  double worstValue = 0; // what was there
  double worstExpected = 0;
};

struct Report {
  bool ok = true;
  Error o;
  Error lse;
  std::string message; // empty if ok, else one line a failure with index, value, expectation, bound

  explicit operator bool() const { return ok; }
};

/// f32: every element of O and LSE within 1e-5 (1 + |ref|) max(1, max|s| / 16). In every type a row
/// whose reference LSE is -inf must have LSE = -inf and O = 0 exactly; where the reference is not
/// finite for another reason the value must not be finite either. `lse` may be empty (not
/// compared); sizes must otherwise equal those of the reference.
Report compareF32(std::span<const float> o, std::span<const float> lse, const Result &reference);

/// bf16 and f16: maximum and RMS error of O each at most twice that of `yardstick` (the result of
/// denseRounded on the same inputs) plus one ulp: at the element for the maximum, at the RMS of the
/// reference for the RMS. LSE within 1e-4 (1 + |ref|).
Report compareRounded(Type type, std::span<const float> o, std::span<const float> lse,
                      const Result &reference, const Result &yardstick);

} // namespace attn::reference
