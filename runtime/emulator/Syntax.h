//===- Syntax.h - a parsed PTX module ---------------------------*- C++ -*-===//
//
// What the parser hands to the decoder: declarations with their scopes, and instructions with
// operands that are still names.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/emulator/Types.h"

#include <array>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace attn::emulator {

/// A variable of a state space, or a kernel parameter.
struct Variable {
  std::string name;
  Space space = Space::Global;
  uint32_t line = 0;
  uint32_t alignment = 1;
  uint64_t bytes = 0;           ///< of an array without a length: 0
  bool dynamic = false;         ///< .extern .shared x[]: as large as the launch says
  std::vector<uint8_t> initial; ///< empty, or `bytes` long
};

struct Operand {
  enum class Kind : uint8_t {
    Name,    ///< register, label or symbol, with `value` added to the address of a symbol
    Integer, ///< value
    Float32, ///< value holds the bits
    Float64, ///< value holds the bits of a double
    Address, ///< [name + value], or [value] where name is empty
    Vector,  ///< {elements}
    Sink,    ///< _
  };
  Kind kind = Kind::Name;
  bool negated = false; ///< !name
  std::string name;
  std::string second; ///< q of p|q
  int64_t value = 0;
  std::vector<Operand> elements;
};

struct Statement {
  uint32_t line = 0;
  int scope = 0; ///< index into Kernel::scopes
  std::string guard;
  bool guardNegated = false;
  std::string opcode;                 ///< up to the first dot
  std::vector<std::string> modifiers; ///< after the dots
  std::vector<Operand> operands;
};

enum class SymbolKind : uint8_t { Register, Label, Variable, Targets };

struct Symbol {
  SymbolKind kind;
  uint32_t
      index; ///< into registers, variables or targetLists; of a label: the statement it precedes
};

struct Scope {
  int parent = -1;
  std::unordered_map<std::string, Symbol> symbols;
};

struct TargetList {
  int scope;
  uint32_t line;
  std::vector<std::string> labels;
};

struct Kernel {
  std::string name;
  uint32_t line = 0;
  std::vector<Variable> parameters;
  std::vector<Type> registers;
  std::vector<Variable> variables; ///< shared and local ones declared in the body
  std::vector<TargetList> targetLists;
  std::vector<Scope> scopes; ///< 0 is the body
  std::vector<Statement> statements;
  std::optional<std::array<uint32_t, 3>> maxThreads, requiredThreads;
};

struct ModuleSyntax {
  int versionMajor = 0;
  std::string target; ///< "sm_80"
  std::vector<Variable> variables;
  std::vector<Kernel> kernels;
};

} // namespace attn::emulator
