//===- Compare.cpp - setp, selp, slct, testp (PTX ISA 9.7.6) --------------===//
#include "runtime/emulator/Lanes.h"
#include "runtime/emulator/SoftFloat.h"

namespace attn::emulator {
namespace {

constexpr uint8_t kNegatedFlag = 1, kFlushFlag = 2, kSecondFlag = 4, kBoolFlag = 8;

enum Comparison { Eq, Ne, Lt, Le, Gt, Ge, Lo, Ls, Hi, Hs, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };
enum BoolOp { BoolAnd, BoolOr, BoolXor };

template <Comparison kComparison> struct Compare {
  template <class T> static bool at(T a, T b) {
    // A float comparison is false of a NaN, its .u form true.
    switch (kComparison) {
    case Eq:
      return a == b;
    case Ne:
      return std::is_floating_point_v<T> ? a < b || a > b : a != b;
    case Lt:
    case Lo:
      return a < b;
    case Le:
    case Ls:
      return a <= b;
    case Gt:
    case Hi:
      return a > b;
    case Ge:
    case Hs:
      return a >= b;
    case Equ:
      return !(a < b || a > b);
    case Neu:
      return !(a == b);
    case Ltu:
      return !(a >= b);
    case Leu:
      return !(a > b);
    case Gtu:
      return !(a <= b);
    case Geu:
      return !(a < b);
    case Num:
      return a == a && b == b;
    case Nan:
      return a != a || b != b;
    }
    return false;
  }
};

/// p = a ? b combined with c, q = !(a ? b) combined with c.
void storeResult(Warp &warp, const Inst &inst, uint32_t bits, uint32_t mask) {
  auto combine = [&](uint32_t value) {
    if ((inst.flags & kBoolFlag) == 0)
      return value;
    uint32_t c = warp.predicate(inst.places[inst.destinations + 2]);
    if (inst.flags & kNegatedFlag)
      c = ~c;
    return inst.extra == BoolAnd ? value & c : inst.extra == BoolOr ? value | c : value ^ c;
  };
  uint32_t first = combine(bits), second = combine(~bits);
  warp.storePredicate(inst.places[0], first, mask);
  if (inst.flags & kSecondFlag)
    warp.storePredicate(inst.places[1], second, mask);
}

template <class T, class F> void setp(Warp &warp, const Inst &inst, uint32_t mask) {
  const Slot<T> *a = warp.lanes<T>(inst.source(0)), *b = warp.lanes<T>(inst.source(1));
  uint32_t bits = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane)
    bits |= uint32_t(F::at(fromSlot<T>(a[lane]), fromSlot<T>(b[lane]))) << lane;
  storeResult(warp, inst, bits, mask);
}
template <class F> void setpFlushed(Warp &warp, const Inst &inst, uint32_t mask) {
  const uint32_t *a = warp.words(inst.source(0)), *b = warp.words(inst.source(1));
  uint32_t bits = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane)
    bits |= uint32_t(F::at(flush(fromSlot<float>(a[lane])), flush(fromSlot<float>(b[lane]))))
            << lane;
  storeResult(warp, inst, bits, mask);
}
template <class F, bool kBFloat> void setpHalf(Warp &warp, const Inst &inst, uint32_t mask) {
  const uint32_t *a = warp.words(inst.source(0)), *b = warp.words(inst.source(1));
  auto value = [](uint32_t bits) {
    uint16_t half = static_cast<uint16_t>(bits);
    return kBFloat ? bf16ToFloat(half) : halfToFloat(half);
  };
  uint32_t bits = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane)
    bits |= uint32_t(F::at(value(a[lane]), value(b[lane]))) << lane;
  storeResult(warp, inst, bits, mask);
}

template <Comparison kComparison> ExecFn forType(Type type, bool flushes) {
  using F = Compare<kComparison>;
  switch (type) {
  case Type::F32:
    return flushes ? setpFlushed<F> : setp<float, F>;
  case Type::F64:
    return setp<double, F>;
  case Type::F16:
    return setpHalf<F, false>;
  case Type::BF16:
    return setpHalf<F, true>;
  default:
    return byIntegerType(type, []<class T>(T) -> ExecFn { return setp<T, F>; });
  }
}

constexpr ExecFn (*kByComparison[])(Type, bool) = {
    forType<Eq>,  forType<Ne>,  forType<Lt>,  forType<Le>,  forType<Gt>,  forType<Ge>,
    forType<Lo>,  forType<Ls>,  forType<Hi>,  forType<Hs>,  forType<Equ>, forType<Neu>,
    forType<Ltu>, forType<Leu>, forType<Gtu>, forType<Geu>, forType<Num>, forType<Nan>};

