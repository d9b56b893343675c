//===- Half.cpp - f16 and bf16 arithmetic, also packed (PTX ISA 9.7.4) ----===//
#include "runtime/emulator/Lanes.h"
#include "runtime/emulator/SoftFloat.h"

namespace attn::emulator {
namespace {

constexpr uint8_t kFlushFlag = 1, kSaturateFlag = 2, kReluFlag = 4, kBFloatFlag = 8,
                  kPackedFlag = 16;

// Of exact operands, a result that rounds as the exact one does.
struct Add {
  static double at(const double *v) { return addToOdd(v[0], v[1]); }
};
struct Sub {
  static double at(const double *v) { return addToOdd(v[0], -v[1]); }
};
struct Mul {
  static double at(const double *v) { return v[0] * v[1]; }
};
struct Fma {
  static double at(const double *v) { return addToOdd(v[0] * v[1], v[2]); }
};
struct Min {
  static double at(const double *v) { return minOf(v[0], v[1]); }
};
struct Max {
  static double at(const double *v) { return maxOf(v[0], v[1]); }
};
template <class F> struct KeepNaN {
  static double at(const double *v) {
    return std::isnan(v[0]) || std::isnan(v[1]) ? NAN : F::at(v);
  }
};

double toDouble(const Inst &inst, uint16_t bits) {
  // Subnormal halves: exponent bits all zero.
  if ((inst.flags & kFlushFlag) && (bits & (inst.flags & kBFloatFlag ? 0x7f80 : 0x7c00)) == 0)
    bits &= 0x8000;
  return inst.flags & kBFloatFlag ? bf16ToFloat(bits) : halfToFloat(bits);
}
uint16_t fromDouble(const Inst &inst, double value) {
  if (inst.flags & kSaturateFlag)
    value = saturate01(value);
  if (inst.flags & kReluFlag)
    value = relu(value);
  bool isBFloat = inst.flags & kBFloatFlag;
  uint64_t bits = roundTo(isBFloat ? kBF16 : kF16, Rounding::NearestEven, value);
  if ((inst.flags & kFlushFlag) && (bits & (isBFloat ? 0x7f80 : 0x7c00)) == 0)
    bits &= 0x8000;
  return static_cast<uint16_t>(bits);
}

template <class F, unsigned kOperands> void exec(Warp &warp, const Inst &inst, uint32_t mask) {
  unsigned parts = inst.flags & kPackedFlag ? 2 : 1;
  uint32_t result[kLanes] = {};
  for (unsigned lane = 0; lane < kLanes; ++lane)
    for (unsigned part = 0; part < parts; ++part) {
      double values[kOperands];
      for (unsigned i = 0; i < kOperands; ++i)
        values[i] = toDouble(
            inst, static_cast<uint16_t>(warp.words(inst.places[1 + i])[lane] >> 16 * part));
      result[lane] |= uint32_t(fromDouble(inst, F::at(values))) << 16 * part;
    }
  warp.store(inst.places[0], result, mask);
}

void takeFlags(InstDecoder &decoder, unsigned reads) {
  uint8_t &flags = decoder.inst.flags;
  decoder.take("rn");
  flags |= decoder.take("ftz") ? kFlushFlag : 0;
  flags |= decoder.take("sat") ? kSaturateFlag : 0;
  flags |= decoder.take("relu") ? kReluFlag : 0;
  Type type = decoder.takeType({Type::F16, Type::BF16, Type::F16x2, Type::BF16x2});
  flags |= type == Type::BF16 || type == Type::BF16x2 ? kBFloatFlag : 0;
  flags |= byteSize(type) == 4 ? kPackedFlag : 0;
  sameType(decoder, type, reads);
}

template <class F, unsigned kOperands> ExecFn decodeArithmetic(InstDecoder &decoder) {
  if (kOperands == 3 && !decoder.hasModifier("rn"))
    decoder.fail("fma needs '.rn'");
  takeFlags(decoder, kOperands);
  return exec<F, kOperands>;
}
template <class F> ExecFn decodeExtremum(InstDecoder &decoder) {
  bool keepNaN = decoder.take("NaN");
  takeFlags(decoder, 2);
  return keepNaN ? exec<KeepNaN<F>, 2> : exec<F, 2>;
}

struct Neg {
  static uint16_t apply(uint16_t a) { return a ^ 0x8000; }
  static uint32_t apply(uint32_t a) { return a ^ 0x80008000; }
};
struct Abs {
  static uint16_t apply(uint16_t a) { return a & 0x7fff; }
  static uint32_t apply(uint32_t a) { return a & 0x7fff7fff; }
};
template <class F> ExecFn decodeSign(InstDecoder &decoder) {
  Type type = decoder.takeType({Type::F16, Type::BF16, Type::F16x2, Type::BF16x2});
  sameType(decoder, type, 1);
  return byteSize(type) == 2 ? kUnary<uint16_t, F> : kUnary<uint32_t, F>;
}

constexpr OpRow kRows[] = {
    {"add", TypeClass::Half, InstClass::Half, decodeArithmetic<Add, 2>},
    {"sub", TypeClass::Half, InstClass::Half, decodeArithmetic<Sub, 2>},
    {"mul", TypeClass::Half, InstClass::Half, decodeArithmetic<Mul, 2>},
    {"fma", TypeClass::Half, InstClass::Half, decodeArithmetic<Fma, 3>},
    {"min", TypeClass::Half, InstClass::Half, decodeExtremum<Min>},
    {"max", TypeClass::Half, InstClass::Half, decodeExtremum<Max>},
    {"neg", TypeClass::Half, InstClass::Half, decodeSign<Neg>},
    {"abs", TypeClass::Half, InstClass::Half, decodeSign<Abs>},
};

} // namespace

std::span<const OpRow> halfOps() { return kRows; }

} // namespace attn::emulator
