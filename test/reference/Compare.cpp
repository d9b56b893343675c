// Rounding to the element types, and the tolerances.
#include "test/reference/Attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <limits>

namespace attn::reference {

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

namespace {
/// A binary format: values m * 2^(e - fractionBits) with e >= minExponent (IEEE 754, with
/// subnormals).
struct Format {
  int fractionBits;
  int minExponent;
  int maxExponent;
};
} // namespace

static Format formatOf(Type type) {
  switch (type) {
  case Type::F32:
    return {23, -126, 127};
  case Type::F16:
    return {10, -14, 15};
  case Type::BF16:
    return {7, -126, 127};
  }
  assert(false && "every type has a format");
  return {};
}

std::string toSpec(Type type) {
  return type == Type::F32 ? "f32" : type == Type::F16 ? "f16" : "bf16";
}

double ulp(Type type, double x) {
  Format format = formatOf(type);
  int exponent = x == 0 ? format.minExponent : std::max(std::ilogb(x), format.minExponent);
  return std::ldexp(1.0, exponent - format.fractionBits);
}

double roundTo(Type type, double x) {
  if (!std::isfinite(x) || x == 0)
    return x;
  double step = ulp(type, x);
  double rounded = std::nearbyint(x / step) * step; // to nearest, ties to even; both exact in f64
  bool overflow = std::ilogb(rounded) > formatOf(type).maxExponent;
  return overflow ? std::copysign(std::numeric_limits<double>::infinity(), x) : rounded;
}

uint16_t encode16(Type type, double x) {
  assert(type != Type::F32 && "a 16-bit type");
  Format format = formatOf(type);
  uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  int bias = format.maxExponent;
  uint16_t infinity = uint16_t((2 * bias + 1) << format.fractionBits);
  if (std::isnan(x))
    return sign | infinity | uint16_t(1 << (format.fractionBits - 1));
  double magnitude = std::abs(roundTo(type, x));
  if (std::isinf(magnitude))
    return sign | infinity;
  if (magnitude == 0)
    return sign;
  // In units of the spacing: below 2^fractionBits if subnormal, else with the leading one included.
  int64_t units = int64_t(magnitude / ulp(type, magnitude));
  int exponent = std::max(std::ilogb(magnitude), format.minExponent);
  int64_t fieldBelow = exponent + bias - 1; // the leading one adds the missing 1 to the field
  return sign | uint16_t((fieldBelow << format.fractionBits) + units);
}

double decode16(Type type, uint16_t bits) {
  assert(type != Type::F32 && "a 16-bit type");
  Format format = formatOf(type);
  int field = (bits & 0x7fff) >> format.fractionBits;
  int fraction = bits & ((1 << format.fractionBits) - 1);
  double sign = bits & 0x8000 ? -1 : 1;
  if (field == 2 * format.maxExponent + 1)
    return fraction ? std::numeric_limits<double>::quiet_NaN()
                    : sign * std::numeric_limits<double>::infinity();
  if (field == 0)
    return sign * std::ldexp(double(fraction), format.minExponent - format.fractionBits);
  int whole = fraction + (1 << format.fractionBits);
  return sign * std::ldexp(double(whole), field - format.maxExponent - format.fractionBits);
}

//===----------------------------------------------------------------------===//
// Comparison
//===----------------------------------------------------------------------===//

static void fail(Report &report, const std::string &line) {
  report.ok = false;
  report.message += (report.message.empty() ? "" : "\n") + line;
}

static std::string text(double x) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.9g", x);
  return buffer;
}

/// How large the error may be at an element with this reference value; `row` is its row of LSE.
using Bound = std::function<double(double expected, size_t row)>;

/// The error as a part of what is allowed; infinite where a non-finite value is on one side only.
static double ratioOf(double value, double expected, double bound) {
  if (std::isfinite(expected)) {
    double error = std::abs(value - expected);
    if (!std::isfinite(value))
      return std::numeric_limits<double>::infinity();
    return error == 0 ? 0 : error / bound; // a bound of 0 asks for exactness
  }
  bool same = expected == -std::numeric_limits<double>::infinity()
                  ? value == expected
                  : !std::isfinite(value) && value != -std::numeric_limits<double>::infinity();
  return same ? 0 : std::numeric_limits<double>::infinity();
}

