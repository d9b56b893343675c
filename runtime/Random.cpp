// Compiled with -ffp-contract=off: a fused multiply-add would round differently from machine to
// machine.
#include "runtime/Random.h"

#include <cmath>

namespace attn {
namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15; // 2^64 divided by the golden ratio, made odd

uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// log(x) for 0 < x <= 1: x = m * 2^e with m near 1, log m = 2 atanh((m - 1) / (m + 1)) by its
/// series.
double logarithm(double x) {
  int exponent;
  double m = std::frexp(x, &exponent); // exact, 0.5 <= m < 1
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  double s = (m - 1) / (m + 1), square = s * s, sum = 0; // |s| < 0.172: 0.172^23 / 23 < 2^-61
  for (int n = 21; n >= 1; n -= 2)
    sum = sum * square + 1.0 / n;
  return exponent * 0.69314718055994530942 + 2 * s * sum;
}

struct Direction {
  double cosine, sine;
};

/// Cosine and sine of 2 pi u, 0 <= u < 1, by their series on the eighth of a turn around a quarter
/// turn.
Direction direction(double u) {
  int quarter = int(u * 4 + 0.5);
  double x = (u * 4 - quarter) * 1.57079632679489661923, square = x * x;
  double cosine = 1, sine = 1;
  for (int n = 18; n >= 2; n -= 2) {
    cosine = 1 - cosine * square / (n * (n - 1));
    sine = 1 - sine * square / (n * (n + 1));
  }
  sine *= x;
  switch (quarter & 3) {
  case 0:
    return {cosine, sine};
  case 1:
    return {-sine, cosine};
  case 2:
    return {-cosine, -sine};
  default:
    return {sine, -cosine};
  }
}

} // namespace

NormalSource::NormalSource(uint64_t seed) : state(mix(seed + kGolden)) {}

uint64_t NormalSource::nextBits() { return mix(state += kGolden); }

double NormalSource::next() {
  if (hasSecond) {
    hasSecond = false;
    return second;
  }
  double u = double((nextBits() >> 11) + 1) * 0x1p-53; // never 0, whose logarithm does not exist
  double radius = std::sqrt(-2 * logarithm(u));
  Direction turn = direction(double(nextBits() >> 11) * 0x1p-53);
  second = radius * turn.sine;
  hasSecond = true;
  return radius * turn.cosine;
}

} // namespace attn
