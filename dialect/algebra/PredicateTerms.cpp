#include "dialect/algebra/PredicateTerms.h"

#include <cassert>
#include <map>

namespace attn {
namespace {

/// sum of coefficient * node + constant
struct LinearSum {
  std::map<int32_t, int64_t> terms;
  int64_t constant = 0;

  void add(const LinearSum &other, int64_t factor) {
    constant += factor * other.constant;
    for (auto [node, coefficient] : other.terms)
      if ((terms[node] += factor * coefficient) == 0)
        terms.erase(node);
  }
};

class Lifter {
public:
  Lifter(FormulaBuilder &builder, const ParsedPredicate &predicate)
      : builder(builder), symbols(predicate.symbols), expr(predicate.expr) {
    readsKey.resize(expr.size());
    for (size_t i = 0; i < expr.size(); ++i) {
      readsKey[i] = expr[i].op == PairOp::Key;
      for (int32_t operand : expr[i].operands())
        readsKey[i] = readsKey[i] || (operand >= 0 && readsKey[size_t(operand)]);
    }
  }

  TermId term(int32_t id) {
    const PairNode node = expr[size_t(id)];
    switch (node.op) {
    case PairOp::And: return builder.andOf(term(node.a), term(node.b));
    case PairOp::Or: return builder.orOf(term(node.a), term(node.b));
    case PairOp::Not: return builder.notOf(term(node.a));
    case PairOp::Select: {
      TermId condition = term(node.a);
      return builder.orOf(builder.andOf(condition, term(node.b)),
                          builder.andOf(builder.notOf(condition), term(node.c)));
    }
    case PairOp::Equal:
      if (isConditionNode(node.a)) {
        TermId a = term(node.a), b = term(node.b);
        return builder.orOf(builder.andOf(a, b),
                            builder.andOf(builder.notOf(a), builder.notOf(b)));
      }
      break;
    default: break;
    }
    if (std::optional<TermId> lifted = comparison(node))
      return *lifted;
    return fallback(id);
  }

private:
  bool isConditionNode(int32_t id) const {
    const PairNode &node = expr[size_t(id)];
    return isCondition(node.op) || (node.op == PairOp::Select && isConditionNode(node.b));
  }

  std::optional<TermId> comparison(const PairNode &node) {
    if (node.op != PairOp::Less && node.op != PairOp::LessEqual && node.op != PairOp::Equal)
      return std::nullopt;
    if (node.op == PairOp::Equal)
      if (std::optional<TermId> labels = equalLabels(node))
        return labels;
    LinearSum difference = linear(node.a);
    difference.add(linear(node.b), -1);
    if (node.op == PairOp::Less)
      difference.constant += 1;
    if (node.op != PairOp::Equal)
      return atMostZero(difference);
    if (std::optional<TermId> residue = equalResidue(difference))
      return residue;
    LinearSum negated;
    negated.add(difference, -1);
    std::optional<TermId> below = atMostZero(difference), above = atMostZero(negated);
    if (!below || !above)
      return std::nullopt;
    return builder.andOf(*below, *above);
  }

  //===--- Sums ---===//

  LinearSum linear(int32_t id) const {
    const PairNode &node = expr[size_t(id)];
    LinearSum sum;
    switch (node.op) {
    case PairOp::Constant: sum.constant = node.value; return sum;
    case PairOp::Add:
    case PairOp::Sub:
      sum = linear(node.a);
      sum.add(linear(node.b), node.op == PairOp::Add ? 1 : -1);
      return sum;
    case PairOp::Mul:
      for (auto [x, y] : {std::pair(node.a, node.b), std::pair(node.b, node.a)})
        if (expr[size_t(x)].op == PairOp::Constant) {
          sum.add(linear(y), expr[size_t(x)].value);
          return sum;
        }
      break;
    default: break;
    }
    sum.terms[id] = 1;
    return sum;
  }

  //===--- The query's side, as an expression of one dimension ---===//

