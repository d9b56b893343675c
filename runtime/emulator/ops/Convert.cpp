//===- Convert.cpp - cvt (PTX ISA 9.7.9.21) -------------------------------===//
#include "runtime/emulator/Lanes.h"
#include "runtime/emulator/SoftFloat.h"

#include <algorithm>

namespace attn::emulator {
namespace {

constexpr uint8_t kFlushFlag = 1, kSaturateFlag = 2, kIntegralFlag = 4, kReluFlag = 8;

/// What the general conversion needs, in Inst::extra.
struct Conversion {
  Type to, from;
  Rounding rounding;
  uint8_t unused = 0;
};

double roundToIntegral(Rounding rounding, double value) {
  switch (rounding) {
  case Rounding::Zero:
    return std::trunc(value);
  case Rounding::Down:
    return std::floor(value);
  case Rounding::Up:
    return std::ceil(value);
  default:
    return std::nearbyint(value); // the machine's mode is to nearest even
  }
}

/// The double nearest to `value`, or, where inexact, rounded to odd.
double oddFromInteger(__int128 value) {
  double nearest = static_cast<double>(value);
  __int128 error = value - static_cast<__int128>(nearest);
  uint64_t bits = std::bit_cast<uint64_t>(nearest);
  if (error == 0 || bits & 1)
    return nearest;
  return std::bit_cast<double>((error > 0) == (value > 0) ? bits + 1 : bits - 1);
}

__int128 lowest(Type type) {
  return isSigned(type) ? -(__int128(1) << (8 * byteSize(type) - 1)) : 0;
}
__int128 highest(Type type) {
  return (__int128(1) << (8 * byteSize(type) - (isSigned(type) ? 1 : 0))) - 1;
}

uint64_t toFloat(const Inst &inst, const Conversion &conversion, double odd) {
  if (inst.flags & kSaturateFlag)
    odd = saturate01(odd);
  if (inst.flags & kReluFlag)
    odd = relu(odd);
  switch (conversion.to) {
  case Type::F16:
    return roundTo(kF16, conversion.rounding, odd);
  case Type::BF16:
    return roundTo(kBF16, conversion.rounding, odd);
  case Type::TF32:
    return roundTo(kTF32, conversion.rounding, odd) << 13;
  case Type::F32: {
    uint64_t bits = roundTo(kF32, conversion.rounding, odd);
    bool subnormal = (bits & 0x7f800000) == 0;
    return (inst.flags & kFlushFlag) && subnormal ? bits & 0x80000000 : bits;
  }
  default:
    return std::bit_cast<uint64_t>(odd);
  }
}

uint64_t fromInteger(const Inst &inst, const Conversion &conversion, __int128 value) {
  if (conversion.to == Type::F64)
    return std::bit_cast<uint64_t>(static_cast<double>(value));
  if (isFloat(conversion.to))
    return toFloat(inst, conversion, oddFromInteger(value));
  if (inst.flags & kSaturateFlag)
    value = std::clamp(value, lowest(conversion.to), highest(conversion.to));
  return static_cast<uint64_t>(value);
}

uint64_t fromFloat(const Inst &inst, const Conversion &conversion, double value) {
  if (inst.flags & kIntegralFlag)
    value = roundToIntegral(conversion.rounding, value);
  if (isFloat(conversion.to))
    return toFloat(inst, conversion, value);
  // Always clamped to the integers there are. A NaN becomes 0, or, where one side has 64 bits, the
  // highest bit of the result alone.
  if (std::isnan(value)) {
    bool isWide = conversion.from == Type::F64 || byteSize(conversion.to) == 8;
    return isWide ? uint64_t(1) << (8 * byteSize(conversion.to) - 1) : 0;
  }
  if (value >= static_cast<double>(highest(conversion.to)))
    return static_cast<uint64_t>(highest(conversion.to));
  if (value <= static_cast<double>(lowest(conversion.to)))
    return static_cast<uint64_t>(lowest(conversion.to));
  return static_cast<uint64_t>(static_cast<__int128>(value));
}

/// The low `bytes` bytes of `bits` as a number.
__int128 integerOf(Type type, uint64_t bits) {
  unsigned unused = 64 - 8 * byteSize(type);
  if (isSigned(type))
    return static_cast<int64_t>(bits << unused) >> unused;
  return bits << unused >> unused;
}
double floatOf(const Inst &inst, Type type, uint64_t bits) {
  switch (type) {
  case Type::F16:
    return halfToFloat(static_cast<uint16_t>(bits));
  case Type::BF16:
    return bf16ToFloat(static_cast<uint16_t>(bits));
  case Type::F64:
    return std::bit_cast<double>(bits);
  default: {
    float value = std::bit_cast<float>(static_cast<uint32_t>(bits));
    return inst.flags & kFlushFlag ? flush(value) : value;
  }
  }
}

/// A NaN keeps its upper bits, and is an infinity if they are those of one.
uint64_t toTF32(const Inst &inst, const Conversion &conversion, uint32_t bits) {
  float value = std::bit_cast<float>(bits);
  return std::isnan(value) ? bits & 0xffffe000 : fromFloat(inst, conversion, value);
}

/// Any conversion of one value. The result fills the register: sign-extended if signed.
template <class To, class From> void general(Warp &warp, const Inst &inst, uint32_t mask) {
  Conversion conversion = std::bit_cast<Conversion>(inst.extra);
  const From *a = warp.lanes<From>(inst.places[1]);
  To result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    uint64_t bits = conversion.to == Type::TF32 && conversion.from == Type::F32
                        ? toTF32(inst, conversion, static_cast<uint32_t>(a[lane]))
                    : isFloat(conversion.from)
                        ? fromFloat(inst, conversion, floatOf(inst, conversion.from, a[lane]))
                        : fromInteger(inst, conversion, integerOf(conversion.from, a[lane]));
    if (!isFloat(conversion.to))
      bits = static_cast<uint64_t>(integerOf(conversion.to, bits));
    // The bits of the register above 16, where it has 16, are zero.
    result[lane] = static_cast<To>(inst.immediate == 2 ? bits & 0xffff : bits);
  }
  warp.store(inst.places[0], result, mask);
}

template <class D> ExecFn castTo(Type from) {
  return byIntegerType(from, []<class S>(S) -> ExecFn {
    struct To {
      static D apply(S a) { return static_cast<D>(a); }
    };
    return unary<D, S, To>;
  });
}
struct HalfToFloat {
  static float apply(uint16_t a) { return halfToFloat(a); }
};
struct BFloatToFloat {
  static float apply(uint16_t a) { return bf16ToFloat(a); }
};
struct IntToFloat {
  template <class S> static float apply(S a) { return static_cast<float>(a); }
};

/// Frequent conversions without modifiers between registers of their own size; nullptr for the
/// rest.
ExecFn fastForm(const Inst &inst, const Conversion &conversion) {
  if (inst.flags != 0)
    return nullptr;
  if (isInteger(conversion.to) && isInteger(conversion.from))
    return byIntegerType(conversion.to,
                         [&]<class D>(D) -> ExecFn { return castTo<D>(conversion.from); });
  if (conversion.to != Type::F32 || conversion.rounding != Rounding::NearestEven)
    return nullptr;
  switch (conversion.from) {
  case Type::F16:
    return unary<float, uint16_t, HalfToFloat>;
  case Type::BF16:
    return unary<float, uint16_t, BFloatToFloat>;
  case Type::S32:
    return unary<float, int32_t, IntToFloat>;
  case Type::U32:
    return unary<float, uint32_t, IntToFloat>;
  default:
    return nullptr;
  }
}

/// cvt.rn.bf16x2.f32 d, a, b: a in the upper half.
void packBFloats(Warp &warp, const Inst &inst, uint32_t mask) {
  const uint32_t *a = warp.words(inst.places[1]), *b = warp.words(inst.places[2]);
  uint32_t result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    result[lane] = uint32_t(floatToBf16(fromSlot<float>(a[lane]))) << 16 |
                   floatToBf16(fromSlot<float>(b[lane]));
  warp.store(inst.places[0], result, mask);
}
void packAny(Warp &warp, const Inst &inst, uint32_t mask) {
  Conversion conversion = std::bit_cast<Conversion>(inst.extra);
  const uint32_t *a = warp.words(inst.places[1]), *b = warp.words(inst.places[2]);
  uint32_t result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    result[lane] = static_cast<uint32_t>(toFloat(inst, conversion, fromSlot<float>(a[lane])) << 16 |
                                         toFloat(inst, conversion, fromSlot<float>(b[lane])));
  warp.store(inst.places[0], result, mask);
}
ExecFn decodePacked(InstDecoder &decoder, Type to, Rounding rounding) {
  decoder.takeType({Type::F32});
  decoder.write(to);
  decoder.read(Type::F32);
  decoder.read(Type::F32);
  Conversion conversion{to == Type::F16x2 ? Type::F16 : Type::BF16, Type::F32, rounding};
  decoder.inst.extra = std::bit_cast<uint32_t>(conversion);
  bool plain = decoder.inst.flags == 0 && rounding == Rounding::NearestEven;
  return plain && to == Type::BF16x2 ? packBFloats : packAny;
}

/// Whether a rounding must, may or must not be written (ISA: an error otherwise).
void checkRounding(InstDecoder &decoder, const Conversion &conversion, int written) {
  bool toInteger = !isFloat(conversion.to), fromInt = !isFloat(conversion.from);
  bool integral = written > 4;
  if (!toInteger && conversion.to == conversion.from && written >= 0 && !integral)
    decoder.fail("this conversion rounds to an integral value only");
  if (toInteger && fromInt && written >= 0)
    decoder.fail("a conversion of integers does not round");
  if (toInteger && !fromInt && !integral)
    decoder.fail("a conversion to an integer needs '.rni', '.rzi', '.rmi' or '.rpi'");
  bool narrows = !toInteger && (fromInt || byteSize(conversion.to) < byteSize(conversion.from) ||
                                conversion.to == Type::TF32 ||
                                (byteSize(conversion.to) == 2 && conversion.to != conversion.from));
  if (narrows && written < 0)
    decoder.fail("this conversion needs a rounding such as '.rn'");
  if (conversion.to == Type::F64 && written > 0 && !integral)
    decoder.fail("f64 is supported rounded to nearest only");
}

ExecFn decodeCvt(InstDecoder &decoder) {
  Inst &inst = decoder.inst;
  constexpr Rounding kRoundings[] = {
      Rounding::NearestEven, Rounding::Zero, Rounding::Down, Rounding::Up, Rounding::NearestAway,
      Rounding::NearestEven, Rounding::Zero, Rounding::Down, Rounding::Up};
  int rounding = decoder.takeOneOf({"rn", "rz", "rm", "rp", "rna", "rni", "rzi", "rmi", "rpi"});
  inst.flags |= rounding > 4 ? kIntegralFlag : 0;
  inst.flags |= decoder.take("ftz") ? kFlushFlag : 0;
  inst.flags |= decoder.take("sat") ? kSaturateFlag : 0;
  inst.flags |= decoder.take("relu") ? kReluFlag : 0;
  Rounding mode = rounding < 0 ? Rounding::NearestEven : kRoundings[rounding];
  Type to = decoder.takeType();
  if (to == Type::F16x2 || to == Type::BF16x2) {
    if (rounding != 0 && rounding != 1)
      decoder.fail("this conversion needs '.rn' or '.rz'");
    return decodePacked(decoder, to, mode);
  }
  Type from = decoder.takeType();
  auto known = [](Type type) {
    return isInteger(type) || type == Type::F16 || type == Type::BF16 || type == Type::F32 ||
           type == Type::F64;
  };
  if (!(known(to) || to == Type::TF32) || !known(from))
    decoder.fail(fmt::format("a conversion from '.{}' to '.{}' is not supported", typeName(from),
                             typeName(to)));
  Conversion conversion{to, from, mode};
  checkRounding(decoder, conversion, rounding);
  unsigned toBytes = isInteger(to) ? decoder.writeWider(to) : (decoder.write(to), byteSize(to));
  unsigned fromBytes =
      isInteger(from) ? decoder.readWider(from) : (decoder.read(from), byteSize(from));
  inst.extra = std::bit_cast<uint32_t>(conversion);
  inst.immediate = toBytes;
  if (toBytes == byteSize(to) && fromBytes == byteSize(from))
    if (ExecFn fast = fastForm(inst, conversion))
      return fast;
  if (toBytes == 8)
    return fromBytes == 8 ? general<uint64_t, uint64_t> : general<uint64_t, uint32_t>;
  return fromBytes == 8 ? general<uint32_t, uint64_t> : general<uint32_t, uint32_t>;
}

constexpr OpRow kRows[] = {{"cvt", TypeClass::Any, InstClass::Convert, decodeCvt}};

} // namespace

std::span<const OpRow> convertOps() { return kRows; }

} // namespace attn::emulator
