//===- Bits.cpp - logic, shifts and bit fields (PTX ISA 9.7.1, 9.7.8) -----===//
#include "runtime/emulator/Lanes.h"

#include <algorithm>

namespace attn::emulator {
namespace {

template <class T> struct And {
  static T apply(T a, T b) { return a & b; }
};
template <class T> struct Or {
  static T apply(T a, T b) { return a | b; }
};
template <class T> struct Xor {
  static T apply(T a, T b) { return a ^ b; }
};
template <class T> struct Not {
  static T apply(T a) { return static_cast<T>(~a); }
};
/// Shift amounts beyond the width count as the width.
template <class T> struct Shl {
  static T apply(T a, uint32_t n) {
    return n >= 8 * sizeof(T) ? T(0) : static_cast<T>(std::make_unsigned_t<T>(a) << n);
  }
};
template <class T> struct Shr {
  static T apply(T a, uint32_t n) {
    if (n < 8 * sizeof(T))
      return static_cast<T>(a >> n);
    return a < 0 ? static_cast<T>(-1) : T(0);
  }
};
// shf: 64 bits {b, a} shifted by c; the upper half of a left shift, the lower half of a right one.
struct ShfLeft {
  static uint32_t at(uint32_t a, uint32_t b, uint32_t n) {
    return static_cast<uint32_t>((uint64_t(b) << 32 | a) << n >> 32);
  }
};
struct ShfRight {
  static uint32_t at(uint32_t a, uint32_t b, uint32_t n) {
    return static_cast<uint32_t>((uint64_t(b) << 32 | a) >> n);
  }
};
template <class F> struct ShfWrap {
  static uint32_t apply(uint32_t a, uint32_t b, uint32_t n) { return F::at(a, b, n & 31); }
};
template <class F> struct ShfClamp {
  static uint32_t apply(uint32_t a, uint32_t b, uint32_t n) {
    return F::at(a, b, std::min(n, 32u));
  }
};
template <class T> struct Popc {
  static uint32_t apply(T a) { return static_cast<uint32_t>(std::popcount(a)); }
};
template <class T> struct Clz {
  static uint32_t apply(T a) { return static_cast<uint32_t>(std::countl_zero(a)); }
};
template <class T> struct Brev {
  static T apply(T a) {
    T result = 0;
    for (unsigned i = 0; i < 8 * sizeof(T); ++i)
      result |= (a >> i & 1) << (8 * sizeof(T) - 1 - i);
    return result;
  }
};
/// Position of the highest bit that differs from the sign; all ones if there is none.
template <class T, bool kShiftAmount> struct Bfind {
  static uint32_t apply(T a) {
    auto bits = static_cast<std::make_unsigned_t<T>>(a < 0 ? ~a : a);
    if (bits == 0)
      return 0xffffffff;
    uint32_t position = 8 * sizeof(T) - 1 - static_cast<uint32_t>(std::countl_zero(bits));
    return kShiftAmount ? 8 * sizeof(T) - 1 - position : position;
  }
};
/// Positions and lengths of bfe and bfi are at most 255, says the ISA. Of larger ones an H200 takes
/// the low 8 bits where the value has 32 bits, and all of them where it has 64.
template <class T> uint32_t fieldOperand(uint32_t value) {
  return sizeof(T) == 8 ? std::min<uint32_t>(value, 255) : value & 255;
}

/// `length` bits from `position` on, sign-extended from the last bit of the field, or from the
/// highest bit of `a` where the field reaches beyond it.
template <class T> struct Bfe {
  static T apply(T a, uint32_t position, uint32_t length) {
    constexpr uint32_t kWidth = 8 * sizeof(T);
    position = fieldOperand<T>(position), length = fieldOperand<T>(length);
    T fill = 0;
    if (std::is_signed_v<T> && length != 0) {
      uint32_t last = std::min(position + length - 1, kWidth - 1);
      fill = a >> last & 1 ? static_cast<T>(-1) : T(0);
    }
    auto bits = static_cast<std::make_unsigned_t<T>>(fill);
    for (uint32_t i = 0; i < length && i < kWidth && position + i < kWidth; ++i) {
      auto one = static_cast<std::make_unsigned_t<T>>(1) << i;
      bits = a >> (position + i) & 1 ? bits | one : bits & ~one;
    }
    return static_cast<T>(bits);
  }
};
/// `length` low bits of a put into b at `position`.
template <class T> struct Bfi {
  static T apply(T a, T b, uint32_t position, uint32_t length) {
    constexpr uint32_t kWidth = 8 * sizeof(T);
    position = fieldOperand<T>(position), length = fieldOperand<T>(length);
    if (position >= kWidth || length == 0)
      return b;
    T field = length >= kWidth ? ~T(0) : (T(1) << length) - 1;
    return (b & ~(field << position)) | ((a & field) << position);
  }
};

/// Poison of and/or on predicates: a known false (true) decides whatever the other is.
void predicateAnd(Warp &warp, const Inst &inst, uint32_t mask) {
  const Place &a = inst.places[1], &b = inst.places[2];
  uint32_t poisonA = warp.poison(a), poisonB = warp.poison(b);
  uint32_t decided = (~poisonA & ~warp.predicate(a)) | (~poisonB & ~warp.predicate(b));
  uint32_t result = warp.predicate(a) & warp.predicate(b) & ~decided;
  warp.setPoison(inst.places[0], (poisonA | poisonB) & ~decided, mask);
  warp.storePredicate(inst.places[0], result, mask);
}
void predicateOr(Warp &warp, const Inst &inst, uint32_t mask) {
  const Place &a = inst.places[1], &b = inst.places[2];
  uint32_t poisonA = warp.poison(a), poisonB = warp.poison(b);
  uint32_t decided = (~poisonA & warp.predicate(a)) | (~poisonB & warp.predicate(b));
  uint32_t result = warp.predicate(a) | warp.predicate(b) | decided;
  warp.setPoison(inst.places[0], (poisonA | poisonB) & ~decided, mask);
  warp.storePredicate(inst.places[0], result, mask);
}
void predicateXor(Warp &warp, const Inst &inst, uint32_t mask) {
  warp.storePredicate(inst.places[0],
                      warp.predicate(inst.places[1]) ^ warp.predicate(inst.places[2]), mask);
}
void predicateNot(Warp &warp, const Inst &inst, uint32_t mask) {
  warp.storePredicate(inst.places[0], ~warp.predicate(inst.places[1]), mask);
}

constexpr auto kBits = {Type::B16, Type::B32, Type::B64};

template <template <class> class F> ExecFn decodeLogic(InstDecoder &decoder) {
  Type type = decoder.takeType(kBits);
  sameType(decoder, type, 2);
  return byIntegerType(type, []<class T>(T) { return kBinary<T, F<T>>; });
}
template <ExecFn exec> ExecFn decodePredicates(InstDecoder &decoder) {
  sameType(decoder, decoder.takeType({Type::Pred}), 2);
  if (exec != predicateXor)
    decoder.inst.poisonRule = PoisonRule::Operation;
  return exec;
}
ExecFn decodeNot(InstDecoder &decoder) {
  Type type = decoder.takeType(kBits);
  sameType(decoder, type, 1);
  return byIntegerType(type, []<class T>(T) { return kUnary<T, Not<T>>; });
}
ExecFn decodeNotPredicate(InstDecoder &decoder) {
  sameType(decoder, decoder.takeType({Type::Pred}), 1);
  return predicateNot;
}
ExecFn decodeShl(InstDecoder &decoder) {
  Type type = decoder.takeType(kBits);
  sameType(decoder, type, 1);
  decoder.read(Type::U32);
  return byIntegerType(type, []<class T>(T) -> ExecFn { return binary<T, T, uint32_t, Shl<T>>; });
}
ExecFn decodeShr(InstDecoder &decoder) {
  Type type = decoder.takeType({Type::B16, Type::B32, Type::B64, Type::U16, Type::U32, Type::U64,
                                Type::S16, Type::S32, Type::S64});
  sameType(decoder, type, 1);
  decoder.read(Type::U32);
  return byIntegerType(type, []<class T>(T) -> ExecFn { return binary<T, T, uint32_t, Shr<T>>; });
}
ExecFn decodeShf(InstDecoder &decoder) {
  bool right = decoder.expectOneOf({"l", "r"}) == 1;
  bool clamp = decoder.expectOneOf({"wrap", "clamp"}) == 1;
  decoder.takeType({Type::B32});
  sameType(decoder, Type::B32, 3);
  if (right)
    return clamp ? kTernary<uint32_t, ShfClamp<ShfRight>> : kTernary<uint32_t, ShfWrap<ShfRight>>;
  return clamp ? kTernary<uint32_t, ShfClamp<ShfLeft>> : kTernary<uint32_t, ShfWrap<ShfLeft>>;
}

void lop3(Warp &warp, const Inst &inst, uint32_t mask) {
  const uint32_t *a = warp.words(inst.places[1]), *b = warp.words(inst.places[2]),
                 *c = warp.words(inst.places[3]);
  uint32_t result[kLanes] = {};
  // Bit i of the table is the result where (a, b, c) spell i.
  for (unsigned i = 0; i < 8; ++i)
    if (inst.immediate >> i & 1)
      for (unsigned lane = 0; lane < kLanes; ++lane)
        result[lane] |= (i & 4 ? a[lane] : ~a[lane]) & (i & 2 ? b[lane] : ~b[lane]) &
                        (i & 1 ? c[lane] : ~c[lane]);
  warp.store(inst.places[0], result, mask);
}
ExecFn decodeLop3(InstDecoder &decoder) {
  decoder.takeType({Type::B32});
  sameType(decoder, Type::B32, 3);
  decoder.inst.immediate = decoder.readConstant();
  if (decoder.inst.immediate < 0 || decoder.inst.immediate > 255)
    decoder.fail("the table of lop3 has 8 bits");
  return lop3;
}

enum PrmtMode { Default = -1, F4e, B4e, Rc8, Ecl, Ecr, Rc16 };

/// Selector nibbles of the special modes (table of prmt in the ISA), byte 0 in the lowest nibble.
uint32_t prmtSelector(int mode, uint32_t c) {
  uint32_t n = c & 3;
  switch (mode) {
  case F4e:
    return n | (n + 1) << 4 | (n + 2) << 8 | (n + 3) << 12;
  case B4e:
    return n | ((n + 7) & 7) << 4 | ((n + 6) & 7) << 8 | ((n + 5) & 7) << 12;
  case Rc8:
    return n * 0x1111;
  case Ecl:
    return std::max(n, 0u) | std::max(n, 1u) << 4 | std::max(n, 2u) << 8 | 3 << 12;
  case Ecr:
    return 0 | std::min(n, 1u) << 4 | std::min(n, 2u) << 8 | n << 12;
  case Rc16:
    return n & 1 ? 0x3232 : 0x1010;
  default:
    return c;
  }
}
uint32_t permute(uint32_t a, uint32_t b, uint32_t selector) {
  uint64_t bytes = uint64_t(b) << 32 | a;
  uint32_t result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    uint32_t nibble = selector >> 4 * i & 15;
    uint32_t byte = bytes >> 8 * (nibble & 7) & 255;
    if (nibble & 8) // the sign, eight times
      byte = byte & 128 ? 255 : 0;
    result |= byte << 8 * i;
  }
  return result;
}
void prmt(Warp &warp, const Inst &inst, uint32_t mask) {
  const uint32_t *a = warp.words(inst.places[1]), *b = warp.words(inst.places[2]),
                 *c = warp.words(inst.places[3]);
  uint32_t result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    result[lane] =
        permute(a[lane], b[lane], prmtSelector(static_cast<int>(inst.immediate), c[lane]));
  warp.store(inst.places[0], result, mask);
}
ExecFn decodePrmt(InstDecoder &decoder) {
  decoder.takeType({Type::B32});
  decoder.inst.immediate = decoder.takeOneOf({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"});
  sameType(decoder, Type::B32, 3);
  return prmt;
}

template <template <class> class F> ExecFn decodeCount(InstDecoder &decoder) {
  Type type = decoder.takeType({Type::B32, Type::B64});
  decoder.write(Type::U32);
  decoder.read(type);
  return type == Type::B32 ? unary<uint32_t, uint32_t, F<uint32_t>>
                           : unary<uint32_t, uint64_t, F<uint64_t>>;
}
ExecFn decodeBrev(InstDecoder &decoder) {
  Type type = decoder.takeType({Type::B32, Type::B64});
  sameType(decoder, type, 1);
  return type == Type::B32 ? kUnary<uint32_t, Brev<uint32_t>> : kUnary<uint64_t, Brev<uint64_t>>;
}
ExecFn decodeBfind(InstDecoder &decoder) {
  bool shift = decoder.take("shiftamt");
  Type type = decoder.takeType({Type::U32, Type::S32, Type::U64, Type::S64});
  decoder.write(Type::U32);
  decoder.read(type);
  return byIntegerType(type, [shift]<class T>(T) -> ExecFn {
    return shift ? unary<uint32_t, T, Bfind<T, true>> : unary<uint32_t, T, Bfind<T, false>>;
  });
}
ExecFn decodeBfe(InstDecoder &decoder) {
  Type type = decoder.takeType({Type::U32, Type::S32, Type::U64, Type::S64});
  sameType(decoder, type, 1);
  decoder.read(Type::U32);
  decoder.read(Type::U32);
  return byIntegerType(
      type, []<class T>(T) -> ExecFn { return ternary<T, T, uint32_t, uint32_t, Bfe<T>>; });
}
template <class T> void bfi(Warp &warp, const Inst &inst, uint32_t mask) {
  const T *a = warp.lanes<T>(inst.places[1]), *b = warp.lanes<T>(inst.places[2]);
  const uint32_t *position = warp.words(inst.places[3]), *length = warp.words(inst.places[4]);
  T result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    result[lane] = Bfi<T>::apply(a[lane], b[lane], position[lane], length[lane]);
  warp.store(inst.places[0], result, mask);
}
ExecFn decodeBfi(InstDecoder &decoder) {
  Type type = decoder.takeType({Type::B32, Type::B64});
  sameType(decoder, type, 2);
  decoder.read(Type::U32);
  decoder.read(Type::U32);
  return type == Type::B32 ? bfi<uint32_t> : bfi<uint64_t>;
}

/// The n-th set bit of a mask from `base` on, upwards (offset n > 0), downwards (n < 0), or `base`
/// itself (0) if it is set; all ones if there is none.
struct Fns {
  static uint32_t apply(uint32_t bits, uint32_t base, int32_t offset) {
    int64_t left = offset < 0 ? -int64_t(offset) : offset == 0 ? 1 : offset;
    for (uint32_t at = base; at < 32; offset < 0 ? --at : ++at) {
      if ((bits >> at & 1) && --left == 0)
        return at;
      if (offset == 0)
        break;
    }
    return 0xffffffff;
  }
};
ExecFn decodeFns(InstDecoder &decoder) {
  decoder.takeType({Type::B32});
  sameType(decoder, Type::B32, 3);
  return ternary<uint32_t, uint32_t, uint32_t, int32_t, Fns>;
}

constexpr OpRow kRows[] = {
    {"fns", TypeClass::Any, InstClass::Integer, decodeFns},
    {"and", TypeClass::Integer, InstClass::Integer, decodeLogic<And>},
    {"or", TypeClass::Integer, InstClass::Integer, decodeLogic<Or>},
    {"xor", TypeClass::Integer, InstClass::Integer, decodeLogic<Xor>},
    {"not", TypeClass::Integer, InstClass::Integer, decodeNot},
    {"and", TypeClass::Pred, InstClass::Compare, decodePredicates<predicateAnd>},
    {"or", TypeClass::Pred, InstClass::Compare, decodePredicates<predicateOr>},
    {"xor", TypeClass::Pred, InstClass::Compare, decodePredicates<predicateXor>},
    {"not", TypeClass::Pred, InstClass::Compare, decodeNotPredicate},
    {"shl", TypeClass::Integer, InstClass::Integer, decodeShl},
    {"shr", TypeClass::Integer, InstClass::Integer, decodeShr},
    {"shf", TypeClass::Integer, InstClass::Integer, decodeShf},
    {"lop3", TypeClass::Integer, InstClass::Integer, decodeLop3},
    {"prmt", TypeClass::Integer, InstClass::Integer, decodePrmt},
    {"popc", TypeClass::Integer, InstClass::Integer, decodeCount<Popc>},
    {"clz", TypeClass::Integer, InstClass::Integer, decodeCount<Clz>},
    {"brev", TypeClass::Integer, InstClass::Integer, decodeBrev},
    {"bfind", TypeClass::Integer, InstClass::Integer, decodeBfind},
    {"bfe", TypeClass::Integer, InstClass::Integer, decodeBfe},
    {"bfi", TypeClass::Integer, InstClass::Integer, decodeBfi},
};

} // namespace

std::span<const OpRow> bitOps() { return kRows; }

} // namespace attn::emulator
