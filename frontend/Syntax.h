//===- Syntax.h - what the text says, before it is checked -------*- C++ -*-===//
//
// Items of a kernel come in any order, and masks can be checked only against all of them, so a
// kernel is read whole first. Everything remembers where it stood. Text refers to the source
// buffer.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/SMLoc.h"

#include <optional>
#include <string>
#include <vector>

namespace attn::syntax {

struct Word {
  llvm::StringRef text;
  llvm::SMLoc loc;
};

struct Integer {
  int64_t value;
  llvm::SMLoc loc;
};

struct Real {
  double value;
  llvm::SMLoc loc;
};

/// `name[30, ?, 80]`; `?` is mlir::ShapedType::kDynamic.
struct Group {
  Word name;
  llvm::SmallVector<Integer, 4> dims;
};

/// One group without a name, or groups with names that follow one another.
struct Layout {
  llvm::SmallVector<Group, 1> groups;
  llvm::SMLoc loc;

  bool hasNames() const { return !groups.front().name.text.empty(); }
};

/// A number, a word, a string, or a list of values. Lists in lists have no lists.
struct Value {
  enum Kind { Number, Name, String, List };
  Kind kind;
  int64_t number = 0;
  llvm::StringRef word; // a string without its quotes
  std::vector<Value> items;
  llvm::SMLoc loc;
};

/// `value`, or `name = value`.
struct Argument {
  std::optional<Word> name;
  Value value;
  llvm::SMLoc loc;
};

/// A mask kind with its arguments, a predicate, or an operator on masks. Nested kMaxNesting deep at
/// most.
struct Mask {
  enum Op { Kind, Predicate, And, Or, Not };
  Op op = Kind;
  Word kind;
  std::vector<Argument> arguments;
  std::string predicate;           // on one line, without comments
  std::vector<std::string> inputs; // that the predicate reads
  std::vector<Mask> operands;
  llvm::SMLoc loc;
};

/// `first..last`, or one head.
struct HeadRange {
  Integer first, last;
};

/// `heads ranges { mask ... }`
struct HeadMask {
  std::vector<HeadRange> ranges;
  Mask mask;
};

/// `packed queries`, where they are the keys' lengths as well, or `packed (queries, keys)`
struct Packed {
  Word queries, keys;
  llvm::SMLoc loc;
};

/// One extent of an input: the name of a dimension, or a number, or mlir::ShapedType::kDynamic.
struct Extent {
  llvm::StringRef name;
  int64_t number;
  llvm::SMLoc loc;
};

/// `input name : type[extents]`
struct Input {
  Word name, type;
  llvm::SmallVector<Extent, 4> extents;
};

/// A node of a score expression. Operands are indices of earlier nodes.
struct ScoreNode {
  enum Op { Integer, Real, Name, Unary, Binary, Select, Call, Index };
  Op op;
  Word text; // operator, name or number as written; of an index, the input
  int64_t integer = 0;
  double real = 0;
  llvm::SmallVector<unsigned, 3> operands;
};

/// `score (parameters) => nodes`: the expression in postfix order, its value the last node. A chain
/// of a million terms is a flat list, so nothing that walks it needs a deep stack.
struct Score {
  llvm::SmallVector<Word, 5> parameters;
  std::vector<ScoreNode> nodes;
  llvm::SMLoc loc;
};

struct Kernel {
  Word name;
  std::optional<Integer> batch, heads, kvHeads, headDim, valueDim, qOffset;
  std::optional<Real> scale;
  std::optional<Word> dtype;
  std::optional<Layout> tokens, kvTokens;
  std::optional<Mask> mask;
  std::optional<Packed> packed;
  std::optional<Score> score;
  std::vector<HeadMask> headMasks;
  std::vector<Input> inputs;
};

/// Of parentheses, operators before their operand, and calls, in one expression.
constexpr unsigned kMaxNesting = 200;
/// Mask kinds in one mask expression. Simplification compares operands in pairs.
constexpr unsigned kMaxMaskKinds = 1000;

} // namespace attn::syntax
