//===- PtxText.h - PTX as a list of statements ------------------*- C++ -*-===//
//
// Enough of the grammar to change a kernel statement by statement: what a compiler prints, not all
// of PTX.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attn::mutants {

/// `@%p1 ld.global.v2.b32 {%r1, %r2}, [%rd1+8];`
struct PtxStatement {
  size_t begin = 0, end = 0;       ///< in the text, with the semicolon
  size_t kernel = 0;               ///< number of the kernel in the text; its registers are its own
  std::vector<std::string> labels; ///< that stand before it
  std::string guard;               ///< "%p1", "!%p1" or empty
  std::string opcode;              ///< with its modifiers
  std::vector<std::string> operands;

  std::string text() const;
  /// Whether the opcode begins with these words.
  bool is(std::string_view words) const { return opcode.starts_with(words); }
  bool has(std::string_view modifier) const { return opcode.find(modifier) != std::string::npos; }
};

/// The instructions of all kernels of `ptx`, without declarations.
std::vector<PtxStatement> statementsOf(const std::string &ptx);

/// The elements of `{a, b}`.
std::vector<std::string> elementsOf(const std::string &vector);
std::string vectorOf(const std::vector<std::string> &elements);

/// `[%r1+16]` with `bytes` more.
std::string moved(const std::string &address, int64_t bytes);

/// The registers (%..) in an operand.
std::vector<std::string> registersIn(const std::string &operand);

/// The value of an operand that is an integer.
std::optional<int64_t> integerOf(const std::string &operand);

/// For each statement whether it computes, as an integer and without memory, from a value that it
/// has itself computed in an earlier turn of a loop; movs are none of them.
std::vector<bool> carriedOnes(const std::vector<PtxStatement> &statements);

} // namespace attn::mutants
