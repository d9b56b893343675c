//===- PredicateParser.h - the text of free predicates -----------*- C++ -*-===//
//
//   predicate = "(" "q" "," "k" ")" "=>" expression
//
// Operators, loosest first: ? :, ||, &&, comparisons, + -, * floordiv mod %, - !. Numbers are integers.
// `q` and `k` are row-major positions, q with q_offset added, and `q.x` coordinates (see
// coordinateOf); `h` is the query head, `b` the batch entry, `nq` and `nk` the lengths; `t[..]` reads a
// run-time input, and with the index `q` the query's own row of it. Functions: min, max, abs.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/Formula.h"

#include <optional>
#include <string_view>

namespace attn {

/// What a predicate may speak of.
struct PredicateScope {
  struct Input {
    std::string name;
    int rank = 1;
    bool isBool = false;
  };
  std::vector<Input> inputs;
  int rank = 1; ///< of the token layout
};

struct ParsedPredicate {
  PairExpr expr;                ///< PairOp::Symbol numbers `symbols`
  std::vector<Symbol> symbols;
  std::vector<size_t> offsets;  ///< of each node in the text
  size_t length = 0;            ///< of the text that belongs to the predicate
};

struct PredicateError {
  size_t offset = 0;
  std::string message, note; ///< the note may be empty
  std::string unknownName;   ///< the name at fault where no input has it, else empty
};

/// Parses a predicate at the start of `text`; what follows it is left alone. On failure `error` says
/// why.
std::optional<ParsedPredicate> parsePredicate(std::string_view text, const PredicateScope &scope,
                                              PredicateError &error);

/// Dimension of a coordinate's name on a layout of `rank` dimensions, -1 where it has none: x, y, z from
/// the last dimension on, t the first of several, d0 to d3 from the first on.
int coordinateOf(std::string_view name, int rank);

} // namespace attn
