//===- Expr.h - integer expressions of a query coordinate -------*- C++ -*-===//
//
// Every bound of a mask is an integer expression of one query coordinate, of constants, of symbols
// whose values are known at launch (lengths, per-head parameters, per-batch inputs) and of vectors over
// the queries (ends of packed sequences). The nodes live in one vector in topological order, so that
// evaluating, emitting code and printing are loops.
//
// `trace` evaluates a piece: value, slope per step, and how long that line continues. The sweep
// (Sweep.h) needs nothing else, so whoever adds a mask writes the bounds and never their pieces.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/Table.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace attn {

/// Lengths and parameters stay below 2^40, so no sum or product of a few of them overflows 64 bits.
constexpr int64_t kMaxMagnitude = int64_t(1) << 40;
/// Stands for plus infinity in a bound; minus infinity is its negation.
constexpr int64_t kInfinity = int64_t(1) << 60;

enum class ExprOp : uint8_t {
  Constant, ///< value
  Query,    ///< the query coordinate of the dimension that the bound belongs to
  Symbol,   ///< symbols[value], see SymbolTable
  Add,      ///< a + b
  Sub,      ///< a - b
  Mul,      ///< a * b, at least one of them free of Query
  FloorDiv, ///< floor(a / b), b free of Query; a b below 1, as an empty length is, counts as 1
  Mod,      ///< a - b * floor(a / b), likewise
  Min,
  Max,
  Less,   ///< a < b ? 1 : 0
  Select, ///< a ? b : c
  Table,  ///< tables[value] at query a, which is the Query node; see Environment
};

struct ExprNode {
  ExprOp op;
  int32_t a = -1, b = -1, c = -1; ///< operands: indices of earlier nodes
  int64_t value = 0;              ///< of Constant, and the index of a Symbol or Table
  bool operator==(const ExprNode &) const = default;
};

/// Index of a node in its ExprDag.
using ExprId = int32_t;

/// A straight piece of an expression: at the n-th step from here the value is `value + n * slope`,
/// for every n up to and including `steps`.
struct Line {
  int64_t value, slope, steps;
};

/// What the symbols and tables of an expression stand for. Owns nothing.
struct Environment {
  Environment(const int64_t *symbols = nullptr, const Table *tables = nullptr)
      : symbols(symbols), tables(tables) {}
  const int64_t *symbols;
  const Table *tables;
};

class ExprDag {
public:
  ExprId constant(int64_t value);
  ExprId query();
  ExprId symbol(int64_t index);
  ExprId table(int64_t index);
  /// Creates `op` on earlier nodes, folds constants, and reuses an equal node.
  ExprId make(ExprOp op, ExprId a, ExprId b, ExprId c = -1);

  ExprId add(ExprId a, ExprId b) { return make(ExprOp::Add, a, b); }
  ExprId sub(ExprId a, ExprId b) { return make(ExprOp::Sub, a, b); }
  ExprId mul(ExprId a, ExprId b) { return make(ExprOp::Mul, a, b); }
  ExprId floorDiv(ExprId a, ExprId b) { return make(ExprOp::FloorDiv, a, b); }
  ExprId mod(ExprId a, ExprId b) { return make(ExprOp::Mod, a, b); }
  ExprId min(ExprId a, ExprId b) { return make(ExprOp::Min, a, b); }
  ExprId max(ExprId a, ExprId b) { return make(ExprOp::Max, a, b); }
  ExprId less(ExprId a, ExprId b) { return make(ExprOp::Less, a, b); }
  ExprId select(ExprId c, ExprId x, ExprId y) { return make(ExprOp::Select, c, x, y); }

  const std::vector<ExprNode> &nodes() const { return nodeList; }
  /// Takes nodes as they were written to a file; the caller has checked them with `isValidNode`.
  void appendRaw(const ExprNode &node) { nodeList.push_back(node); }
  /// Operands present where the operator wants them, and all of them earlier nodes.
  bool isValidNode(const ExprNode &node) const;

  /// Values of all nodes at query coordinate `q`. `values` is resized to the number of nodes.
  void evaluate(int64_t q, const Environment &env, std::vector<int64_t> &values) const;
  /// At two of them.
  using Pair = std::array<int64_t, 2>;
  void evaluate(const Pair &q, const Environment &env, std::vector<Pair> &values) const;
  /// Lines of all nodes from `q` onwards in steps of `step` (> 0).
  void trace(int64_t q, int64_t step, const Environment &env, std::vector<Line> &lines) const;
  /// True for every node whose value depends on Query.
  std::vector<bool> dependsOnQuery() const;
  /// For people: "min(q + 1, N)"; the names are those of symbols and tables by index.
  std::string print(ExprId id, const std::vector<std::string> &symbolNames,
                    const std::vector<std::string> &tableNames = {},
                    const std::string &queryName = "q") const;

private:
  std::vector<ExprNode> nodeList;
};

/// floor(a / b) for b > 0.
inline int64_t floorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0); }
/// ceil(a / b) for b > 0.
inline int64_t ceilDiv(int64_t a, int64_t b) { return a / b + (a % b > 0); }

} // namespace attn
