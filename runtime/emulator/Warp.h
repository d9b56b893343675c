//===- Warp.h - 32 lanes in lock-step ---------------------------*- C++ -*-===//
#pragma once

#include "runtime/emulator/AsyncCopies.h"
#include "runtime/emulator/Program.h"
#include "runtime/emulator/Shadow.h"
#include "runtime/emulator/SharedMemory.h"

#include <cstring>

namespace attn::emulator {

class Block;

enum class WarpState : uint8_t {
  Ready,
  AtBarrier,
  Polling, ///< a test of an mbarrier has just failed
  Exited,
  Failed
};

/// An address or a host pointer per lane. Lanes that take no part have those of one that does.
using LaneAddresses = std::array<uint64_t, kLanes>;
using LanePointers = std::array<uint8_t *, kLanes>;

/// What a lane of a register holds: values of up to 32 bits are zero-extended.
template <class T> using Slot = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

class Warp {
public:
  Warp(Block &block, const Program &program, bool checked)
      : block(block), program(program), checked(checked) {}

  /// Before the first instruction of a block. `lanes` has a bit per thread of the warp.
  void start(uint32_t index, uint32_t lanes);

  /// Executes up to `budget` instructions and returns how many it did; stops when `state` is no
  /// longer Ready.
  uint64_t run(uint64_t budget) { return checked ? runChecked<true>(budget) : runChecked<false>(budget); }

  // Registers.
  const uint32_t *words(const Place &place) const {
    return place.offset < 0 ? program.constants.data() + ~place.offset
                            : registers.data() + place.offset;
  }
  template <class T> const Slot<T> *lanes(const Place &place) const {
    return reinterpret_cast<const Slot<T> *>(words(place));
  }
  /// Writes the lanes in `mask`.
  template <class S> void store(const Place &place, const S *values, uint32_t mask) {
    S *target = reinterpret_cast<S *>(registers.data() + place.offset);
    if (mask == kAllLanes) {
      std::memcpy(target, values, kLanes * sizeof(S));
      return;
    }
    for (unsigned lane = 0; lane < kLanes; ++lane)
      target[lane] = mask >> lane & 1 ? values[lane] : target[lane];
  }
  uint32_t predicate(const Place &place) const { return *words(place); }
  void storePredicate(const Place &place, uint32_t bits, uint32_t mask) {
    uint32_t &word = registers[place.offset];
    word = (word & ~mask) | (bits & mask);
  }
  uint32_t poison(const Place &place) const { return poisonWords[place.poison]; }
  void setPoison(const Place &place, uint32_t bits, uint32_t mask) {
    if (!checked)
      return;
    uint32_t &word = poisonWords[place.poison];
    word = (word & ~mask) | (bits & mask);
  }

  // Faults: each records the first one and ends the block.
  void fail(const Inst &inst, unsigned lane, std::string message, std::string note = "");
  /// Reports the first lane of `mask` in which `place` was never written.
  bool checkWritten(const Inst &inst, const Place &place, uint32_t mask, std::string_view use);
  /// Reports that not all lanes execute an instruction that needs them all.
  bool checkWhole(const Inst &inst, uint32_t mask);
  /// For .sync instructions with a member mask in `place`: it must be the same in all lanes,
  /// contain them, and every live lane in it must be here.
  bool checkMembers(const Inst &inst, const Place &place, uint32_t mask);

