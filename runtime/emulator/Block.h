//===- Block.h - a thread block and its warps -------------------*- C++ -*-===//
#pragma once

#include "runtime/emulator/Warp.h"

#include <memory>
#include <optional>
#include <random>

namespace attn::emulator {

/// What all blocks of a launch share. Read-only while they run.
struct LaunchContext {
  const ModuleImpl &module;
  const Program &program;
  Dim3 grid, block;
  uint32_t sharedBytes = 0; ///< static and dynamic
  uint32_t dynamicSharedBytes = 0;
  std::vector<uint8_t> parameters;     ///< parameter space
  std::vector<const Buffer *> buffers; ///< global memory by ascending address
  LaunchOptions options;
};

class Block {
public:
  explicit Block(const LaunchContext &launch);
  Block(const Block &) = delete; // warps refer to it

  /// Runs block `number` of the grid (x fastest) to its end; an error is its first fault.
  Status run(uint64_t number);

  // For instructions.
  /// The warp arrives at a named barrier for `threads` threads (0: all of the block) and waits
  /// there if `wait`. `value` is the predicate of bar.red, counted over all arrivals.
  void arrive(Warp &warp, const Inst &inst, uint32_t barrier, uint32_t threads, bool wait,
              uint32_t value = 0);
  void fail(Error fault);
  const Buffer *findBuffer(uint64_t address);
  void complete(const AsyncCopy &copy);
  uint32_t lineOfCopyInto(uint64_t offset) const;

  const LaunchContext &launch;
  ShadowedBytes shared;
  Dim3 id;
  Counters counters;
  uint64_t clock = 0; ///< warp instructions executed

private:
  struct Barrier {
    uint32_t arrived = 0, expected = 0; ///< threads
    uint32_t value = 0;
  };
  Warp *pickWarp();
  Error deadlock() const;

  std::vector<std::unique_ptr<Warp>> warps;
  std::array<Barrier, 16> barriers;
  std::optional<Error> fault;
  const Buffer *lastBuffer = nullptr;
  std::mt19937_64 random;
  size_t nextWarp = 0;
};

} // namespace attn::emulator
