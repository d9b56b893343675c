//===- AsyncCopy.cpp - cp.async and its groups (PTX ISA 9.7.9.25) ---------===//
#include "runtime/emulator/Block.h"
#include "runtime/emulator/Lanes.h"

#include <bit>

namespace attn::emulator {
namespace {

constexpr uint8_t kIgnoresFlag = 1, kNegatedFlag = 2;

/// How many bytes each lane reads: source 2 says it, or, as a predicate, that it reads none.
std::array<uint32_t, kLanes> sourceSizes(const Warp &warp, const Inst &inst) {
  std::array<uint32_t, kLanes> sizes;
  const uint32_t *words = warp.words(inst.source(2));
  uint32_t ignores = inst.flags & kNegatedFlag ? ~words[0] : words[0];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    sizes[lane] = (inst.flags & kIgnoresFlag) == 0 ? words[lane]
                  : ignores >> lane & 1          ? 0
                                                 : inst.extra;
  return sizes;
}

/// Where the lanes that read anything read from. Nothing is read where the source size is 0,
/// whatever the address.
bool locateSources(Warp &warp, const Inst &inst, uint32_t mask,
                   const std::array<uint32_t, kLanes> &sizes, LanePointers &sources) {
  uint32_t full = 0, partial = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0)
      continue;
    if (sizes[lane] > inst.extra) {
      warp.fail(inst, lane,
                fmt::format("the source has {} bytes, more than the {} of the copy", sizes[lane],
                            inst.extra));
      return false;
    }
    full |= uint32_t(sizes[lane] == inst.extra) << lane;
    partial |= uint32_t(sizes[lane] != inst.extra && sizes[lane] != 0) << lane;
  }
  auto locate = [&](uint32_t lanes, uint32_t bytes) {
    LanePointers found;
    if (!warp.access(inst, Space::Global,
                     warp.addresses(inst.source(1), true, inst.immediate2, lanes), lanes, bytes,
                     Access::Read, found, inst.extra))
      return false;
    for (unsigned lane = 0; lane < kLanes; ++lane)
      sources[lane] = lanes >> lane & 1 ? found[lane] : sources[lane];
    return true;
  };
  if (full != 0 && !locate(full, inst.extra))
    return false;
  for (uint32_t lanes = partial; lanes != 0; lanes &= lanes - 1) {
    unsigned lane = static_cast<unsigned>(std::countr_zero(lanes));
    if (!locate(1u << lane, sizes[lane]))
      return false;
  }
  return true;
}

void copy(Warp &warp, const Inst &inst, uint32_t mask) {
  for (unsigned i = 0; i < 3; ++i)
    if (!warp.checkWritten(inst, inst.source(i), mask, i < 2 ? "the address" : "the source size"))
      return;
  Block &block = warp.block;
  LaneAddresses targets = warp.addresses(inst, mask), offsets;
  LanePointers sources{};
  const std::array<uint32_t, kLanes> sizes = sourceSizes(warp, inst);
  if (!warp.checkAligned(inst, targets, mask, inst.extra, Access::Write, inst.extra) ||
      !warp.sharedOffsets(inst, targets, mask, inst.extra, Access::Write, offsets) ||
      !locateSources(warp, inst, mask, sizes, sources))
    return;
  if (!block.profile.empty())
    block.profile[warp.pcOf(inst)].addAsync(offsets.data(), mask, inst.extra);
  for (uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1) {
    unsigned lane = static_cast<unsigned>(std::countr_zero(lanes));
    if (warp.checked)
      if (auto fault =
              block.shared.beginCopy(warp.accessor(inst), lane, offsets[lane], inst.extra))
        return warp.report(inst, Access::Write, *fault);
    AsyncCopy copy;
    copy.lane = static_cast<uint8_t>(lane);
    copy.bytes = static_cast<uint8_t>(inst.extra);
    copy.sourceBytes = static_cast<uint8_t>(sizes[lane]);
    copy.pc = warp.pcOf(inst);
    copy.target = offsets[lane];
    copy.source = sources[lane];
    block.schedule(copy);
    warp.copies.issue(copy);
  }
}

void commit(Warp &warp, const Inst &, uint32_t mask) { warp.copies.commit(mask); }

