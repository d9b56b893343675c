// Text to the parser of free predicates: refused with a message at a place inside the text, or a
// formula that says of pairs of tokens what the expression says.
#include "dialect/algebra/PredicateTerms.h"
#include "test/fuzz/Fuzz.h"

#include <algorithm>
#include <array>
#include <string>

using namespace attn;
using fuzz::require;

namespace {
constexpr int64_t kRows = 4, kColumns = 6, kTokens = kRows * kColumns;

/// Inputs of a launch on kTokens tokens.
struct Inputs {
  std::array<int32_t, kTokens> labels{}, counts{};
  std::array<uint8_t, kTokens> seen{};
  Inputs() {
    for (size_t i = 0; i < size_t(kTokens); ++i) {
      labels[i] = int32_t(i / 5);
      counts[i] = int32_t(i * 7 % 11) - 3;
      seen[i] = i % 3 == 0;
    }
  }
  std::vector<DataView> views() const {
    DataView label{labels.data(), false, 1, {kTokens, 1, 1, 1}, {1, 0, 0, 0}};
    DataView count{counts.data(), false, 2, {kRows, kColumns, 1, 1}, {kColumns, 1, 0, 0}};
    DataView bits{seen.data(), true, 1, {kTokens, 1, 1, 1}, {1, 0, 0, 0}};
    return {label, count, bits};
  }
};

PredicateScope scopeOf(int rank) {
  return {{{"t", 1, false}, {"m", 2, false}, {"seen", 1, true}}, rank};
}

PairPoint pointOf(const int64_t *q, const int64_t *k, int64_t row, int64_t key) {
  return {q, k, row, row, key};
}

PairBox boxOf(int rank) {
  PairBox box;
  Interval all{0, kTokens - 1};
  box.row = box.position = box.keyPosition = all;
  box.head = {3, 3};
  for (size_t d = 0; d < size_t(rank); ++d)
    box.query[d] = box.key[d] = rank == 1 ? all : Interval{0, (d == 0 ? kRows : kColumns) - 1};
  return box;
}

int64_t valueOf(const Symbol &symbol) {
  switch (symbol.kind) {
  case SymbolKind::NumQueries:
  case SymbolKind::NumKeys:
    return kTokens;
  default:
    return 0; // the batch entry and the offset of the queries; entries of inputs make a text unfit
              // for `compare`
  }
}

/// Whether a formula's symbols and tables are known here without a launch.
bool isSelfContained(const Formula &formula) {
  return formula.tables.empty() &&
         std::none_of(formula.symbols.begin(), formula.symbols.end(), [](const Symbol &s) {
           return s.kind == SymbolKind::BatchInput || s.kind == SymbolKind::HeadInput ||
                  s.kind == SymbolKind::Dim;
         });
}

/// The formula of the predicate against its expression, on all pairs.
void compare(const ParsedPredicate &parsed, int rank) {
  static const Inputs inputs;
  std::vector<DataView> views = inputs.views();
  std::vector<int64_t> values;
  for (const Symbol &symbol : parsed.symbols) {
    if (symbol.kind == SymbolKind::BatchInput || symbol.kind == SymbolKind::HeadInput)
      return;
    values.push_back(valueOf(symbol));
  }
  PairEnvironment env{values.data(), nullptr, views};
  ParsedPredicate ofHead = parsed;
  ofHead.expr = atHead(parsed.expr, 3);
  if (findProblem(ofHead.expr, boxOf(rank), env))
    return;
  FormulaBuilder builder(rank == 1 ? std::vector<int64_t>{kTokens}
                                   : std::vector<int64_t>{kRows, kColumns});
  std::optional<Formula> formula = builder.finish(predicateTerm(builder, ofHead));
  if (!formula || !isSelfContained(*formula))
    return;
  std::vector<int64_t> symbols;
  for (const Symbol &symbol : formula->symbols)
    symbols.push_back(valueOf(symbol));
  PairEnvironment ofFormula{symbols.data(), nullptr, views};
  for (int64_t row = 0; row < kTokens; row += 3)
    for (int64_t key = 0; key < kTokens; ++key) {
      std::array<int64_t, 2> q{row, 0}, k{key, 0};
      if (rank == 2)
        q = {row / kColumns, row % kColumns}, k = {key / kColumns, key % kColumns};
      PairPoint point = pointOf(q.data(), k.data(), row, key);
      auto data = [&](const Atom &atom) {
        return atom.kind == AtomKind::Labels
                   ? inputs.labels[size_t(row)] == inputs.labels[size_t(key)]
                   : evaluate(formula->predicates[size_t(atom.index)], point, ofFormula) != 0;
      };
      require(formula->sees(q.data(), k.data(), symbols.data(), data) ==
                  (evaluate(ofHead.expr, point, env) != 0),
              "a predicate's formula says of a pair what its expression says");
    }
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  for (int rank : {1, 2}) {
    PredicateError error;
    std::optional<ParsedPredicate> parsed = parsePredicate(text, scopeOf(rank), error);
    if (!parsed) {
      require(!error.message.empty() && error.offset <= size,
              "a text that is refused is told why, and where");
      continue;
    }
    require(parsed->length <= size && parsed->offsets.size() == parsed->expr.size(),
            "every node has its place");
    for (size_t i = 0; i < parsed->expr.size(); ++i)
      for (int32_t operand : parsed->expr[i].operands())
        require(operand < int32_t(i), "nodes lie in topological order");
    compare(*parsed, rank);
  }
  return 0;
}
