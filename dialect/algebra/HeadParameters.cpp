#include "dialect/algebra/HeadParameters.h"

#include <algorithm>

namespace attn {
namespace {

bool sameNodes(const Formula &a, const Formula &b, int dim) {
  const auto &x = a.dags[size_t(dim)].nodes(), &y = b.dags[size_t(dim)].nodes();
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](auto &m, auto &n) {
    return m == n || (m.op == ExprOp::Constant && n.op == ExprOp::Constant);
  });
}

bool samePredicates(const Formula &a, const Formula &b) {
  return std::equal(a.predicates.begin(), a.predicates.end(), b.predicates.begin(),
                    b.predicates.end(), [](const PairExpr &x, const PairExpr &y) {
                      return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                                        [](const PairNode &m, const PairNode &n) {
                                          return m == n || (m.op == PairOp::Constant &&
                                                            n.op == PairOp::Constant);
                                        });
                    });
}

bool sameButForConstants(const Formula &a, const Formula &b) {
  bool same = a.rank == b.rank && a.symbols == b.symbols && a.tables == b.tables &&
              a.classTables == b.classTables && a.blockLists == b.blockLists &&
              a.atoms == b.atoms && a.truth == b.truth && a.taps == b.taps && samePredicates(a, b);
  for (int d = 0; same && d < a.rank; ++d)
    same = sameNodes(a, b, d);
  return same;
}

/// Rewrites every constant on which the members disagree, and every span, into a head parameter.
class ParameterExtractor {
public:
  ParameterExtractor(ParameterizedFormulas &out, std::span<const Formula> all,
                     const std::vector<size_t> &members)
      : out(out), all(all), members(members), shared(all[members[0]]) {}

  void run() {
    for (Symbol &symbol : shared.symbols)
      if (symbol.kind == SymbolKind::Span)
        rewriteSpan(symbol);
    for (size_t d = 0; d < shared.dags.size(); ++d)
      rewriteDag(d);
    for (size_t p = 0; p < shared.predicates.size(); ++p)
      for (size_t i = 0; i < shared.predicates[p].size(); ++i)
        rewritePredicate(p, i);
    shared.spans.clear();
    out.formulas.push_back(std::move(shared));
  }

private:
  const ExprNode &nodeOf(size_t member, size_t d, size_t i) const {
    return all[member].dags[d].nodes()[i];
  }

  void rewriteSpan(Symbol &symbol) {
    for (size_t m : members)
      out.parameters[m].push_back({0, all[m].spans[size_t(symbol.index)]});
    symbol = {SymbolKind::HeadParam, next++};
  }

  void rewriteDag(size_t d) {
    ExprDag rewritten;
    for (size_t i = 0; i < all[members[0]].dags[d].nodes().size(); ++i) {
      ExprNode node = nodeOf(members[0], d, i);
      bool differs = std::any_of(members.begin(), members.end(), [&](size_t m) {
        return nodeOf(m, d, i).value != node.value;
      });
      if (node.op == ExprOp::Constant && differs) {
        for (size_t m : members)
          out.parameters[m].push_back({nodeOf(m, d, i).value, std::nullopt});
        node = {ExprOp::Symbol, -1, -1, -1, newParameter()};
      }
      rewritten.appendRaw(node);
    }
    shared.dags[d] = std::move(rewritten);
  }

  void rewritePredicate(size_t p, size_t i) {
    PairNode &node = shared.predicates[p][i];
    bool differs = std::any_of(members.begin(), members.end(), [&](size_t m) {
      return all[m].predicates[p][i].value != node.value;
    });
    if (node.op != PairOp::Constant || !differs)
      return;
    for (size_t m : members)
      out.parameters[m].push_back({all[m].predicates[p][i].value, std::nullopt});
    node = {PairOp::Symbol, -1, -1, -1, -1, newParameter()};
  }

  int64_t newParameter() {
    shared.symbols.push_back({SymbolKind::HeadParam, next++});
    return int64_t(shared.symbols.size()) - 1;
  }

  ParameterizedFormulas &out;
  std::span<const Formula> all;
  const std::vector<size_t> &members;
  Formula shared;
  int32_t next = 0;
};

} // namespace

int64_t valueOf(const HeadParameter &parameter, int64_t numKeys) {
  return parameter.span ? spanLength(*parameter.span, numKeys) : parameter.value;
}

/// Gives all formulas one list of tables, those of any of them.
static std::vector<Formula> withSharedTables(std::span<const Formula> formulas) {
  std::vector<Formula> shared(formulas.begin(), formulas.end());
  std::vector<TableInfo> tables;
  for (Formula &formula : shared) {
    std::vector<int64_t> number;
    for (const TableInfo &table : formula.tables) {
      auto it = std::find(tables.begin(), tables.end(), table);
      number.push_back(it - tables.begin());
      if (it == tables.end())
        tables.push_back(table);
    }
    for (ExprDag &dag : formula.dags) {
      ExprDag renumbered;
      for (ExprNode node : dag.nodes()) {
        if (node.op == ExprOp::Table)
          node.value = number[size_t(node.value)];
        renumbered.appendRaw(node);
      }
      dag = std::move(renumbered);
    }
    for (PairExpr &predicate : formula.predicates)
      for (PairNode &node : predicate)
        if (node.op == PairOp::Table)
          node.value = number[size_t(node.value)];
  }
  for (Formula &formula : shared)
    formula.tables = tables;
  return shared;
}

ParameterizedFormulas parameterize(std::span<const Formula> masks) {
  std::vector<Formula> perMask = withSharedTables(masks);
  ParameterizedFormulas out;
  out.formulaOf.assign(perMask.size(), -1);
  out.parameters.resize(perMask.size());
  for (size_t i = 0; i < perMask.size(); ++i) {
    if (out.formulaOf[i] >= 0)
      continue;
    std::vector<size_t> members;
    for (size_t j = i; j < perMask.size(); ++j) {
      if (out.formulaOf[j] < 0 && sameButForConstants(perMask[i], perMask[j])) {
        out.formulaOf[j] = int32_t(out.formulas.size());
        members.push_back(j);
      }
    }
    ParameterExtractor(out, perMask, members).run();
  }
  return out;
}

} // namespace attn
