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
  uint8_t lane;
  uint8_t bytes, sourceBytes;
  uint32_t line;         ///< of the PTX that issued it
  uint64_t target;       ///< offset in the block's shared memory
  const uint8_t *source; ///< host bytes, checked at issue
};

class AsyncCopies {
public:
  void issue(const AsyncCopy &copy) { open.push_back(copy); }

  /// Makes a group of what the lanes in `mask` issued since their last commit; perhaps an empty
  /// one.
  void commit(uint32_t mask);

  /// Takes out the copies of the lanes in `mask` that a wait for all but `pending` groups
  /// completes, in order of issue.
  std::vector<AsyncCopy> wait(uint32_t mask, uint64_t pending);

  /// The line of a copy not yet complete that writes shared byte `offset`; 0 if there is none.
  uint32_t lineOf(uint64_t offset) const;

private:
  struct Group {
    uint32_t lanes; ///< that have not waited for it
    std::vector<AsyncCopy> copies;
  };
  std::vector<AsyncCopy> open;
  std::deque<Group> groups; ///< oldest first
};

} // namespace attn::emulator
