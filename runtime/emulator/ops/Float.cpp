//===- Float.cpp - f32 and f64 arithmetic (PTX ISA 9.7.3) -----------------===//
#include "runtime/emulator/Lanes.h"
#include "runtime/emulator/SoftFloat.h"

namespace attn::emulator {
namespace {

constexpr uint8_t kFlushFlag = 1, kSaturateFlag = 2;
constexpr auto kFloats = {Type::F32, Type::F64};

// `apply` rounds to nearest; `odd` gives the exact result of float operands, rounded to odd in
// double, with the sign that `rounding` gives a zero.
double sumOf(Rounding rounding, double a, double b) {
  return withSignOfZero(rounding, addToOdd(a, b), a, b);
}
struct Add {
  template <class T> static T apply(T a, T b) { return a + b; }
  static double odd(Rounding rounding, double a, double b) { return sumOf(rounding, a, b); }
};
struct Sub {
  template <class T> static T apply(T a, T b) { return a - b; }
  static double odd(Rounding rounding, double a, double b) { return sumOf(rounding, a, -b); }
};
struct Mul {
  template <class T> static T apply(T a, T b) { return a * b; }
  static double odd(Rounding, double a, double b) { return a * b; }
};
struct Fma {
  template <class T> static T apply(T a, T b, T c) { return std::fma(a, b, c); }
  static double odd(Rounding rounding, double a, double b, double c) {
    return sumOf(rounding, a * b, c);
  }
};

template <class F, bool kFlush> struct Nearest {
  template <class... T> static float apply(T... operands) {
    return flushIf<kFlush>(F::apply(flushIf<kFlush>(operands)...));
  }
};

struct FloatModifiers {
  Rounding rounding;
  bool flush, saturate;
};

FloatModifiers takeModifiers(InstDecoder &decoder) {
  constexpr Rounding kRoundings[] = {Rounding::NearestEven, Rounding::Zero, Rounding::Down,
                                     Rounding::Up};
  int rounding = decoder.takeOneOf({"rn", "rz", "rm", "rp"});
  FloatModifiers modifiers{rounding < 0 ? Rounding::NearestEven : kRoundings[rounding],
                           decoder.take("ftz"), decoder.take("sat")};
  decoder.inst.extra = static_cast<uint32_t>(modifiers.rounding);
  decoder.inst.flags =
      (modifiers.flush ? kFlushFlag : 0) | (modifiers.saturate ? kSaturateFlag : 0);
  return modifiers;
}

float finish(const Inst &inst, double odd) {
  if (inst.flags & kSaturateFlag)
    odd = saturate01(odd);
  uint64_t bits = roundTo(kF32, static_cast<Rounding>(inst.extra), odd);
  float result = std::bit_cast<float>(static_cast<uint32_t>(bits));
  return inst.flags & kFlushFlag ? flush(result) : result;
}
float operand(const Inst &inst, uint32_t bits) {
  float value = std::bit_cast<float>(bits);
  return inst.flags & kFlushFlag ? flush(value) : value;
}

/// Any rounding and saturation.
template <class F, unsigned kOperands> void rounded(Warp &warp, const Inst &inst, uint32_t mask) {
  auto rounding = static_cast<Rounding>(inst.extra);
  uint32_t result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    double values[kOperands];
    for (unsigned i = 0; i < kOperands; ++i)
      values[i] = operand(inst, warp.words(inst.places[1 + i])[lane]);
    double odd;
    if constexpr (kOperands == 2)
      odd = F::odd(rounding, values[0], values[1]);
    else
      odd = F::odd(rounding, values[0], values[1], values[2]);
    result[lane] = std::bit_cast<uint32_t>(finish(inst, odd));
  }
  warp.store(inst.places[0], result, mask);
}

ExecFn checkDouble(InstDecoder &decoder, const FloatModifiers &modifiers, ExecFn exec) {
  if (modifiers.rounding != Rounding::NearestEven || modifiers.flush || modifiers.saturate)
    decoder.fail("f64 is supported rounded to nearest only");
  return exec;
}

void requireRounding(InstDecoder &decoder) {
  for (std::string_view rounding : {"rn", "rz", "rm", "rp"})
    if (decoder.hasModifier(rounding))
      return;
  decoder.fail("this instruction needs a rounding such as '.rn'");
}

template <class F> ExecFn decodeBinary(InstDecoder &decoder) {
  FloatModifiers modifiers = takeModifiers(decoder);
  Type type = decoder.takeType(kFloats);
  sameType(decoder, type, 2);
  if (type == Type::F64)
    return checkDouble(decoder, modifiers, kBinary<double, F>);
  if (modifiers.rounding != Rounding::NearestEven || modifiers.saturate)
    return rounded<F, 2>;
  return modifiers.flush ? kBinary<float, Nearest<F, true>> : kBinary<float, Nearest<F, false>>;
}

ExecFn decodeFma(InstDecoder &decoder) {
  requireRounding(decoder);
  FloatModifiers modifiers = takeModifiers(decoder);
  Type type = decoder.takeType(kFloats);
  sameType(decoder, type, 3);
  if (type == Type::F64)
    return checkDouble(decoder, modifiers, kTernary<double, Fma>);
  if (modifiers.rounding != Rounding::NearestEven || modifiers.saturate)
    return rounded<Fma, 3>;
  return modifiers.flush ? kTernary<float, Nearest<Fma, true>>
                         : kTernary<float, Nearest<Fma, false>>;
}

struct Min {
  template <class T> static T apply(T a, T b) { return minOf(a, b); }
};
struct Max {
  template <class T> static T apply(T a, T b) { return maxOf(a, b); }
};
/// With .NaN, a NaN among the operands is the result.
template <class F> struct KeepNaN {
  template <class T> static T apply(T a, T b) {
    return std::isnan(a) ? a : std::isnan(b) ? b : F::apply(a, b);
  }
};
template <class F> struct Thrice {
  template <class T> static T apply(T a, T b, T c) { return F::apply(F::apply(a, b), c); }
};
template <class F> ExecFn extremum(InstDecoder &decoder, Type type, bool flush, bool three) {
  sameType(decoder, type, three ? 3 : 2);
  if (type == Type::F64)
    return kBinary<double, F>;
  if (three)
    return flush ? kTernary<float, Nearest<Thrice<F>, true>>
                 : kTernary<float, Nearest<Thrice<F>, false>>;
  return flush ? kBinary<float, Nearest<F, true>> : kBinary<float, Nearest<F, false>>;
}
template <class F> ExecFn decodeExtremum(InstDecoder &decoder) {
  bool flush = decoder.take("ftz"), keepNaN = decoder.take("NaN");
  Type type = decoder.takeType(kFloats);
  bool three = decoder.operandsLeft() == 4; // sm_100 has it for f32
  if (type == Type::F64 && (flush || keepNaN || three))
    decoder.fail("f64 has no such form");
  return keepNaN ? extremum<KeepNaN<F>>(decoder, type, flush, three)
                 : extremum<F>(decoder, type, flush, three);
}

struct Abs {
  template <class T> static T apply(T a) { return std::fabs(a); }
};
struct Neg {
  template <class T> static T apply(T a) { return -a; }
};
template <class F> ExecFn decodeUnary(InstDecoder &decoder) {
  bool flush = decoder.take("ftz");
  Type type = decoder.takeType(kFloats);
  sameType(decoder, type, 1);
  if (type == Type::F64)
    return kUnary<double, F>;
  return flush ? kUnary<float, Nearest<F, true>> : kUnary<float, Nearest<F, false>>;
}

/// The sign of a with the magnitude of b.
struct CopySign {
  template <class T> static T apply(T a, T b) { return std::copysign(b, a); }
};
ExecFn decodeCopySign(InstDecoder &decoder) {
  Type type = decoder.takeType(kFloats);
  sameType(decoder, type, 2);
  return type == Type::F64 ? kBinary<double, CopySign> : kBinary<float, CopySign>;
}

constexpr OpRow kRows[] = {
    {"add", TypeClass::Float, InstClass::Float, decodeBinary<Add>},
    {"sub", TypeClass::Float, InstClass::Float, decodeBinary<Sub>},
    {"mul", TypeClass::Float, InstClass::Float, decodeBinary<Mul>},
    {"fma", TypeClass::Float, InstClass::Float, decodeFma},
    {"mad", TypeClass::Float, InstClass::Float, decodeFma},
    {"min", TypeClass::Float, InstClass::Float, decodeExtremum<Min>},
    {"max", TypeClass::Float, InstClass::Float, decodeExtremum<Max>},
    {"abs", TypeClass::Float, InstClass::Float, decodeUnary<Abs>},
    {"neg", TypeClass::Float, InstClass::Float, decodeUnary<Neg>},
    {"copysign", TypeClass::Float, InstClass::Float, decodeCopySign},
};

} // namespace

std::span<const OpRow> floatOps() { return kRows; }

} // namespace attn::emulator
