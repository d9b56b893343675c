//===- TensorCore.cpp - the sums that have no short way -------------------===//
#include "runtime/emulator/ops/TensorCore.h"
#include "runtime/emulator/SoftFloat.h"

#include <algorithm>

namespace attn::emulator::tensorcore {
namespace {

/// value = significand 2^(exponent - 23)
struct Term {
  int64_t significand = 0;
  int exponent = 0;
};
/// Of a format whose lowest exponent of a normal number is `lowest`.
Term termOf(float value, int lowest) {
  if (value == 0)
    return {0, kZeroExponent};
  int exponent = std::max(std::ilogb(value), lowest);
  return {static_cast<int64_t>(std::ldexp(double(value), 23 - exponent)), exponent};
}

/// `significand` 2^(exponent - fraction) in units of 2^(largest - 25), towards zero.
int64_t aligned(int64_t significand, int fraction, int down) {
  int shift = std::min(fraction - kUnitBits + down, 63);
  uint64_t magnitude = static_cast<uint64_t>(std::abs(significand));
  magnitude = shift >= 0 ? magnitude >> shift : magnitude << -shift;
  return significand < 0 ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
}

/// Infinity or NaN if that is what the terms come to; 0 otherwise.
double specialSum(std::span<const float> a, std::span<const float> b, float c) {
  double sum = std::isfinite(c) ? 0 : double(c);
  for (size_t k = 0; k < a.size(); ++k) {
    double product = double(a[k]) * double(b[k]);
    if (!std::isfinite(product))
      sum += product;
  }
  return sum;
}

} // namespace

float sumOne(std::span<const float> a, std::span<const float> b, float c, int bias, bool toHalf) {
  double special = specialSum(a, b, c);
  if (std::isnan(special))
    return std::bit_cast<float>(0x7fffffffu);
  if (special != 0)
    return static_cast<float>(special);

  Term accumulator = termOf(c, toHalf ? -14 : -126);
  int largest = accumulator.exponent;
  for (size_t k = 0; k < a.size(); ++k)
    largest = std::max(largest, termOf(a[k], 1 - bias).exponent + termOf(b[k], 1 - bias).exponent);
  int64_t sum = aligned(accumulator.significand, 23, largest - accumulator.exponent);
  for (size_t k = 0; k < a.size(); ++k) {
    Term left = termOf(a[k], 1 - bias), right = termOf(b[k], 1 - bias);
    sum +=
        aligned(left.significand * right.significand, 46, largest - left.exponent - right.exponent);
  }
  double exact = std::ldexp(static_cast<double>(sum), largest - kUnitBits);
  if (toHalf)
    return halfToFloat(static_cast<uint16_t>(roundTo(kF16, Rounding::NearestEven, exact)));
  if (std::fabs(exact) >= 0x1p128)
    return std::copysign(INFINITY, static_cast<float>(exact));
  return std::bit_cast<float>(static_cast<uint32_t>(roundTo(kF32, Rounding::Zero, exact)));
}

} // namespace attn::emulator::tensorcore
