//===- Control.cpp - branches, exits and barriers (PTX ISA 9.7.12, 9.7.13) ===//
#include "runtime/emulator/Block.h"
#include "runtime/emulator/Lanes.h"

#include <bit>

namespace attn::emulator {
namespace {

constexpr uint8_t kUniformFlag = 1, kNegatedFlag = 2;

void branch(Warp &warp, const Inst &inst, uint32_t mask) {
  if ((inst.flags & kUniformFlag) && mask != 0 && mask != warp.active)
    return warp.fail(inst, static_cast<unsigned>(std::countr_zero(mask)),
                     "only some of the active lanes take a '.uni' branch");
  warp.jump(static_cast<uint32_t>(inst.immediate), mask);
}
ExecFn decodeBranch(InstDecoder &decoder) {
  decoder.inst.flags = decoder.take("uni") ? kUniformFlag : 0;
  decoder.inst.immediate = decoder.readLabel();
  decoder.inst.control = true;
  return branch;
}

void branchIndexed(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!warp.checkWritten(inst, inst.source(0), mask, "the index"))
    return;
  const std::vector<uint32_t> &list = warp.program.targetLists[inst.extra];
  const uint32_t *index = warp.words(inst.source(0));
  std::array<uint32_t, kLanes> targets;
  targets.fill(warp.pc + 1);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0)
      continue;
    if (index[lane] >= list.size())
      return warp.fail(
          inst, lane,
          fmt::format("the index {} is beyond the {} labels", index[lane], list.size()));
    targets[lane] = list[index[lane]];
  }
  warp.scatter(targets);
}
ExecFn decodeBranchIndexed(InstDecoder &decoder) {
  decoder.expectOneOf({"idx"});
  decoder.take("uni");
  decoder.read(Type::U32);
  decoder.inst.extra = decoder.readTargets();
  return branchIndexed;
}

void leave(Warp &warp, const Inst &, uint32_t mask) { warp.exitLanes(mask); }
ExecFn decodeReturn(InstDecoder &decoder) {
  decoder.take("uni");
  decoder.inst.control = true;
  return leave;
}
void trap(Warp &warp, const Inst &inst, uint32_t mask) {
  warp.fail(inst, static_cast<unsigned>(std::countr_zero(mask)), "the kernel traps");
}
ExecFn decodeTrap(InstDecoder &) { return trap; }

void nothing(Warp &, const Inst &, uint32_t) {}
ExecFn decodeNanosleep(InstDecoder &decoder) {
  decoder.takeType({Type::U32});
  decoder.read(Type::U32);
  return nothing;
}

/// Programmatic dependent launches: the grid before this one has ended.
ExecFn decodeDependents(InstDecoder &decoder) {
  decoder.expectOneOf({"wait", "launch_dependents"});
  return nothing;
}

/// How many registers ptxas gives to a warp has no meaning here; only the operand is checked.
void setRegisters(Warp &warp, const Inst &inst, uint32_t mask) { warp.checkWhole(inst, mask); }
ExecFn decodeSetRegisters(InstDecoder &decoder) {
  decoder.expectOneOf({"inc", "dec"});
  decoder.expectOneOf({"sync"});
  decoder.expectOneOf({"aligned"});
  decoder.takeType({Type::U32});
  int64_t count = decoder.readConstant();
  if (count < 24 || count > 256 || count % 8 != 0)
    decoder.fail("the number of registers is a multiple of 8 from 24 to 256");
  return setRegisters;
}

// Barriers. source 0 is the number of the barrier, source 1 the number of threads or 0 for all.
enum BarrierKind { Sync, Arrive, RedPopc, RedAnd, RedOr };

/// All lanes of the warp that have not exited must be here, with one barrier and one count.
bool checkBarrier(Warp &warp, const Inst &inst, uint32_t mask) {
  if (mask != warp.live) {
    warp.fail(inst, static_cast<unsigned>(std::countr_zero(warp.live & ~mask)),
              fmt::format("a divergent barrier: only the lanes in {:#010x} of the warp's {:#010x} "
                          "arrive together",
                          mask, warp.live));
    return false;
  }
  for (unsigned i = 0; i < 2; ++i) {
    if (!warp.checkWritten(inst, inst.source(i), mask, "the barrier"))
      return false;
    const uint32_t *values = warp.words(inst.source(i));
    unsigned first = static_cast<unsigned>(std::countr_zero(mask));
    for (unsigned lane = 0; lane < kLanes; ++lane)
      if (mask >> lane & 1 && values[lane] != values[first]) {
        warp.fail(inst, lane, "the lanes of a warp disagree about the barrier");
        return false;
      }
    if (i == 0 && values[first] >= 16) {
      warp.fail(inst, first,
                fmt::format("barrier {} is not one of the 16 there are", values[first]));
      return false;
    }
    if (i == 1 && values[first] % kLanes != 0) {
      warp.fail(
          inst, first,
          fmt::format("a barrier for {} threads, which is not a multiple of 32", values[first]));
      return false;
    }
  }
  return true;
}