  /// Lengths are those of the query's sequence, where sequences are packed.
  bool isPackedLength(const Symbol &symbol) const {
    return builder.isPacked() &&
           (symbol.kind == SymbolKind::NumKeys || symbol.kind == SymbolKind::NumQueries);
  }

  ExprId symbolExpr(const Symbol &symbol, int dim) {
    if (!isPackedLength(symbol))
      return builder.symbol(dim, symbol);
    ExprDag &e = builder.dag(dim);
    auto table = [&](TableKind kind) { return e.table(builder.packedTable(kind)); };
    ExprId keys = e.sub(table(TableKind::KeyEnd), table(TableKind::KeyBegin));
    if (symbol.kind == SymbolKind::NumKeys)
      return keys;
    return e.sub(keys, e.sub(table(TableKind::AlignEnd), table(TableKind::AlignBegin)));
  }

  std::optional<ExprId> queryExpr(int32_t id, int dim) {
    ExprDag &e = builder.dag(dim);
    const PairNode &node = expr[size_t(id)];
    if (readsKey[size_t(id)])
      return std::nullopt;
    switch (node.op) {
    case PairOp::Constant: return e.constant(node.value);
    case PairOp::Symbol: return symbolExpr(symbols[size_t(node.value)], dim);
    case PairOp::Query:
      if (node.value < 0 ? builder.rank() == 1 : node.value == dim)
        return node.value < 0 ? builder.position(dim) : builder.query(dim);
      return std::nullopt;
    case PairOp::Row: return std::nullopt;
    case PairOp::Lookup:
      if (builder.rank() == 1 && node.b < 0 && expr[size_t(node.a)].op == PairOp::Row)
        return e.table(builder.table({TableKind::Input, int32_t(node.value), -1}));
      return std::nullopt;
    default: return queryOperation(node, dim);
    }
  }

  std::optional<ExprId> queryOperation(const PairNode &node, int dim) {
    ExprDag &e = builder.dag(dim);
    std::array<ExprId, 3> x{-1, -1, -1};
    for (size_t i = 0; i < 3; ++i)
      if (int32_t operand = node.operands()[i]; operand >= 0) {
        std::optional<ExprId> value = queryExpr(operand, dim);
        if (!value)
          return std::nullopt;
        x[i] = *value;
      }
    ExprId zero = e.constant(0), one = e.constant(1);
    auto isFree = [&](ExprId id) { return !e.dependsOnQuery()[size_t(id)]; };
    switch (node.op) {
    case PairOp::Add: return e.add(x[0], x[1]);
    case PairOp::Sub: return e.sub(x[0], x[1]);
    case PairOp::Mul:
      return isFree(x[0]) || isFree(x[1]) ? std::optional(e.mul(x[0], x[1])) : std::nullopt;
    case PairOp::FloorDiv:
      return isFree(x[1]) ? std::optional(e.floorDiv(x[0], x[1])) : std::nullopt;
    case PairOp::Mod: return isFree(x[1]) ? std::optional(e.mod(x[0], x[1])) : std::nullopt;
    case PairOp::Min: return e.min(x[0], x[1]);
    case PairOp::Max: return e.max(x[0], x[1]);
    case PairOp::Less: return e.less(x[0], x[1]);
    case PairOp::LessEqual: return e.sub(one, e.less(x[1], x[0]));
    case PairOp::Equal: return e.sub(one, e.add(e.less(x[0], x[1]), e.less(x[1], x[0])));
    case PairOp::And: return e.select(x[0], x[1], zero);
    case PairOp::Or: return e.select(x[0], one, x[1]);
    case PairOp::Not: return e.sub(one, x[0]);
    case PairOp::Select: return e.select(x[0], x[1], x[2]);
    default: return std::nullopt;
    }
  }

  /// constant + the terms without `skip`, all of the query in one dimension.
  std::optional<ExprId> rest(const LinearSum &sum, int32_t skip, int64_t sign, int dim) {
    ExprDag &e = builder.dag(dim);
    ExprId total = e.constant(sign * sum.constant);
    for (auto [node, coefficient] : sum.terms) {
      if (node == skip)
        continue;
      std::optional<ExprId> value = queryExpr(node, dim);
      if (!value)
        return std::nullopt;
      total = e.add(total, e.mul(e.constant(sign * coefficient), *value));
    }
    return total;
  }

