#include "dialect/algebra/RisingInterval.h"

#include <algorithm>
#include <cassert>

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

/// Keeps of a dag's nodes the operators that change with the query; the others become constants.
class RisingIntervalBuilder {
public:
  RisingIntervalBuilder(const ExprDag &dag, const Environment &env) : nodes(dag.nodes()) {
    known.resize(nodes.size());
    dag.evaluate(0, env, atZero);
    depends = dag.dependsOnQuery();
  }

  std::optional<RisingInterval> build(ExprId lo, ExprId hi) {
    const Value &from = valueOf(lo), &to = valueOf(hi);
    auto mayFall = [](Trend t) { return t == Trend::Falls || t == Trend::Unknown; };
    if (mayFall(from.trend) || mayFall(to.trend))
      return std::nullopt;
    result.lo = numberOf(from);
    result.hi = numberOf(to);
    return overflows ? std::nullopt : std::optional(result);
  }

private:
  struct Value {
    bool isKnown = false;
    Trend trend = Trend::Unknown;
    int64_t constant = 0; ///< where the trend is Constant
    uint8_t number = 0;   ///< elsewhere
  };

  const Value &valueOf(ExprId id) {
    Value &value = known[size_t(id)];
    if (!value.isKnown) {
      value = depends[size_t(id)] ? make(nodes[size_t(id)]) : constant(atZero[size_t(id)]);
      value.isKnown = true;
    }
    return value;
  }

  static Value constant(int64_t value) { return {true, Trend::Constant, value, 0}; }

  Value make(const ExprNode &n) {
    switch (n.op) {
    case ExprOp::Query: return {true, Trend::Rises, 0, 0};
    case ExprOp::Table: return {};
    case ExprOp::Select: {
      Value condition = valueOf(n.a);
      return condition.trend == Trend::Constant ? valueOf(condition.constant ? n.b : n.c) : Value{};
    }
    default: return combine(n.op, valueOf(n.a), valueOf(n.b));
    }
  }

  Value combine(ExprOp op, Value a, Value b) {
    bool isConstant = b.trend == Trend::Constant;
    if (op == ExprOp::Mul && a.trend == Trend::Constant) {
      std::swap(a, b);
      isConstant = true;
    }
    int64_t right = b.constant;
    switch (op) {
    case ExprOp::Add:
      return isConstant && right == 0 ? a : step(op, a, b, joined(a.trend, b.trend));
    case ExprOp::Sub:
      return isConstant && right == 0 ? a : step(op, a, b, joined(a.trend, negated(b.trend)));
    case ExprOp::Min:
    case ExprOp::Max: return step(op, a, b, joined(a.trend, b.trend));
    case ExprOp::Less: return step(op, a, b, joined(negated(a.trend), b.trend));
    case ExprOp::Mul:
      if (!isConstant || right == 0)
        return isConstant ? constant(0) : Value{};
      return right == 1 ? a : step(op, a, b, right > 0 ? a.trend : negated(a.trend));
    case ExprOp::FloorDiv:
      if (!isConstant)
        return {};
      return right <= 1 ? a : step(op, a, b, a.trend);
    case ExprOp::Mod: return isConstant && right <= 1 ? constant(0) : Value{};
    default: assert(false && "leaves and choices are made by the caller"); return {};
    }
  }

  Value step(ExprOp op, const Value &a, const Value &b, Trend trend) {
    if (trend == Trend::Unknown)
      return {};
    uint8_t left = numberOf(a), right = numberOf(b), number = newNumber();
    result.steps.push_back({op, left, right, number});
    // What two constants make is computed like the rest: it rises, if by nothing.
    return {true, trend == Trend::Constant ? Trend::Rises : trend, 0, number};
  }

  uint8_t newNumber() {
    overflows |= result.count == RisingInterval::kMaxValues;
    return overflows ? 0 : uint8_t(result.count++);
  }

  uint8_t numberOf(const Value &value) {
    if (value.trend != Trend::Constant)
      return value.number;
    uint8_t number = newNumber();
    if (!overflows)
      result.values[number] = value.constant;
    return number;
  }

  const std::vector<ExprNode> &nodes;
  std::vector<int64_t> atZero;
  std::vector<bool> depends;
  std::vector<Value> known;
  RisingInterval result;
  bool overflows = false;
};

std::optional<RisingInterval> RisingInterval::of(const Formula &formula, const Environment &env) {
  if (formula.rank != 1 || formula.atoms.size() != 1 || !formula.tables.empty() ||
      !formula.truthOf(1) || formula.truthOf(0))
    return std::nullopt;
  const Atom &atom = formula.atoms.front();
  if (atom.kind != AtomKind::Box || atom.dims[0].modulus > 1)
    return std::nullopt;
  return RisingIntervalBuilder(formula.dags[0], env).build(atom.dims[0].lo, atom.dims[0].hi);
}

RisingInterval::Ends RisingInterval::at(int64_t query) const {
  std::array<int64_t, kMaxValues> v;
  std::copy_n(values.begin(), count, v.begin());
  v[0] = query;
  for (const Step &step : steps) {
    int64_t a = v[step.a], b = v[step.b];
    switch (step.op) {
    case ExprOp::Add: v[step.result] = a + b; break;
    case ExprOp::Sub: v[step.result] = a - b; break;
    case ExprOp::Mul: v[step.result] = a * b; break;
    case ExprOp::FloorDiv: v[step.result] = floorDiv(a, b); break;
    case ExprOp::Min: v[step.result] = std::min(a, b); break;
    case ExprOp::Max: v[step.result] = std::max(a, b); break;
    case ExprOp::Less: v[step.result] = a < b; break;
    default: assert(false && "no step is made of it");
    }
  }
  return {v[lo], v[hi]};
}

} // namespace attn