static void compareTensor(Report &report, Error &error, const char *name,
                          std::span<const float> values, const std::vector<double> &expected,
                          size_t rowLength, const Bound &bound) {
  if (values.size() != expected.size())
    return fail(report, std::string(name) + " has " + std::to_string(values.size()) +
                            " elements, but the reference " + std::to_string(expected.size()));
  double squares = 0;
  size_t finite = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    double ratio = ratioOf(values[i], expected[i], bound(expected[i], i / rowLength));
    if (std::isfinite(expected[i]) && std::isfinite(values[i])) {
      double difference = std::abs(values[i] - expected[i]);
      error.maxError = std::max(error.maxError, difference);
      squares += difference * difference;
      ++finite;
    }
    if (i == 0 || ratio > error.worstRatio) {
      error.worstRatio = ratio;
      error.worstIndex = i;
      error.worstValue = values[i];
      error.worstExpected = expected[i];
    }
  }
  error.rmsError = finite ? std::sqrt(squares / double(finite)) : 0;
  if (error.worstRatio <= 1)
    return;
  size_t at = error.worstIndex;
  fail(report, std::string(name) + "[" + std::to_string(at) + "] is " + text(error.worstValue) +
                   ", but the reference is " + text(error.worstExpected) + "; allowed error " +
                   text(bound(error.worstExpected, at / rowLength)));
}

static size_t rowLengthOf(const Result &reference) {
  return reference.lse.empty() ? 1 : std::max<size_t>(reference.o.size() / reference.lse.size(), 1);
}

static bool emptyRow(const Result &reference, size_t row) {
  return reference.lse[row] == -std::numeric_limits<double>::infinity();
}

/// O by `oBound`, with rows without a key exact; LSE within `relative` * (1 + |ref|).
static Report compare(std::span<const float> o, std::span<const float> lse, const Result &reference,
                      double relative, const Bound &oBound) {
  Report report;
  compareTensor(report, report.o, "O", o, reference.o, rowLengthOf(reference),
                [&](double expected, size_t row) {
                  return emptyRow(reference, row) ? 0.0 : oBound(expected, row);
                });
  if (!lse.empty())
    compareTensor(report, report.lse, "LSE", lse, reference.lse, 1,
                  [&](double expected, size_t) { return relative * (1 + std::abs(expected)); });
  return report;
}

Report compareF32(std::span<const float> o, std::span<const float> lse, const Result &reference) {
  double relative = 1e-5 * std::max(1.0, reference.maxAbsScore / 16);
  return compare(o, lse, reference, relative,
                 [&](double expected, size_t) { return relative * (1 + std::abs(expected)); });
}

/// Maximum and RMS error of the yardstick, and the RMS of the reference itself.
static Error errorOf(const Result &yardstick, const Result &reference, double &rmsReference) {
  assert(yardstick.o.size() == reference.o.size() && "the yardstick comes from the same problem");
  Error error;
  double squares = 0, referenceSquares = 0;
  size_t finite = 0;
  for (size_t i = 0; i < reference.o.size(); ++i) {
    if (!std::isfinite(reference.o[i]) || !std::isfinite(yardstick.o[i]))
      continue;
    double difference = std::abs(yardstick.o[i] - reference.o[i]);
    error.maxError = std::max(error.maxError, difference);
    squares += difference * difference;
    referenceSquares += reference.o[i] * reference.o[i];
    ++finite;
  }
  error.rmsError = finite ? std::sqrt(squares / double(finite)) : 0;
  rmsReference = finite ? std::sqrt(referenceSquares / double(finite)) : 0;
  return error;
}

Report compareRounded(Type type, std::span<const float> o, std::span<const float> lse,
                      const Result &reference, const Result &yardstick) {
  double rmsReference = 0;
  Error allowed = errorOf(yardstick, reference, rmsReference);
  Report report = compare(o, lse, reference, 1e-4, [&](double expected, size_t) {
    return 2 * allowed.maxError + ulp(type, expected);
  });
  double rmsBound = 2 * allowed.rmsError + ulp(type, rmsReference);
  if (report.o.rmsError > rmsBound)
    fail(report, "RMS error of O is " + text(report.o.rmsError) + ", but at most " +
                     text(rmsBound) + " is allowed");
  return report;
}

} // namespace attn::reference
