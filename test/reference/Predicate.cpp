#include "test/reference/Predicate.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <utility>

namespace attn::reference {

int64_t floorDiv(int64_t a, int64_t b) {
  assert(b != 0 && "a divisor is not 0");
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

int64_t floorMod(int64_t a, int64_t b) { return a - floorDiv(a, b) * b; }

//===----------------------------------------------------------------------===//
// Building expressions
//===----------------------------------------------------------------------===//

static Expr node(ExprKind kind, std::vector<Expr> operands = {}, int64_t value = 0) {
  Expr expr(value);
  expr.kind = kind;
  expr.operands = std::move(operands);
  return expr;
}

static Expr binary(ExprKind kind, Expr &a, Expr &b) {
  return node(kind, {std::move(a), std::move(b)});
}

Expr queryPosition() { return node(ExprKind::QueryPosition); }
Expr keyPosition() { return node(ExprKind::KeyPosition); }
Expr queryCoordinate(int64_t dim) { return node(ExprKind::QueryCoordinate, {}, dim); }
Expr keyCoordinate(int64_t dim) { return node(ExprKind::KeyCoordinate, {}, dim); }
Expr headNumber() { return node(ExprKind::Head); }
Expr batchNumber() { return node(ExprKind::Batch); }
Expr queryCount() { return node(ExprKind::QueryCount); }
Expr keyCount() { return node(ExprKind::KeyCount); }
Expr operator+(Expr a, Expr b) { return binary(ExprKind::Add, a, b); }
Expr operator-(Expr a, Expr b) { return binary(ExprKind::Sub, a, b); }
Expr operator*(Expr a, Expr b) { return binary(ExprKind::Mul, a, b); }
Expr operator-(Expr a) { return node(ExprKind::Neg, {std::move(a)}); }
Expr floordiv(Expr a, Expr b) { return binary(ExprKind::FloorDiv, a, b); }
Expr mod(Expr a, Expr b) { return binary(ExprKind::Mod, a, b); }
Expr minimum(Expr a, Expr b) { return binary(ExprKind::Min, a, b); }
Expr maximum(Expr a, Expr b) { return binary(ExprKind::Max, a, b); }
Expr absolute(Expr a) { return node(ExprKind::Abs, {std::move(a)}); }
Expr operator<(Expr a, Expr b) { return binary(ExprKind::Less, a, b); }
Expr operator<=(Expr a, Expr b) { return binary(ExprKind::LessEqual, a, b); }
Expr operator>(Expr a, Expr b) { return binary(ExprKind::Greater, a, b); }
Expr operator>=(Expr a, Expr b) { return binary(ExprKind::GreaterEqual, a, b); }
Expr operator==(Expr a, Expr b) { return binary(ExprKind::Equal, a, b); }
Expr operator!=(Expr a, Expr b) { return binary(ExprKind::NotEqual, a, b); }
Expr operator&&(Expr a, Expr b) { return binary(ExprKind::And, a, b); }
Expr operator||(Expr a, Expr b) { return binary(ExprKind::Or, a, b); }
Expr operator!(Expr a) { return node(ExprKind::Not, {std::move(a)}); }

Expr select(Expr condition, Expr a, Expr b) {
  return node(ExprKind::Select, {std::move(condition), std::move(a), std::move(b)});
}

Expr lookup(std::string table, std::vector<Expr> indices, std::vector<std::string> extents) {
  Expr expr = node(ExprKind::Lookup, std::move(indices));
  expr.table = std::move(table);
  expr.extents = std::move(extents);
  return expr;
}

void forEachNode(const Expr &expr, const std::function<void(const Expr &)> &visit) {
  visit(expr);
  for (const Expr &operand : expr.operands)
    forEachNode(operand, visit);
}

std::vector<std::string> extentsOf(const Expr &lookup) {
  if (!lookup.extents.empty())
    return lookup.extents;
  std::vector<std::string> extents;
  for (const Expr &index : lookup.operands) {
    bool bare = index.kind == ExprKind::QueryPosition || index.kind == ExprKind::KeyPosition ||
                index.kind == ExprKind::Head || index.kind == ExprKind::Batch;
    assert(bare && "the extents of a table are given, or its indices are bare names");
    (void)bare;
    extents.push_back(index.kind == ExprKind::QueryPosition ? "tokens"
                      : index.kind == ExprKind::KeyPosition ? "kv_tokens"
                      : index.kind == ExprKind::Head        ? "heads"
                                                            : "batch");
  }
  return extents;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// The kinds without operands.
static int64_t leafValue(const Expr &expr, const ExprPoint &point) {
  switch (expr.kind) {
  case ExprKind::QueryPosition:
    return point.q;
  case ExprKind::KeyPosition:
    return point.k;
  case ExprKind::QueryCoordinate:
    return point.queryAt.at(size_t(expr.value));
  case ExprKind::KeyCoordinate:
    return point.keyAt.at(size_t(expr.value));
  case ExprKind::Head:
    return point.head;
  case ExprKind::Batch:
    return point.batch;
  case ExprKind::QueryCount:
    return point.nq;
  case ExprKind::KeyCount:
    return point.nk;
  default:
    assert(expr.kind == ExprKind::Constant && "every other kind has operands");
    return expr.value;
  }
}

/// The kinds with two operands that are both computed.
static int64_t binaryValue(ExprKind kind, int64_t a, int64_t b) {
  switch (kind) {
  case ExprKind::Add:
    return a + b;
  case ExprKind::Sub:
    return a - b;
  case ExprKind::Mul:
    return a * b;
  case ExprKind::FloorDiv:
    return floorDiv(a, b);
  case ExprKind::Mod:
    return floorMod(a, b);
  case ExprKind::Min:
    return std::min(a, b);
  case ExprKind::Max:
    return std::max(a, b);
  case ExprKind::Less:
    return a < b;
  case ExprKind::LessEqual:
    return a <= b;
  case ExprKind::Greater:
    return a > b;
  case ExprKind::GreaterEqual:
    return a >= b;
  case ExprKind::Equal:
    return a == b;
  default:
    assert(kind == ExprKind::NotEqual && "every kind with two operands has a value");
    return a != b;
  }
}

static int64_t lookupValue(const Expr &expr, const ExprPoint &point) {
  std::vector<int64_t> indices;
  for (const Expr &index : expr.operands)
    indices.push_back(index.kind == ExprKind::QueryPosition ? point.row.value_or(point.q)
                      : index.kind == ExprKind::KeyPosition ? point.column.value_or(point.k)
                                                            : evaluate(index, point));
  assert(point.entry && "an expression with tables is looked at where tables are");
  return point.entry(expr.table, indices);
}

int64_t evaluate(const Expr &expr, const ExprPoint &point) {
  if (expr.operands.empty())
    return leafValue(expr, point);
  auto operand = [&](size_t i) { return evaluate(expr.operands[i], point); };
  switch (expr.kind) {
  case ExprKind::Abs:
    return std::abs(operand(0));
  case ExprKind::Neg:
    return -operand(0);
  case ExprKind::Not:
    return operand(0) == 0;
  case ExprKind::And:
    return operand(0) != 0 && operand(1) != 0;
  case ExprKind::Or:
    return operand(0) != 0 || operand(1) != 0;
  case ExprKind::Select:
    return operand(0) != 0 ? operand(1) : operand(2);
  case ExprKind::Lookup:
    return lookupValue(expr, point);
  default:
    return binaryValue(expr.kind, operand(0), operand(1));
  }
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static std::string leafSpec(const Expr &expr) {
  switch (expr.kind) {
  case ExprKind::QueryPosition:
    return "q";
  case ExprKind::KeyPosition:
    return "k";
  case ExprKind::QueryCoordinate:
    return "q.d" + std::to_string(expr.value);
  case ExprKind::KeyCoordinate:
    return "k.d" + std::to_string(expr.value);
  case ExprKind::Head:
    return "h";
  case ExprKind::Batch:
    return "b";
  case ExprKind::QueryCount:
    return "nq";
  case ExprKind::KeyCount:
    return "nk";
  default:
    return std::to_string(expr.value);
  }
}

/// The word between two operands; empty for kinds that are written in another way.
static const char *infixOf(ExprKind kind) {
  switch (kind) {
  case ExprKind::Add:
    return "+";
  case ExprKind::Sub:
    return "-";
  case ExprKind::Mul:
    return "*";
  case ExprKind::FloorDiv:
    return "floordiv";
  case ExprKind::Mod:
    return "mod";
  case ExprKind::Less:
    return "<";
  case ExprKind::LessEqual:
    return "<=";
  case ExprKind::Greater:
    return ">";
  case ExprKind::GreaterEqual:
    return ">=";
  case ExprKind::Equal:
    return "==";
  case ExprKind::NotEqual:
    return "!=";
  case ExprKind::And:
    return "&&";
  case ExprKind::Or:
    return "||";
  default:
    return "";
  }
}

/// A word, a call or a table entry stays as it is; everything else gets parentheses, so no reader
/// needs the precedences.
static std::string operandSpec(const Expr &expr) {
  bool negative = expr.kind == ExprKind::Constant && expr.value < 0;
  bool compound = *infixOf(expr.kind) || expr.kind == ExprKind::Neg || expr.kind == ExprKind::Not ||
                  expr.kind == ExprKind::Select;
  return negative || compound ? "(" + toSpec(expr) + ")" : toSpec(expr);
}

static std::string listSpec(const std::vector<Expr> &operands) {
  std::string text;
  for (const Expr &operand : operands)
    text += (text.empty() ? "" : ", ") + toSpec(operand);
  return text;
}

std::string toSpec(const Expr &expr) {
  switch (expr.kind) {
  case ExprKind::Min:
    return "min(" + listSpec(expr.operands) + ")";
  case ExprKind::Max:
    return "max(" + listSpec(expr.operands) + ")";
  case ExprKind::Abs:
    return "abs(" + listSpec(expr.operands) + ")";
  case ExprKind::Neg:
    return "-" + operandSpec(expr.operands[0]);
  case ExprKind::Not:
    return "!" + operandSpec(expr.operands[0]);
  case ExprKind::Select:
    return operandSpec(expr.operands[0]) + " ? " + operandSpec(expr.operands[1]) + " : " +
           operandSpec(expr.operands[2]);
  case ExprKind::Lookup:
    return expr.table + "[" + listSpec(expr.operands) + "]";
  default:
    break;
  }
  if (expr.operands.empty())
    return leafSpec(expr);
  return operandSpec(expr.operands[0]) + " " + infixOf(expr.kind) + " " +
         operandSpec(expr.operands[1]);
}

} // namespace attn::reference
