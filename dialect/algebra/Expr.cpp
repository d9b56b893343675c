#include "dialect/algebra/Expr.h"

#include <algorithm>
#include <cassert>

namespace attn {
namespace {

/// No line of our expressions needs to continue further than this.
constexpr int64_t kForever = kInfinity;

/// Divisors are lengths and constants; an empty length divides nothing that is used.
int64_t divisor(int64_t b) { return std::max<int64_t>(b, 1); }

int64_t apply(ExprOp op, int64_t a, int64_t b, int64_t c) {
  switch (op) {
  case ExprOp::Add: return a + b;
  case ExprOp::Sub: return a - b;
  case ExprOp::Mul: return a * b;
  case ExprOp::FloorDiv: return floorDiv(a, divisor(b));
  case ExprOp::Mod: return a - divisor(b) * floorDiv(a, divisor(b));
  case ExprOp::Min: return std::min(a, b);
  case ExprOp::Max: return std::max(a, b);
  case ExprOp::Less: return a < b;
  case ExprOp::Select: return a ? b : c;
  default: assert(false && "leaves are not applied"); return 0;
  }
}

/// Steps for which `low + n * lowSlope <= high + n * highSlope` keeps holding; it holds at n = 0.
int64_t stepsUntilCrossing(const Line &low, const Line &high) {
  int64_t closing = low.slope - high.slope;
  return closing <= 0 ? kForever : (high.value - low.value) / closing;
}

/// The line of min(a, b), as long as the one that is lower now stays lower.
Line lower(Line a, Line b) {
  if (b.value < a.value || (b.value == a.value && b.slope < a.slope))
    std::swap(a, b);
  return {a.value, a.slope, std::min({a.steps, b.steps, stepsUntilCrossing(a, b)})};
}

Line upper(Line a, Line b) {
  if (a.value < b.value || (b.value == a.value && a.slope < b.slope))
    std::swap(a, b);
  return {a.value, a.slope, std::min({a.steps, b.steps, stepsUntilCrossing(b, a)})};
}

Line lineLess(const Line &a, const Line &b) {
  int64_t steps = std::min(a.steps, b.steps);
  if (a.value < b.value) {
    // a + 1 <= b must keep holding.
    Line next{a.value + 1, a.slope, a.steps};
    return {1, 0, std::min(steps, stepsUntilCrossing(next, b))};
  }
  return {0, 0, std::min(steps, stepsUntilCrossing(b, a))};
}

/// floor(a / d): a line where the slope of a is a multiple of d, otherwise a stair whose present
/// step lasts until a leaves [v * d, (v + 1) * d).
Line lineFloorDiv(const Line &a, int64_t d) {
  int64_t v = floorDiv(a.value, d);
  if (a.slope % d == 0)
    return {v, a.slope / d, a.steps};
  int64_t room = a.slope > 0 ? (v + 1) * d - 1 - a.value : a.value - v * d;
  return {v, 0, std::min(a.steps, room / std::abs(a.slope))};
}

Line lineMod(const Line &a, int64_t d) {
  Line f = lineFloorDiv(a, d);
  return {a.value - d * f.value, a.slope - d * f.slope, f.steps};
}

/// Steps for which a line that is zero stays zero, and one that is not does not become so.
int64_t stepsOfTruth(const Line &a) {
  if (a.slope == 0)
    return kForever;
  if (a.value == 0)
    return 0;
  int64_t meets = -a.value / a.slope;
  return a.value % a.slope == 0 && meets > 0 ? meets - 1 : kForever;
}

Line traceNode(ExprOp op, const Line &a, const Line &b, const Line *c) {
  int64_t steps = std::min(a.steps, b.steps);
  switch (op) {
  case ExprOp::Add: return {a.value + b.value, a.slope + b.slope, steps};
  case ExprOp::Sub: return {a.value - b.value, a.slope - b.slope, steps};
  case ExprOp::Mul:
    return {a.value * b.value, a.slope * b.value + b.slope * a.value, steps};
  case ExprOp::FloorDiv: return lineFloorDiv(a, divisor(b.value));
  case ExprOp::Mod: return lineMod(a, divisor(b.value));
  case ExprOp::Min: return lower(a, b);
  case ExprOp::Max: return upper(a, b);
  case ExprOp::Less: return lineLess(a, b);
  case ExprOp::Select: {
    const Line &chosen = a.value ? b : *c;
    return {chosen.value, chosen.slope, std::min({a.steps, chosen.steps, stepsOfTruth(a)})};
  }
  default: assert(false && "leaves are traced by the caller"); return {0, 0, 0};
  }
}

} // namespace

/// Equal nodes are one node. The vectors are short (tens of nodes), so a search is enough.
static ExprId intern(std::vector<ExprNode> &nodes, const ExprNode &node) {
  auto it = std::find(nodes.begin(), nodes.end(), node);
  if (it == nodes.end())
    it = nodes.insert(nodes.end(), node);
  return static_cast<ExprId>(it - nodes.begin());
}

ExprId ExprDag::constant(int64_t value) {
  return intern(nodeList, {ExprOp::Constant, -1, -1, -1, value});
}

ExprId ExprDag::query() { return intern(nodeList, {ExprOp::Query}); }

ExprId ExprDag::symbol(int64_t index) {
  return intern(nodeList, {ExprOp::Symbol, -1, -1, -1, index});
}

ExprId ExprDag::table(int64_t index) {
  return intern(nodeList, {ExprOp::Table, query(), -1, -1, index});
}

ExprId ExprDag::make(ExprOp op, ExprId a, ExprId b, ExprId c) {
  ExprNode node{op, a, b, c};
  assert(isValidNode(node) && "operands are earlier nodes");
  auto constantOf = [&](ExprId id) { return nodeList[id].op == ExprOp::Constant; };
  bool positiveDivisor = op != ExprOp::FloorDiv && op != ExprOp::Mod;
  positiveDivisor |= constantOf(b) && nodeList[b].value > 0;
  if (constantOf(a) && constantOf(b) && (c < 0 || constantOf(c)) && positiveDivisor)
    return constant(apply(op, nodeList[a].value, nodeList[b].value, c < 0 ? 0 : nodeList[c].value));
  return intern(nodeList, node);
}

bool ExprDag::isValidNode(const ExprNode &node) const {
  auto earlier = [&](int32_t id) { return id >= 0 && id < static_cast<int32_t>(nodeList.size()); };
  switch (node.op) {
  case ExprOp::Constant:
  case ExprOp::Query:
  case ExprOp::Symbol: return true;
  case ExprOp::Table: return earlier(node.a) && nodeList[node.a].op == ExprOp::Query;
  case ExprOp::Select: return earlier(node.a) && earlier(node.b) && earlier(node.c);
  default: return earlier(node.a) && earlier(node.b) && node.op <= ExprOp::Select;
  }
}

static Line lineOf(const Table &table, int64_t q, int64_t step) {
  if (table.size == 0)
    return {0, 0, kForever};
  int64_t run = table.runAt(q);
  int64_t end = run == table.runs - 1 ? kForever : table.runEnd[run];
  return {table.values[run], 0, (end - q) / step};
}

void ExprDag::evaluate(int64_t q, const Environment &env, std::vector<int64_t> &values) const {
  values.resize(nodeList.size());
  for (size_t i = 0; i < nodeList.size(); ++i) {
    const ExprNode &n = nodeList[i];
    switch (n.op) {
    case ExprOp::Constant: values[i] = n.value; break;
    case ExprOp::Query: values[i] = q; break;
    case ExprOp::Symbol: values[i] = env.symbols[n.value]; break;
    case ExprOp::Table: values[i] = env.tables[n.value].at(q); break;
    default: values[i] = apply(n.op, values[n.a], values[n.b], n.c < 0 ? 0 : values[n.c]);
    }
  }
}

void ExprDag::evaluate(const Pair &q, const Environment &env, std::vector<Pair> &values) const {
  values.resize(nodeList.size());
  for (size_t i = 0; i < nodeList.size(); ++i) {
    const ExprNode &n = nodeList[i];
    auto set = [&](auto valueAt) { values[i] = {valueAt(0), valueAt(1)}; };
    switch (n.op) {
    case ExprOp::Constant: values[i] = {n.value, n.value}; break;
    case ExprOp::Query: values[i] = q; break;
    case ExprOp::Symbol: set([&](size_t) { return env.symbols[n.value]; }); break;
    case ExprOp::Table: set([&](size_t j) { return env.tables[n.value].at(q[j]); }); break;
    default:
      set([&](size_t j) {
        return apply(n.op, values[size_t(n.a)][j], values[size_t(n.b)][j],
                     n.c < 0 ? 0 : values[size_t(n.c)][j]);
      });
    }
  }
}

void ExprDag::trace(int64_t q, int64_t step, const Environment &env,
                    std::vector<Line> &lines) const {
  lines.resize(nodeList.size());
  for (size_t i = 0; i < nodeList.size(); ++i) {
    const ExprNode &n = nodeList[i];
    switch (n.op) {
    case ExprOp::Constant: lines[i] = {n.value, 0, kForever}; break;
    case ExprOp::Query: lines[i] = {q, step, kForever}; break;
    case ExprOp::Symbol: lines[i] = {env.symbols[n.value], 0, kForever}; break;
    case ExprOp::Table: lines[i] = lineOf(env.tables[n.value], q, step); break;
    default: lines[i] = traceNode(n.op, lines[n.a], lines[n.b], n.c < 0 ? nullptr : &lines[n.c]);
    }
  }
}

std::vector<bool> ExprDag::dependsOnQuery() const {
  std::vector<bool> depends(nodeList.size());
  for (size_t i = 0; i < nodeList.size(); ++i) {
    const ExprNode &n = nodeList[i];
    depends[i] = n.op == ExprOp::Query;
    for (int32_t operand : {n.a, n.b, n.c})
      depends[i] = depends[i] || (operand >= 0 && depends[operand]);
  }
  return depends;
}

std::string ExprDag::print(ExprId id, const std::vector<std::string> &symbolNames,
                           const std::vector<std::string> &tableNames,
                           const std::string &queryName) const {
  const ExprNode &n = nodeList[id];
  auto sub = [&](ExprId operand) { return print(operand, symbolNames, tableNames, queryName); };
  auto infix = [&](const char *op) { return "(" + sub(n.a) + " " + op + " " + sub(n.b) + ")"; };
  switch (n.op) {
  case ExprOp::Constant:
    return n.value >= kInfinity ? "inf" : n.value <= -kInfinity ? "-inf" : std::to_string(n.value);
  case ExprOp::Query: return queryName;
  case ExprOp::Symbol: return symbolNames[n.value];
  case ExprOp::Table: return tableNames[n.value] + "[" + queryName + "]";
  case ExprOp::Add: return infix("+");
  case ExprOp::Sub: return infix("-");
  case ExprOp::Mul: return infix("*");
  case ExprOp::FloorDiv: return infix("floordiv");
  case ExprOp::Mod: return infix("mod");
  case ExprOp::Less: return infix("<");
  case ExprOp::Min: return "min(" + sub(n.a) + ", " + sub(n.b) + ")";
  case ExprOp::Max: return "max(" + sub(n.a) + ", " + sub(n.b) + ")";
  case ExprOp::Select: return "(" + sub(n.a) + " ? " + sub(n.b) + " : " + sub(n.c) + ")";
  }
  return {};
}

} // namespace attn
