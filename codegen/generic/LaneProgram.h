//===- LaneProgram.h - a region that is interpreted, not compiled -*- C++ -*-===//
//
// Score and mask regions as straight-line code for an interpreter that takes one query and a few keys
// at a time. No MLIR.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/KernelInfo.h"

namespace attn::generic {

/// Keys that are computed together.
constexpr int kLanes = 16;

/// The bits of an i32, of an f32, or of a condition, which is 0 or 1.
using Lanes = std::array<int32_t, kLanes>;

inline float realOf(int32_t bits) { return std::bit_cast<float>(bits); }
inline int32_t bitsOf(float value) { return std::bit_cast<int32_t>(value); }
inline Lanes splat(int32_t bits) {
  Lanes lanes;
  lanes.fill(bits);
  return lanes;
}

/// What arith, math and tile say of 32-bit values. Integers wrap; a quotient by 0, which they leave open, is 0.
enum class Opcode : uint8_t {
  Constant, ///< the immediate
  Copy,
  Select,
  // Integers.
  AddI, SubI, MulI, DivSI, DivUI, RemSI, RemUI, MinSI, MaxSI, MinUI, MaxUI,
  And, Or, Xor, ShiftLeft, ShiftRightSigned, ShiftRightUnsigned, AbsI, Negate,
  Equal, NotEqual, Less, LessEqual, Below, BelowEqual, ///< Below: as unsigned numbers
  // Reals.
  AddF, SubF, MulF, DivF, MinimumF, MaximumF, NegateF, AbsF, FromSigned,
  Exp, Exp2, Log, Tanh, Sqrt,
  EqualF, NotEqualF, LessF, LessEqualF, ///< false of a NaN, but NotEqualF
  // Of the launch; `number` says which dimension, parameter, input or table.
  NumQueries, NumKeys, QueryOffset, Dim,
  HeadParam,   ///< of head operand 0
  HeadFormula, ///< of head operand 0
  BatchInput,  ///< of batch entry operand 0
  Table,       ///< at query operand 0
  Element,     ///< of an input, at as many operands as it has dimensions
};

struct Instruction {
  Opcode opcode;
  uint16_t number = 0;
  std::array<uint16_t, 4> operands{}; ///< registers
  int32_t immediate = 0;
};

/// Registers are numbered in the order in which they get their values: first the arguments, then the
/// result of each instruction.
struct LaneProgram {
  int numArguments = 0;
  std::vector<Instruction> instructions;
  int result = 0; ///< register

  int numRegisters() const { return numArguments + int(instructions.size()); }
  /// The first `numArguments` of `registers` are set.
  const Lanes &run(const KernelArgs &args, const KernelInfo &info, Lanes *registers) const;
};

} // namespace attn::generic
