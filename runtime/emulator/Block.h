//===- Block.h - a thread block and its warps -------------------*- C++ -*-===//
#pragma once

#include "runtime/emulator/MBarriers.h"
#include "runtime/emulator/Profile.h"
#include "runtime/emulator/Warp.h"

#include <memory>
#include <optional>
#include <random>
#include <unordered_map>

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
  /// The bytes of a copy arrive.
  void land(AsyncCopy &copy);
  /// A copy that `warp` has waited for is over.
  void complete(Warp &warp, AsyncCopy copy);
  /// A copy issued now arrives at once or later, as the mode says.
  void schedule(AsyncCopy &copy);
  /// Something happened that a warp may have waited for.
  void noteProgress() { idlePolls = 0; }
  /// What strong writes of a location have released; findPublished: nullptr if nothing.
  VectorClock &published(uint64_t key) { return publications[key]; }
  const VectorClock *findPublished(uint64_t key) const {
    auto found = publications.find(key);
    return found != publications.end() ? &found->second : nullptr;
  }
  /// Makes the asynchronous arrivals at the mbarrier at `offset`: their copies are complete now.
  void makeAsyncArrivals(uint64_t offset);

  const LaunchContext &launch;
  SharedMemory shared;
  MBarriers mbarriers;
  Dim3 id;
  Counters counters;
  std::vector<InstProfile> profile; ///< per instruction; empty if none is wanted
  uint64_t clock = 0;               ///< warp instructions executed

private:
  struct Barrier {
    uint32_t arrived = 0, expected = 0; ///< threads
    uint32_t value = 0;
    VectorClock clock; ///< released by the arrivals
  };
  Warp *pickWarp();
  bool isRunnable(const Warp &warp);
  uint64_t drawTurn();
  void landDue();
  Error deadlock() const;
  std::string whereItWaits(const Warp &warp) const;

  std::vector<std::unique_ptr<Warp>> warps;
  std::array<Barrier, 16> barriers;
  std::optional<Error> fault;
  const Buffer *lastBuffer = nullptr;
  std::mt19937_64 random;
  size_t nextWarp = 0;
  uint32_t idlePolls = 0; ///< failed tests of mbarriers with nothing in between
  uint64_t nextLanding = 0;
  std::unordered_map<uint64_t, VectorClock> publications;
};

} // namespace attn::emulator
