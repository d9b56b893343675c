//===- Warp.h - 32 lanes in lock-step ---------------------------*- C++ -*-===//
#pragma once

#include "runtime/emulator/AsyncCopies.h"
#include "runtime/emulator/Program.h"
#include "runtime/emulator/Shadow.h"

#include <cstring>

namespace attn::emulator {

class Block;

enum class WarpState : uint8_t { Ready, AtBarrier, Exited, Failed };
enum class Access : uint8_t { Read, Write, Atomic };

/// What a lane of a register holds: values of up to 32 bits are zero-extended.
template <class T> using Slot = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

class Warp {
public:
  Warp(Block &block, const Program &program) : block(block), program(program) {}

  /// Before the first instruction of a block. `lanes` has a bit per thread of the warp.
  void start(uint32_t index, uint32_t lanes);

  /// Executes up to `budget` instructions and returns how many it did; stops when `state` is no
  /// longer Ready.
  uint64_t run(uint64_t budget);

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
    uint32_t &word = poisonWords[place.poison];
    word = (word & ~mask) | (bits & mask);
  }

  // Faults: each records the first one and ends the block.
  void fail(const Inst &inst, unsigned lane, std::string message);
  /// Reports the first lane of `mask` in which `place` was never written.
  bool checkWritten(const Inst &inst, const Place &place, uint32_t mask, std::string_view use);
  /// Reports that not all lanes execute an instruction that needs them all.
  bool checkWhole(const Inst &inst, uint32_t mask);
  /// For .sync instructions with a member mask in `place`: it must be the same in all lanes,
  /// contain them, and every live lane in it must be here.
  bool checkMembers(const Inst &inst, const Place &place, uint32_t mask);

  // Memory.
  uint64_t address(const Inst &inst, const Place &base, bool wide, int64_t offset,
                   unsigned lane) const {
    uint64_t sum = (wide ? lanes<uint64_t>(base)[lane] : lanes<uint32_t>(base)[lane]) +
                   static_cast<uint64_t>(offset);
    return wide ? sum : static_cast<uint32_t>(sum);
  }
  /// Host bytes of an access of `bytes` bytes at `address`, which must be a multiple of
  /// `alignment`; nullptr after reporting. Reading checks that shared and local bytes were written,
  /// writing notes that they are.
  uint8_t *access(const Inst &inst, Space space, uint64_t address, uint32_t bytes, Access kind,
                  unsigned lane, uint32_t alignment);
  uint8_t *access(const Inst &inst, Space space, uint64_t address, uint32_t bytes, Access kind,
                  unsigned lane) {
    return access(inst, space, address, bytes, kind, lane, bytes);
  }
  /// Bytes of shared or local memory just written count as never written: their value was
  /// undefined.
  void forget(Space space, uint64_t address, uint32_t bytes, unsigned lane);

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
  AsyncCopies copies;
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
  uint8_t *accessShadowed(const Inst &inst, ShadowedBytes &bytes, uint64_t offset, uint32_t count,
                          Access kind, unsigned lane, std::string_view what);
  uint8_t *accessGlobal(const Inst &inst, uint64_t address, uint32_t count, Access kind,
                        unsigned lane);

  std::vector<uint32_t> registers, poisonWords;
  std::vector<Waiting> waiting; ///< groups of lanes elsewhere, by descending pc
  uint32_t nextPc = 0;
  bool branched = false;
  std::vector<ShadowedBytes> local; ///< per lane
};

} // namespace attn::emulator
