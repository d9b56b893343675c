#include "dialect/algebra/Formula.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace attn {

std::string printSymbol(const Symbol &symbol) {
  std::string index = std::to_string(symbol.index);
  switch (symbol.kind) {
  case SymbolKind::NumQueries: return "Nq";
  case SymbolKind::NumKeys: return "Nk";
  case SymbolKind::QueryOffset: return "q_offset";
  case SymbolKind::Dim: return "L" + index;
  case SymbolKind::HeadParam: return "p" + index;
  case SymbolKind::BatchInput: return "input" + index + "[b]";
  case SymbolKind::HeadFormula: return "formula[h]";
  case SymbolKind::Batch: return "b";
  case SymbolKind::HeadInput: return "input" + index + "[h]";
  case SymbolKind::Span: return "span" + index;
  }
  return {};
}

std::string printTable(const TableInfo &table) {
  std::string keys = std::to_string(table.keyInput);
  switch (table.kind) {
  case TableKind::Input: return "input" + std::to_string(table.queryInput);
  case TableKind::KeyBegin: return "key_begin";
  case TableKind::KeyEnd: return "key_end";
  case TableKind::AlignBegin: return "align_begin";
  case TableKind::AlignEnd: return "align_end";
  case TableKind::RunBegin: return "run_begin" + keys;
  case TableKind::RunEnd: return "run_end" + keys;
  }
  return {};
}

int64_t spanLength(const SpanRule &rule, int64_t numKeys) {
  double n = double(numKeys + rule.newTokens);
  double tokens = std::clamp(std::trunc(rule.alpha + rule.beta * n), double(2 * kSpanBlock),
                             std::max(n, double(2 * kSpanBlock)));
  return ceilDiv(int64_t(tokens), kSpanBlock) * kSpanBlock;
}

//===----------------------------------------------------------------------===//
// Formula
//===----------------------------------------------------------------------===//

bool Formula::truthOf(Signature signature) const {
  bool stack[128];
  int top = 0;
  for (const TruthStep &step : truth) {
    switch (step.op) {
    case TruthOp::Atom: stack[top++] = signature >> step.atom & 1; break;
    case TruthOp::True: stack[top++] = true; break;
    case TruthOp::And: --top, stack[top - 1] = stack[top - 1] && stack[top]; break;
    case TruthOp::Or: --top, stack[top - 1] = stack[top - 1] || stack[top]; break;
    case TruthOp::Not: stack[top - 1] = !stack[top - 1]; break;
    }
    assert(top > 0 && top < 128 && "a postfix program of at most kMaxAtoms atoms stays within its stack");
  }
  return stack[0];
}

Signature Formula::dataAtoms() const {
  Signature bits = 0;
  for (size_t i = 0; i < atoms.size(); ++i)
    if (atoms[i].kind != AtomKind::Box)
      bits |= Signature(1) << i;
  return bits;
}

std::vector<std::string> Formula::symbolNames() const {
  std::vector<std::string> names;
  for (const Symbol &s : symbols)
    names.push_back(printSymbol(s));
  return names;
}

std::vector<std::string> Formula::tableNames() const {
  std::vector<std::string> names;
  for (const TableInfo &table : tables)
    names.push_back(printTable(table));
  return names;
}

bool holds(const AtomDim &dim, int64_t q, int64_t k, std::span<const int64_t> values) {
  if (k < values[dim.lo] || k >= values[dim.hi])
    return false;
  if (dim.modulus <= 1)
    return true;
  int64_t shift = dim.shift < 0 ? 0 : values[dim.shift];
  int64_t distance = k - (dim.relative ? q : 0) - shift;
  return distance - floorDiv(distance, dim.modulus) * dim.modulus < dim.width;
}

