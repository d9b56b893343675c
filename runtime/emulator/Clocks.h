//===- Clocks.h - what happened before what, between warps ------*- C++ -*-===//
//
// Vector clocks in the manner of FastTrack (Flanagan and Freund, PLDI 2009). A warp's own entry
// counts its releases; entry u of warp w is the latest release of u that happened before what w
// does next. An access of u at clock c happened before w's next instruction if c <= w.now[u].
//
//===----------------------------------------------------------------------===//
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace attn::emulator {

constexpr unsigned kMostWarps = 32; ///< of a block: 1024 threads
using Clock = uint32_t;

struct VectorClock {
  std::array<Clock, kMostWarps> of{};

  void join(const VectorClock &other) {
    for (unsigned warp = 0; warp < kMostWarps; ++warp)
      of[warp] = std::max(of[warp], other.of[warp]);
  }
};

/// The clocks of one warp. Strong accesses (atomics, .relaxed, .volatile, ..) of a location order
/// their warps as the PTX memory model says: a release, or a relaxed write after a fence,
/// publishes; an acquire, or a relaxed read before a fence, receives.
struct WarpClocks {
  uint32_t warp = 0;
  VectorClock now;      ///< see above
  VectorClock fenced;   ///< `now` at the last fence: what a relaxed write publishes
  VectorClock received; ///< by relaxed reads since the last fence

  void start(uint32_t index) {
    *this = {};
    warp = index;
    now.of[warp] = 1;
  }
  /// Adds what happened so far to `into`; what the warp does next is not part of it.
  void release(VectorClock &into) {
    into.join(now);
    ++now.of[warp];
  }
  void acquire(const VectorClock &from) { now.join(from); }
  void fence() {
    now.join(received);
    fenced = now;
    ++now.of[warp];
  }
};

} // namespace attn::emulator
