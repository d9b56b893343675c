#include "runtime/BoundChecks.h"

#include <algorithm>

namespace attn {

namespace {

/// Values of a node, and whether an input takes part in them. Constants by themselves may be large:
/// code generators know infinity.
struct Values {
  Interval range;
  bool isFromInput = false;
};

class BoundChecker {
public:
  BoundChecker(const KernelInfo &info, const LaunchSizes &sizes, std::span<const DataView> inputs,
               const Formula &formula)
      : info(info), sizes(sizes), geometry(geometryOf(info, sizes)), inputs(inputs),
        formula(formula) {}

  Status check() {
    for (size_t d = 0; d < formula.dags.size(); ++d) {
      const std::vector<ExprNode> &nodes = formula.dags[d].nodes();
      values.clear();
      for (size_t i = 0; i < nodes.size(); ++i) {
        values.push_back(valuesOf(nodes[i], d));
        const Values &here = values.back();
        if (here.isFromInput && isComputed(nodes[i].op) &&
            (here.range.lo < INT32_MIN || here.range.hi > INT32_MAX))
          return tooLarge(formula.dags[d], ExprId(i));
      }
    }
    return {};
  }

private:
  /// Unlike what is read.
  static bool isComputed(ExprOp op) { return op != ExprOp::Symbol && op != ExprOp::Table; }

  Values valuesOf(const ExprNode &node, size_t dim) const {
    switch (node.op) {
    case ExprOp::Constant:
      return {{node.value, node.value}};
    case ExprOp::Query: {
      return {{0, std::max<int64_t>(geometry.queries[dim] - 1, 0)}};
    }
    case ExprOp::Symbol:
      return symbolValues(formula.symbols[size_t(node.value)]);
    case ExprOp::Table:
      return tableValues(formula.tables[size_t(node.value)]);
    default:
      return operation(node);
    }
  }

  Interval entriesOf(int32_t input) const {
    const DataView &view = inputs[size_t(input)];
    int64_t count = view.shape[0];
    if (count == 0)
      return {0, 0};
    Interval range{INT64_MAX, INT64_MIN};
    for (int64_t i = 0; i < count; ++i) {
      int64_t value = view.at(std::array<int64_t, 1>{i});
      range = {std::min(range.lo, value), std::max(range.hi, value)};
    }
    return range;
  }

  Values symbolValues(const Symbol &symbol) const {
    auto clamped = [](int64_t value) { return std::clamp(value, -kMaxSymbol, kMaxSymbol); };
    switch (symbol.kind) {
    case SymbolKind::BatchInput:
    case SymbolKind::HeadInput: {
      Interval range = entriesOf(symbol.index);
      return {{clamped(range.lo), clamped(range.hi)}, true};
    }
    case SymbolKind::QueryOffset:
      return {{sizes.queryOffset, sizes.queryOffset}};
    case SymbolKind::Batch:
      return {{0, std::max<int64_t>(sizes.batch - 1, 0)}};
    case SymbolKind::HeadParam: {
      Interval range{0, 0};
      for (const auto &row : info.parametersOfMask)
        for (const HeadParameter &parameter : row) {
          int64_t value = clamped(valueOf(parameter, sizes.numKeys));
          range = {std::min(range.lo, value), std::max(range.hi, value)};
        }
      return {range};
    }
    default: // lengths
      return {{0, std::max(sizes.numQueries, sizes.numKeys)}};
    }
  }

  Values tableValues(const TableInfo &table) const {
    if (table.kind == TableKind::Input)
      return {entriesOf(table.queryInput), true};
    return {{-sizes.numQueries, sizes.numKeys}};
  }

