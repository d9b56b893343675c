//===- Block.cpp - scheduling of warps, barriers, deadlock ----------------===//
#include "runtime/emulator/Block.h"

#include <cstring>

namespace attn::emulator {

/// Tests of mbarriers that may fail in a row, all warps waiting, before that counts as a deadlock:
/// a program may count its tests and do something else after a while.
constexpr uint32_t kPatience = 1 << 14;

static uint32_t threadsOf(const Dim3 &block) { return block.x * block.y * block.z; }
static uint32_t warpsOf(const Dim3 &block) { return (threadsOf(block) + kLanes - 1) / kLanes; }

Block::Block(const LaunchContext &launch)
    : launch(launch), shared(launch.sharedBytes, launch.program.sharedCellBytes,
                             warpsOf(launch.block), launch.options.checks) {
  for (uint32_t w = 0; w < warpsOf(launch.block); ++w)
    warps.push_back(std::make_unique<Warp>(*this, launch.program, launch.options.checks));
  if (launch.options.profile != nullptr)
    profile.resize(launch.program.code.size());
}

Status Block::run(uint64_t number) {
  id = {uint32_t(number % launch.grid.x), uint32_t(number / launch.grid.x % launch.grid.y),
        uint32_t(number / launch.grid.x / launch.grid.y)};
  uint32_t threads = threadsOf(launch.block);
  shared.reset();
  mbarriers.reset();
  publications.clear();
  barriers = {};
  fault.reset();
  clock = idlePolls = 0;
  nextLanding = ~uint64_t(0);
  nextWarp = 0;
  random.seed(launch.options.seed * 0x9e3779b97f4a7c15 + number);
  for (uint32_t w = 0; w < warps.size(); ++w) {
    uint32_t left = threads - w * kLanes;
    warps[w]->start(w, left >= kLanes ? kAllLanes : (1u << left) - 1);
  }
  while (Warp *warp = pickWarp()) {
    clock += warp->run(drawTurn());
    landDue();
    if (fault)
      return *std::move(fault);
    if (clock > launch.options.instructionLimit)
      return launch.module.source
          .errorAt(launch.program.code[warp->pc].line,
                   fmt::format("the block has executed {} warp instructions and is not done",
                               launch.options.instructionLimit))
          .withNote("in warp {} of block ({}, {}, {}) of kernel '{}'", warp->index, id.x, id.y,
                    id.z, launch.program.name);
  }
  for (const auto &warp : warps)
    if (warp->state != WarpState::Exited)
      return deadlock();
  return {};
}

/// Without a seed a warp runs until it blocks; the budget only bounds a loop that waits for
/// another.
uint64_t Block::drawTurn() {
  constexpr uint64_t kLongTurn = 1 << 14;
  if (launch.options.seed == 0 && launch.options.mode != AsyncMode::Random)
    return kLongTurn;
  return std::uniform_int_distribution<uint64_t>(1, 64)(random);
}

bool Block::isRunnable(const Warp &warp) {
  if (warp.state != WarpState::Polling)
    return warp.state == WarpState::Ready;
  const MBarrier *polled = mbarriers.find(warp.polled);
  return polled == nullptr || polled->phase != warp.polledPhase;
}

Warp *Block::pickWarp() {
  size_t start = launch.options.seed == 0 ? nextWarp : random() % warps.size();
  auto choose = [&](auto isChosen) -> Warp * {
    for (size_t i = 0; i < warps.size(); ++i) {
      size_t w = (start + i) % warps.size();
      if (isChosen(*warps[w])) {
        nextWarp = w + 1;
        warps[w]->state = WarpState::Ready;
        return warps[w].get();
      }
    }
    return nullptr;
  };
  if (Warp *warp = choose([&](const Warp &w) { return isRunnable(w); }))
    return warp;
  // All wait: those at an mbarrier may give up waiting and do something else.
  if (++idlePolls > kPatience)
    return nullptr;
  return choose([](const Warp &w) { return w.state == WarpState::Polling; });
}

void Block::arrive(Warp &warp, const Inst &inst, uint32_t number, uint32_t threads, bool wait,
                   uint32_t value) {
  uint32_t all = static_cast<uint32_t>(warps.size()) * kLanes;
  Barrier &barrier = barriers[number];
  uint32_t expected = threads == 0 ? all : threads;
  if (barrier.arrived != 0 && barrier.expected != expected)
    return warp.fail(inst, 0,
                     fmt::format("barrier {} is for {} threads here, those before said {}", number,
                                 expected, barrier.expected));
  noteProgress();
  warp.clocks.release(barrier.clock);
  barrier.expected = expected;
  barrier.arrived += kLanes;
  barrier.value += value;
  if (wait) {
    warp.state = WarpState::AtBarrier;
    warp.barrier = number;
    warp.barrierLine = inst.line;
  }
  if (barrier.arrived < expected)
    return;
  for (auto &other : warps)
    if (other->state == WarpState::AtBarrier && other->barrier == number) {
      other->state = WarpState::Ready;
      other->barrierResult = barrier.value;
      other->clocks.acquire(barrier.clock);
    }
  barrier = {};
}

std::string Block::whereItWaits(const Warp &warp) const {
  if (warp.state == WarpState::Exited)
    return fmt::format("warp {} has exited", warp.index);
  if (warp.state != WarpState::Polling) {
    const Barrier &barrier = barriers[warp.barrier];
    return fmt::format("warp {} waits in line {} at barrier {}, where {} of {} threads "
                       "have arrived",
                       warp.index, warp.barrierLine, warp.barrier, barrier.arrived,
                       barrier.expected);
  }
  auto found = mbarriers.at.find(warp.polled);
  if (found == mbarriers.at.end())
    return fmt::format("warp {} waits in line {} at an mbarrier that is no more", warp.index,
                       warp.barrierLine);
  const MBarrier &polled = found->second;
  return fmt::format("warp {} waits in line {} at the mbarrier at shared byte {}, whose phase {} "
                     "lacks {} of {} arrivals and {} bytes",
                     warp.index, warp.barrierLine, warp.polled, polled.phase, polled.pending,
                     polled.expected, polled.transactions);
}

Error Block::deadlock() const {
  Error error =
      makeError("kernel '{}' does not end: every warp of block ({}, {}, {}) has exited or "
                "waits at a barrier",
                launch.program.name, id.x, id.y, id.z);
  for (const auto &warp : warps)
    error.notes.push_back(whereItWaits(*warp));
  return error;
}

void Block::fail(Error error) {
  if (!fault)
    fault = std::move(error);
}

void Block::land(AsyncCopy &copy) {
  uint8_t *target = shared.at(copy.target);
  if (copy.sourceBytes != 0)
    std::memcpy(target, copy.source, copy.sourceBytes);
  std::memset(target + copy.sourceBytes, 0, copy.bytes - copy.sourceBytes);
  copy.landed = true;
}

void Block::complete(Warp &warp, AsyncCopy copy) {
  if (!copy.landed)
    land(copy);
  if (warp.checked)
    shared.endCopy({warp.clocks, copy.pc}, copy.target, copy.bytes);
}

void Block::schedule(AsyncCopy &copy) {
  switch (launch.options.mode) {
  case AsyncMode::Late:
    break;
  case AsyncMode::Early:
    land(copy);
    break;
  case AsyncMode::Random: {
    // From at once to later than most waits, all orders of magnitude alike.
    uint64_t range = uint64_t(1) << random() % 13;
    copy.landsAt = clock + random() % range;
    nextLanding = std::min(nextLanding, copy.landsAt);
    break;
  }
  }
}

void Block::landDue() {
  if (clock < nextLanding)
    return;
  nextLanding = ~uint64_t(0);
  for (auto &warp : warps)
    warp->copies.forEach([&](AsyncCopy &copy) {
      if (!copy.landed && copy.landsAt <= clock)
        land(copy);
      else if (!copy.landed)
        nextLanding = std::min(nextLanding, copy.landsAt);
    });
}

void Block::makeAsyncArrivals(uint64_t offset) {
  std::vector<AsyncArrival> later;
  for (AsyncArrival &arrival : mbarriers.arrivals) {
    if (arrival.offset != offset) {
      later.push_back(arrival);
      continue;
    }
    // The copies are ordered before what the mbarrier's waiters do, as at the instruction that
    // bound them to it.
    Warp &warp = *arrival.warp;
    WarpClocks clocks = warp.clocks;
    clocks.now.of[clocks.warp] = arrival.clock.of[clocks.warp];
    for (AsyncCopy &copy : warp.copies.takeBefore(arrival.lane, arrival.copies)) {
      if (!copy.landed)
        land(copy);
      if (warp.checked)
        shared.endCopy({clocks, copy.pc}, copy.target, copy.bytes);
    }
    if (MBarrier *mbarrier = mbarriers.find(offset); mbarrier && mbarrier->pending != 0) {
      mbarrier->arriving.join(arrival.clock);
      --mbarrier->pending;
      mbarrier->update();
      noteProgress();
    }
  }
  mbarriers.arrivals = std::move(later);
}

} // namespace attn::emulator
