//===- Integer.cpp - integer arithmetic (PTX ISA 9.7.1) -------------------===//
#include "runtime/emulator/Lanes.h"

#include <limits>

namespace attn::emulator {
namespace {

template <class T> using Unsigned = std::make_unsigned_t<T>;
/// Where sums and products of T do not overflow.
template <class T>
using Twice = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;
// Wrapping arithmetic, where C++ would promote to int or overflow.
template <class T> using Wrap = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T> struct Add {
  static T apply(T a, T b) { return static_cast<T>(Wrap<T>(a) + Wrap<T>(b)); }
};
template <class T> struct Sub {
  static T apply(T a, T b) { return static_cast<T>(Wrap<T>(a) - Wrap<T>(b)); }
};
template <class T> struct MulLo {
  static T apply(T a, T b) { return static_cast<T>(Wrap<T>(a) * Wrap<T>(b)); }
};
template <class T> struct MulHi {
  static T apply(T a, T b) { return static_cast<T>((Twice<T>(a) * Twice<T>(b)) >> 8 * sizeof(T)); }
};
template <class T> struct MulWide {
  static Twice<T> apply(T a, T b) { return Twice<T>(a) * Twice<T>(b); }
};
template <class T> struct MadLo {
  static T apply(T a, T b, T c) { return Add<T>::apply(MulLo<T>::apply(a, b), c); }
};
template <class T> struct MadHi {
  static T apply(T a, T b, T c) { return Add<T>::apply(MulHi<T>::apply(a, b), c); }
};
template <class T> struct MadWide {
  static Twice<T> apply(T a, T b, Twice<T> c) {
    return Add<Twice<T>>::apply(MulWide<T>::apply(a, b), c);
  }
};
template <class T> T saturate(Twice<T> value) {
  if (value < Twice<T>(std::numeric_limits<T>::min()))
    return std::numeric_limits<T>::min();
  return value > Twice<T>(std::numeric_limits<T>::max()) ? std::numeric_limits<T>::max() : T(value);
}
struct AddSat {
  static int32_t apply(int32_t a, int32_t b) { return saturate<int32_t>(int64_t(a) + b); }
};
struct SubSat {
  static int32_t apply(int32_t a, int32_t b) { return saturate<int32_t>(int64_t(a) - b); }
};
/// Division by zero is unspecified in PTX; GPUs give all ones, and so the dividend as remainder.
template <class T> struct Div {
  static T apply(T a, T b) {
    if (b == 0)
      return static_cast<T>(~Unsigned<T>(0));
    if (std::is_signed_v<T> && b == static_cast<T>(-1))
      return Sub<T>::apply(0, a);
    return static_cast<T>(a / b);
  }
};
template <class T> struct Rem {
  static T apply(T a, T b) {
    if (b == 0)
      return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1))
      return 0;
    return static_cast<T>(a % b);
  }
};
template <class T> struct Min {
  static T apply(T a, T b) { return a < b ? a : b; }
};
template <class T> struct Max {
  static T apply(T a, T b) { return a > b ? a : b; }
};
template <class T> struct Abs {
  static T apply(T a) { return a < 0 ? Sub<T>::apply(0, a) : a; }
};
template <class T> struct Neg {
  static T apply(T a) { return Sub<T>::apply(0, a); }
};
template <class T> struct Sad {
  static T apply(T a, T b, T c) {
    return Add<T>::apply(c, a > b ? Sub<T>::apply(a, b) : Sub<T>::apply(b, a));
  }
};

constexpr auto kInt = {Type::S16, Type::U16, Type::S32, Type::U32, Type::S64, Type::U64};
constexpr auto kSigned = {Type::S16, Type::S32, Type::S64};

template <template <class> class F> ExecFn decodeBinary(InstDecoder &decoder) {
  Type type = decoder.takeType(kInt);
  sameType(decoder, type, 2);
  return byIntegerType(type, []<class T>(T) { return kBinary<T, F<T>>; });
}
template <template <class> class F, class Saturated> ExecFn decodeSum(InstDecoder &decoder) {
  if (!decoder.take("sat"))
    return decodeBinary<F>(decoder);
  sameType(decoder, decoder.takeType({Type::S32}), 2);
  return kBinary<int32_t, Saturated>;
}
template <template <class> class F> ExecFn decodeUnary(InstDecoder &decoder) {
  Type type = decoder.takeType(kSigned);
  sameType(decoder, type, 1);
  return byIntegerType(type, []<class T>(T) { return kUnary<T, F<T>>; });
}

Type wide(InstDecoder &decoder, Type type) {
  switch (type) {
  case Type::S16:
    return Type::S32;
  case Type::U16:
    return Type::U32;
  case Type::S32:
    return Type::S64;
  case Type::U32:
    return Type::U64;
  default:
    decoder.fail("there is no wide product of this type");
    return type;
  }
}

