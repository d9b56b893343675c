// Free predicates, a second opinion: expressions over one (query, key) pair, their value in 64-bit
// integers, and their text.
//
// Everything here is a plain value: no global state, safe to read from several threads.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace attn::reference {

/// a / b rounded towards minus infinity, and the remainder that belongs to it, in 0 .. b-1 for
/// positive b. b is not 0.
int64_t floorDiv(int64_t a, int64_t b);
int64_t floorMod(int64_t a, int64_t b);

enum class ExprKind {
  Constant,
  QueryPosition,   // row-major, with the offset
  KeyPosition,     // row-major
  QueryCoordinate, // of dimension `value`
  KeyCoordinate,
  Head,
  Batch,
  QueryCount,
  KeyCount,
  Add,
  Sub,
  Mul,
  FloorDiv,
  Mod,
  Min,
  Max,
  Abs,
  Neg,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  Equal,
  NotEqual,
  And,
  Or,
  Not,
  Select, // condition, then, else
  Lookup  // entry of `table` at the operands
};

/// A tree of integer operations; conditions are 0 and 1. Build it with the functions below.
struct Expr {
  Expr() = default;
  Expr(int64_t constant) : value(constant) {}
  Expr(int constant) : value(constant) {}

  ExprKind kind = ExprKind::Constant;
  int64_t value = 0; // of a constant; dimension of a coordinate
  std::string table;
  /// Extents of `table` as its declaration writes them, such as "kv_tokens" or "4". Empty: one
  /// extent for each index, which is then a bare q, k, b or h.
  std::vector<std::string> extents;
  std::vector<Expr> operands;
};

Expr queryPosition();
Expr keyPosition();
Expr queryCoordinate(int64_t dim);
Expr keyCoordinate(int64_t dim);
Expr headNumber();
Expr batchNumber();
Expr queryCount();
Expr keyCount();
Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator-(Expr a);
Expr floordiv(Expr a, Expr b);
Expr mod(Expr a, Expr b);
Expr minimum(Expr a, Expr b);
Expr maximum(Expr a, Expr b);
Expr absolute(Expr a);
Expr operator<(Expr a, Expr b);
Expr operator<=(Expr a, Expr b);
Expr operator>(Expr a, Expr b);
Expr operator>=(Expr a, Expr b);
Expr operator==(Expr a, Expr b);
Expr operator!=(Expr a, Expr b);
Expr operator&&(Expr a, Expr b);
Expr operator||(Expr a, Expr b);
Expr operator!(Expr a);
Expr select(Expr condition, Expr a, Expr b);
Expr lookup(std::string table, std::vector<Expr> indices, std::vector<std::string> extents = {});

/// Where an expression is looked at. Coordinates beyond the rank of the layout are not read.
struct ExprPoint {
  int64_t q = 0, k = 0; // row-major positions, q with the offset
  /// What `q` and `k` mean as the index of a table by themselves: the tokens' own numbers. None: q, k.
  std::optional<int64_t> row, column;
  std::array<int64_t, 4> queryAt = {}, keyAt = {};
  int64_t head = 0, batch = 0, nq = 0, nk = 0;
  /// The entry of a named table.
  std::function<int64_t(const std::string &, const std::vector<int64_t> &)> entry;
};

/// The value. `&&`, `||` and select compute only the side that counts. Asserts that no divisor is
/// 0.
int64_t evaluate(const Expr &expr, const ExprPoint &point);

/// As the `.attn` language writes it, for example `(abs(q - k) < 4) || (((q - k) mod 8) == 0)`.
/// Operands that are neither words nor calls get parentheses. Coordinates are q.d0 .. q.d3.
std::string toSpec(const Expr &expr);

/// Calls `visit` on every node of the tree, parents first.
void forEachNode(const Expr &expr, const std::function<void(const Expr &)> &visit);

/// Extents of the table of a lookup, one for each index: `extents`, or what the bare indices stand
/// for. Asserts that one of the two says them.
std::vector<std::string> extentsOf(const Expr &lookup);

} // namespace attn::reference
