//===- MBarrier.cpp - mbarrier.* in a block's shared memory ---------------===//
//
// PTX ISA 9.7.13.15. An arrival releases, a test that succeeds acquires, unless .relaxed. A test
// that fails ends the turn of its warp: the warp goes on when the phase is over, or when no other
// can, so that a loop of tests is not executed over and over and a deadlock is seen as one.
//
//===----------------------------------------------------------------------===//
#include "runtime/emulator/Block.h"
#include "runtime/emulator/Lanes.h"

#include <bit>

namespace attn::emulator {

bool Warp::mbarrierOffsets(const Inst &inst, uint32_t mask, LaneAddresses &offsets) {
  LaneAddresses at = addresses(inst, mask);
  if (inst.space == Space::Generic)
    for (uint64_t &address : at)
      address -= kSharedWindow;
  if (!checkAligned(inst, at, mask, 8, Access::Atomic, 8) ||
      !sharedOffsets(inst, at, mask, 8, Access::Atomic, offsets))
    return false;
  for (uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1) {
    unsigned lane = static_cast<unsigned>(std::countr_zero(lanes));
    if (block.mbarriers.find(offsets[lane]) == nullptr) {
      fail(inst, lane, fmt::format("there is no mbarrier at shared byte {}", offsets[lane]));
      return false;
    }
    if (!checked)
      continue;
    if (auto fault = block.shared.checkMBarrier(accessor(inst), lane, offsets[lane])) {
      report(inst, Access::Atomic, *fault);
      return false;
    }
  }
  return true;
}

namespace {

constexpr uint8_t kExpectFlag = 1, kNoCompleteFlag = 2, kDropFlag = 4, kParityFlag = 8;

template <class F> void forLanes(uint32_t mask, F function) {
  for (uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1)
    if (!function(static_cast<unsigned>(std::countr_zero(lanes))))
      return;
}

bool checkOperands(Warp &warp, const Inst &inst, uint32_t mask) {
  for (unsigned i = 0; i < inst.sources; ++i)
    if (!warp.checkWritten(inst, inst.source(i), mask, i == 0 ? "the address" : "an operand"))
      return false;
  return true;
}

void init(Warp &warp, const Inst &inst, uint32_t mask) {
  LaneAddresses at = warp.addresses(inst, mask), offsets;
  if (!checkOperands(warp, inst, mask))
    return;
  if (inst.space == Space::Generic)
    for (uint64_t &address : at)
      address -= kSharedWindow;
  if (!warp.checkAligned(inst, at, mask, 8, Access::Write, 8) ||
      !warp.sharedOffsets(inst, at, mask, 8, Access::Write, offsets))
    return;
  Block &block = warp.block;
  const uint32_t *counts = warp.words(inst.source(1));
  forLanes(mask, [&](unsigned lane) {
    uint64_t offset = offsets[lane];
    if (counts[lane] == 0 || counts[lane] > MBarrier::kMostArrivals)
      return warp.fail(inst, lane,
                       fmt::format("an mbarrier for {} arrivals; there are 1 to {}", counts[lane],
                                   MBarrier::kMostArrivals)),
             false;
    if (block.mbarriers.find(offset))
      return warp.fail(
                 inst, lane,
                 fmt::format("the mbarrier at shared byte {} exists already; 'mbarrier.inval' "
                             "ends it",
                             offset)),
             false;
    if (warp.checked) {
      if (auto fault = block.shared.access(Access::Write, warp.accessor(inst), offsets.data(),
                                           1u << lane, 8))
        return warp.report(inst, Access::Write, *fault), false;
      block.shared.setMBarrier(warp.accessor(inst), offset, true);
    }
    MBarrier &mbarrier = block.mbarriers.at[offset] = {};
    mbarrier.expected = mbarrier.pending = counts[lane];
    mbarrier.exists = true;
    return true;
  });
}

void invalidate(Warp &warp, const Inst &inst, uint32_t mask) {
  LaneAddresses offsets;
  if (!checkOperands(warp, inst, mask) || !warp.mbarrierOffsets(inst, mask, offsets))
    return;
  forLanes(mask, [&](unsigned lane) {
    warp.block.mbarriers.at[offsets[lane]].exists = false;
    if (warp.checked)
      warp.block.shared.setMBarrier(warp.accessor(inst), offsets[lane], false);
    return true;
  });
}

/// False after reporting that so many bytes cannot be counted.
bool expectBytes(Warp &warp, const Inst &inst, unsigned lane, MBarrier &mbarrier, int64_t bytes) {
  mbarrier.transactions += bytes;
  if (std::abs(mbarrier.transactions) <= int64_t(MBarrier::kMostArrivals))
    return true;
  warp.fail(inst, lane,
            fmt::format("the mbarrier lacks {} bytes, more than the {} it can count",
                        mbarrier.transactions, MBarrier::kMostArrivals));
  return false;
}

/// expect_tx: inst.extra is 1; complete_tx: it is 0.
void countBytes(Warp &warp, const Inst &inst, uint32_t mask) {
  LaneAddresses offsets;
  if (!checkOperands(warp, inst, mask) || !warp.mbarrierOffsets(inst, mask, offsets))
    return;
  const uint32_t *bytes = warp.words(inst.source(1));
  warp.block.noteProgress();
  forLanes(mask, [&](unsigned lane) {
    MBarrier &mbarrier = warp.block.mbarriers.at[offsets[lane]];
    int64_t count = bytes[lane];
    if (!expectBytes(warp, inst, lane, mbarrier, inst.extra ? count : -count))
      return false;
    mbarrier.update();
    return true;
  });
}

bool arriveLane(Warp &warp, const Inst &inst, unsigned lane, MBarrier &mbarrier, uint32_t operand) {
  const uint32_t count = inst.flags & kExpectFlag ? 1 : operand;
  if ((inst.flags & kExpectFlag) && !expectBytes(warp, inst, lane, mbarrier, operand))
    return false;
  if (count == 0 || count > mbarrier.pending) {
    warp.fail(
        inst, lane,
        fmt::format("{} arrivals at an mbarrier whose phase lacks {}", count, mbarrier.pending));
    return false;
  }
  if ((inst.flags & kNoCompleteFlag) && count == mbarrier.pending && mbarrier.transactions == 0) {
    warp.fail(inst, lane, "an arrival with '.noComplete' completes the phase");
    return false;
  }
  if (inst.order & kRelease)
    warp.clocks.release(mbarrier.arriving);
  else
    mbarrier.arriving.join(warp.clocks.fenced);
  if (inst.flags & kDropFlag)
    mbarrier.expected -= std::min(count, mbarrier.expected);
  mbarrier.pending -= count;
  mbarrier.update();
  return true;
}
void arrive(Warp &warp, const Inst &inst, uint32_t mask) {
  LaneAddresses offsets;
  if (!checkOperands(warp, inst, mask) || !warp.mbarrierOffsets(inst, mask, offsets))
    return;
  const uint32_t *operands = warp.words(inst.source(1));
  warp.block.noteProgress();
  uint64_t states[kLanes] = {};
  forLanes(mask, [&](unsigned lane) {
    MBarrier &mbarrier = warp.block.mbarriers.at[offsets[lane]];
    states[lane] = mbarrier.state();
    return arriveLane(warp, inst, lane, mbarrier, operands[lane]);
  });
  if (inst.destinations != 0) {
    warp.store(inst.places[0], states, mask);
    warp.setPoison(inst.places[0], 0, mask);
  }
}

/// Whether the phase that `token` (a state, or a parity) names is over; nullopt after reporting.
std::optional<bool> isOver(Warp &warp, const Inst &inst, unsigned lane, const MBarrier &mbarrier,
                           uint64_t token) {
  if (inst.flags & kParityFlag) {
    if (token <= 1)
      return (mbarrier.phase & 1) != token;
    warp.fail(inst, lane, fmt::format("the parity of a phase is 0 or 1, not {}", token));
    return std::nullopt;
  }
  uint64_t phase = token >> 20;
  if (phase == mbarrier.phase || phase + 1 == mbarrier.phase)
    return phase != mbarrier.phase;
  warp.fail(inst, lane,
            fmt::format("a state of phase {}, which is neither the current phase {} nor the one "
                        "before",
                        phase, mbarrier.phase));
  return std::nullopt;
}

void test(Warp &warp, const Inst &inst, uint32_t mask) {
  LaneAddresses offsets;
  if (!checkOperands(warp, inst, mask) || !warp.mbarrierOffsets(inst, mask, offsets))
    return;
  Block &block = warp.block;
  bool parity = inst.flags & kParityFlag;
  uint32_t over = 0;
  forLanes(mask, [&](unsigned lane) {
    if (!block.mbarriers.arrivals.empty())
      block.makeAsyncArrivals(offsets[lane]);
    const MBarrier &mbarrier = block.mbarriers.at[offsets[lane]];
    uint64_t token = parity ? warp.lanes<uint32_t>(inst.source(1))[lane]
                            : warp.lanes<uint64_t>(inst.source(1))[lane];
    std::optional<bool> done = isOver(warp, inst, lane, mbarrier, token);
    if (!done)
      return false;
    over |= uint32_t(*done) << lane;
    if (*done && (inst.order & kAcquire))
      warp.clocks.acquire(mbarrier.completed);
    else if (*done)
      warp.clocks.received.join(mbarrier.completed);
    return true;
  });
  if (warp.state == WarpState::Failed)
    return;
  warp.storePredicate(inst.places[0], over, mask);
  warp.setPoison(inst.places[0], 0, mask);
  if (uint32_t waits = mask & ~over) {
    warp.polled = offsets[static_cast<unsigned>(std::countr_zero(waits))];
    warp.polledPhase = block.mbarriers.at[warp.polled].phase;
    warp.barrierLine = inst.line;
    warp.state = WarpState::Polling;
  }
}

void pendingCount(Warp &warp, const Inst &inst, uint32_t mask) {
  uint32_t counts[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    counts[lane] = warp.lanes<uint64_t>(inst.source(0))[lane] & MBarrier::kMostArrivals;
  warp.store(inst.places[0], counts, mask);
}

/// Semantics, scope and space; what is not written is `unsaid`.
void takeOrder(InstDecoder &decoder, uint8_t unsaid) {
  Inst &inst = decoder.inst;
  inst.order = decoder.take("relaxed") ? 0 : unsaid;
  decoder.ignore({"acquire", "release", "cta", "cluster"});
  inst.space = decoder.takeOneOf({"shared", "shared::cta"}) < 0 ? Space::Generic : Space::Shared;
  decoder.takeType({Type::B64});
  inst.poisonRule = PoisonRule::Operation;
}

ExecFn decodeArrive(InstDecoder &decoder, bool drops) {
  Inst &inst = decoder.inst;
  bool expects = decoder.take("expect_tx"), noComplete = decoder.take("noComplete");
  inst.flags = static_cast<uint8_t>((drops ? kDropFlag : 0) | (expects ? kExpectFlag : 0) |
                                    (noComplete ? kNoCompleteFlag : 0));
  takeOrder(decoder, kRelease);
  decoder.write(Type::B64);
  decoder.readAddress();
  if (decoder.operandsLeft() != 0)
    decoder.read(Type::B32);
  else if (expects || noComplete)
    decoder.fail("this arrival needs a count");
  else
    decoder.readFixed(Type::B32, 1);
  return arrive;
}

ExecFn decodeTest(InstDecoder &decoder, bool suspends) {
  Inst &inst = decoder.inst;
  bool parity = decoder.take("parity");
  inst.flags = parity ? kParityFlag : 0;
  takeOrder(decoder, kAcquire);
  decoder.write(Type::Pred);
  decoder.readAddress();
  decoder.read(parity ? Type::B32 : Type::B64);
  if (suspends && decoder.operandsLeft() != 0)
    decoder.read(Type::B32); // the time after which it may give up
  return test;
}

ExecFn decode(InstDecoder &decoder) {
  Inst &inst = decoder.inst;
  enum { Init, Inval, ExpectTx, CompleteTx, Arrive, ArriveDrop, TestWait, TryWait, PendingCount };
  switch (decoder.expectOneOf({"init", "inval", "expect_tx", "complete_tx", "arrive", "arrive_drop",
                               "test_wait", "try_wait", "pending_count"})) {
  case Init:
    takeOrder(decoder, 0);
    decoder.readAddress();
    decoder.read(Type::B32);
    return init;
  case Inval:
    takeOrder(decoder, 0);
    decoder.readAddress();
    return invalidate;
  case ExpectTx:
    inst.extra = 1;
    [[fallthrough]];
  case CompleteTx:
    takeOrder(decoder, 0);
    decoder.readAddress();
    decoder.read(Type::B32);
    return countBytes;
  case Arrive:
    return decodeArrive(decoder, false);
  case ArriveDrop:
    return decodeArrive(decoder, true);
  case TestWait:
    return decodeTest(decoder, false);
  case TryWait:
    return decodeTest(decoder, true);
  default:
    decoder.takeType({Type::B64});
    decoder.write(Type::B32);
    decoder.read(Type::B64);
    return pendingCount;
  }
}

constexpr OpRow kRows[] = {{"mbarrier", TypeClass::Any, InstClass::Barrier, decode}};

} // namespace

std::span<const OpRow> mbarrierOps() { return kRows; }

} // namespace attn::emulator