Signature Formula::signatureOf(const int64_t *q, const int64_t *k, const Environment &env) const {
  Signature bits = ~dataAtoms();
  std::vector<int64_t> values;
  for (int d = 0; d < rank; ++d) {
    dags[d].evaluate(q[d], env, values);
    for (size_t i = 0; i < atoms.size(); ++i)
      if (atoms[i].kind == AtomKind::Box && !holds(atoms[i].dims[d], q[d], k[d], values))
        bits &= ~(Signature(1) << i);
  }
  return bits;
}

bool Formula::sees(const int64_t *q, const int64_t *k, const Environment &env,
                   const std::function<bool(const Atom &)> &data) const {
  Signature bits = signatureOf(q, k, env);
  for (size_t i = 0; i < atoms.size(); ++i)
    if (atoms[i].kind != AtomKind::Box && data(atoms[i]))
      bits |= Signature(1) << i;
  return truthOf(bits);
}

int64_t Formula::zeroKeys(const int64_t *q, const Environment &env) const {
  if (taps.empty())
    return 0;
  int64_t window = 1, held = 1;
  std::vector<int64_t> values;
  for (int d = 0; d < rank; ++d) {
    dags[d].evaluate(q[d], env, values);
    const AtomDim &dim = atoms.front().dims[d];
    window *= values[taps[d]];
    held *= std::max<int64_t>(0, ceilDiv(values[dim.hi] - values[dim.lo], dim.modulus));
  }
  return window - held;
}

static std::string printBox(const Formula &formula, const Atom &atom) {
  std::string text;
  std::vector<std::string> names = formula.symbolNames(), tables = formula.tableNames();
  for (int d = 0; d < formula.rank; ++d) {
    std::string axis = formula.rank == 1 ? "" : std::to_string(d);
    const AtomDim &dim = atom.dims[d];
    auto bound = [&](ExprId id) { return formula.dags[d].print(id, names, tables, "q" + axis); };
    text += (d ? ", k" : "k") + axis + " in [" + bound(dim.lo) + ", " + bound(dim.hi) + ")";
    if (dim.modulus <= 1)
      continue;
    text += " with (k" + axis + (dim.relative ? " - q" + axis : "") +
            (dim.shift < 0 ? "" : " - " + bound(dim.shift)) + ") mod " +
            std::to_string(dim.modulus) +
            (dim.width == 1 ? " == 0" : " < " + std::to_string(dim.width));
  }
  return text;
}

static std::string printAtom(const Formula &formula, const Atom &atom) {
  std::string queries = "input" + std::to_string(atom.input);
  std::string keys = "input" + std::to_string(atom.keyInput);
  switch (atom.kind) {
  case AtomKind::Box: return printBox(formula, atom);
  case AtomKind::Labels: return queries + "[q] == " + keys + "[k]";
  case AtomKind::Mask: return queries + "[q, k]";
  case AtomKind::Classes: return "allow[" + queries + "[q], " + keys + "[k]]";
  case AtomKind::Listed: return "listed" + std::to_string(atom.index) + "[q, k]";
  case AtomKind::Predicate: {
    std::vector<std::string> symbols = formula.symbolNames(), tables = formula.tableNames();
    return print(formula.predicates[size_t(atom.index)], {{}, symbols, tables, formula.rank});
  }
  }
  return {};
}

std::string Formula::print() const {
  std::vector<std::string> stack;
  auto pop = [&] {
    std::string text = std::move(stack.back());
    stack.pop_back();
    return text;
  };
  for (const TruthStep &step : truth) {
    if (step.op == TruthOp::Atom) {
      stack.push_back(printAtom(*this, atoms[step.atom]));
    } else if (step.op == TruthOp::True) {
      stack.push_back("true");
    } else if (step.op == TruthOp::Not) {
      stack.push_back("not (" + pop() + ")");
    } else {
      std::string right = pop(), left = pop();
      stack.push_back("(" + left + (step.op == TruthOp::And ? " and " : " or ") + right + ")");
    }
  }
  return stack.back();
}

} // namespace attn