  //===--- Solving for the key ---===//

  /// The one term of the sum that speaks of the key; -1 without one, -2 where there are several.
  int32_t keyTerm(const LinearSum &sum) const {
    int32_t found = -1;
    for (auto [node, coefficient] : sum.terms)
      if (readsKey[size_t(node)])
        found = found == -1 ? node : -2;
    return found;
  }

  /// The dimension that the subexpression's key coordinates share; -1 where they differ.
  int keyDim(int32_t id) const {
    const PairNode &node = expr[size_t(id)];
    if (node.op == PairOp::Key)
      return node.value >= 0 ? int(node.value) : builder.rank() == 1 ? 0 : -1;
    int dim = -2;
    for (int32_t operand : node.operands())
      if (operand >= 0 && readsKey[size_t(operand)]) {
        int here = keyDim(operand);
        dim = dim == -2 || dim == here ? here : -1;
      }
    return dim;
  }

  std::optional<TermId> atMostZero(const LinearSum &sum) {
    int32_t key = keyTerm(sum);
    if (key == -2)
      return std::nullopt;
    if (key == -1)
      return queryCondition(sum);
    if (std::optional<TermId> linearOrder = inLinearOrder(sum, key))
      return linearOrder;
    int dim = keyDim(key);
    if (dim < 0)
      return std::nullopt;
    int64_t coefficient = sum.terms.at(key);
    // coefficient * term <= -(the rest)
    std::optional<ExprId> bound = rest(sum, key, -1, dim);
    if (!bound)
      return std::nullopt;
    ExprDag &e = builder.dag(dim);
    if (coefficient > 0)
      return atMost(key, e.floorDiv(*bound, e.constant(coefficient)), dim);
    // term >= ceil(rest / |coefficient|)
    ExprId least = e.sub(e.constant(0), e.floorDiv(*bound, e.constant(-coefficient)));
    return atLeast(key, least, dim);
  }

  std::optional<TermId> queryCondition(const LinearSum &sum) {
    for (int dim = 0; dim < builder.rank(); ++dim)
      if (std::optional<ExprId> value = rest(sum, -1, 1, dim)) {
        ExprDag &e = builder.dag(dim);
        ExprId holds = e.less(*value, e.constant(1));
        return builder.slab(dim, {e.constant(-kInfinity),
                                  e.select(holds, e.constant(kInfinity), e.constant(-kInfinity))});
      }
    return std::nullopt;
  }

  /// k <= q + c on a layout of several dimensions.
  std::optional<TermId> inLinearOrder(const LinearSum &sum, int32_t key) {
    const PairNode &node = expr[size_t(key)];
    if (builder.rank() == 1 || node.op != PairOp::Key || node.value >= 0)
      return std::nullopt;
    int64_t sign = sum.terms.at(key);
    LinearBound bound{false, 0, {}};
    for (auto [other, coefficient] : sum.terms) {
      const PairNode &term = expr[size_t(other)];
      if (other == key)
        continue;
      if (term.op != PairOp::Query || term.value >= 0 || coefficient != -sign)
        return std::nullopt;
      bound = {true, 0, {{{SymbolKind::QueryOffset}, 1}}};
    }
    // k < q - constant + 1, or q - k + constant <= 0
    if (sign == 1) {
      bound.constant = 1 - sum.constant;
      return builder.interval(std::nullopt, bound);
    }
    bound.constant = sum.constant;
    return sign == -1 ? std::optional(builder.interval(bound, std::nullopt)) : std::nullopt;
  }

  TermId keysBelow(int dim, ExprId end) {
    return builder.slab(dim, {builder.dag(dim).constant(-kInfinity), end});
  }
  TermId keysFrom(int dim, ExprId begin) {
    return builder.slab(dim, {begin, builder.dag(dim).constant(kInfinity)});
  }

