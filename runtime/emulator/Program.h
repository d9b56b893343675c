//===- Program.h - decoded kernels ------------------------------*- C++ -*-===//
//
// One Inst per PTX instruction, in order, so that a program counter is the index of a statement.
// The operands are places in a warp's register file; immediates and addresses of variables are
// places in a pool of constants, 32 equal lanes each, so that no operation has to tell them from
// registers.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/emulator/Emulator.h"
#include "runtime/emulator/Parser.h"
#include "runtime/emulator/Types.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace attn::emulator {

constexpr unsigned kLanes = 32;
constexpr uint32_t kAllLanes = 0xffffffff;

class Warp;
struct Inst;

/// Executes one instruction for the lanes in `mask`, which is never empty.
using ExecFn = void (*)(Warp &, const Inst &, uint32_t mask);

/// What a memory instruction orders, in Inst::order (PTX ISA 8, the memory consistency model).
constexpr uint8_t kStrong = 1; ///< .relaxed or stronger, .volatile, atomic
constexpr uint8_t kAcquire = 2, kRelease = 4;

/// A place of 32 lanes: in the register file, in units of 4 bytes, or, where negative, ~offset in
/// the constants. Registers of up to 32 bits have 4 bytes a lane (the upper bits of narrower ones
/// are zero), 64-bit ones 8; a predicate is one word, a bit per lane.
struct Place {
  int32_t offset = 0;
  /// Index of the word with the poison bits, a bit per lane that was never written. Constants share
  /// word kCleanPoison.
  uint32_t poison = 0;
};
constexpr uint32_t kCleanPoison = 0;

/// wmma.mma of f16 has the most.
constexpr size_t kMostPlaces = 32;
constexpr int32_t kNoGuard = -1;

/// How the poison of the sources reaches the destinations.
enum class PoisonRule : uint8_t {
  Spread,   ///< a destination lane is poisoned if that lane of any source is
  Operation ///< the operation sets it itself, or writes no register
};

struct Inst {
  ExecFn exec = nullptr;
  uint32_t line = 0;
  int32_t guard = kNoGuard; ///< word of the predicate in the register file
  uint32_t guardPoison = kCleanPoison;
  bool guardNegated = false;
  bool control = false; ///< may change the program counter; runs even if no lane's guard holds
  bool converges = false; ///< lanes that come first wait here for the others of the warp
  PoisonRule poisonRule = PoisonRule::Spread;
  InstClass instClass = InstClass::Other;
  uint8_t destinations = 0, sources = 0; ///< places[0, destinations) are written, the next read
  Space space = Space::Generic;
  bool wideAddress = false; ///< the address register has 64 bits
  uint8_t order = 0;        ///< kStrong, kAcquire, kRelease
  uint8_t flags = 0;        ///< of the operation
  int64_t immediate = 0;    ///< address offset, or of the operation
  int64_t immediate2 = 0;   ///< offset of a second address, or of the operation
  uint32_t extra = 0;       ///< of the operation
  std::array<Place, kMostPlaces> places;

  const Place &source(unsigned i) const { return places[destinations + i]; }
};

/// Special registers whose values are set once, before a warp starts.
enum class Special : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  NWarpId,
  Zero,
  One,
  GridId,
  LaneMaskEq,
  LaneMaskLt,
  LaneMaskLe,
  LaneMaskGt,
  LaneMaskGe,
  DynamicSmemSize,
  TotalSmemSize,
};

struct SpecialRegister {
  Special special;
  int32_t offset;
  bool wide;
};

/// Reads of a register that no instruction wrote would be undefined; kSinkPlace takes what `_`
/// drops.
constexpr Place kSinkPlace{0, 1};
constexpr uint32_t kFirstRegisterWord = 2 * kLanes;
constexpr uint32_t kFirstPoison = 2;

struct Program {
  std::string name;
  std::vector<Inst> code;
  std::vector<uint32_t> constants;
  std::vector<SpecialRegister> specials;
  std::vector<std::vector<uint32_t>> targetLists; ///< of brx.idx
  uint32_t registerWords = kFirstRegisterWord;
  uint32_t poisonWords = kFirstPoison;
  std::vector<uint32_t> parameterOffsets; ///< within parameter space
  std::vector<uint64_t> parameterBytes;
  uint32_t parameterSpaceBytes = 0;
  uint32_t sharedCellBytes = 4; ///< of the narrowest store to shared memory, at most 4
  uint32_t staticSharedBytes = 0; ///< rounded up to where dynamic shared memory begins
  uint32_t localBytes = 0;
  std::optional<std::array<uint32_t, 3>> maxThreads, requiredThreads;
};

struct ModuleImpl {
  explicit ModuleImpl(std::string text) : source(std::move(text)) {}

  Source source;
  std::string target;
  std::vector<Program> programs;
  std::unique_ptr<Memory> variables; ///< .global and .const
};

} // namespace attn::emulator