  /// Corners of products and quotients; infinities stay what they are.
  Values operation(const ExprNode &node) const {
    const Values &a = values[size_t(node.a)], &b = values[size_t(node.b)];
    Values out;
    out.isFromInput = a.isFromInput || b.isFromInput;
    Interval x = a.range, y = b.range;
    switch (node.op) {
    case ExprOp::Add:
      out.range = {sum(x.lo, y.lo), sum(x.hi, y.hi)};
      break;
    case ExprOp::Sub:
      out.range = {sum(x.lo, -y.hi), sum(x.hi, -y.lo)};
      break;
    case ExprOp::Mul:
      out.range = corners(x, y, product);
      break;
    case ExprOp::FloorDiv:
      out.range = corners(x, atLeastOne(y), floorDiv);
      break;
    case ExprOp::Mod:
      out.range = {0, std::max<int64_t>(y.hi, 1) - 1};
      break;
    case ExprOp::Min:
      out.range = {std::min(x.lo, y.lo), std::min(x.hi, y.hi)};
      break;
    case ExprOp::Max:
      out.range = {std::max(x.lo, y.lo), std::max(x.hi, y.hi)};
      break;
    case ExprOp::Less:
      return {{0, 1}};
    default: { // Select: an infinite side is no bound
      Values c = values[size_t(node.c)];
      if (isInfinite(b.range))
        return c;
      if (isInfinite(c.range))
        return b;
      return {{std::min(y.lo, c.range.lo), std::max(y.hi, c.range.hi)},
              b.isFromInput || c.isFromInput};
    }
    }
    // min(q + t[q], infinity) is a bound as q + t[q] is, but infinity + t[q] is none.
    out.isFromInput = out.isFromInput && !isInfinite(out.range);
    return out;
  }

  static bool isInfinite(Interval range) {
    return range.lo >= kMaxMagnitude || range.hi <= -kMaxMagnitude;
  }
  static Interval atLeastOne(Interval range) {
    return {std::max<int64_t>(range.lo, 1), std::max<int64_t>(range.hi, 1)};
  }
  static int64_t sum(int64_t a, int64_t b) {
    return std::clamp(a, -kInfinity, kInfinity) + std::clamp(b, -kInfinity, kInfinity);
  }
  static int64_t product(int64_t a, int64_t b) {
    int64_t result;
    if (__builtin_mul_overflow(a, b, &result))
      return (a < 0) == (b < 0) ? kInfinity : -kInfinity;
    return result;
  }
  static Interval corners(Interval x, Interval y, int64_t (*function)(int64_t, int64_t)) {
    int64_t all[] = {function(x.lo, y.lo), function(x.lo, y.hi), function(x.hi, y.lo),
                     function(x.hi, y.hi)};
    return {*std::min_element(all, all + 4), *std::max_element(all, all + 4)};
  }

  /// Names of the inputs in a bound; its operands are earlier nodes.
  std::vector<std::string> inputsOf(const ExprDag &dag, ExprId id) const {
    std::vector<std::string> names;
    std::vector<bool> isPart(size_t(id) + 1, false);
    isPart[size_t(id)] = true;
    for (ExprId at = id; at >= 0; --at) {
      const ExprNode &node = dag.nodes()[size_t(at)];
      if (!isPart[size_t(at)] || !values[size_t(at)].isFromInput)
        continue;
      for (int32_t operand : {node.a, node.b, node.c})
        if (operand >= 0)
          isPart[size_t(operand)] = true;
      if (isComputed(node.op))
        continue;
      int32_t input = node.op == ExprOp::Table ? formula.tables[size_t(node.value)].queryInput
                                               : formula.symbols[size_t(node.value)].index;
      names.push_back("'" + info.inputs[size_t(input)].name + "'");
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
  }

  Error tooLarge(const ExprDag &dag, ExprId id) const {
    std::vector<std::string> names = inputsOf(dag, id);
    std::string list;
    for (size_t i = 0; i < names.size(); ++i)
      list += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
    Interval range = values[size_t(id)].range;
    return makeError(
               "input{} {} may make a bound of the mask {} to {}, but bounds are computed in 32 "
               "bits",
               names.size() == 1 ? "" : "s", list, range.lo, range.hi)
        .withNote("'min' and 'max' around what an input holds keep it small");
  }

  const KernelInfo &info;
  const LaunchSizes &sizes;
  TileGeometry geometry;
  std::span<const DataView> inputs;
  const Formula &formula;
  std::vector<Values> values;
};

} // namespace

Status checkBounds(const KernelInfo &info, const LaunchSizes &sizes,
                   std::span<const DataView> inputs) {
  for (const Formula &formula : info.formulas)
    if (Status status = BoundChecker(info, sizes, inputs, formula).check(); !status)
      return status;
  return {};
}

} // namespace attn
