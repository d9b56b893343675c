//===- Warp.cpp - the interpreter's loop and control flow -----------------===//
#include "runtime/emulator/Warp.h"

#include "runtime/emulator/Block.h"

#include <bit>
#include <cassert>

namespace attn::emulator {

void Warp::start(uint32_t number, uint32_t lanes) {
  index = number;
  live = active = lanes;
  pc = 0;
  state = WarpState::Ready;
  waiting.clear();
  parked.clear();
  alone = false;
  copies = {};
  clocks.start(number);
  fetchesBarrier = false;
  registers.assign(program.registerWords, 0xdeadbeef);
  poisonWords.assign(program.poisonWords, checked ? kAllLanes : 0);
  poisonWords[kCleanPoison] = 0;
  local.resize(program.localBytes ? kLanes : 0);
  for (ShadowedBytes &bytes : local)
    bytes.reset(program.localBytes, checked);
  setSpecials();
}

static uint32_t specialValue(Special special, const Warp &warp, uint32_t lane) {
  const LaunchContext &launch = warp.block.launch;
  const Dim3 &block = launch.block, &grid = launch.grid, &id = warp.block.id;
  uint32_t thread = warp.index * kLanes + lane;
  switch (special) {
  case Special::TidX:
    return thread % block.x;
  case Special::TidY:
    return thread / block.x % block.y;
  case Special::TidZ:
    return thread / block.x / block.y;
  case Special::NtidX:
    return block.x;
  case Special::NtidY:
    return block.y;
  case Special::NtidZ:
    return block.z;
  case Special::CtaidX:
    return id.x;
  case Special::CtaidY:
    return id.y;
  case Special::CtaidZ:
    return id.z;
  case Special::NctaidX:
    return grid.x;
  case Special::NctaidY:
    return grid.y;
  case Special::NctaidZ:
    return grid.z;
  case Special::LaneId:
    return lane;
  case Special::WarpId:
    return warp.index;
  case Special::NWarpId:
    return (block.x * block.y * block.z + kLanes - 1) / kLanes;
  case Special::Zero:
    return 0;
  case Special::One:
    return 1;
  case Special::GridId:
    return 1;
  case Special::LaneMaskEq:
    return 1u << lane;
  case Special::LaneMaskLt:
    return (1u << lane) - 1;
  case Special::LaneMaskLe:
    return (2u << lane) - 1;
  case Special::LaneMaskGt:
    return ~((2u << lane) - 1);
  case Special::LaneMaskGe:
    return ~((1u << lane) - 1);
  case Special::DynamicSmemSize:
    return launch.dynamicSharedBytes;
  case Special::TotalSmemSize:
    return launch.sharedBytes;
  }
  return 0;
}

void Warp::setSpecials() {
  for (const SpecialRegister &special : program.specials) {
    uint32_t *words = registers.data() + special.offset;
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      uint32_t value = specialValue(special.special, *this, lane);
      if (special.wide)
        reinterpret_cast<uint64_t *>(words)[lane] = value;
      else
        words[lane] = value;
    }
  }
}

void Warp::spreadPoison(const Inst &inst, uint32_t mask) {
  uint32_t bits = 0;
  for (unsigned i = 0; i < inst.sources; ++i)
    bits |= poisonWords[inst.source(i).poison];
  for (unsigned i = 0; i < inst.destinations; ++i)
    setPoison(inst.places[i], bits, mask);
}

template <bool kChecked> uint64_t Warp::runChecked(uint64_t budget) {
  uint64_t executed = 0, laneInstructions = 0;
  InstProfile *profile = block.profile.empty() ? nullptr : block.profile.data();
  const Inst *code = program.code.data();
  while (executed < budget && state == WarpState::Ready) {
    const Inst &inst = code[pc];
    if (inst.converges && active != live && !alone) {
      waitForOthers();
      continue;
    }
    alone = false;
    ++executed;
    ++block.counters.instructions[size_t(inst.instClass)];
    uint32_t mask = active;
    if (inst.guard != kNoGuard) {
      if (kChecked &&
          !checkWritten(inst, {inst.guard, inst.guardPoison}, active, "the predicate"))
        break;
      uint32_t holds = registers[inst.guard];
      mask &= inst.guardNegated ? ~holds : holds;
    }
    uint32_t lanes = static_cast<uint32_t>(std::popcount(mask));
    laneInstructions += lanes;
    if (profile) {
      ++profile[pc].executed;
      profile[pc].lanes += lanes;
    }
    nextPc = pc + 1;
    branched = false;
    if (mask != 0 || inst.control) {
      if (kChecked && inst.poisonRule == PoisonRule::Spread)
        spreadPoison(inst, mask);
      inst.exec(*this, inst, mask);
    }
    if (state == WarpState::Failed)
      break;
    if (!branched)
      pc = nextPc;
    // Lanes that waited at this point join.
    if (branched || (!waiting.empty() && pc >= waiting.back().pc))
      selectLowest();
  }
  block.counters.laneInstructions += laneInstructions;
  return executed;
}
template uint64_t Warp::runChecked<true>(uint64_t);
template uint64_t Warp::runChecked<false>(uint64_t);