  std::optional<TermId> atMost(int32_t id, ExprId bound, int dim) {
    const PairNode node = expr[size_t(id)];
    ExprDag &e = builder.dag(dim);
    switch (node.op) {
    case PairOp::Key: return keysBelow(dim, e.add(bound, e.constant(1)));
    case PairOp::Max: return both(sumAtMost(node.a, bound, dim), sumAtMost(node.b, bound, dim));
    case PairOp::Min: return either(sumAtMost(node.a, bound, dim), sumAtMost(node.b, bound, dim));
    case PairOp::Select:
      return chosen(node, sumAtMost(node.b, bound, dim), sumAtMost(node.c, bound, dim));
    case PairOp::FloorDiv: {
      // floor(a / d) <= bound is a <= bound * d + d - 1
      std::optional<int64_t> divisor = constantOf(node.b);
      if (!divisor || *divisor < 1)
        return std::nullopt;
      ExprId scaled = e.mul(bound, e.constant(*divisor));
      return sumAtMost(node.a, e.add(scaled, e.constant(*divisor - 1)), dim);
    }
    case PairOp::Mod:
      if (std::optional<int64_t> most = valueOf(bound, dim))
        return residue(node, 0, *most, dim);
      return std::nullopt;
    default: return std::nullopt;
    }
  }

  std::optional<TermId> atLeast(int32_t id, ExprId bound, int dim) {
    const PairNode node = expr[size_t(id)];
    ExprDag &e = builder.dag(dim);
    switch (node.op) {
    case PairOp::Key: return keysFrom(dim, bound);
    case PairOp::Max: return either(sumAtLeast(node.a, bound, dim), sumAtLeast(node.b, bound, dim));
    case PairOp::Min: return both(sumAtLeast(node.a, bound, dim), sumAtLeast(node.b, bound, dim));
    case PairOp::Select:
      return chosen(node, sumAtLeast(node.b, bound, dim), sumAtLeast(node.c, bound, dim));
    case PairOp::FloorDiv: {
      std::optional<int64_t> divisor = constantOf(node.b);
      if (!divisor || *divisor < 1)
        return std::nullopt;
      return sumAtLeast(node.a, e.mul(bound, e.constant(*divisor)), dim);
    }
    case PairOp::Mod:
      if (std::optional<int64_t> least = valueOf(bound, dim))
        return residue(node, *least, kMaxMagnitude, dim);
      return std::nullopt;
    default: return std::nullopt;
    }
  }

  /// A sum, whose terms but for one go to the other side, against a bound.
  std::optional<TermId> sumAtMost(int32_t id, ExprId bound, int dim) {
    return sumAgainst(id, bound, dim, /*most=*/true);
  }
  std::optional<TermId> sumAtLeast(int32_t id, ExprId bound, int dim) {
    return sumAgainst(id, bound, dim, /*most=*/false);
  }
  std::optional<TermId> sumAgainst(int32_t id, ExprId bound, int dim, bool most) {
    ExprDag &e = builder.dag(dim);
    LinearSum sum = linear(id);
    int32_t key = keyTerm(sum);
    if (key == -2 || (key >= 0 && keyDim(key) != dim))
      return std::nullopt;
    std::optional<ExprId> others = rest(sum, key, -1, dim);
    if (!others)
      return std::nullopt;
    // term * coefficient (<= or >=) room
    ExprId room = e.add(bound, *others);
    if (key == -1) {
      ExprId fails = most ? e.less(room, e.constant(0)) : e.less(e.constant(0), room);
      return builder.slab(dim, {e.constant(-kInfinity), e.select(fails, e.constant(-kInfinity),
                                                                 e.constant(kInfinity))});
    }
    int64_t coefficient = sum.terms.at(key);
    ExprId size = e.constant(std::abs(coefficient));
    ExprId negated = e.sub(e.constant(0), room);
    ExprId down = e.floorDiv(coefficient > 0 ? room : negated, size);
    ExprId up = e.sub(e.constant(0), e.floorDiv(coefficient > 0 ? negated : room, size));
    return most == coefficient > 0 ? atMost(key, down, dim) : atLeast(key, up, dim);
  }

