//===- Targets.h - what a target can do --------------------------*- C++ -*-===//
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace attn {

enum class TargetKind : uint8_t { Cpu, Gpu };

/// What passes and codegen may ask about a target. Rates and bandwidths are the simulator's.
struct Target {
  llvm::StringRef name; ///< as in --target=
  TargetKind kind;
  llvm::StringRef chip;     ///< LLVM's name of the processor; "" for the machine at hand
  llvm::StringRef features; ///< LLVM's target features
  bool asyncCopy;           ///< copies from global to shared memory without registers
  bool tensorCopy;          ///< box copies by tensor map (TMA)
  int64_t sharedBytes;      ///< shared memory of one thread block, at most
  bool scoresInRegisters;   ///< a tile's scores live in registers, beside what a score region needs
};

llvm::ArrayRef<Target> allTargets();
/// nullptr when there is no target of that name.
const Target *findTarget(llvm::StringRef name);
/// The module attribute that carries the target's name.
constexpr llvm::StringLiteral kTargetAttrName = "attn.target";

} // namespace attn