ExecFn decodeMul(InstDecoder &decoder) {
  int part = decoder.expectOneOf({"lo", "hi", "wide"});
  Type type = decoder.takeType(kInt);
  if (part < 2) {
    sameType(decoder, type, 2);
    return byIntegerType(type, [part]<class T>(T) {
      return part == 0 ? kBinary<T, MulLo<T>> : kBinary<T, MulHi<T>>;
    });
  }
  decoder.write(wide(decoder, type));
  decoder.read(type);
  decoder.read(type);
  return byIntegerType(type, []<class T>(T) -> ExecFn {
    if constexpr (sizeof(T) < 8)
      return binary<Twice<T>, T, T, MulWide<T>>;
    return nullptr;
  });
}

ExecFn decodeMad(InstDecoder &decoder) {
  int part = decoder.expectOneOf({"lo", "hi", "wide"});
  Type type = decoder.takeType(kInt);
  if (part < 2) {
    sameType(decoder, type, 3);
    return byIntegerType(type, [part]<class T>(T) {
      return part == 0 ? kTernary<T, MadLo<T>> : kTernary<T, MadHi<T>>;
    });
  }
  Type wideType = wide(decoder, type);
  decoder.write(wideType);
  decoder.read(type);
  decoder.read(type);
  decoder.read(wideType);
  return byIntegerType(type, []<class T>(T) -> ExecFn {
    if constexpr (sizeof(T) < 8)
      return ternary<Twice<T>, T, T, Twice<T>, MadWide<T>>;
    return nullptr;
  });
}

ExecFn decodeSad(InstDecoder &decoder) {
  Type type = decoder.takeType(kInt);
  sameType(decoder, type, 3);
  return byIntegerType(type, []<class T>(T) { return kTernary<T, Sad<T>>; });
}

/// c plus the products of the 4 bytes of a and b (kHalves: of the 2 halves of a with the lower or
/// upper 2 bytes of b), which are signed where inst.flags say so. Wraps.
constexpr uint8_t kSignedA = 1, kSignedB = 2, kUpper = 4;
int64_t extended(uint32_t bits, unsigned width, bool isSigned) {
  return isSigned ? int64_t(int32_t(bits << (32 - width)) >> (32 - width))
                  : int64_t(bits & ((1u << width) - 1));
}
template <bool kHalves> void dotProduct(Warp &warp, const Inst &inst, uint32_t mask) {
  const uint32_t *a = warp.words(inst.places[1]), *b = warp.words(inst.places[2]),
                 *c = warp.words(inst.places[3]);
  constexpr unsigned kWidth = kHalves ? 16 : 8;
  const unsigned first = inst.flags & kUpper ? 16 : 0;
  uint32_t result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    int64_t sum = c[lane];
    for (unsigned i = 0; i < 32 / kWidth; ++i)
      sum += extended(a[lane] >> kWidth * i, kWidth, inst.flags & kSignedA) *
             extended(b[lane] >> (first + 8 * i), 8, inst.flags & kSignedB);
    result[lane] = static_cast<uint32_t>(sum);
  }
  warp.store(inst.places[0], result, mask);
}
template <bool kHalves> ExecFn decodeDot(InstDecoder &decoder) {
  uint8_t &flags = decoder.inst.flags;
  if (kHalves && decoder.expectOneOf({"lo", "hi"}) == 1)
    flags |= kUpper;
  flags |= decoder.takeType({Type::U32, Type::S32}) == Type::S32 ? kSignedA : 0;
  flags |= decoder.takeType({Type::U32, Type::S32}) == Type::S32 ? kSignedB : 0;
  sameType(decoder, Type::B32, 3);
  return dotProduct<kHalves>;
}

constexpr OpRow kRows[] = {
    {"dp4a", TypeClass::Any, InstClass::Integer, decodeDot<false>},
    {"dp2a", TypeClass::Any, InstClass::Integer, decodeDot<true>},
    {"add", TypeClass::Integer, InstClass::Integer, decodeSum<Add, AddSat>},
    {"sub", TypeClass::Integer, InstClass::Integer, decodeSum<Sub, SubSat>},
    {"mul", TypeClass::Integer, InstClass::Integer, decodeMul},
    {"mad", TypeClass::Integer, InstClass::Integer, decodeMad},
    {"div", TypeClass::Integer, InstClass::Integer, decodeBinary<Div>},
    {"rem", TypeClass::Integer, InstClass::Integer, decodeBinary<Rem>},
    {"min", TypeClass::Integer, InstClass::Integer, decodeBinary<Min>},
    {"max", TypeClass::Integer, InstClass::Integer, decodeBinary<Max>},
    {"abs", TypeClass::Integer, InstClass::Integer, decodeUnary<Abs>},
    {"neg", TypeClass::Integer, InstClass::Integer, decodeUnary<Neg>},
    {"sad", TypeClass::Integer, InstClass::Integer, decodeSad},
};

} // namespace

std::span<const OpRow> integerOps() { return kRows; }

} // namespace attn::emulator
