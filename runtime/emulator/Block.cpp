//===- Block.cpp - scheduling of warps, barriers, deadlock ----------------===//
#include "runtime/emulator/Block.h"

#include <cstring>

namespace attn::emulator {

Block::Block(const LaunchContext &launch) : launch(launch) {
  uint32_t threads = launch.block.x * launch.block.y * launch.block.z;
  for (uint32_t first = 0; first < threads; first += kLanes)
    warps.push_back(std::make_unique<Warp>(*this, launch.program));
}

Status Block::run(uint64_t number) {
  id = {uint32_t(number % launch.grid.x), uint32_t(number / launch.grid.x % launch.grid.y),
        uint32_t(number / launch.grid.x / launch.grid.y)};
  uint32_t threads = launch.block.x * launch.block.y * launch.block.z;
  shared.reset(launch.sharedBytes);
  barriers = {};
  fault.reset();
  clock = 0;
  nextWarp = 0;
  random.seed(launch.options.seed * 0x9e3779b97f4a7c15 + number);
  for (uint32_t w = 0; w < warps.size(); ++w) {
    uint32_t left = threads - w * kLanes;
    warps[w]->start(w, left >= kLanes ? kAllLanes : (1u << left) - 1);
  }
  // Without a seed a warp runs until it blocks; the budget only bounds a loop that waits for
  // another.
  constexpr uint64_t kLongTurn = 1 << 14;
  std::uniform_int_distribution<uint64_t> turn(1, 64);
  while (Warp *warp = pickWarp()) {
    clock += warp->run(launch.options.seed == 0 ? kLongTurn : turn(random));
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

Warp *Block::pickWarp() {
  size_t start = launch.options.seed == 0 ? nextWarp : random() % warps.size();
  for (size_t i = 0; i < warps.size(); ++i) {
    size_t w = (start + i) % warps.size();
    if (warps[w]->state == WarpState::Ready) {
      nextWarp = w + 1;
      return warps[w].get();
    }
  }
  return nullptr;
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
    }
  barrier = {};
}

Error Block::deadlock() const {
  Error error =
      makeError("kernel '{}' does not end: every warp of block ({}, {}, {}) has exited or "
                "waits at a barrier",
                launch.program.name, id.x, id.y, id.z);
  for (const auto &warp : warps) {
    if (warp->state == WarpState::Exited) {
      error.notes.push_back(fmt::format("warp {} has exited", warp->index));
      continue;
    }
    const Barrier &barrier = barriers[warp->barrier];
    error.notes.push_back(fmt::format(
        "warp {} waits in line {} at barrier {}, where {} of {} threads "
        "have arrived",
        warp->index, warp->barrierLine, warp->barrier, barrier.arrived, barrier.expected));
  }
  return error;
}

void Block::fail(Error error) {
  if (!fault)
    fault = std::move(error);
}

void Block::complete(const AsyncCopy &copy) {
  uint8_t *target = shared.at(copy.target);
  if (copy.sourceBytes != 0)
    std::memcpy(target, copy.source, copy.sourceBytes);
  std::memset(target + copy.sourceBytes, 0, copy.bytes - copy.sourceBytes);
  shared.mark(copy.target, copy.bytes, ShadowedBytes::Written);
}

uint32_t Block::lineOfCopyInto(uint64_t offset) const {
  for (const auto &warp : warps)
    if (uint32_t line = warp->copies.lineOf(offset))
      return line;
  return 0;
}

} // namespace attn::emulator
