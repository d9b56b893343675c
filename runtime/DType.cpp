#include "runtime/DType.h"

#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

namespace attn {
namespace {

struct Row {
  DType dtype;
  std::string_view name, safetensors;
  int64_t size;
};

constexpr Row kRows[] = {
    {DType::F64, "f64", "F64", 8},    {DType::F32, "f32", "F32", 4}, {DType::F16, "f16", "F16", 2},
    {DType::BF16, "bf16", "BF16", 2}, {DType::I64, "i64", "I64", 8}, {DType::I32, "i32", "I32", 4},
    {DType::I16, "i16", "I16", 2},    {DType::I8, "i8", "I8", 1},    {DType::U8, "u8", "U8", 1},
    {DType::Bool, "bool", "BOOL", 1},
};

const Row &row(DType dtype) {
  assert(size_t(dtype) < std::size(kRows) && kRows[size_t(dtype)].dtype == dtype &&
         "the table of types follows the enumeration");
  return kRows[size_t(dtype)];
}

template <class T> double load(const void *address) {
  T value;
  std::memcpy(&value, address, sizeof value);
  return double(value);
}

template <class T> void store(void *address, T value) {
  std::memcpy(address, &value, sizeof value);
}

template <class T> void storeInteger(void *address, double value) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(value))
    return store(address, T(0));
  double rounded = std::nearbyint(value);
  // 2^63 - 1 is no double: compare with 2^63, the exclusive end.
  double end = std::ldexp(1.0, Limits::digits);
  if (rounded >= end)
    return store(address, Limits::max());
  store(address, rounded <= double(Limits::lowest()) ? Limits::lowest() : T(rounded));
}

/// Rounds to odd: an inexact result gets an odd significand, so that rounding it once more, to a
/// type at least two bits shorter, gives what rounding `value` itself would have given.
float roundToOdd(double value) {
  float nearest = float(value);
  if (std::isnan(value) || std::isinf(nearest) || double(nearest) == value ||
      (std::bit_cast<uint32_t>(nearest) & 1))
    return nearest;
  float towards = value > double(nearest) ? std::numeric_limits<float>::infinity()
                                          : -std::numeric_limits<float>::infinity();
  return std::nextafter(nearest, towards);
}

} // namespace

std::span<const DType> allDTypes() {
  static constexpr DType all[] = {DType::F64, DType::F32, DType::F16, DType::BF16, DType::I64,
                                  DType::I32, DType::I16, DType::I8,  DType::U8,   DType::Bool};
  return all;
}

std::string_view dtypeName(DType dtype) { return row(dtype).name; }
std::string_view safetensorsName(DType dtype) { return row(dtype).safetensors; }
int64_t dtypeSize(DType dtype) { return row(dtype).size; }
bool isFloat(DType dtype) { return dtype <= DType::BF16; }

std::optional<DType> parseDType(std::string_view name) {
  for (const Row &row : kRows)
    if (row.name == name)
      return row.dtype;
  return std::nullopt;
}

std::optional<DType> parseSafetensorsName(std::string_view name) {
  for (const Row &row : kRows)
    if (row.safetensors == name)
      return row.dtype;
  return std::nullopt;
}

double loadElement(DType dtype, const void *address) {
  uint16_t half;
  switch (dtype) {
  case DType::F64:
    return load<double>(address);
  case DType::F32:
    return load<float>(address);
  case DType::F16:
    std::memcpy(&half, address, 2);
    return f16ToF32(half);
  case DType::BF16:
    std::memcpy(&half, address, 2);
    return bf16ToF32(half);
  case DType::I64:
    return load<int64_t>(address);
  case DType::I32:
    return load<int32_t>(address);
  case DType::I16:
    return load<int16_t>(address);
  case DType::I8:
    return load<int8_t>(address);
  case DType::U8:
    return load<uint8_t>(address);
  case DType::Bool:
    return load<uint8_t>(address) != 0;
  }
  assert(false && "every type is a case");
  return 0;
}

void storeElement(DType dtype, void *address, double value) {
  switch (dtype) {
  case DType::F64:
    return store(address, value);
  case DType::F32:
    return store(address, float(value));
  case DType::F16:
    return store(address, f32ToF16(roundToOdd(value)));
  case DType::BF16:
    return store(address, f32ToBF16(roundToOdd(value)));
  case DType::I64:
    return storeInteger<int64_t>(address, value);
  case DType::I32:
    return storeInteger<int32_t>(address, value);
  case DType::I16:
    return storeInteger<int16_t>(address, value);
  case DType::I8:
    return storeInteger<int8_t>(address, value);
  case DType::U8:
    return storeInteger<uint8_t>(address, value);
  case DType::Bool:
    return store(address, uint8_t(value != 0));
  }
  assert(false && "every type is a case");
}

} // namespace attn
