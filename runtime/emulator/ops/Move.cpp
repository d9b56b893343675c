//===- Move.cpp - mov, cvta (PTX ISA 9.7.9) -------------------------------===//
#include "runtime/emulator/Block.h"
#include "runtime/emulator/Lanes.h"

namespace attn::emulator {
namespace {

struct Same {
  template <class T> static T apply(T a) { return a; }
};

void movePredicate(Warp &warp, const Inst &inst, uint32_t mask) {
  warp.storePredicate(inst.places[0], warp.predicate(inst.places[1]), mask);
}

/// Time is counted in warp instructions of the block.
template <class T> void moveClock(Warp &warp, const Inst &inst, uint32_t mask) {
  T result[kLanes];
  for (T &lane : result)
    lane = static_cast<T>(warp.block.clock >> inst.extra);
  warp.store(inst.places[0], result, mask);
}

/// d = {a, b, ..}: `a` in the lowest bits. kBits is the width of a part.
template <class S, unsigned kBits> void pack(Warp &warp, const Inst &inst, uint32_t mask) {
  S result[kLanes] = {};
  for (unsigned i = 0; i < inst.sources; ++i) {
    const uint32_t *part = warp.words(inst.source(i));
    for (unsigned lane = 0; lane < kLanes; ++lane)
      result[lane] |= S(part[lane]) << kBits * i;
  }
  warp.store(inst.places[0], result, mask);
}
template <class S, unsigned kBits> void unpack(Warp &warp, const Inst &inst, uint32_t mask) {
  S whole[kLanes]; // a destination may be the source
  std::memcpy(whole, warp.lanes<S>(inst.source(0)), sizeof(whole));
  for (unsigned i = 0; i < inst.destinations; ++i) {
    uint32_t result[kLanes];
    for (unsigned lane = 0; lane < kLanes; ++lane)
      result[lane] = static_cast<uint32_t>(whole[lane] >> kBits * i & ((uint64_t(1) << kBits) - 1));
    warp.store(inst.places[i], result, mask);
  }
}

/// The type of one of `count` parts of a register of type `whole`.
Type partType(InstDecoder &decoder, Type whole, size_t count) {
  if (byteSize(whole) == 4 && count == 2)
    return Type::B16;
  if (byteSize(whole) == 8 && (count == 2 || count == 4))
    return count == 2 ? Type::B32 : Type::B16;
  decoder.fail("there is no such vector of this type");
  return Type::B32;
}

ExecFn decodeMov(InstDecoder &decoder) {
  Type type = decoder.takeType({Type::Pred, Type::B16, Type::U16, Type::S16, Type::B32, Type::U32,
                                Type::S32, Type::F32, Type::B64, Type::U64, Type::S64, Type::F64});
  const Operand *target = decoder.peekOperand();
  if (target && target->kind == Operand::Kind::Vector) {
    size_t count = target->elements.size();
    Type part = partType(decoder, type, count);
    decoder.writeVector(part, count);
    decoder.read(type);
    if (byteSize(type) == 4)
      return unpack<uint32_t, 16>;
    return part == Type::B32 ? unpack<uint64_t, 32> : unpack<uint64_t, 16>;
  }
  decoder.write(type);
  if (std::optional<std::string> clock = decoder.takeClock()) {
    decoder.inst.extra = clock->ends_with("_hi") ? 32 : 0;
    return byteSize(type) == 8 ? moveClock<uint64_t> : moveClock<uint32_t>;
  }
  const Operand *source = decoder.peekOperand();
  if (source && source->kind == Operand::Kind::Vector) {
    size_t count = source->elements.size();
    Type part = partType(decoder, type, count);
    decoder.readVector(part, count);
    if (byteSize(type) == 4)
      return pack<uint32_t, 16>;
    return part == Type::B32 ? pack<uint64_t, 32> : pack<uint64_t, 16>;
  }
  decoder.read(type);
  if (type == Type::Pred)
    return movePredicate;
  return byteSize(type) == 8 ? kUnary<uint64_t, Same> : kUnary<uint32_t, Same>;
}

void offsetAddress(Warp &warp, const Inst &inst, uint32_t mask) {
  const uint64_t *a = warp.lanes<uint64_t>(inst.places[1]);
  uint64_t result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    result[lane] = a[lane] + static_cast<uint64_t>(inst.immediate);
  warp.store(inst.places[0], result, mask);
}

ExecFn decodeCvta(InstDecoder &decoder) {
  bool toSpace = decoder.take("to");
  int space = decoder.expectOneOf({"global", "const", "shared", "shared::cta", "local", "param"});
  decoder.takeType({Type::U64});
  constexpr uint64_t kWindows[] = {0, 0, kSharedWindow, kSharedWindow, kLocalWindow, kParamWindow};
  decoder.inst.immediate = static_cast<int64_t>(toSpace ? -kWindows[space] : kWindows[space]);
  sameType(decoder, Type::U64, 1);
  return offsetAddress;
}

/// isspacep: whether a generic address lies in the window of a space; global: in none.
void isInSpace(Warp &warp, const Inst &inst, uint32_t mask) {
  const uint64_t *a = warp.lanes<uint64_t>(inst.places[1]);
  uint32_t result = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    bool holds = inst.immediate == 0;
    for (uint64_t window : {kSharedWindow, kLocalWindow, kParamWindow})
      if (a[lane] - window < kWindowSize)
        holds = window == static_cast<uint64_t>(inst.immediate);
    result |= uint32_t(holds) << lane;
  }
  warp.storePredicate(inst.places[0], result, mask);
}
ExecFn decodeIsInSpace(InstDecoder &decoder) {
  int space = decoder.expectOneOf({"global", "shared", "shared::cta", "local", "param"});
  constexpr uint64_t kWindows[] = {0, kSharedWindow, kSharedWindow, kLocalWindow, kParamWindow};
  decoder.inst.immediate = static_cast<int64_t>(kWindows[space]);
  decoder.write(Type::Pred);
  decoder.read(Type::U64);
  return isInSpace;
}

constexpr OpRow kRows[] = {
    {"isspacep", TypeClass::Any, InstClass::Compare, decodeIsInSpace},
    {"mov", TypeClass::Any, InstClass::Move, decodeMov},
    {"cvta", TypeClass::Any, InstClass::Integer, decodeCvta},
};

} // namespace

std::span<const OpRow> moveOps() { return kRows; }

} // namespace attn::emulator
