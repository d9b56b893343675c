//===- SharedMemory.h - a block's shared memory and its history -*- C++ -*-===//
//
// Each cell (of as many bytes as the kernel's narrowest shared store) remembers its last write and
// the reads since. An access that conflicts with one of another warp, with nothing that orders the
// two, is a race. Granularity is the warp: lanes of one warp are never reported against each other.
//
// A cp.async is a write at its issue as far as earlier accesses go, keeps its cells in flight until
// the wait of the thread that issued it, and is a write of that thread's warp at that wait as far
// as later accesses go: a wait shows the bytes to the waiting thread alone, others need a barrier
// after it. This holds in every AsyncMode, wherever the bytes already are.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/emulator/Clocks.h"

#include <optional>
#include <vector>

namespace attn::emulator {

enum class Access : uint8_t { Read, Write, Atomic };

/// Who touches shared memory: a warp at an instruction.
struct Accessor {
  const WarpClocks &clocks;
  uint32_t pc = 0;
  bool strong = false; ///< ordered by itself (atomic, .relaxed, .volatile): no race with its like
};

/// Why an access is wrong. `otherWarp` at `otherPc` is the other side, except of Unwritten.
struct SharedFault {
  enum class Kind : uint8_t {
    Unwritten,
    InFlight, ///< a cp.async has not been waited for
    MBarrier, ///< the byte belongs to an mbarrier
    Race,
    CopyRace, ///< with a cp.async that its thread has waited for
  };
  Kind kind;
  unsigned lane;
  uint64_t byte;
  uint32_t otherWarp = 0, otherPc = 0;
  Access other = Access::Write;
};

class SharedMemory {
public:
  /// `cellBytes` is 1, 2 or 4. Without `checked` there is no history.
  SharedMemory(uint64_t bytes, uint32_t cellBytes, uint32_t warps, bool checked);

  /// At the start of a block: nothing was written.
  void reset();
  uint64_t size() const { return data.size(); }
  uint8_t *at(uint64_t offset) { return data.data() + offset; }

  /// Each lane of `mask` accesses `bytes` bytes at offsets[lane], which are in bounds.
  std::optional<SharedFault> access(Access kind, const Accessor &who, const uint64_t *offsets,
                                    uint32_t mask, uint32_t bytes);
  /// What was just stored at `offset` was never written itself.
  void forget(uint64_t offset, uint32_t bytes);

  /// A cp.async of `lane` begins and, after the wait that covers it, is over.
  std::optional<SharedFault> beginCopy(const Accessor &who, unsigned lane, uint64_t offset,
                                       uint32_t bytes);
  void endCopy(const Accessor &who, uint64_t offset, uint32_t bytes);

  /// A fault if the mbarrier at `offset` was made with nothing that orders that before `who`.
  std::optional<SharedFault> checkMBarrier(const Accessor &who, unsigned lane,
                                           uint64_t offset) const;
  /// The 8 bytes at `offset` become an mbarrier, or are none any more.
  void setMBarrier(const Accessor &who, uint64_t offset, bool exists);

private:
  enum State : uint8_t { Written, Unwritten, InFlight, MBarrier };
  struct Cell {
    Clock writeClock = 0;
    uint32_t writer = 0;  ///< pc << 5 | warp
    uint32_t readers = 0; ///< since the last write, a bit per warp
    State state = Unwritten;
    bool strongWrite = false, copied = false;
  };
  struct LastRead {
    Clock clock;
    uint32_t pc;
  };

  template <Access kKind>
  std::optional<SharedFault> check(const Accessor &who, const uint64_t *offsets, uint32_t mask,
                                   uint32_t bytes);
  bool readConflicts(const Cell &cell, size_t index, const Accessor &who, uint32_t &reader) const;
  SharedFault faultAt(Access kind, size_t index, const Accessor &who, unsigned lane,
                      uint64_t offset) const;
  template <class F> void forCells(uint64_t offset, uint64_t bytes, F function) {
    for (uint64_t c = offset >> cellShift; c <= (offset + bytes - 1) >> cellShift; ++c)
      function(cells[c]);
  }

  uint32_t cellShift, warps;
  std::vector<uint8_t> data;
  std::vector<Cell> cells;     ///< none if unchecked
  std::vector<LastRead> reads; ///< of cell c by warp w at c * warps + w, if its bit is set
};

} // namespace attn::emulator
