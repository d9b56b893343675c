//===- AsyncCopy.cpp - cp.async and its groups (PTX ISA 9.7.9.25) ---------===//
#include "runtime/emulator/Block.h"
#include "runtime/emulator/Lanes.h"

namespace attn::emulator {
namespace {

/// One lane; false after a fault.
bool copyLane(Warp &warp, const Inst &inst, unsigned lane, uint32_t bytes, uint32_t sourceBytes) {
  if (sourceBytes > bytes) {
    warp.fail(
        inst, lane,
        fmt::format("the source has {} bytes, more than the {} of the copy", sourceBytes, bytes));
    return false;
  }
  uint64_t to = warp.address(inst, inst.source(0), inst.wideAddress, inst.immediate, lane);
  if (!warp.access(inst, Space::Shared, to, bytes, Access::Write, lane))
    return false;
  const uint8_t *source = nullptr;
  if (sourceBytes != 0) { // nothing is read otherwise, whatever the address
    uint64_t from = warp.address(inst, inst.source(1), true, inst.immediate2, lane);
    source = warp.access(inst, Space::Global, from, sourceBytes, Access::Read, lane, bytes);
    if (source == nullptr)
      return false;
  }
  AsyncCopy copy{uint8_t(lane), uint8_t(bytes),   uint8_t(sourceBytes),
                 inst.line,     to - kSharedBase, source};
  if (warp.block.launch.options.mode == AsyncMode::Early) {
    warp.block.complete(copy);
    return true;
  }
  warp.block.shared.mark(copy.target, bytes, ShadowedBytes::InFlight);
  warp.copies.issue(copy);
  return true;
}

void copy(Warp &warp, const Inst &inst, uint32_t mask) {
  for (unsigned i = 0; i < 3; ++i)
    if (!warp.checkWritten(inst, inst.source(i), mask, i < 2 ? "the address" : "the source size"))
      return;
  const uint32_t *sourceBytes = warp.words(inst.source(2));
  for (unsigned lane = 0; lane < kLanes; ++lane)
    if (mask >> lane & 1 && !copyLane(warp, inst, lane, inst.extra, sourceBytes[lane]))
      return;
}

void commit(Warp &warp, const Inst &, uint32_t mask) { warp.copies.commit(mask); }

void wait(Warp &warp, const Inst &inst, uint32_t mask) {
  for (const AsyncCopy &copy : warp.copies.wait(mask, static_cast<uint64_t>(inst.immediate)))
    warp.block.complete(copy);
}
void waitAll(Warp &warp, const Inst &inst, uint32_t mask) {
  warp.copies.commit(mask);
  wait(warp, inst, mask);
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
  if (decoder.operandsLeft() > (policy ? 1u : 0u))
    decoder.read(Type::U32);
  else
    decoder.readFixed(Type::U32, inst.extra);
  if (policy)
    decoder.read(Type::B64);
  inst.poisonRule = PoisonRule::Operation;
  return copy;
}

ExecFn decodeCp(InstDecoder &decoder) {
  decoder.expectOneOf({"async"});
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
