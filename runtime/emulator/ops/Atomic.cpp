//===- Atomic.cpp - atom and red (PTX ISA 9.7.13) -------------------------===//
#include "runtime/emulator/Block.h"
#include "runtime/emulator/Lanes.h"
#include "runtime/emulator/SoftFloat.h"

#include <atomic>

namespace attn::emulator {
namespace {

// New value from the old one and the operands, all as bits.
template <class S> struct Exchange {
  static S at(S, S b, S) { return b; }
};
/// atom.cas d, [a], b, c: c where the old value is b.
template <class S> struct CompareSwap {
  static S at(S old, S b, S c) { return old == b ? c : old; }
};
template <class S> struct And {
  static S at(S old, S b, S) { return old & b; }
};
template <class S> struct Or {
  static S at(S old, S b, S) { return old | b; }
};
template <class S> struct Xor {
  static S at(S old, S b, S) { return old ^ b; }
};
template <class S> struct Add {
  static S at(S old, S b, S) { return static_cast<S>(old + b); }
};
/// T is the type in which values compare.
template <class S, class T> struct Min {
  static S at(S old, S b, S) { return static_cast<T>(b) < static_cast<T>(old) ? b : old; }
};
template <class S, class T> struct Max {
  static S at(S old, S b, S) { return static_cast<T>(b) > static_cast<T>(old) ? b : old; }
};
struct Increment {
  static uint32_t at(uint32_t old, uint32_t b, uint32_t) { return old >= b ? 0 : old + 1; }
};
struct Decrement {
  static uint32_t at(uint32_t old, uint32_t b, uint32_t) {
    return old == 0 || old > b ? b : old - 1;
  }
};
template <class S, class T> struct AddFloat {
  static S at(S old, S b, S) {
    return std::bit_cast<S>(std::bit_cast<T>(old) + std::bit_cast<T>(b));
  }
};
/// f32 in global memory flushes subnormals (ISA, atom.add.f32).
struct AddFloatFlushed {
  static uint32_t at(uint32_t old, uint32_t b, uint32_t) {
    return std::bit_cast<uint32_t>(
        flush(flush(std::bit_cast<float>(old)) + flush(std::bit_cast<float>(b))));
  }
};
template <FloatFormat kFormat> struct AddHalf {
  static uint16_t at(uint16_t old, uint16_t b, uint16_t) {
    auto value = [](uint16_t bits) {
      return kFormat.exponentBits == 8 ? bf16ToFloat(bits) : halfToFloat(bits);
    };
    return static_cast<uint16_t>(
        roundTo(kFormat, Rounding::NearestEven, addToOdd(value(old), value(b))));
  }
};
template <FloatFormat kFormat> struct AddHalves {
  static uint32_t at(uint32_t old, uint32_t b, uint32_t) {
    auto part = [&](unsigned shift) {
      return uint32_t(AddHalf<kFormat>::at(static_cast<uint16_t>(old >> shift),
                                           static_cast<uint16_t>(b >> shift), 0))
             << shift;
    };
    return part(0) | part(16);
  }
};

/// Replaces the value at `bytes` by F of it and the operands; returns the old one.
template <class S, class F> S updateAt(uint8_t *bytes, S b, S c) {
  std::atomic_ref<S> target(*reinterpret_cast<S *>(bytes));
  S old = target.load();
  while (!target.compare_exchange_weak(old, F::at(old, b, c))) {
  }
  return old;
}

template <class S, class F> void update(Warp &warp, const Inst &inst, uint32_t mask) {
  const Place &base = inst.source(0);
  if (!warp.checkWritten(inst, base, mask, "the address"))
    return;
  for (unsigned i = 1; i < inst.sources; ++i)
    if (!warp.checkWritten(inst, inst.source(i), mask, "a stored value"))
      return;
  const Slot<S> *b = warp.lanes<S>(inst.source(1)),
                *c = warp.lanes<S>(inst.source(inst.sources > 2 ? 2 : 1));
  LanePointers at;
  if (!warp.access(inst, inst.space, warp.addresses(inst, mask), mask, sizeof(S), Access::Atomic,
                   at))
    return;
  Slot<S> result[kLanes] = {};
  for (uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1) {
    unsigned lane = static_cast<unsigned>(std::countr_zero(lanes));
    result[lane] =
        updateAt<S, F>(at[lane], static_cast<S>(b[lane]), static_cast<S>(c[lane]));
  }
  if (inst.destinations != 0)
    warp.store(inst.places[0], result, mask);
}

/// red.add.v2.f32 and .v4: each element by itself.
void addVector(Warp &warp, const Inst &inst, uint32_t mask) {
  const unsigned count = inst.sources - 1u;
  for (unsigned i = 0; i <= count; ++i)
    if (!warp.checkWritten(inst, inst.source(i), mask, i == 0 ? "the address" : "a stored value"))
      return;
  LanePointers at;
  if (!warp.access(inst, inst.space, warp.addresses(inst, mask), mask, 4 * count, Access::Atomic,
                   at))
    return;
  for (uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1) {
    unsigned lane = static_cast<unsigned>(std::countr_zero(lanes));
    for (unsigned i = 0; i < count; ++i)
      updateAt<uint32_t, AddFloatFlushed>(at[lane] + 4 * i,
                                          warp.words(inst.source(1 + i))[lane], 0);
  }
}

enum Operation { OpAdd, OpMin, OpMax, OpAnd, OpOr, OpXor, OpExch, OpCas, OpInc, OpDec };

template <class S> ExecFn bitForm(int operation) {
  switch (operation) {
  case OpAnd:
    return update<S, And<S>>;
  case OpOr:
    return update<S, Or<S>>;
  case OpXor:
    return update<S, Xor<S>>;
  case OpExch:
    return update<S, Exchange<S>>;
  case OpCas:
    return update<S, CompareSwap<S>>;
  default:
    return nullptr;
  }
}
template <class S, class T> ExecFn integerForm(int operation) {
  switch (operation) {
  case OpAdd:
    return update<S, Add<S>>;
  case OpMin:
    return update<S, Min<S, T>>;
  case OpMax:
    return update<S, Max<S, T>>;
  case OpInc:
    return std::is_same_v<T, uint32_t> ? update<uint32_t, Increment> : nullptr;
  case OpDec:
    return std::is_same_v<T, uint32_t> ? update<uint32_t, Decrement> : nullptr;
  default:
    return nullptr;
  }
}
ExecFn formOf(int operation, Type type, Space space) {
  bool adds = operation == OpAdd;
  switch (type) {
  case Type::B16:
    return operation == OpCas || operation == OpExch ? bitForm<uint16_t>(operation) : nullptr;
  case Type::B32:
    return bitForm<uint32_t>(operation);
  case Type::B64:
    return bitForm<uint64_t>(operation);
  case Type::U32:
    return integerForm<uint32_t, uint32_t>(operation);
  case Type::S32:
    return integerForm<uint32_t, int32_t>(operation);
  case Type::U64:
    return integerForm<uint64_t, uint64_t>(operation);
  case Type::S64:
    return integerForm<uint64_t, int64_t>(operation);
  case Type::F32:
    if (space == Space::Shared)
      return adds ? update<uint32_t, AddFloat<uint32_t, float>> : nullptr;
    return adds ? update<uint32_t, AddFloatFlushed> : nullptr;
  case Type::F64:
    return adds ? update<uint64_t, AddFloat<uint64_t, double>> : nullptr;
  case Type::F16:
    return adds ? update<uint16_t, AddHalf<kF16>> : nullptr;
  case Type::BF16:
    return adds ? update<uint16_t, AddHalf<kBF16>> : nullptr;
  case Type::F16x2:
    return adds ? update<uint32_t, AddHalves<kF16>> : nullptr;
  case Type::BF16x2:
    return adds ? update<uint32_t, AddHalves<kBF16>> : nullptr;
  default:
    return nullptr;
  }
}

template <bool kReturns> ExecFn decode(InstDecoder &decoder) {
  Inst &inst = decoder.inst;
  int space = decoder.takeOneOf({"global", "shared", "shared::cta"});
  inst.space = space < 0 ? Space::Generic : space == 0 ? Space::Global : Space::Shared;
  inst.order = kStrong;
  decoder.take("relaxed");
  inst.order |= decoder.take("acquire") ? kAcquire : 0;
  inst.order |= decoder.take("release") ? kRelease : 0;
  inst.order |= decoder.take("acq_rel") ? kAcquire | kRelease : 0;
  decoder.ignore({"cta", "cluster", "gpu", "sys", "noftz"});
  int vector = kReturns ? -1 : decoder.takeOneOf({"v2", "v4"});
  int operation =
      decoder.expectOneOf({"add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"});
  Type type = decoder.takeType();
  decoder.noteStore(byteSize(type));
  if (kReturns)
    decoder.write(type);
  decoder.readAddress();
  if (vector >= 0) {
    decoder.readVector(type, vector == 0 ? 2 : 4);
    if (type != Type::F32 || operation != OpAdd || inst.space != Space::Global)
      decoder.fail("vectors are added to global memory, as '.f32'");
    return addVector;
  }
  decoder.read(type);
  if (operation == OpCas)
    decoder.read(type);
  ExecFn exec = formOf(operation, type, inst.space);
  if (exec == nullptr || (!kReturns && (operation == OpExch || operation == OpCas)))
    decoder.fail(fmt::format("there is no such operation of type '.{}'", typeName(type)));
  return exec;
}

constexpr OpRow kRows[] = {
    {"atom", TypeClass::Any, InstClass::Atomic, decode<true>},
    {"red", TypeClass::Any, InstClass::Atomic, decode<false>},
};

} // namespace

std::span<const OpRow> atomicOps() { return kRows; }

} // namespace attn::emulator
