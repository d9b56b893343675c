//===- PairExpr.h - free predicates on a query and a key ---------*- C++ -*-===//
//
// What a mask kind cannot say: an integer expression of a (query, key) pair. Parts of it that bound
// the key in one coordinate become interval atoms (PredicateTerms.h), so that tile maps stay exact;
// what remains is evaluated on single pairs by kernels and on boxes of pairs by tile maps.
//
// Truth values are 0 and 1. Nodes lie in one vector in topological order, the last one is the result.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/Expr.h"

#include <array>
#include <optional>
#include <span>

namespace attn {

enum class PairOp : uint8_t {
  Constant, ///< value
  Query,    ///< coordinate `value` of the query; -1: its row-major position plus q_offset
  Row,      ///< row-major position of the query without q_offset
  Key,      ///< coordinate `value` of the key; -1: its row-major position
  Head,     ///< the query head; `atHead` replaces it
  Symbol,   ///< symbols[value] of the formula
  Table,    ///< tables[value] of the formula at the query
  Add, Sub, Mul,
  FloorDiv, ///< floor(a / b), b > 0
  Mod,      ///< a - b * floor(a / b)
  Min, Max,
  Less, LessEqual, Equal,
  And, Or, Not,
  Select,   ///< a ? b : c
  Lookup    ///< run-time input `value` at indices a, b, c, d, as many as it has dimensions
};

struct PairNode {
  PairOp op;
  int32_t a = -1, b = -1, c = -1, d = -1; ///< operands: indices of earlier nodes
  int64_t value = 0;
  std::array<int32_t, 4> operands() const { return {a, b, c, d}; }
  bool operator==(const PairNode &) const = default;
};
using PairExpr = std::vector<PairNode>;

/// Whether the node yields a truth value. Lookups of bool inputs do; `boolInput` answers for them.
bool isCondition(PairOp op);

/// The subexpression whose result is `root`, by itself.
PairExpr subexpression(const PairExpr &expr, int32_t root);
/// The expression for one query head, constants folded.
PairExpr atHead(const PairExpr &expr, int64_t head);

/// A run-time input of a launch. Extents of 1 are broadcast. Owns nothing.
struct DataView {
  const void *data = nullptr;
  bool isBool = false; ///< bytes; else int32
  int rank = 0;
  std::array<int64_t, 4> shape{1, 1, 1, 1}, strides{0, 0, 0, 0}; ///< in elements
  int64_t at(std::span<const int64_t> index) const;
};

/// Where an expression is evaluated.
struct PairPoint {
  const int64_t *query, *key;     ///< coordinates
  int64_t row, position, keyPosition; ///< row-major; position has q_offset added
};
struct PairEnvironment {
  const int64_t *symbols = nullptr;
  const Table *tables = nullptr;
  std::span<const DataView> inputs;
};
/// Indices of lookups are clamped into the input, divisors to 1 at least.
int64_t evaluate(const PairExpr &expr, const PairPoint &point, const PairEnvironment &env);

struct Interval {
  int64_t lo = 0, hi = 0; ///< both included
  bool isPoint() const { return lo == hi; }
};
/// A box of queries and keys.
struct PairBox {
  std::array<Interval, 4> query{}, key{};
  Interval row, position, keyPosition;
  Interval head{0, 65535};
};
/// All values that the expression takes on the box lie in the interval; it may be wider. Lookups of
/// more than kMaxLookups entries may have any value.
Interval rangeOf(const PairExpr &expr, const PairBox &box, const PairEnvironment &env,
                 std::vector<Interval> *perNode = nullptr);
constexpr int64_t kMaxLookups = 4096;

/// What is wrong with an expression on a box.
struct PairProblem {
  enum Kind { DivisorNotPositive, Overflow, IndexBeyondInput };
  Kind kind;
  int32_t node;      ///< the operation
  Interval values;   ///< of the divisor, the result or the index
  int64_t limit = 0; ///< of IndexBeyondInput: the extent
  int dimension = 0; ///< of the input
};
/// The first operation whose divisor may be below 1, whose result may leave 32 bits, or whose index
/// may leave the input. `inputs` may have no data.
std::optional<PairProblem> findProblem(const PairExpr &expr, const PairBox &box,
                                       const PairEnvironment &env);

/// The problem in words for users, with the expression as they write it.
std::string describe(const PairProblem &problem, const PairExpr &expr,
                     std::span<const std::string> inputNames);

/// "k <= q && abs(q - k) < 4". Names of run-time inputs; symbols and tables by `names`.
struct PairNames {
  std::span<const std::string> inputs, symbols, tables;
  int rank = 1;
};
std::string print(const PairExpr &expr, const PairNames &names);

} // namespace attn
