//===- Profile.h - where a launch spends its memory traffic -----*- C++ -*-===//
//
// Counts per PTX instruction, over all warps and blocks. Shared memory is counted in wavefronts: 32
// banks of 4 bytes serve one word each at a time, the same word to any number of lanes; lanes go
// together as 32 where each has up to 4 bytes, as 16 of 8 bytes and as 8 of 16 bytes (a row of
// ldmatrix, a 16-byte cp.async). Global memory is counted in sectors of 32 bytes.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/emulator/Emulator.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attn::emulator {

struct InstProfile {
  uint64_t executed = 0;        ///< warp instructions
  uint64_t lanes = 0;           ///< lanes that executed it
  uint64_t sharedBytes = 0;     ///< that lanes read or wrote
  uint64_t wavefronts = 0;      ///< of shared memory
  uint64_t leastWavefronts = 0; ///< without any conflict of banks
  uint64_t globalBytes = 0;     ///< that lanes read or wrote
  uint64_t requests = 0;        ///< warp instructions that went to global memory
  uint64_t sectors = 0;         ///< of global memory touched, counted for each request
  uint64_t leastSectors = 0;    ///< that would hold the distinct bytes of each request
  uint64_t asyncBytes = 0;      ///< written to shared memory by cp.async

  uint64_t conflicts() const { return wavefronts - leastWavefronts; }
  bool coalesced() const { return sectors == leastSectors; }
  void add(const InstProfile &other);

  // For the emulator: one warp instruction. `offsets` are in bytes, each lane accesses `bytes`.
  void addShared(const uint64_t *offsets, uint32_t mask, uint32_t bytes);
  void addGlobal(const uint64_t *addresses, uint32_t mask, uint32_t bytes);
  void addAsync(const uint64_t *offsets, uint32_t mask, uint32_t bytes);
};

/// What LaunchOptions::profile receives. Plain data: valid after the module and the memory are
/// gone.
struct Profile {
  struct Line {
    uint32_t line = 0; ///< of the PTX, from 1
    std::string text;  ///< the instruction as the PTX has it
    InstClass instClass = InstClass::Other;
    InstProfile counts;
  };

  std::string kernel;
  uint64_t blocks = 0, warps = 0; ///< of the grid; warps of a block
  Counters counters;
  std::vector<Line> lines; ///< instructions that were executed, in the order of the PTX

  InstProfile total() const;
  /// A table for people: instructions by class, then the lines with conflicts of banks and those
  /// that move global memory, the costliest first, at most `mostLines` of each.
  std::string text(size_t mostLines = 12) const;
  /// A JSON object with every count: "kernel", "blocks", "warpsPerBlock", "instructions" by class,
  /// "laneInstructions", "total" and "lines", the latter with the memory counts only where there
  /// are any.
  std::string json() const;
};

} // namespace attn::emulator