void fetchBarrier(Warp &warp, const Inst &inst, uint32_t mask) {
  warp.fetchesBarrier = false;
  const uint32_t held = warp.barrierResult;
  warp.setPoison(inst.places[0], 0, mask);
  if (inst.extra == RedPopc) {
    uint32_t result[kLanes];
    std::fill_n(result, kLanes, held);
    return warp.store(inst.places[0], result, mask);
  }
  bool result = inst.extra == RedAnd ? held == 0 : held != 0;
  warp.storePredicate(inst.places[0], result ? kAllLanes : 0, mask);
}

void barrier(Warp &warp, const Inst &inst, uint32_t mask) {
  if (warp.fetchesBarrier)
    return fetchBarrier(warp, inst, mask);
  if (!checkBarrier(warp, inst, mask))
    return;
  unsigned first = static_cast<unsigned>(std::countr_zero(mask));
  uint32_t number = warp.words(inst.source(0))[first], threads = warp.words(inst.source(1))[first];
  uint32_t value = 0;
  if (inst.extra >= RedPopc) {
    if (!warp.checkWritten(inst, inst.source(2), mask, "the predicate"))
      return;
    uint32_t p = warp.predicate(inst.source(2));
    p = (inst.flags & kNegatedFlag ? ~p : p) & mask;
    // .and counts the threads whose predicate does not hold, so that none is the same as all
    // holding.
    value = static_cast<uint32_t>(std::popcount(inst.extra == RedAnd ? ~p & mask : p));
    warp.fetchesBarrier = true;
    warp.repeat();
  }
  warp.block.arrive(warp, inst, number, threads, inst.extra != Arrive, value);
}

void syncWarp(Warp &warp, const Inst &inst, uint32_t mask) {
  warp.checkMembers(inst, inst.source(0), mask);
}

ExecFn decodeBarrier(InstDecoder &decoder) {
  Inst &inst = decoder.inst;
  inst.poisonRule = PoisonRule::Operation;
  if (decoder.take("warp")) {
    decoder.expectOneOf({"sync"});
    inst.instClass = InstClass::Warp;
    decoder.read(Type::B32);
    return syncWarp;
  }
  decoder.ignore({"cta", "aligned"});
  int kind = decoder.expectOneOf({"sync", "arrive", "red"});
  inst.extra = static_cast<uint32_t>(kind);
  if (kind == 2) {
    int reduction = decoder.expectOneOf({"popc", "and", "or"});
    inst.extra = static_cast<uint32_t>(RedPopc + reduction);
    Type type = decoder.takeType({reduction == 0 ? Type::U32 : Type::Pred});
    decoder.write(type);
  }
  decoder.read(Type::U32);
  size_t after = kind == 2 ? 1 : 0;
  if (decoder.operandsLeft() > after)
    decoder.read(Type::U32);
  else if (kind == 1)
    decoder.fail("an arrival needs the number of threads");
  else
    decoder.readFixed(Type::U32, 0);
  if (kind == 2)
    decoder.readPredicate(kNegatedFlag);
  return barrier;
}

constexpr OpRow kRows[] = {
    {"bra", TypeClass::Any, InstClass::Branch, decodeBranch},
    {"brx", TypeClass::Any, InstClass::Branch, decodeBranchIndexed},
    {"ret", TypeClass::Any, InstClass::Branch, decodeReturn},
    {"exit", TypeClass::Any, InstClass::Branch, decodeReturn},
    {"trap", TypeClass::Any, InstClass::Other, decodeTrap},
    {"griddepcontrol", TypeClass::Any, InstClass::Other, decodeDependents},
    {"setmaxnreg", TypeClass::Any, InstClass::Other, decodeSetRegisters},
    {"nanosleep", TypeClass::Any, InstClass::Other, decodeNanosleep},
    {"bar", TypeClass::Any, InstClass::Barrier, decodeBarrier},
    {"barrier", TypeClass::Any, InstClass::Barrier, decodeBarrier},
};

} // namespace

std::span<const OpRow> controlOps() { return kRows; }

} // namespace attn::emulator
