//===- MBarriers.h - mbarrier objects of a block ----------------*- C++ -*-===//
//
// PTX ISA 9.7.13.15. The objects live here, not in the bytes of shared memory that name them; those
// are marked, so that other accesses to them are reported.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/emulator/Clocks.h"

#include <map>
#include <vector>

namespace attn::emulator {

class Warp;

struct MBarrier {
  static constexpr uint32_t kMostArrivals = (1u << 20) - 1;

  uint32_t expected = 0;    ///< arrivals of the next phases
  uint32_t pending = 0;     ///< arrivals that the current phase lacks
  int64_t transactions = 0; ///< bytes that the current phase lacks
  uint64_t phase = 0;       ///< phases completed
  VectorClock arriving;     ///< released by arrivals of the current phase
  VectorClock completed;    ///< by those of phases before
  bool exists = false;

  /// What an arrival returns: the phase, and the arrivals that it lacked before.
  uint64_t state() const { return phase << 20 | pending; }
  /// Completes the phase if nothing is missing.
  void update() {
    if (pending != 0 || transactions != 0)
      return;
    ++phase;
    pending = expected;
    completed.join(arriving);
    arriving = {};
  }
};

/// cp.async.mbarrier.arrive of one lane: an arrival once its earlier copies are complete.
struct AsyncArrival {
  Warp *warp;
  uint32_t lane;
  uint64_t offset;   ///< of the mbarrier
  uint32_t copies;   ///< copies of the warp with lower numbers count
  VectorClock clock; ///< of the warp at the instruction
};

struct MBarriers {
  std::map<uint64_t, MBarrier> at;    ///< by offset in shared memory
  std::vector<AsyncArrival> arrivals; ///< not yet made

  void reset() {
    at.clear();
    arrivals.clear();
  }
  MBarrier *find(uint64_t offset) {
    auto found = at.find(offset);
    return found != at.end() && found->second.exists ? &found->second : nullptr;
  }
};

} // namespace attn::emulator