  // Memory.
  /// base + offset of the lanes in `mask`.
  LaneAddresses addresses(const Place &base, bool wide, int64_t offset, uint32_t mask) const;
  LaneAddresses addresses(const Inst &inst, uint32_t mask) const {
    return addresses(inst.source(0), inst.wideAddress, inst.immediate, mask);
  }
  /// Host bytes of an access of `bytes` bytes by each lane in `mask` at its address, which must be
  /// a multiple of `alignment`; false after reporting. Reading checks that shared and local bytes
  /// were written, writing notes that they are.
  bool access(const Inst &inst, Space space, const LaneAddresses &addresses, uint32_t mask,
              uint32_t bytes, Access kind, LanePointers &at, uint32_t alignment);
  bool access(const Inst &inst, Space space, const LaneAddresses &addresses, uint32_t mask,
              uint32_t bytes, Access kind, LanePointers &at) {
    return access(inst, space, addresses, mask, bytes, kind, at, bytes);
  }
  /// Bytes of shared or local memory just written count as never written: their value was
  /// undefined.
  void forget(Space space, uint64_t address, uint32_t bytes, unsigned lane);
  /// Whether all addresses are multiples of `alignment`; false after reporting.
  bool checkAligned(const Inst &inst, const LaneAddresses &addresses, uint32_t mask,
                    uint32_t bytes, Access kind, uint32_t alignment);
  /// Offsets of `bytes` bytes in shared memory, in bounds; false after reporting.
  bool sharedOffsets(const Inst &inst, const LaneAddresses &addresses, uint32_t mask,
                     uint32_t bytes, Access kind, LaneAddresses &offsets);
  /// Offsets of the mbarriers at the addresses of source 0, which exist; false after reporting.
  bool mbarrierOffsets(const Inst &inst, uint32_t mask, LaneAddresses &offsets);
  void report(const Inst &inst, Access kind, const SharedFault &fault);
  Accessor accessor(const Inst &inst) const { return {clocks, pcOf(inst), (inst.order & kStrong) != 0}; }
  uint32_t pcOf(const Inst &inst) const { return static_cast<uint32_t>(&inst - program.code.data()); }

  // Control flow, for control instructions.
  void jump(uint32_t target, uint32_t taken); ///< the other active lanes fall through
  /// Active lane l goes to targets[l].
  void scatter(const std::array<uint32_t, kLanes> &targets);
  void exitLanes(uint32_t mask);
  void repeat() { nextPc = pc; } ///< the same instruction comes next

  Block &block;
  const Program &program;
  uint32_t index = 0;
  uint32_t live = 0;   ///< lanes that have not exited
  uint32_t active = 0; ///< lanes at `pc`
  uint32_t pc = 0;
  WarpState state = WarpState::Ready;
  uint32_t barrier = 0;     ///< waited at, if AtBarrier
  uint32_t barrierLine = 0; ///< of the instruction that waits
  uint64_t polled = 0;      ///< offset of the mbarrier, if Polling
  uint64_t polledPhase = 0; ///< the phase whose end it waits for
  AsyncCopies copies;
  WarpClocks clocks;
  const bool checked;
  /// bar.red runs twice: to arrive, and when the barrier has opened, to fetch the number of threads
  /// whose predicate held.
  bool fetchesBarrier = false;
  uint32_t barrierResult = 0;

private:
  struct Waiting {
    uint32_t pc, lanes;
  };
  void setSpecials();
  void spreadPoison(const Inst &inst, uint32_t mask);
  void add(uint32_t target, uint32_t lanes);
  void selectLowest();
  void waitForOthers();
  void unpark();
  template <bool kChecked> uint64_t runChecked(uint64_t budget);
  bool accessShared(const Inst &inst, const LaneAddresses &addresses, uint32_t mask,
                    uint32_t bytes, Access kind, LanePointers &at);
  bool accessGlobal(const Inst &inst, const LaneAddresses &addresses, uint32_t mask,
                    uint32_t bytes, Access kind, LanePointers &at);
  uint8_t *accessLocal(const Inst &inst, uint64_t address, uint32_t count, Access kind,
                       unsigned lane);
  uint8_t *accessParam(const Inst &inst, uint64_t address, uint32_t count, Access kind,
                       unsigned lane);
  uint8_t *accessBuffer(const Inst &inst, uint64_t address, uint32_t count, Access kind,
                        unsigned lane);
  bool accessGeneric(const Inst &inst, const LaneAddresses &addresses, uint32_t mask,
                     uint32_t bytes, Access kind, LanePointers &at);
  void order(const Inst &inst, const LaneAddresses &keys, uint32_t mask, Access kind);

  std::vector<uint32_t> registers, poisonWords;
  std::vector<Waiting> waiting; ///< groups of lanes elsewhere, by descending pc
  std::vector<Waiting> parked;  ///< those that wait for others at an instruction for the whole warp
  bool alone = false;           ///< the active lanes have waited and execute it now
  uint32_t nextPc = 0;
  bool branched = false;
  std::vector<ShadowedBytes> local; ///< per lane
};

} // namespace attn::emulator
