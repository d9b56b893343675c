//===- Math.cpp - division, roots and transcendental functions ------------===//
//
// The .approx functions are correctly rounded here, up to the rounding of double; on a GPU they are
// off by a few units in the last place (PTX ISA 9.7.3). Special values are those of an H200.
//
//===----------------------------------------------------------------------===//
#include "runtime/emulator/Lanes.h"
#include "runtime/emulator/SoftFloat.h"

namespace attn::emulator {
namespace {

struct Ex2 {
  static double at(double x) { return std::exp2(x); }
};
struct Lg2 {
  static double at(double x) { return std::log2(x); }
};
struct Rcp {
  static double at(double x) { return 1 / x; }
};
struct Rsqrt {
  static double at(double x) { return 1 / std::sqrt(x); }
};
struct Sqrt {
  static double at(double x) { return std::sqrt(x); }
};

/// sin (first = 0) or cos (first = 1) of 2 pi turns, with the zeros and ones of whole quarters.
double ofTurns(double turns, unsigned first) {
  if (!std::isfinite(turns))
    return NAN;
  double quarters = 4 * std::fmod(std::fabs(turns), 1.0);
  auto quarter = static_cast<unsigned>(quarters);
  double angle = (quarters - quarter) * (M_PI / 2), result = 0;
  unsigned which = (quarter + first) % 4;
  result = which % 2 == 0 ? std::sin(angle) : std::cos(angle);
  if (which >= 2)
    result = -result;
  return first == 0 && std::signbit(turns) ? -result : result;
}
/// As an H200: the argument in turns is a float, truncated, and never subnormal; so large arguments
/// have other results than in mathematics.
double turnsOf(double x) {
  constexpr double kPerRadian = 0x1.45f306p-3; // 1 / (2 pi) in float; the product is exact
  double exact = x * kPerRadian;
  auto bits = static_cast<uint32_t>(roundTo(kF32, Rounding::Zero, exact));
  return flush(std::bit_cast<float>(bits));
}
struct Sin {
  static double at(double x) { return ofTurns(turnsOf(x), 0); }
};
struct Cos {
  static double at(double x) { return ofTurns(turnsOf(x), 1); }
};
struct Tanh {
  static double at(double x) { return std::tanh(x); }
};

template <class F, bool kFlush> struct Single {
  static float apply(float x) {
    return flushIf<kFlush>(static_cast<float>(F::at(flushIf<kFlush>(x))));
  }
};
template <class F> struct Double {
  static double apply(double x) { return F::at(x); }
};
/// The upper half of a double, without what is subnormal.
double upperHalf(double x) {
  double upper = std::bit_cast<double>(std::bit_cast<uint64_t>(x) >> 32 << 32);
  return std::fpclassify(upper) == FP_SUBNORMAL ? std::copysign(0.0, upper) : upper;
}
/// rcp.approx.ftz.f64 and its like know the upper halves of operand and result only: a NaN with
/// nothing in its upper half is an infinity.
template <class F> struct UpperHalf {
  static double apply(double x) { return upperHalf(F::at(upperHalf(x))); }
};
template <class F> struct Halves {
  static uint16_t apply(uint16_t x) {
    return static_cast<uint16_t>(roundTo(kF16, Rounding::NearestEven, F::at(halfToFloat(x))));
  }
};
template <class F, bool kFlush> struct BFloats {
  static uint16_t apply(uint16_t x) {
    auto result = static_cast<uint16_t>(
        roundTo(kBF16, Rounding::NearestEven, F::at(flushIf<kFlush>(bf16ToFloat(x)))));
    return kFlush && (result & 0x7f80) == 0 ? result & 0x8000 : result;
  }
};
template <class F> struct Packed {
  static uint32_t apply(uint32_t x) {
    return F::apply(static_cast<uint16_t>(x)) | uint32_t(F::apply(static_cast<uint16_t>(x >> 16)))
                                                    << 16;
  }
};

/// .approx(.ftz).f32 alone.
template <class F> ExecFn decodeApprox(InstDecoder &decoder) {
  decoder.expectOneOf({"approx"});
  bool flush = decoder.take("ftz");
  sameType(decoder, decoder.takeType({Type::F32}), 1);
  return flush ? kUnary<float, Single<F, true>> : kUnary<float, Single<F, false>>;
}

/// ex2 and tanh also have 16-bit forms.
template <class F> ExecFn decodeApproxOrHalf(InstDecoder &decoder) {
  decoder.expectOneOf({"approx"});
  bool flush = decoder.take("ftz");
  Type type = decoder.takeType({Type::F32, Type::F16, Type::BF16, Type::F16x2, Type::BF16x2});
  sameType(decoder, type, 1);
  switch (type) {
  case Type::F16:
    return kUnary<uint16_t, Halves<F>>;
  case Type::BF16:
    return flush ? kUnary<uint16_t, BFloats<F, true>> : kUnary<uint16_t, BFloats<F, false>>;
  case Type::F16x2:
    return kUnary<uint32_t, Packed<Halves<F>>>;
  case Type::BF16x2:
    return flush ? kUnary<uint32_t, Packed<BFloats<F, true>>>
                 : kUnary<uint32_t, Packed<BFloats<F, false>>>;
  default:
    return flush ? kUnary<float, Single<F, true>> : kUnary<float, Single<F, false>>;
  }
}

/// rcp, sqrt and rsqrt: approx or rounded to nearest, f32 or f64.
template <class F> ExecFn decodeRoot(InstDecoder &decoder) {
  bool approx = decoder.expectOneOf({"rn", "approx"}) == 1;
  bool flush = decoder.take("ftz");
  Type type = decoder.takeType({Type::F32, Type::F64});
  sameType(decoder, type, 1);
  if (type == Type::F64)
    return approx ? kUnary<double, UpperHalf<F>> : kUnary<double, Double<F>>;
  return flush ? kUnary<float, Single<F, true>> : kUnary<float, Single<F, false>>;
}

template <bool kFlush> struct Divide {
  static float apply(float a, float b) {
    return flushIf<kFlush>(flushIf<kFlush>(a) / flushIf<kFlush>(b));
  }
};
struct DivideDouble {
  static double apply(double a, double b) { return a / b; }
};
/// div.approx: for |b| in (2^126, 2^128) the quotient is zero, or NaN of what is not finite.
template <bool kFlush> struct DivideApprox {
  static float apply(float a, float b) {
    float magnitude = std::fabs(b);
    if (magnitude > 0x1p126f && std::isfinite(b))
      return !std::isfinite(a) ? NAN : std::copysign(0.0f, a * (b > 0 ? 1.0f : -1.0f));
    return Divide<kFlush>::apply(a, b);
  }
};
ExecFn decodeDiv(InstDecoder &decoder) {
  int kind = decoder.expectOneOf({"rn", "full", "approx"});
  bool flush = decoder.take("ftz");
  Type type = decoder.takeType({Type::F32, Type::F64});
  sameType(decoder, type, 2);
  if (type == Type::F64)
    return kBinary<double, DivideDouble>;
  if (kind == 2)
    return flush ? kBinary<float, DivideApprox<true>> : kBinary<float, DivideApprox<false>>;
  return flush ? kBinary<float, Divide<true>> : kBinary<float, Divide<false>>;
}

constexpr OpRow kRows[] = {
    {"ex2", TypeClass::Any, InstClass::Special, decodeApproxOrHalf<Ex2>},
    {"tanh", TypeClass::Any, InstClass::Special, decodeApproxOrHalf<Tanh>},
    {"lg2", TypeClass::Any, InstClass::Special, decodeApprox<Lg2>},
    {"sin", TypeClass::Any, InstClass::Special, decodeApprox<Sin>},
    {"cos", TypeClass::Any, InstClass::Special, decodeApprox<Cos>},
    {"rcp", TypeClass::Any, InstClass::Special, decodeRoot<Rcp>},
    {"sqrt", TypeClass::Any, InstClass::Special, decodeRoot<Sqrt>},
    {"rsqrt", TypeClass::Any, InstClass::Special, decodeRoot<Rsqrt>},
    {"div", TypeClass::Float, InstClass::Special, decodeDiv},
};

} // namespace

std::span<const OpRow> mathOps() { return kRows; }

} // namespace attn::emulator
