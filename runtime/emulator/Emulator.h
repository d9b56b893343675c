//===- Emulator.h - a machine that executes PTX text ------------*- C++ -*-===//
//
// Runs kernels from their final PTX on the CPU, and reports what a GPU would let pass in silence:
// accesses out of bounds or misaligned, shared memory read before it is written or while a copy
// into it is in flight, races between warps in shared memory (lanes of one warp are not told
// apart), divergent barriers and warp instructions, deadlock, values never written that reach an
// address, a predicate, a matrix product or global memory.
//
// Written from the PTX ISA alone, so that it is a second opinion on code generators. Warps of 32
// lanes run in lock-step; after divergence the lanes with the lowest program counter go first, and at
// an instruction for the whole warp those that are there wait for the others.
// What the ISA leaves open is as an H200 has it, whatever the module's .target: the outputs of bench/gpu's
// single-instruction kernels there, over a thousand of them, are equal to the bit, matrix products included
// (ops/TensorCore.h says how those are summed). Exceptions are the .approx functions, which are
// correctly rounded here and off by a few units in the last place there, and the bits of NaNs.
// test/emulator/hardware_outputs.py is the test and has the list.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Error.h"
#include "runtime/emulator/Memory.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attn::emulator {

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
};

/// When the bytes of a cp.async arrive. A correct program computes the same in every mode. In each,
/// touching them before the wait that covers the copy is a fault.
enum class AsyncMode : uint8_t {
  Late,   ///< when the wait that covers it returns
  Early,  ///< at issue
  Random, ///< in between and in any order, drawn from LaunchOptions::seed and the block's number
};

struct Profile;

struct LaunchOptions {
  AsyncMode mode = AsyncMode::Late;
  /// 0: each warp runs until it blocks, in order. Otherwise warps are drawn at random with this
  /// seed, for a random number of instructions each time.
  uint64_t seed = 0;
  /// Host threads, each with a block at a time; 0: as many as the machine has.
  unsigned threads = 0;
  /// Warp instructions that one block may execute before it is reported as endless.
  uint64_t instructionLimit = uint64_t(1) << 32;
  /// Report values and shared memory that were never written, copies not waited for, and races.
  /// Without, a launch is several times faster, and still stays within its memory.
  bool checks = true;
  /// Filled in by a launch that succeeds, if not null (see Profile.h); takes time.
  Profile *profile = nullptr;
};

/// Classes in which executed warp instructions are counted.
enum class InstClass : uint8_t {
  Integer,
  Float,
  Half,
  Special,
  Convert,
  Move,
  Compare,
  Mma,
  LoadMatrix,
  LoadGlobal,
  StoreGlobal,
  LoadShared,
  StoreShared,
  LoadOther,
  StoreOther,
  Atomic,
  AsyncCopy,
  AsyncWait,
  Barrier,
  Warp,
  Branch,
  Other,
};
constexpr size_t kInstClasses = size_t(InstClass::Other) + 1;
std::string_view instClassName(InstClass instClass);

/// What a launch executed, over all blocks. `instructions` counts one per warp and instruction,
/// whatever the number of its active lanes.
struct Counters {
  std::array<uint64_t, kInstClasses> instructions{};
  uint64_t laneInstructions = 0; ///< one per active lane whose guard holds

  uint64_t operator[](InstClass instClass) const { return instructions[size_t(instClass)]; }
  uint64_t total() const;
  void add(const Counters &other);
};

/// A kernel as its PTX declares it.
struct EntryInfo {
  std::string name;
  std::vector<uint64_t> parameterBytes; ///< size of each parameter
  uint64_t staticSharedBytes = 0;
  uint32_t registers32 = 0; ///< virtual registers, not what ptxas will allocate
};

struct ModuleImpl;

/// Parsed and decoded PTX. Immutable apart from its .global variables, which kernels may write and
/// which persist; launches on different threads at once are allowed as they are on a GPU.
class Module {
public:
  /// An unknown instruction, modifier or directive is an error that quotes the line.
  static Expected<Module> parse(std::string ptx);

  std::vector<EntryInfo> entries() const;
  /// "sm_80"
  const std::string &target() const;
  const ModuleImpl &impl() const { return *state; }

private:
  explicit Module(std::shared_ptr<ModuleImpl> state) : state(std::move(state)) {}
  std::shared_ptr<ModuleImpl> state;
};

/// Runs `entry` over the grid and returns when all blocks have. `parameters` holds the raw bytes of
/// each parameter, in order. An error is either a launch that could not start, or the first fault
/// of the lowest-numbered block that has one; its message quotes the PTX line and says which lane
/// of which warp. After a fault the contents of memory are unspecified.
Expected<Counters> launch(const Module &module, std::string_view entry, Dim3 grid, Dim3 block,
                          uint64_t dynamicSharedBytes,
                          std::span<const std::vector<uint8_t>> parameters, Memory &memory,
                          const LaunchOptions &options = {});

/// The bytes of one value as a parameter.
template <class T> std::vector<uint8_t> parameterOf(const T &value) {
  const uint8_t *begin = reinterpret_cast<const uint8_t *>(&value);
  return {begin, begin + sizeof(T)};
}

} // namespace attn::emulator
