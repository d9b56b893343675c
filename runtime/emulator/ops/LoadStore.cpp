//===- LoadStore.cpp - ld, st, prefetch, fences (PTX ISA 9.7.9, 9.7.13) ---===//
#include "runtime/emulator/Block.h"
#include "runtime/emulator/Lanes.h"

#include <atomic>
#include <bit>

namespace attn::emulator {
namespace {

constexpr auto kMemoryTypes = {Type::B8,  Type::U8,  Type::S8,  Type::B16, Type::U16,
                               Type::S16, Type::B32, Type::U32, Type::S32, Type::F32,
                               Type::B64, Type::U64, Type::S64, Type::F64};

/// M is the type in memory, R the unsigned type of the register.
template <class M, class R> void load(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!warp.checkWritten(inst, inst.source(0), mask, "the address"))
    return;
  const unsigned count = inst.destinations;
  LanePointers at;
  if (!warp.access(inst, inst.space, warp.addresses(inst, mask), mask, count * sizeof(M),
                   Access::Read, at))
    return;
  for (unsigned i = 0; i < count; ++i) {
    Slot<R> result[kLanes];
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      M value;
      std::memcpy(&value, at[lane] + i * sizeof(M), sizeof(M));
      result[lane] = static_cast<R>(value); // sign-extends if M is signed
    }
    warp.store(inst.places[i], result, mask);
  }
}

/// kWide: the register has 64 bits.
template <class M, bool kWide> void store(Warp &warp, const Inst &inst, uint32_t mask) {
  using S = std::conditional_t<kWide, uint64_t, uint32_t>;
  if (!warp.checkWritten(inst, inst.source(0), mask, "the address"))
    return;
  const unsigned count = inst.sources - 1u;
  bool shadowed = inst.space == Space::Shared || inst.space == Space::Local;
  for (unsigned i = 0; i < count && !shadowed; ++i)
    if (!warp.checkWritten(inst, inst.source(1 + i), mask, "a stored value"))
      return;
  const LaneAddresses addresses = warp.addresses(inst, mask);
  LanePointers at;
  if (!warp.access(inst, inst.space, addresses, mask, count * sizeof(M), Access::Write, at))
    return;
  for (unsigned i = 0; i < count; ++i) {
    const S *values = warp.lanes<S>(inst.source(1 + i));
    for (uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1) {
      unsigned lane = static_cast<unsigned>(std::countr_zero(lanes));
      M value = static_cast<M>(values[lane]);
      std::memcpy(at[lane] + i * sizeof(M), &value, sizeof(M));
    }
    for (uint32_t lanes = warp.poison(inst.source(1 + i)) & mask; lanes != 0; lanes &= lanes - 1) {
      unsigned lane = static_cast<unsigned>(std::countr_zero(lanes));
      warp.forget(inst.space, addresses[lane] + i * sizeof(M), sizeof(M), lane);
    }
  }
}

template <class M> ExecFn loadForm(unsigned registerBytes) {
  switch (registerBytes) {
  case 2:
    return load<M, uint16_t>;
  case 4:
    return load<M, uint32_t>;
  default:
    return load<M, uint64_t>;
  }
}
ExecFn loadForm(Type type, unsigned registerBytes) {
  switch (byteSize(type)) {
  case 1:
    return isSigned(type) ? loadForm<int8_t>(registerBytes) : loadForm<uint8_t>(registerBytes);
  case 2:
    return isSigned(type) ? loadForm<int16_t>(registerBytes) : loadForm<uint16_t>(registerBytes);
  case 4:
    return isSigned(type) ? loadForm<int32_t>(registerBytes) : loadForm<uint32_t>(registerBytes);
  default:
    return loadForm<uint64_t>(registerBytes);
  }
}
ExecFn storeForm(Type type, unsigned registerBytes) {
  bool wide = registerBytes == 8;
  switch (byteSize(type)) {
  case 1:
    return wide ? store<uint8_t, true> : store<uint8_t, false>;
  case 2:
    return wide ? store<uint16_t, true> : store<uint16_t, false>;
  case 4:
    return wide ? store<uint32_t, true> : store<uint32_t, false>;
  default:
    return store<uint64_t, true>;
  }
}

Space takeSpace(InstDecoder &decoder) {
  constexpr Space kSpaces[] = {Space::Global, Space::Shared, Space::Shared, Space::Local,
                               Space::Param,  Space::Param,  Space::Const};
  int space = decoder.takeOneOf(
      {"global", "shared", "shared::cta", "local", "param", "param::entry", "const"});
  return space < 0 ? Space::Generic : kSpaces[space];
}

/// What the access orders. Blocks see each other's stores at once here, whatever the scope.
void takeOrder(InstDecoder &decoder) {
  decoder.take("weak");
  for (std::string_view strong : {"volatile", "relaxed", "mmio"})
    decoder.inst.order |= decoder.take(strong) ? kStrong : 0;
  decoder.inst.order |= decoder.take("acquire") ? kStrong | kAcquire : 0;
  decoder.inst.order |= decoder.take("release") ? kStrong | kRelease : 0;
  decoder.ignore({"gpu", "sys", "cta", "cluster"});
}

