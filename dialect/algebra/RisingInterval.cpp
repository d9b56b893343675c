#include "dialect/algebra/RisingInterval.h"

#include <algorithm>
#include <utility>

namespace attn {

namespace {
/// How a value changes as the query advances.
enum class Trend : uint8_t { Constant, Rises, Falls, Unknown };

Trend negated(Trend t) {
  return t == Trend::Rises ? Trend::Falls : t == Trend::Falls ? Trend::Rises : t;
}

/// Of values that change together, such as those of a sum.
Trend joined(Trend a, Trend b) {
  return a == Trend::Constant || a == b ? b : b == Trend::Constant ? a : Trend::Unknown;
}
} // namespace

namespace {
/// Writes expressions again with the values of their symbols, and says how they change.
class Rewriter {
public:
  Rewriter(const ExprDag &dag, const Environment &env, ExprDag &to)
      : nodes(dag.nodes()), env(env), to(to), known(nodes.size()) {}

  struct Value {
    ExprId id = -1; ///< in `to`
    Trend trend = Trend::Unknown;
  };
  Value valueOf(ExprId id) {
    Value &value = known[size_t(id)];
    if (value.id < 0)
      value = rewritten(nodes[size_t(id)]);
    return value;
  }

private:
  Value constant(int64_t value) { return {to.constant(value), Trend::Constant}; }
  bool is(const Value &value, int64_t number) const {
    return value.trend == Trend::Constant && to.nodes()[size_t(value.id)].value == number;
  }
  int64_t numberOf(const Value &value) const { return to.nodes()[size_t(value.id)].value; }

  Value rewritten(const ExprNode &n) {
    switch (n.op) {
    case ExprOp::Constant: return constant(n.value);
    case ExprOp::Symbol: return constant(env.symbols[n.value]);
    case ExprOp::Query: return {to.query(), Trend::Rises};
    case ExprOp::Table: return {to.query(), Trend::Unknown};
    case ExprOp::Select: {
      Value condition = valueOf(n.a);
      if (condition.trend != Trend::Constant)
        return {to.query(), Trend::Unknown};
      return valueOf(numberOf(condition) ? n.b : n.c);
    }
    default: return combined(n.op, valueOf(n.a), valueOf(n.b));
    }
  }

  Value combined(ExprOp op, Value a, Value b) {
    if (op == ExprOp::Mul && a.trend == Trend::Constant)
      std::swap(a, b);
    bool divides = op == ExprOp::FloorDiv || op == ExprOp::Mod;
    if (divides && b.trend == Trend::Constant && numberOf(b) <= 1) // counts as 1
      return op == ExprOp::Mod ? constant(0) : a;
    if (op == ExprOp::Mul ? is(b, 1) : (op == ExprOp::Add || op == ExprOp::Sub) && is(b, 0))
      return a;
    ExprId id = to.make(op, a.id, b.id);
    return {id, to.nodes()[size_t(id)].op == ExprOp::Constant ? Trend::Constant : trendOf(op, a, b)};
  }

  Trend trendOf(ExprOp op, const Value &a, const Value &b) const {
    switch (op) {
    case ExprOp::Add:
    case ExprOp::Min:
    case ExprOp::Max: return joined(a.trend, b.trend);
    case ExprOp::Sub: return joined(a.trend, negated(b.trend));
    case ExprOp::Less: return joined(negated(a.trend), b.trend);
    case ExprOp::FloorDiv: return b.trend == Trend::Constant ? a.trend : Trend::Unknown;
    case ExprOp::Mul:
      if (b.trend != Trend::Constant)
        return Trend::Unknown;
      return numberOf(b) >= 0 ? a.trend : negated(a.trend);
    default: return Trend::Unknown;
    }
  }

  const std::vector<ExprNode> &nodes;
  const Environment &env;
  ExprDag &to;
  std::vector<Value> known;
};
} // namespace

std::optional<RisingInterval> RisingInterval::of(const Formula &formula, const Environment &env) {
  if (formula.rank != 1 || formula.atoms.size() != 1 || !formula.tables.empty() ||
      !formula.truthOf(1) || formula.truthOf(0))
    return std::nullopt;
  const Atom &atom = formula.atoms.front();
  if (atom.kind != AtomKind::Box || atom.dims[0].modulus > 1)
    return std::nullopt;
  RisingInterval interval;
  Rewriter rewriter(formula.dags[0], env, interval.dag);
  auto mayFall = [](Trend t) { return t == Trend::Falls || t == Trend::Unknown; };
  Rewriter::Value lo = rewriter.valueOf(atom.dims[0].lo), hi = rewriter.valueOf(atom.dims[0].hi);
  if (mayFall(lo.trend) || mayFall(hi.trend))
    return std::nullopt;
  interval.lo = lo.id;
  interval.hi = hi.id;
  return interval;
}

std::array<RisingInterval::Ends, 2> RisingInterval::at(const ExprDag::Pair &queries) const {
  thread_local std::vector<ExprDag::Pair> values;
  dag.evaluate(queries, {}, values);
  const ExprDag::Pair &begins = values[size_t(lo)], &ends = values[size_t(hi)];
  return {Ends{begins[0], ends[0]}, Ends{begins[1], ends[1]}};
}

RisingInterval::Lines RisingInterval::trace(int64_t query, int64_t step) const {
  thread_local std::vector<Line> lines;
  dag.trace(query, step, {}, lines);
  return {lines[size_t(lo)], lines[size_t(hi)]};
}

/// The keys of a query are an expression as well: an arithmetic series on each of its lines.
__int128 RisingInterval::pairs(int64_t queries, int64_t keys) const {
  ExprDag e = dag;
  ExprId zero = e.constant(0);
  ExprId begin = e.max(lo, zero), end = e.min(hi, e.constant(keys));
  ExprId width = e.max(e.sub(end, begin), zero);
  std::vector<Line> lines;
  __int128 sum = 0;
  for (int64_t query = 0; query < queries;) {
    e.trace(query, 1, {}, lines);
    const Line &line = lines[size_t(width)];
    int64_t count = std::min(line.steps, queries - 1 - query) + 1;
    sum += __int128(count) * line.value + __int128(count) * (count - 1) / 2 * line.slope;
    query += count;
  }
  return sum;
}

} // namespace attn
