//===- SoftFloat.cpp ------------------------------------------------------===//
#include "runtime/emulator/SoftFloat.h"

#include <algorithm>

namespace attn::emulator {

/// Whether a magnitude of quotient `kept` and remainder `rest` out of 2^shift goes up.
static bool roundsUp(Rounding rounding, bool negative, uint64_t kept, uint64_t rest, int shift) {
  uint64_t half = shift > 0 ? uint64_t(1) << (shift - 1) : 0;
  switch (rounding) {
  case Rounding::NearestEven:
    return rest > half || (rest == half && rest != 0 && (kept & 1));
  case Rounding::NearestAway:
    return rest != 0 && rest >= half;
  case Rounding::Zero:
    return false;
  case Rounding::Down:
    return negative && rest != 0;
  case Rounding::Up:
    return !negative && rest != 0;
  }
  return false;
}

uint64_t roundTo(FloatFormat format, Rounding rounding, double value) {
  const int fraction = format.fractionBits;
  const int bias = (1 << (format.exponentBits - 1)) - 1;
  const uint64_t infinity = ((uint64_t(1) << format.exponentBits) - 1) << fraction;
  const bool negative = std::signbit(value);
  const uint64_t sign = uint64_t(negative) << (format.exponentBits + fraction);
  if (std::isnan(value))
    return infinity | ((uint64_t(1) << fraction) - 1) | (uint64_t(1) << fraction >> 1);
  if (std::isinf(value))
    return sign | infinity;
  if (value == 0)
    return sign;

  int exponent; // |value| = mantissa * 2^(exponent - 52), mantissa in [2^52, 2^53)
  double scaled = std::frexp(std::fabs(value), &exponent);
  exponent -= 1;
  uint64_t mantissa = static_cast<uint64_t>(std::ldexp(scaled, 53));
  const int lowest = 1 - bias;
  int shift = 52 - fraction + std::max(0, lowest - exponent);
  // A remainder that lies below half of the last place: one bit is enough to say so.
  if (shift > 60) {
    mantissa = 1;
    shift = 60;
  }
  uint64_t kept = mantissa >> shift;
  uint64_t rest = mantissa & ((uint64_t(1) << shift) - 1);
  kept += roundsUp(rounding, negative, kept, rest, shift);
  // A carry out of the fraction adds one to the exponent by itself.
  uint64_t encoded = exponent < lowest ? kept : (uint64_t(exponent + bias - 1) << fraction) + kept;
  if (encoded < infinity)
    return sign | encoded;
  bool stopsBelow = rounding == Rounding::Zero || (rounding == Rounding::Down && !negative) ||
                    (rounding == Rounding::Up && negative);
  return sign | (stopsBelow ? infinity - 1 : infinity);
}

} // namespace attn::emulator