/// Caching. True if a cache policy operand follows.
bool takeHints(InstDecoder &decoder) {
  takeOrder(decoder);
  decoder.ignore({"ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc"});
  bool policy = decoder.take("L2::cache_hint");
  decoder.ignorePrefix("L1::");
  decoder.ignorePrefix("L2::");
  return policy;
}

size_t takeVector(InstDecoder &decoder) {
  int vector = decoder.takeOneOf({"v2", "v4"});
  return vector < 0 ? 1 : vector == 0 ? 2 : 4;
}

ExecFn decodeLoad(InstDecoder &decoder) {
  Inst &inst = decoder.inst;
  inst.space = takeSpace(decoder);
  bool policy = takeHints(decoder);
  size_t count = takeVector(decoder);
  Type type = decoder.takeType(kMemoryTypes);
  unsigned registerBytes = decoder.writeWiderVector(type, count);
  decoder.readAddress();
  if (policy)
    decoder.read(Type::B64);
  if (byteSize(type) * count > 16)
    decoder.fail("an access has at most 16 bytes");
  inst.instClass = inst.space == Space::Shared   ? InstClass::LoadShared
                   : inst.space == Space::Global ? InstClass::LoadGlobal
                                                 : InstClass::LoadOther;
  return loadForm(type, registerBytes);
}

ExecFn decodeStore(InstDecoder &decoder) {
  Inst &inst = decoder.inst;
  inst.space = takeSpace(decoder);
  bool policy = takeHints(decoder);
  size_t count = takeVector(decoder);
  Type type = decoder.takeType(kMemoryTypes);
  decoder.readAddress();
  unsigned registerBytes = decoder.readWiderVector(type, count);
  if (byteSize(type) * count > 16)
    decoder.fail("an access has at most 16 bytes");
  if (inst.space == Space::Param || inst.space == Space::Const)
    decoder.fail("this space is read-only");
  decoder.noteStore(byteSize(type));
  if (policy)
    decoder.ignoreOperand(Type::B64);
  inst.poisonRule = PoisonRule::Operation;
  inst.instClass = inst.space == Space::Shared   ? InstClass::StoreShared
                   : inst.space == Space::Global ? InstClass::StoreGlobal
                                                 : InstClass::StoreOther;
  return storeForm(type, registerBytes);
}

void nothing(Warp &, const Inst &, uint32_t) {}

/// A prefetch of an address that does not exist does nothing, so it is not checked.
ExecFn decodePrefetch(InstDecoder &decoder) {
  decoder.inst.space = takeSpace(decoder);
  decoder.ignore({"L1", "L2"});
  decoder.ignorePrefix("L2::");
  decoder.readAddress();
  return nothing;
}

/// discard: the bytes may keep their values.
ExecFn decodeDiscard(InstDecoder &decoder) {
  decoder.expectOneOf({"L2"});
  decoder.inst.space = takeSpace(decoder);
  decoder.readAddress();
  if (decoder.readConstant() != 128)
    decoder.fail("discard takes 128 bytes");
  return nothing;
}

void fence(Warp &warp, const Inst &, uint32_t) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  warp.clocks.fence();
}
ExecFn decodeMembar(InstDecoder &decoder) {
  decoder.expectOneOf({"cta", "gl", "sys"});
  return fence;
}
ExecFn decodeFence(InstDecoder &decoder) {
  if (decoder.take("mbarrier_init")) {
    decoder.expectOneOf({"release"});
    decoder.expectOneOf({"cluster"});
    return nothing;
  }
  decoder.ignore({"sc", "acq_rel", "acquire", "release"});
  decoder.expectOneOf({"cta", "cluster", "gpu", "sys"});
  return fence;
}

/// A policy only advises the cache; its bits are opaque.
void zero(Warp &warp, const Inst &inst, uint32_t mask) {
  uint64_t zeros[kLanes] = {};
  warp.store(inst.places[0], zeros, mask);
}
ExecFn decodeCreatePolicy(InstDecoder &decoder) {
  decoder.expectOneOf({"fractional"});
  decoder.ignorePrefix("L2::");
  decoder.takeType({Type::B64});
  decoder.write(Type::B64);
  if (decoder.operandsLeft() != 0)
    decoder.read(Type::F32);
  return zero;
}

constexpr OpRow kRows[] = {
    {"ld", TypeClass::Any, InstClass::LoadOther, decodeLoad},
    {"ldu", TypeClass::Any, InstClass::LoadOther, decodeLoad},
    {"st", TypeClass::Any, InstClass::StoreOther, decodeStore},
    {"prefetch", TypeClass::Any, InstClass::Other, decodePrefetch},
    {"discard", TypeClass::Any, InstClass::Other, decodeDiscard},
    {"prefetchu", TypeClass::Any, InstClass::Other, decodePrefetch},
    {"membar", TypeClass::Any, InstClass::Other, decodeMembar},
    {"fence", TypeClass::Any, InstClass::Other, decodeFence},
    {"createpolicy", TypeClass::Any, InstClass::Other, decodeCreatePolicy},
};

} // namespace

std::span<const OpRow> memoryOps() { return kRows; }

} // namespace attn::emulator