ExecFn decodeSetp(InstDecoder &decoder) {
  Inst &inst = decoder.inst;
  int comparison = decoder.expectOneOf({"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs",
                                        "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"});
  int combination = decoder.takeOneOf({"and", "or", "xor"});
  bool flushes = decoder.take("ftz");
  Type type =
      decoder.takeType({Type::B16, Type::B32, Type::B64, Type::U16, Type::U32, Type::U64, Type::S16,
                        Type::S32, Type::S64, Type::F32, Type::F64, Type::F16, Type::BF16});
  bool known = isFloat(type)      ? comparison < Lo || comparison > Hs
               : isUnsigned(type) ? comparison <= Hs
               : isSigned(type)   ? comparison <= Ge
                                  : comparison <= Ne;
  if (!known)
    decoder.fail(fmt::format("there is no such comparison of type '.{}'", typeName(type)));
  if (decoder.writeWithPredicate(Type::Pred))
    inst.flags |= kSecondFlag;
  decoder.read(type);
  decoder.read(type);
  if (combination >= 0) {
    inst.flags |= kBoolFlag;
    inst.extra = static_cast<uint32_t>(combination);
    decoder.readPredicate(kNegatedFlag);
  }
  return kByComparison[comparison](type, flushes);
}

/// d = p ? a : b; only the value that is taken has to be written.
template <class S> void selp(Warp &warp, const Inst &inst, uint32_t mask) {
  const S *a = warp.lanes<S>(inst.places[1]), *b = warp.lanes<S>(inst.places[2]);
  uint32_t p = warp.predicate(inst.places[3]);
  if (inst.flags & kNegatedFlag)
    p = ~p;
  uint32_t poison = (warp.poison(inst.places[1]) & p) | (warp.poison(inst.places[2]) & ~p) |
                    warp.poison(inst.places[3]);
  S result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    result[lane] = p >> lane & 1 ? a[lane] : b[lane];
  warp.setPoison(inst.places[0], poison, mask);
  warp.store(inst.places[0], result, mask);
}
ExecFn decodeSelp(InstDecoder &decoder) {
  Type type = decoder.takeType({Type::B16, Type::B32, Type::B64, Type::U16, Type::U32, Type::U64,
                                Type::S16, Type::S32, Type::S64, Type::F32, Type::F64});
  sameType(decoder, type, 2);
  decoder.readPredicate(kNegatedFlag);
  decoder.inst.poisonRule = PoisonRule::Operation;
  return byteSize(type) == 8 ? selp<uint64_t> : selp<uint32_t>;
}

/// d = c >= 0 ? a : b, where -0 counts as 0; with .ftz so do negative subnormals.
template <class S, class C> void slct(Warp &warp, const Inst &inst, uint32_t mask) {
  const S *a = warp.lanes<S>(inst.places[1]), *b = warp.lanes<S>(inst.places[2]);
  const uint32_t *c = warp.words(inst.places[3]);
  S result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    C selector = fromSlot<C>(c[lane]);
    if (inst.flags & kFlushFlag)
      selector = static_cast<C>(flush(static_cast<float>(selector)));
    result[lane] = selector >= 0 ? a[lane] : b[lane];
  }
  warp.store(inst.places[0], result, mask);
}
ExecFn decodeSlct(InstDecoder &decoder) {
  bool flushes = decoder.take("ftz");
  Type type = decoder.takeType();
  Type selector = decoder.takeType({Type::S32, Type::F32});
  if (flushes && selector == Type::F32)
    decoder.inst.flags |= kFlushFlag;
  sameType(decoder, type, 2);
  decoder.read(selector);
  if (byteSize(type) < 2)
    decoder.fail("slct has no 8-bit form");
  if (byteSize(type) == 8)
    return selector == Type::S32 ? slct<uint64_t, int32_t> : slct<uint64_t, float>;
  return selector == Type::S32 ? slct<uint32_t, int32_t> : slct<uint32_t, float>;
}

enum Test { Finite, Infinite, Number, NotANumber, Normal, Subnormal };
template <class T> void testp(Warp &warp, const Inst &inst, uint32_t mask) {
  const Slot<T> *a = warp.lanes<T>(inst.places[1]);
  uint32_t bits = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    T value = fromSlot<T>(a[lane]);
    bool results[] = {std::isfinite(value), std::isinf(value),
                      !std::isnan(value),   std::isnan(value),
                      std::isnormal(value) || value == 0, // as the ISA has it
                      std::fpclassify(value) == FP_SUBNORMAL};
    bits |= uint32_t(results[inst.extra]) << lane;
  }
  warp.storePredicate(inst.places[0], bits, mask);
}
ExecFn decodeTestp(InstDecoder &decoder) {
  decoder.inst.extra = static_cast<uint32_t>(
      decoder.expectOneOf({"finite", "infinite", "number", "notanumber", "normal", "subnormal"}));
  Type type = decoder.takeType({Type::F32, Type::F64});
  decoder.write(Type::Pred);
  decoder.read(type);
  return type == Type::F32 ? testp<float> : testp<double>;
}

constexpr OpRow kRows[] = {
    {"setp", TypeClass::Any, InstClass::Compare, decodeSetp},
    {"selp", TypeClass::Any, InstClass::Compare, decodeSelp},
    {"slct", TypeClass::Any, InstClass::Compare, decodeSlct},
    {"testp", TypeClass::Any, InstClass::Compare, decodeTestp},
};

} // namespace

std::span<const OpRow> compareOps() { return kRows; }

} // namespace attn::emulator