  std::optional<TermId> both(std::optional<TermId> a, std::optional<TermId> b) {
    return a && b ? std::optional(builder.andOf(*a, *b)) : std::nullopt;
  }
  std::optional<TermId> either(std::optional<TermId> a, std::optional<TermId> b) {
    return a && b ? std::optional(builder.orOf(*a, *b)) : std::nullopt;
  }
  std::optional<TermId> chosen(const PairNode &select, std::optional<TermId> yes,
                               std::optional<TermId> no) {
    if (!yes || !no)
      return std::nullopt;
    TermId condition = term(select.a);
    return builder.orOf(builder.andOf(condition, *yes),
                        builder.andOf(builder.notOf(condition), *no));
  }

  std::optional<int64_t> constantOf(int32_t id) const {
    const PairNode &node = expr[size_t(id)];
    return node.op == PairOp::Constant ? std::optional(node.value) : std::nullopt;
  }
  std::optional<int64_t> valueOf(ExprId id, int dim) {
    const ExprNode &node = builder.dag(dim).nodes()[size_t(id)];
    return node.op == ExprOp::Constant ? std::optional(node.value) : std::nullopt;
  }

  //===--- Residues and labels ---===//

  /// least <= a mod m <= most, where a is k or -k, less q or -q, plus what does not depend on q.
  std::optional<TermId> residue(const PairNode &mod, int64_t least, int64_t most, int dim) {
    std::optional<int64_t> modulus = constantOf(mod.b);
    if (!modulus || *modulus < 1 || *modulus > kMaxMagnitude)
      return std::nullopt;
    least = std::max<int64_t>(least, 0);
    most = std::min(most, *modulus - 1);
    if (least > most)
      return builder.notOf(builder.always());
    if (least == 0 && most == *modulus - 1)
      return builder.always();
    LinearSum sum = linear(mod.a);
    int32_t key = keyTerm(sum);
    if (key < 0 || expr[size_t(key)].op != PairOp::Key || std::abs(sum.terms.at(key)) != 1)
      return std::nullopt;
    int64_t sign = sum.terms.at(key);
    ExprDag &e = builder.dag(dim);
    // From here on of k - q + shifted, or of its negative.
    bool relative = false;
    ExprId shifted = e.constant(sign * sum.constant);
    for (auto [node, coefficient] : sum.terms) {
      if (node == key)
        continue;
      const PairNode &other = expr[size_t(node)];
      bool isQuery = other.op == PairOp::Query && (other.value == dim || builder.rank() == 1);
      if (isQuery && coefficient == -sign && !relative) {
        relative = true;
        if (other.value < 0 && !builder.isPacked())
          shifted = e.sub(shifted, builder.symbol(dim, {SymbolKind::QueryOffset}));
        continue;
      }
      std::optional<ExprId> value = queryExpr(node, dim);
      if (!value)
        return std::nullopt;
      shifted = e.add(shifted, e.mul(e.constant(sign * coefficient), *value));
    }
    // Packed sequences shift keys, and queries of other lengths, by tables.
    if (e.dependsOnQuery()[size_t(shifted)] || (builder.isPacked() && !relative) ||
        (builder.isPacked() && !builder.isSelfPacked()))
      return std::nullopt;
    ExprId first = e.constant(sign > 0 ? least : -most);
    AtomDim bounds{e.constant(-kInfinity), e.constant(kInfinity), *modulus};
    bounds.shift = e.sub(first, shifted);
    bounds.width = most - least + 1;
    bounds.relative = relative;
    return builder.slab(dim, bounds);
  }

  /// a mod m == c
  std::optional<TermId> equalResidue(const LinearSum &difference) {
    int32_t key = keyTerm(difference);
    if (key < 0 || difference.terms.size() != 1 || expr[size_t(key)].op != PairOp::Mod ||
        std::abs(difference.terms.at(key)) != 1)
      return std::nullopt;
    int64_t value = -difference.constant * difference.terms.at(key);
    int dim = keyDim(key);
    return dim < 0 ? std::nullopt : residue(expr[size_t(key)], value, value, dim);
  }

