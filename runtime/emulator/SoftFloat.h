//===- SoftFloat.h - rounding to any PTX format -----------------*- C++ -*-===//
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace attn::emulator {

enum class Rounding : uint8_t { NearestEven, Zero, Down, Up, NearestAway };

/// An IEEE-like binary format: a sign, then exponent and fraction bits.
struct FloatFormat {
  int exponentBits, fractionBits;
};
constexpr FloatFormat kF16{5, 10}, kBF16{8, 7}, kTF32{8, 10}, kF32{8, 23};

/// `value` rounded to `format`, as bits. NaN becomes the one with all fraction bits set, which is
/// what GPUs produce.
uint64_t roundTo(FloatFormat format, Rounding rounding, double value);

/// a + b rounded to odd: exact if possible, else the neighbour with an odd last bit. Rounding that
/// again to a format with at most 51 significand bits is as good as rounding the exact sum once.
inline double addToOdd(double a, double b) {
  double sum = a + b;
  // Knuth's two-sum: the error of the addition, exactly.
  double partB = sum - a;
  double error = (a - (sum - partB)) + (b - partB);
  uint64_t bits = std::bit_cast<uint64_t>(sum);
  if (!std::isfinite(sum) || error == 0 || bits & 1)
    return sum;
  bool outward = (error > 0) == (sum > 0);
  return std::bit_cast<double>(outward ? bits + 1 : bits - 1);
}

inline float bf16ToFloat(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

/// Exact; written so that compilers vectorise it.
inline float halfToFloat(uint16_t bits) {
  uint32_t magnitude = uint32_t(bits & 0x7fff) << 13;
  // Rebias by a multiplication, which is right for subnormals too.
  float scaled = std::bit_cast<float>(magnitude) * 0x1p112f;
  uint32_t special = magnitude | 0x7f800000;
  uint32_t result = magnitude >= 0x0f800000 ? special : std::bit_cast<uint32_t>(scaled);
  return std::bit_cast<float>(result | uint32_t(bits & 0x8000) << 16);
}

/// Rounds to nearest even.
inline uint16_t floatToBf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fff : rounded);
}
inline uint16_t floatToHalf(float value) {
  return static_cast<uint16_t>(roundTo(kF16, Rounding::NearestEven, value));
}

/// .ftz: subnormal values become zeros of their sign.
inline float flush(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  return std::bit_cast<float>((bits & 0x7f800000) == 0 ? bits & 0x80000000 : bits);
}
template <bool kFlush> float flushIf(float value) { return kFlush ? flush(value) : value; }

/// .relu: -0 becomes +0, NaN stays.
inline double relu(double value) { return value <= 0 ? 0 : value; }

/// .sat: NaN counts as zero.
inline double saturate01(double value) { return value > 0 ? (value < 1 ? value : 1) : 0; }

/// An exact sum of zero is -0 when rounding down, unless both terms are +0. `sum` is that of `a`
/// and `b`.
inline double withSignOfZero(Rounding rounding, double sum, double a, double b) {
  bool bothPositive = !std::signbit(a) && !std::signbit(b);
  return rounding == Rounding::Down && sum == 0 && !bothPositive ? -0.0 : sum;
}

/// min and max of PTX: a NaN loses against a number, or wins with .NaN; -0 is less than +0.
template <class T> T minOf(T a, T b) {
  if (std::isnan(a))
    return b;
  if (std::isnan(b))
    return a;
  if (a == b)
    return std::signbit(a) ? a : b;
  return a < b ? a : b;
}
template <class T> T maxOf(T a, T b) {
  if (std::isnan(a))
    return b;
  if (std::isnan(b))
    return a;
  if (a == b)
    return std::signbit(a) ? b : a;
  return a > b ? a : b;
}

} // namespace attn::emulator