void wait(Warp &warp, const Inst &inst, uint32_t mask) {
  for (const AsyncCopy &copy : warp.copies.wait(mask, static_cast<uint64_t>(inst.immediate)))
    warp.block.complete(warp, copy);
}
void waitAll(Warp &warp, const Inst &inst, uint32_t mask) {
  warp.copies.commit(mask);
  wait(warp, inst, mask);
}

/// The mbarrier counts an arrival once the thread's earlier copies are complete. Without .noinc it
/// expects one more, so that its count does not change.
void arriveLater(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!warp.checkWritten(inst, inst.source(0), mask, "the address"))
    return;
  Block &block = warp.block;
  LaneAddresses offsets;
  if (!warp.mbarrierOffsets(inst, mask, offsets))
    return;
  for (uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1) {
    unsigned lane = static_cast<unsigned>(std::countr_zero(lanes));
    MBarrier &mbarrier = block.mbarriers.at[offsets[lane]];
    if (!inst.flags && ++mbarrier.pending > MBarrier::kMostArrivals)
      return warp.fail(inst, lane, "the mbarrier expects too many arrivals");
    block.mbarriers.arrivals.push_back(
        {&warp, lane, offsets[lane], warp.copies.issued(), warp.clocks.now});
  }
  ++warp.clocks.now.of[warp.index];
}
ExecFn decodeArriveLater(InstDecoder &decoder) {
  decoder.expectOneOf({"arrive"});
  decoder.inst.flags = decoder.take("noinc");
  decoder.inst.space =
      decoder.takeOneOf({"shared", "shared::cta"}) < 0 ? Space::Generic : Space::Shared;
  decoder.takeType({Type::B64});
  decoder.readAddress();
  decoder.inst.poisonRule = PoisonRule::Operation;
  return arriveLater;
}

ExecFn decodeCopy(InstDecoder &decoder) {
  Inst &inst = decoder.inst;
  bool bypassesL1 = decoder.expectOneOf({"ca", "cg"}) == 1;
  decoder.expectOneOf({"shared", "shared::cta"});
  decoder.expectOneOf({"global"});
  bool policy = decoder.take("L2::cache_hint");
  decoder.ignore({"L2::64B", "L2::128B", "L2::256B"});
  decoder.readAddress(Space::Shared, inst.immediate, inst.wideAddress);
  bool wide = true;
  decoder.readAddress(Space::Global, inst.immediate2, wide);
  inst.extra = static_cast<uint32_t>(decoder.readConstant());
  if (inst.extra != 16 && (bypassesL1 || (inst.extra != 4 && inst.extra != 8)))
    decoder.fail(bypassesL1 ? "cp.async.cg copies 16 bytes"
                            : "cp.async.ca copies 4, 8 or 16 bytes");
  if (decoder.nextIsPredicate()) {
    inst.flags |= kIgnoresFlag;
    decoder.readPredicate(kNegatedFlag);
  } else if (decoder.operandsLeft() > (policy ? 1u : 0u))
    decoder.read(Type::U32);
  else
    decoder.readFixed(Type::U32, inst.extra);
  if (policy)
    decoder.ignoreOperand(Type::B64);
  inst.poisonRule = PoisonRule::Operation;
  return copy;
}

ExecFn decodeCp(InstDecoder &decoder) {
  decoder.expectOneOf({"async"});
  if (decoder.take("mbarrier"))
    return decodeArriveLater(decoder);
  if (decoder.take("commit_group")) {
    decoder.inst.instClass = InstClass::AsyncWait;
    return commit;
  }
  if (decoder.take("wait_group")) {
    decoder.inst.instClass = InstClass::AsyncWait;
    decoder.inst.immediate = decoder.readConstant();
    if (decoder.inst.immediate < 0)
      decoder.fail("the number of groups is negative");
    return wait;
  }
  if (decoder.take("wait_all")) {
    decoder.inst.instClass = InstClass::AsyncWait;
    return waitAll;
  }
  return decodeCopy(decoder);
}

constexpr OpRow kRows[] = {{"cp", TypeClass::Any, InstClass::AsyncCopy, decodeCp}};

} // namespace

std::span<const OpRow> asyncOps() { return kRows; }

} // namespace attn::emulator