void Warp::add(uint32_t target, uint32_t lanes) {
  if (lanes == 0)
    return;
  auto at = waiting.begin();
  while (at != waiting.end() && at->pc > target)
    ++at;
  if (at != waiting.end() && at->pc == target)
    at->lanes |= lanes;
  else
    waiting.insert(at, {target, lanes});
}

/// Puts the active lanes back among the waiting ones and takes the group with the lowest pc.
void Warp::selectLowest() {
  if (!branched)
    add(pc, active);
  active = 0;
  if (waiting.empty())
    unpark();
  if (waiting.empty()) {
    assert(live == 0 && "lanes that have not exited are somewhere");
    state = WarpState::Exited;
    block.noteProgress();
    return;
  }
  pc = waiting.back().pc;
  active = waiting.back().lanes;
  waiting.pop_back();
}

/// At an instruction for the whole warp while lanes are elsewhere: whatever the order of the code, those get to run
/// until they come here too, wait at another such instruction, or exit. Once nobody is left to run, the lanes at the
/// lowest one execute it, all or not.
void Warp::waitForOthers() {
  parked.push_back({pc, active});
  alone = waiting.empty();
  if (alone)
    unpark();
  pc = waiting.back().pc;
  active = waiting.back().lanes;
  waiting.pop_back();
}

void Warp::unpark() {
  for (const Waiting &group : parked)
    add(group.pc, group.lanes);
  parked.clear();
}

void Warp::jump(uint32_t target, uint32_t taken) {
  if (taken == active) {
    nextPc = target;
    return;
  }
  if (taken == 0)
    return;
  add(target, taken);
  add(pc + 1, active & ~taken);
  branched = true;
}

void Warp::scatter(const std::array<uint32_t, kLanes> &targets) {
  for (unsigned lane = 0; lane < kLanes; ++lane)
    add(targets[lane], active & 1u << lane);
  branched = true;
}

void Warp::exitLanes(uint32_t mask) {
  live &= ~mask;
  add(pc + 1, active & ~mask);
  branched = true;
}

void Warp::fail(const Inst &inst, unsigned lane, std::string message, std::string note) {
  if (state == WarpState::Failed)
    return;
  state = WarpState::Failed;
  const Dim3 &id = block.id;
  Error fault = block.launch.module.source.errorAt(inst.line, message)
                    .withNote("in lane {} of warp {} of block ({}, {}, {}) of kernel '{}'", lane,
                              index, id.x, id.y, id.z, program.name);
  if (!note.empty())
    fault.notes.push_back(std::move(note));
  block.fail(std::move(fault));
}

bool Warp::checkWritten(const Inst &inst, const Place &place, uint32_t mask, std::string_view use) {
  uint32_t bad = poison(place) & mask;
  if (bad == 0)
    return true;
  fail(inst, static_cast<unsigned>(std::countr_zero(bad)),
       fmt::format("{} depends on a register that was never written", use));
  return false;
}

bool Warp::checkWhole(const Inst &inst, uint32_t mask) {
  if (mask == kAllLanes)
    return true;
  fail(inst, static_cast<unsigned>(std::countr_one(mask)),
       fmt::format("all 32 lanes must execute it together, only those in {:#010x} do", mask));
  return false;
}

bool Warp::checkMembers(const Inst &inst, const Place &place, uint32_t mask) {
  if (!checkWritten(inst, place, mask, "the member mask"))
    return false;
  const uint32_t *masks = lanes<uint32_t>(place);
  uint32_t members = masks[std::countr_zero(mask)];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0)
      continue;
    if (masks[lane] != members || (members >> lane & 1) == 0) {
      fail(inst, lane,
           fmt::format("the member mask {:#010x} does not name the executing lane, or "
                       "lanes executing together disagree on it",
                       masks[lane]));
      return false;
    }
  }
  uint32_t missing = members & live & ~mask;
  if (missing == 0)
    return true;
  fail(
      inst, static_cast<unsigned>(std::countr_zero(missing)),
      fmt::format("the member mask {:#010x} names lanes that are elsewhere, only those in {:#010x} "
                  "are here",
                  members, mask));
  return false;
}

} // namespace attn::emulator
