#include "dialect/algebra/PairExpr.h"

#include <algorithm>
#include <cassert>

namespace attn {

bool isCondition(PairOp op) {
  return op >= PairOp::Less && op <= PairOp::Not;
}

//===----------------------------------------------------------------------===//
// Rewriting
//===----------------------------------------------------------------------===//

namespace {
/// Copies nodes in order, renumbers their operands and leaves out what is not needed.
class PairCopier {
public:
  PairCopier(const PairExpr &from, int32_t root) : from(from), needed(size_t(root) + 1) {
    needed[size_t(root)] = true;
    for (int32_t i = root; i >= 0; --i)
      for (int32_t operand : from[size_t(i)].operands())
        if (needed[size_t(i)] && operand >= 0)
          needed[size_t(operand)] = true;
  }

  template <class Change> PairExpr copy(Change &&change) {
    PairExpr to;
    std::vector<int32_t> number(needed.size(), -1);
    for (size_t i = 0; i < needed.size(); ++i) {
      if (!needed[i])
        continue;
      PairNode node = from[i];
      for (int32_t *operand : {&node.a, &node.b, &node.c, &node.d})
        if (*operand >= 0)
          *operand = number[size_t(*operand)];
      to.push_back(change(node, to));
      number[i] = int32_t(to.size()) - 1;
    }
    return to;
  }

private:
  const PairExpr &from;
  std::vector<bool> needed;
};

int64_t apply(PairOp op, int64_t a, int64_t b, int64_t c) {
  int64_t divisor = std::max<int64_t>(b, 1);
  switch (op) {
  case PairOp::Add: return a + b;
  case PairOp::Sub: return a - b;
  case PairOp::Mul: return a * b;
  case PairOp::FloorDiv: return floorDiv(a, divisor);
  case PairOp::Mod: return a - divisor * floorDiv(a, divisor);
  case PairOp::Min: return std::min(a, b);
  case PairOp::Max: return std::max(a, b);
  case PairOp::Less: return a < b;
  case PairOp::LessEqual: return a <= b;
  case PairOp::Equal: return a == b;
  case PairOp::And: return a && b;
  case PairOp::Or: return a || b;
  case PairOp::Not: return !a;
  case PairOp::Select: return a ? b : c;
  default: assert(false && "leaves are not applied"); return 0;
  }
}

bool isLeaf(PairOp op) { return op <= PairOp::Table; }
} // namespace

PairExpr subexpression(const PairExpr &expr, int32_t root) {
  return PairCopier(expr, root).copy([](PairNode node, const PairExpr &) { return node; });
}

PairExpr atHead(const PairExpr &expr, int64_t head) {
  auto change = [&](PairNode node, const PairExpr &before) -> PairNode {
    if (node.op == PairOp::Head)
      return {PairOp::Constant, -1, -1, -1, -1, head};
    if (isLeaf(node.op) || node.op == PairOp::Lookup)
      return node;
    std::array<int64_t, 3> values{};
    for (int i = 0; i < 3; ++i) {
      int32_t operand = node.operands()[size_t(i)];
      if (operand >= 0 && before[size_t(operand)].op != PairOp::Constant)
        return node;
      values[size_t(i)] = operand >= 0 ? before[size_t(operand)].value : 0;
    }
    bool divides = node.op == PairOp::FloorDiv || node.op == PairOp::Mod;
    if (divides && values[1] < 1)
      return node;
    return {PairOp::Constant, -1, -1, -1, -1, apply(node.op, values[0], values[1], values[2])};
  };
  PairExpr folded = PairCopier(expr, int32_t(expr.size()) - 1).copy(change);
  return subexpression(folded, int32_t(folded.size()) - 1);
}

//===----------------------------------------------------------------------===//
// One pair
//===----------------------------------------------------------------------===//

int64_t DataView::at(std::span<const int64_t> index) const {
  int64_t offset = 0;
  for (int d = 0; d < rank; ++d) {
    if (shape[size_t(d)] < 1)
      return 0;
    offset += std::clamp<int64_t>(index[size_t(d)], 0, shape[size_t(d)] - 1) * strides[size_t(d)];
  }
  return isBool ? int64_t(static_cast<const uint8_t *>(data)[offset] != 0)
                : int64_t(static_cast<const int32_t *>(data)[offset]);
}

int64_t evaluate(const PairExpr &expr, const PairPoint &point, const PairEnvironment &env) {
  std::vector<int64_t> values(expr.size());
  auto valueOf = [&](int32_t id) { return id < 0 ? 0 : values[size_t(id)]; };
  for (size_t i = 0; i < expr.size(); ++i) {
    const PairNode &node = expr[i];
    switch (node.op) {
    case PairOp::Constant: values[i] = node.value; break;
    case PairOp::Query: values[i] = node.value < 0 ? point.position : point.query[node.value]; break;
    case PairOp::Row: values[i] = point.row; break;
    case PairOp::Key: values[i] = node.value < 0 ? point.keyPosition : point.key[node.value]; break;
    case PairOp::Head: assert(false && "a formula belongs to one head"); break;
    case PairOp::Symbol: values[i] = env.symbols[node.value]; break;
    case PairOp::Table: values[i] = env.tables[node.value].at(point.row); break;
    case PairOp::Lookup: {
      std::array<int64_t, 4> index{valueOf(node.a), valueOf(node.b), valueOf(node.c),
                                   valueOf(node.d)};
      values[i] = env.inputs[size_t(node.value)].at(index);
      break;
    }
    default: values[i] = apply(node.op, valueOf(node.a), valueOf(node.b), valueOf(node.c));
    }
  }
  return values.back();
}

//===----------------------------------------------------------------------===//
// Boxes of pairs
//===----------------------------------------------------------------------===//

namespace {
constexpr int64_t kWidest = int64_t(1) << 62;

int64_t saturate(__int128 value) {
  return int64_t(std::clamp<__int128>(value, -kWidest, kWidest));
}

Interval hull(std::initializer_list<__int128> values) {
  return {saturate(std::min(values)), saturate(std::max(values))};
}

Interval truth(bool always, bool never) { return {always, !never}; }

Interval floorDivRange(Interval a, Interval b) {
  Interval d{std::max<int64_t>(b.lo, 1), std::max<int64_t>(b.hi, 1)};
  return hull({floorDiv(a.lo, d.lo), floorDiv(a.lo, d.hi), floorDiv(a.hi, d.lo),
               floorDiv(a.hi, d.hi)});
}

Interval modRange(Interval a, Interval b) {
  int64_t divisor = std::max<int64_t>(b.lo, 1);
  // Within one period the remainders follow the values.
  if (b.isPoint() && floorDiv(a.lo, divisor) == floorDiv(a.hi, divisor)) {
    int64_t base = divisor * floorDiv(a.lo, divisor);
    return {a.lo - base, a.hi - base};
  }
  int64_t most = std::max<int64_t>(b.hi, 1) - 1;
  return {0, a.lo >= 0 ? std::min(most, a.hi) : most};
}

Interval applyRange(PairOp op, Interval a, Interval b, Interval c) {
  auto product = [](int64_t x, int64_t y) { return __int128(x) * y; };
  switch (op) {
  case PairOp::Add: return hull({__int128(a.lo) + b.lo, __int128(a.hi) + b.hi});
  case PairOp::Sub: return hull({__int128(a.lo) - b.hi, __int128(a.hi) - b.lo});
  case PairOp::Mul:
    return hull({product(a.lo, b.lo), product(a.lo, b.hi), product(a.hi, b.lo),
                 product(a.hi, b.hi)});
  case PairOp::FloorDiv: return floorDivRange(a, b);
  case PairOp::Mod: return modRange(a, b);
  case PairOp::Min: return {std::min(a.lo, b.lo), std::min(a.hi, b.hi)};
  case PairOp::Max: return {std::max(a.lo, b.lo), std::max(a.hi, b.hi)};
  case PairOp::Less: return truth(a.hi < b.lo, a.lo >= b.hi);
  case PairOp::LessEqual: return truth(a.hi <= b.lo, a.lo > b.hi);
  case PairOp::Equal:
    return truth(a.isPoint() && b.isPoint() && a.lo == b.lo, a.hi < b.lo || b.hi < a.lo);
  case PairOp::And: return {a.lo && b.lo, a.hi && b.hi};
  case PairOp::Or: return {a.lo || b.lo, a.hi || b.hi};
  case PairOp::Not: return {!a.hi, !a.lo};
  case PairOp::Select:
    if (a.lo == a.hi)
      return a.lo ? b : c;
    return {std::min(b.lo, c.lo), std::max(b.hi, c.hi)};
  default: assert(false && "leaves are not applied"); return {};
  }
}

/// Of the entries of these rows, when they have few runs.
Interval tableRange(const Table &table, Interval rows) {
  if (table.size == 0)
    return {0, 0};
  int64_t first = table.runAt(rows.lo), last = table.runAt(rows.hi);
  if (last - first >= kMaxLookups)
    return {INT32_MIN, INT32_MAX};
  auto [least, most] = std::minmax_element(table.values + first, table.values + last + 1);
  return {*least, *most};
}

Interval lookupRange(const DataView &view, const std::array<Interval, 4> &index) {
  Interval all = view.isBool ? Interval{0, 1} : Interval{INT32_MIN, INT32_MAX};
  std::array<int64_t, 4> lo{}, at{}, hi{};
  __int128 entries = 1;
  for (int d = 0; d < view.rank; ++d) {
    size_t i = size_t(d);
    lo[i] = at[i] = std::clamp<int64_t>(index[i].lo, 0, std::max<int64_t>(view.shape[i] - 1, 0));
    hi[i] = std::clamp<int64_t>(index[i].hi, 0, std::max<int64_t>(view.shape[i] - 1, 0));
    entries *= hi[i] - lo[i] + 1;
  }
  if (!view.data || entries > kMaxLookups)
    return all;
  Interval found{all.hi, all.lo};
  for (int d = 0; d >= 0;) {
    int64_t value = view.at(at);
    found = {std::min(found.lo, value), std::max(found.hi, value)};
    for (d = view.rank - 1; d >= 0 && at[size_t(d)] == hi[size_t(d)]; --d)
      at[size_t(d)] = lo[size_t(d)];
    if (d >= 0)
      ++at[size_t(d)];
  }
  return found;
}
} // namespace

/// max(x, 0 - x)
static bool isAbsolute(const PairExpr &expr, const PairNode &node) {
  if (node.op != PairOp::Max)
    return false;
  const PairNode &negated = expr[size_t(node.b)];
  return negated.op == PairOp::Sub && negated.b == node.a &&
         expr[size_t(negated.a)] == PairNode{.op = PairOp::Constant, .value = 0};
}

Interval rangeOf(const PairExpr &expr, const PairBox &box, const PairEnvironment &env,
                 std::vector<Interval> *perNode) {
  std::vector<Interval> own;
  std::vector<Interval> &ranges = perNode ? *perNode : own;
  ranges.resize(expr.size());
  auto rangeAt = [&](int32_t id) { return id < 0 ? Interval{} : ranges[size_t(id)]; };
  for (size_t i = 0; i < expr.size(); ++i) {
    const PairNode &node = expr[i];
    switch (node.op) {
    case PairOp::Constant: ranges[i] = {node.value, node.value}; break;
    case PairOp::Query:
      ranges[i] = node.value < 0 ? box.position : box.query[size_t(node.value)];
      break;
    case PairOp::Row: ranges[i] = box.row; break;
    case PairOp::Key:
      ranges[i] = node.value < 0 ? box.keyPosition : box.key[size_t(node.value)];
      break;
    case PairOp::Head: ranges[i] = box.head; break;
    case PairOp::Symbol: ranges[i] = {env.symbols[node.value], env.symbols[node.value]}; break;
    case PairOp::Table: ranges[i] = tableRange(env.tables[node.value], box.row); break;
    case PairOp::Lookup:
      ranges[i] = lookupRange(env.inputs[size_t(node.value)],
                              {rangeAt(node.a), rangeAt(node.b), rangeAt(node.c), rangeAt(node.d)});
      break;
    default:
      ranges[i] = applyRange(node.op, rangeAt(node.a), rangeAt(node.b), rangeAt(node.c));
      if (isAbsolute(expr, node))
        ranges[i].lo = std::max<int64_t>(ranges[i].lo, 0);
    }
  }
  return ranges.back();
}

//===----------------------------------------------------------------------===//
// Mistakes
//===----------------------------------------------------------------------===//

std::optional<PairProblem> findProblem(const PairExpr &expr, const PairBox &box,
                                       const PairEnvironment &env) {
  std::vector<Interval> ranges;
  rangeOf(expr, box, env, &ranges);
  for (size_t i = 0; i < expr.size(); ++i) {
    const PairNode &node = expr[i];
    if (node.op == PairOp::FloorDiv || node.op == PairOp::Mod)
      if (Interval divisor = ranges[size_t(node.b)]; divisor.lo < 1)
        return PairProblem{PairProblem::DivisorNotPositive, int32_t(i), divisor};
    if (ranges[i].lo < INT32_MIN || ranges[i].hi > INT32_MAX)
      return PairProblem{PairProblem::Overflow, int32_t(i), ranges[i]};
    if (node.op != PairOp::Lookup)
      continue;
    const DataView &view = env.inputs[size_t(node.value)];
    for (int d = 0; d < view.rank; ++d) {
      Interval index = ranges[size_t(node.operands()[size_t(d)])];
      int64_t extent = view.shape[size_t(d)];
      if (extent != 1 && extent >= 0 && (index.lo < 0 || index.hi >= extent))
        return PairProblem{PairProblem::IndexBeyondInput, int32_t(i), index, extent, d};
    }
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

namespace {
class PairPrinter {
public:
  PairPrinter(const PairExpr &expr, const PairNames &names) : expr(expr), names(names) {}

  /// In parentheses where the operator around it binds tighter.
  std::string text(int32_t id, int around = 0) const {
    const PairNode &node = expr[size_t(id)];
    switch (node.op) {
    case PairOp::Constant: return std::to_string(node.value);
    case PairOp::Query: return coordinate("q", node.value);
    case PairOp::Row: return "q";
    case PairOp::Key: return coordinate("k", node.value);
    case PairOp::Head: return "h";
    case PairOp::Symbol: return names.symbols[size_t(node.value)];
    case PairOp::Table: return names.tables[size_t(node.value)] + "[q]";
    case PairOp::Or: return infix(node, "||", 1, around);
    case PairOp::And: return infix(node, "&&", 2, around);
    case PairOp::Less: return infix(node, "<", 3, around);
    case PairOp::LessEqual: return infix(node, "<=", 3, around);
    case PairOp::Equal: return infix(node, "==", 3, around);
    case PairOp::Add: return infix(node, "+", 4, around);
    case PairOp::Sub: return infix(node, "-", 4, around);
    case PairOp::Mul: return infix(node, "*", 5, around);
    case PairOp::FloorDiv: return infix(node, "floordiv", 5, around);
    case PairOp::Mod: return infix(node, "mod", 5, around);
    case PairOp::Min: return "min(" + text(node.a) + ", " + text(node.b) + ")";
    case PairOp::Max: return "max(" + text(node.a) + ", " + text(node.b) + ")";
    case PairOp::Not: return "!" + text(node.a, 6);
    case PairOp::Select:
      return "(" + text(node.a) + " ? " + text(node.b) + " : " + text(node.c) + ")";
    case PairOp::Lookup: return lookup(node);
    }
    return {};
  }

private:
  std::string coordinate(const char *of, int64_t dim) const {
    return dim < 0 ? of : std::string(of) + ".d" + std::to_string(dim);
  }

  std::string infix(const PairNode &node, const char *op, int level, int around) const {
    // All of them group to the left; comparisons do not chain.
    std::string inside = text(node.a, level == 3 ? 4 : level) + " " + op + " " +
                         text(node.b, level + 1);
    return level < around ? "(" + inside + ")" : inside;
  }

  std::string lookup(const PairNode &node) const {
    size_t input = size_t(node.value);
    std::string inside;
    for (int32_t operand : node.operands())
      if (operand >= 0)
        inside += (inside.empty() ? "" : ", ") + text(operand);
    std::string name = input < names.inputs.size() ? names.inputs[input]
                                                   : "input" + std::to_string(input);
    return name + "[" + inside + "]";
  }

  const PairExpr &expr;
  const PairNames &names;
};
} // namespace

std::string print(const PairExpr &expr, const PairNames &names) {
  return PairPrinter(expr, names).text(int32_t(expr.size()) - 1);
}

std::string describe(const PairProblem &problem, const PairExpr &expr,
                     std::span<const std::string> inputNames) {
  // Symbols stand for numbers that the text names itself.
  std::vector<std::string> numbers(expr.size(), "n");
  PairNames names{inputNames, numbers, numbers, 1};
  const PairNode &node = expr[size_t(problem.node)];
  std::string part = "'" + print(subexpression(expr, problem.node), names) + "'";
  std::string values = std::to_string(problem.values.lo);
  if (!problem.values.isPoint())
    values += " to " + std::to_string(problem.values.hi);
  switch (problem.kind) {
  case PairProblem::DivisorNotPositive:
    return "the divisor of " + part + " may be " + values +
           ", but must be at least 1; 'max(.., 1)' makes it so";
  case PairProblem::Overflow:
    return part + " may be " + values + ", but predicates are computed in 32 bits";
  case PairProblem::IndexBeyondInput:
    return "index " + std::to_string(problem.dimension) + " of " + part + " may be " + values +
           ", but input '" + names.inputs[size_t(node.value)] + "' has only " +
           std::to_string(problem.limit) + " entries there; 'min' and 'max' keep an index inside";
  }
  return {};
}

} // namespace attn
