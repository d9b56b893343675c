//===- DType.h - element types and their conversions ------------*- C++ -*-===//
//
// Conversions to the 16-bit types round to nearest, ties to even, whatever the rounding mode of the
// processor: they are integer arithmetic. A NaN stays a NaN of the same sign and becomes quiet.
// All functions are thread-safe.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace attn {

enum class DType : uint8_t { F64, F32, F16, BF16, I64, I32, I16, I8, U8, Bool };

/// Every type, in the order of the enumeration.
std::span<const DType> allDTypes();
/// As specs write it: "f32", "bf16", "bool".
std::string_view dtypeName(DType dtype);
std::optional<DType> parseDType(std::string_view name);
/// As safetensors headers write it: "F32", "BF16", "BOOL".
std::string_view safetensorsName(DType dtype);
std::optional<DType> parseSafetensorsName(std::string_view name);
/// Bytes of an element; a Bool takes one.
int64_t dtypeSize(DType dtype);
bool isFloat(DType dtype);

inline uint16_t f32ToBF16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float bf16ToF32(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

inline uint16_t f32ToF16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return uint16_t(sign | 0x7e00 | (magnitude >> 13 & 0x1ff));
  if (magnitude >= 0x477ff000) // 65520, the tie between 65504 and 65536
    return uint16_t(sign | 0x7c00);
  if (magnitude >= 0x38800000) { // 2^-14, the smallest normal f16
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return uint16_t(sign | (rounded - (112u << 23)) >> 13);
  }
  // A subnormal f16 counts units of 2^-24: shift the significand so that its last bit is one unit.
  uint32_t exponent = magnitude >> 23;
  if (exponent < 102) // below 2^-25, half a unit
    return uint16_t(sign);
  uint32_t significand = (magnitude & 0x7fffff) | 0x800000, shift = 126 - exponent;
  uint32_t half = 1u << (shift - 1), units = significand >> shift;
  return uint16_t(sign | (units + ((significand & (2 * half - 1)) + (units & 1) > half)));
}

inline float f16ToF32(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = bits >> 10 & 31,
           fraction = bits & 0x3ff;
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000 : 0));
  if (exponent != 0)
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  float magnitude = float(fraction) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

/// The element at `address`, which needs no alignment. An I64 beyond 2^53 is rounded to a double; a
/// Bool is 1 where its byte is not zero.
double loadElement(DType dtype, const void *address);
/// Rounds once, from the double, to nearest even. Integers saturate, and a NaN stores 0 into them;
/// a Bool becomes `value != 0`.
void storeElement(DType dtype, void *address, double value);

} // namespace attn
