//===- Decode.h - statements to instructions --------------------*- C++ -*-===//
//
// An operation family is a table of OpRow. A row's function takes the modifiers and operands it
// knows from the InstDecoder and returns what executes the instruction. What is left over is an
// error, so nothing is ever ignored by accident.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/emulator/Program.h"

#include <optional>
#include <span>
#include <string_view>

namespace attn::emulator {

class KernelDecoder;

class InstDecoder {
public:
  InstDecoder(KernelDecoder &kernel, const Statement &statement);

  Inst inst;

  /// Removes modifier `name` and says whether it was there.
  bool take(std::string_view name);
  /// Removes all modifiers with one of these names or prefixes; for hints without a meaning here.
  void ignore(std::initializer_list<std::string_view> names);
  void ignorePrefix(std::string_view prefix);
  /// Removes the first modifier that is a type. An error if there is none or it is not in
  /// `allowed`.
  Type takeType(std::initializer_list<Type> allowed = {});
  /// Removes the first modifier that is in `names` and returns its index; -1 if there is none.
  int takeOneOf(std::initializer_list<std::string_view> names);
  /// As takeOneOf, but its absence is an error.
  int expectOneOf(std::initializer_list<std::string_view> names);
  bool hasModifier(std::string_view name) const;

  size_t operandsLeft() const { return statement.operands.size() - nextOperand; }
  /// The next operand, for a look ahead; nullptr if there is none.
  const Operand *peekOperand() const;

  /// The next operand is a register of the size of `type` that is written. All writes come before
  /// the first read.
  void write(Type type);
  /// As write, with an optional predicate after a bar: `%r1|%p1`. True if it is there.
  bool writeWithPredicate(Type type);
  /// The next operand is a register of at least the size of `type`; returns the register's bytes.
  unsigned writeWider(Type type);
  /// The next operand is read: a register of the size of `type`, an immediate, a special register
  /// or the address of a variable.
  void read(Type type);
  unsigned readWider(Type type);
  /// The next operand is a predicate that is read, perhaps negated (then inst.flags |=
  /// `negatedFlag`).
  void readPredicate(uint8_t negatedFlag);
  /// The next operand is `{a, b, ..}`, `count` registers long.
  void writeVector(Type type, size_t count);
  void readVector(Type type, size_t count);
  /// As writeVector and readVector for ld and st: registers may be wider. Returns their bytes.
  unsigned writeWiderVector(Type type, size_t count);
  unsigned readWiderVector(Type type, size_t count);
  /// The next operand is an address in inst.space: reads its register and sets inst.immediate.
  void readAddress();
  /// The next operand is an address in `space`, without an offset of its own in the instruction;
  /// the offset goes to `offset`.
  void readAddress(Space space, int64_t &offset, bool &wide);
  /// The next operand is an integer known now.
  int64_t readConstant();
  /// The next operand is a register or an immediate; an absent one becomes the constant `value`.
  void readOr(Type type, uint64_t value);
  void readFixed(Type type, uint64_t bits);
  /// Whether the next operand is a predicate register.
  bool nextIsPredicate() const;
  /// The next operand is read, checked and then not used.
  void ignoreOperand(Type type);
  /// The next operand is a label; its program counter.
  uint32_t readLabel();
  /// The next operand names a list of .branchtargets; its index.
  uint32_t readTargets();
  /// The special register that the next operand names, if it changes while the kernel runs
  /// (%clock64 and its like); consumes it then.
  std::optional<std::string> takeClock();

  /// The instruction stores elements of `bytes` bytes, perhaps to shared memory.
  void noteStore(unsigned bytes);

  /// Records the first error.
  void fail(std::string_view message);
  bool failed() const { return error.has_value(); }

private:
  friend class KernelDecoder;
  const Operand *nextOf(std::string_view what);
  void pushWrite(const Operand &operand, Type type, bool wider, unsigned *bytes);
  void pushRead(const Operand &operand, Type type, bool wider, unsigned *bytes);
  void pushAddress(const Operand &operand, Space space, int64_t &offset, bool &wide);
  void push(Place place, bool written);

  KernelDecoder &kernel;
  const Statement &statement;
  std::vector<std::string_view> modifiers;
  size_t nextOperand = 0;
  std::optional<std::string> error;
};

/// Which instructions of an opcode a row is for, by the last type among the modifiers.
enum class TypeClass : uint8_t {
  Any,
  Integer, ///< s, u and b types
  Float,   ///< f32, f64
  Half,    ///< f16, bf16 and their packed forms
  Pred,
};

using DecodeFn = ExecFn (*)(InstDecoder &);

struct OpRow {
  std::string_view opcode;
  TypeClass typeClass;
  InstClass instClass;
  DecodeFn decode;
};

std::span<const OpRow> moveOps();
std::span<const OpRow> integerOps();
std::span<const OpRow> bitOps();
std::span<const OpRow> floatOps();
std::span<const OpRow> halfOps();
std::span<const OpRow> mathOps();
std::span<const OpRow> compareOps();
std::span<const OpRow> convertOps();
std::span<const OpRow> memoryOps();
std::span<const OpRow> atomicOps();
std::span<const OpRow> asyncOps();
std::span<const OpRow> matrixOps();
std::span<const OpRow> mmaOps();
std::span<const OpRow> mbarrierOps();
std::span<const OpRow> warpOps();
std::span<const OpRow> wmmaOps();
std::span<const OpRow> controlOps();

/// Decodes a kernel. `module` gives the variables outside of it, `addresses` where those in global
/// or constant memory are.
Expected<Program> decode(const Source &source, const ModuleSyntax &module, const Kernel &kernel,
                         std::span<const uint64_t> addresses);

} // namespace attn::emulator
