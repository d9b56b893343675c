//===- AsyncCopies.h - cp.async of one warp ---------------------*- C++ -*-===//
//
// PTX ISA 9.7.9.25: each thread has its own sequence of groups. Copies between two commits form a
// group; wait_group N completes all groups but the N most recent ones. Lanes that commit together
// share a Group here.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace attn::emulator {

/// One lane's copy: `sourceBytes` from global memory, zeros up to `bytes`.
struct AsyncCopy {
  uint8_t lane = 0;
  uint8_t bytes = 0, sourceBytes = 0;
  bool landed = false;             ///< its bytes have arrived
  uint32_t pc = 0;                 ///< of the instruction that issued it
  uint32_t number = 0;             ///< in order of issue within the warp
  uint64_t target = 0;             ///< offset in the block's shared memory
  const uint8_t *source = nullptr; ///< host bytes, checked at issue
  uint64_t landsAt = 0;            ///< AsyncMode::Random: the block's clock
};

class AsyncCopies {
public:
  void issue(AsyncCopy copy) {
    copy.number = issuedCopies++;
    open.push_back(copy);
  }
  /// Copies issued so far: the number of the next one.
  uint32_t issued() const { return issuedCopies; }

  /// Makes a group of what the lanes in `mask` issued since their last commit; perhaps an empty
  /// one.
  void commit(uint32_t mask);

  /// Takes out the copies of the lanes in `mask` that a wait for all but `pending` groups
  /// completes, in order of issue.
  std::vector<AsyncCopy> wait(uint32_t mask, uint64_t pending);

  /// Takes out the copies of `lane` with numbers below `number`, whatever their groups.
  std::vector<AsyncCopy> takeBefore(uint32_t lane, uint32_t number);

  /// Calls `function` on every copy that is not complete.
  template <class F> void forEach(F function) {
    for (Group &group : groups)
      for (AsyncCopy &copy : group.copies)
        function(copy);
    for (AsyncCopy &copy : open)
      function(copy);
  }

private:
  struct Group {
    uint32_t lanes; ///< that have not waited for it
    std::vector<AsyncCopy> copies;
  };
  std::vector<AsyncCopy> open;
  std::deque<Group> groups; ///< oldest first
  uint32_t issuedCopies = 0;
};

} // namespace attn::emulator