  /// input[q] == input[k]
  std::optional<TermId> equalLabels(const PairNode &node) {
    auto entryOf = [&](int32_t id, bool ofKey) -> std::optional<int32_t> {
      const PairNode &lookup = expr[size_t(id)];
      if (lookup.op != PairOp::Lookup || lookup.b >= 0)
        return std::nullopt;
      const PairNode &index = expr[size_t(lookup.a)];
      bool fits = ofKey ? index.op == PairOp::Key && (index.value < 0 || builder.rank() == 1)
                        : index.op == PairOp::Row;
      return fits ? std::optional(int32_t(lookup.value)) : std::nullopt;
    };
    for (auto [x, y] : {std::pair(node.a, node.b), std::pair(node.b, node.a)}) {
      std::optional<int32_t> queries = entryOf(x, false), keys = entryOf(y, true);
      if (queries && keys)
        return builder.labels(*queries, *keys);
    }
    return std::nullopt;
  }

  //===--- What stays a predicate ---===//

  TermId fallback(int32_t id) {
    PairExpr part = subexpression(expr, id), result;
    // Positions in the query's own sequence, and as they are: indices of inputs stay the latter.
    std::vector<int32_t> local, global;
    auto add = [&](PairNode node) {
      result.push_back(node);
      return int32_t(result.size()) - 1;
    };
    auto tableNode = [&](TableKind kind) {
      return add({PairOp::Table, -1, -1, -1, -1, builder.packedTable(kind)});
    };
    auto withTable = [&](int32_t a, PairOp op, TableKind kind) {
      return add({op, a, tableNode(kind)});
    };
    auto packedLength = [&](SymbolKind kind) {
      int32_t keys = add({PairOp::Sub, tableNode(TableKind::KeyEnd), tableNode(TableKind::KeyBegin)});
      if (kind == SymbolKind::NumKeys)
        return keys;
      int32_t shift =
          add({PairOp::Sub, tableNode(TableKind::AlignEnd), tableNode(TableKind::AlignBegin)});
      return add({PairOp::Sub, keys, shift});
    };
    for (PairNode node : part) {
      if (node.op == PairOp::Symbol && isPackedLength(symbols[size_t(node.value)])) {
        local.push_back(packedLength(symbols[size_t(node.value)].kind));
        global.push_back(local.back());
        continue;
      }
      bool isLookup = node.op == PairOp::Lookup;
      for (int32_t *operand : {&node.a, &node.b, &node.c, &node.d})
        if (*operand >= 0)
          *operand = (isLookup ? global : local)[size_t(*operand)];
      if (node.op == PairOp::Symbol)
        node.value = builder.symbolIndex(symbols[size_t(node.value)]);
      if (builder.isPacked() && node.op == PairOp::Query)
        node.op = PairOp::Row;
      int32_t at = add(node);
      bool isKey = node.op == PairOp::Key, isQuery = part[local.size()].op == PairOp::Query;
      global.push_back(at);
      if (builder.isPacked() && isQuery)
        at = withTable(at, PairOp::Add, TableKind::AlignEnd);
      if (builder.isPacked() && (isKey || isQuery))
        at = withTable(at, PairOp::Sub, TableKind::KeyBegin);
      local.push_back(at);
      // What is computed from local positions is an index as it stands.
      if (!isKey && !isQuery)
        global.back() = at;
    }
    return builder.predicate(std::move(result));
  }

  FormulaBuilder &builder;
  const std::vector<Symbol> &symbols;
  const PairExpr &expr;
  std::vector<bool> readsKey;
};

} // namespace

TermId predicateTerm(FormulaBuilder &builder, const ParsedPredicate &predicate) {
  return Lifter(builder, predicate).term(int32_t(predicate.expr.size()) - 1);
}

} // namespace attn
