#include "dialect/algebra/Formula.h"

#include <algorithm>
#include <cassert>

namespace attn {

std::string printSymbol(const Symbol &symbol) {
  std::string index = std::to_string(symbol.index);
  switch (symbol.kind) {
  case SymbolKind::NumQueries: return "Nq";
  case SymbolKind::NumKeys: return "Nk";
  case SymbolKind::QueryOffset: return "q_offset";
  case SymbolKind::Dim: return "L" + index;
  case SymbolKind::HeadParam: return "p" + index;
  case SymbolKind::BatchInput: return "input" + index;
  }
  return {};
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
    assert(top > 0 && top < 128 && "a postfix program of at most 60 atoms stays within its stack");
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

bool Formula::usesBatchInputs() const {
  return std::any_of(symbols.begin(), symbols.end(),
                     [](const Symbol &s) { return s.kind == SymbolKind::BatchInput; });
}

std::vector<std::string> Formula::symbolNames() const {
  std::vector<std::string> names;
  for (const Symbol &s : symbols)
    names.push_back(printSymbol(s));
  return names;
}

Signature Formula::signatureOf(const int64_t *q, const int64_t *k,
                               const int64_t *symbolValues) const {
  Signature bits = ~dataAtoms();
  std::vector<int64_t> values;
  for (int d = 0; d < rank; ++d) {
    dags[d].evaluate(q[d], symbolValues, values);
    for (size_t i = 0; i < atoms.size(); ++i) {
      if (atoms[i].kind != AtomKind::Box)
        continue;
      const AtomDim &dim = atoms[i].dims[d];
      bool in = values[dim.lo] <= k[d] && k[d] < values[dim.hi] && (k[d] - q[d]) % dim.modulus == 0;
      if (!in)
        bits &= ~(Signature(1) << i);
    }
  }
  return bits;
}

bool Formula::sees(const int64_t *q, const int64_t *k, const int64_t *symbolValues,
                   const std::function<bool(const Atom &)> &data) const {
  Signature bits = signatureOf(q, k, symbolValues);
  for (size_t i = 0; i < atoms.size(); ++i)
    if (atoms[i].kind != AtomKind::Box && data(atoms[i]))
      bits |= Signature(1) << i;
  return truthOf(bits);
}

static std::string printAtom(const Formula &formula, const Atom &atom) {
  if (atom.kind == AtomKind::Labels)
    return "input" + std::to_string(atom.input) + "[q] == input" + std::to_string(atom.input) + "[k]";
  if (atom.kind == AtomKind::Mask)
    return "input" + std::to_string(atom.input) + "[q, k]";
  std::string text;
  std::vector<std::string> names = formula.symbolNames();
  for (int d = 0; d < formula.rank; ++d) {
    std::string axis = formula.rank == 1 ? "" : std::to_string(d);
    const AtomDim &dim = atom.dims[d];
    text += (d ? ", k" : "k") + axis + " in [" + formula.dags[d].print(dim.lo, names, "q" + axis) +
            ", " + formula.dags[d].print(dim.hi, names, "q" + axis) + ")";
    if (dim.modulus > 1)
      text += " with (k" + axis + " - q" + axis + ") mod " + std::to_string(dim.modulus) + " == 0";
  }
  return text;
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

//===----------------------------------------------------------------------===//
// FormulaBuilder
//===----------------------------------------------------------------------===//

FormulaBuilder::FormulaBuilder(std::vector<int64_t> dims) : extents(std::move(dims)) {
  formula.rank = rank();
  formula.dags.resize(extents.size());
}

ExprId FormulaBuilder::symbol(int dim, Symbol s) {
  auto it = std::find(formula.symbols.begin(), formula.symbols.end(), s);
  if (it == formula.symbols.end())
    it = formula.symbols.insert(formula.symbols.end(), s);
  return dag(dim).symbol(it - formula.symbols.begin());
}

ExprId FormulaBuilder::length(int dim) {
  return extents[dim] >= 0 ? dag(dim).constant(extents[dim])
                           : symbol(dim, {SymbolKind::Dim, dim});
}

TermId FormulaBuilder::addTerm(TruthOp op, int32_t a, int32_t b) {
  terms.push_back({op, a, b});
  return static_cast<TermId>(terms.size()) - 1;
}

TermId FormulaBuilder::addAtom(Atom atom) {
  auto it = std::find(formula.atoms.begin(), formula.atoms.end(), atom);
  if (it == formula.atoms.end())
    it = formula.atoms.insert(formula.atoms.end(), std::move(atom));
  return addTerm(TruthOp::Atom, static_cast<int32_t>(it - formula.atoms.begin()));
}

TermId FormulaBuilder::always() { return addTerm(TruthOp::True); }
TermId FormulaBuilder::andOf(TermId a, TermId b) { return addTerm(TruthOp::And, a, b); }
TermId FormulaBuilder::orOf(TermId a, TermId b) { return addTerm(TruthOp::Or, a, b); }
TermId FormulaBuilder::notOf(TermId a) { return addTerm(TruthOp::Not, a); }

TermId FormulaBuilder::box(std::vector<AtomDim> dims) {
  assert(dims.size() == extents.size() && "a box has one interval per dimension");
  return addAtom({AtomKind::Box, std::move(dims), -1});
}

TermId FormulaBuilder::data(AtomKind kind, int32_t input) { return addAtom({kind, {}, input}); }

/// constant + symbols of `bound`, without its query, as an expression of dimension `dim`.
ExprId FormulaBuilder::boundIn(int dim, const LinearBound &bound) {
  ExprDag &e = dag(dim);
  ExprId sum = e.constant(bound.constant);
  for (const auto &[s, sign] : bound.symbols)
    sum = sign > 0 ? e.add(sum, symbol(dim, s)) : e.sub(sum, symbol(dim, s));
  return sum;
}

TermId FormulaBuilder::interval(std::optional<LinearBound> lo, std::optional<LinearBound> hi) {
  if (rank() == 1) {
    auto value = [&](const std::optional<LinearBound> &bound, int64_t otherwise) {
      ExprDag &e = dag(0);
      if (!bound)
        return e.constant(otherwise);
      ExprId sum = boundIn(0, *bound);
      return bound->followsQuery ? e.add(e.query(), sum) : sum;
    };
    return box({{value(lo, -kInfinity), value(hi, kInfinity)}});
  }
  TermId below = hi ? lessLinear(*hi) : always();
  return lo ? andOf(below, notOf(lessLinear(*lo))) : below;
}

/// k < target in row-major order on a layout of several dimensions, where target is the bound's
/// offset, plus the query if it follows it. With digits t_i of the target this is the union over i of
///   k_j = t_j for j < i, k_i < t_i.
/// Adding the offset's digits to the query's carries from a dimension into the one before, and whether
/// it does depends on that dimension's query coordinate alone: one set of atoms per carry pattern,
/// each guarded, dimension by dimension, by the query coordinates that produce it.
TermId FormulaBuilder::lessLinear(const LinearBound &bound) {
  int last = rank() - 1;
  TermId any = notOf(always());
  unsigned patterns = bound.followsQuery ? 1u << last : 1u;
  for (unsigned pattern = 0; pattern < patterns; ++pattern) {
    // Bit d - 1 of the pattern: dimension d carries into dimension d - 1.
    auto carries = [&](int d) { return d > 0 && d <= last && (pattern >> (d - 1) & 1); };
    struct Digit {
      ExprId target, guard; ///< guard: 1 where this pattern is the one that happens
    };
    std::vector<Digit> digits(rank());
    for (int d = last; d >= 0; --d) {
      ExprDag &e = dag(d);
      ExprId stride = e.constant(1);
      for (int inner = d + 1; inner <= last; ++inner)
        stride = e.mul(stride, extents[inner] >= 0 ? e.constant(extents[inner])
                                                   : symbol(d, {SymbolKind::Dim, inner}));
      ExprId digit = e.floorDiv(boundIn(d, bound), stride);
      if (d > 0)
        digit = e.mod(digit, length(d));
      if (!bound.followsQuery) {
        digits[d] = {digit, e.constant(1)};
        continue;
      }
      ExprId sum = e.add(e.query(), e.add(digit, e.constant(carries(d + 1))));
      ExprId fits = d > 0 ? e.less(sum, length(d)) : e.constant(1);
      digits[d] = carries(d) ? Digit{e.sub(sum, length(d)), e.sub(e.constant(1), fits)}
                             : Digit{sum, fits};
    }
    for (int i = 0; i <= last; ++i) {
      std::vector<AtomDim> dims;
      for (int d = 0; d <= last; ++d) {
        ExprDag &e = dag(d);
        ExprId lo = d < i ? digits[d].target : e.constant(-kInfinity);
        ExprId hi = d < i    ? e.add(digits[d].target, e.constant(1))
                    : d == i ? digits[d].target
                             : e.constant(kInfinity);
        dims.push_back({lo, e.select(digits[d].guard, hi, e.constant(-kInfinity))});
      }
      any = orOf(any, box(std::move(dims)));
    }
  }
  return any;
}

void FormulaBuilder::emit(TermId id, std::vector<TruthStep> &out) const {
  const Term &term = terms[id];
  if (term.op == TruthOp::And || term.op == TruthOp::Or) {
    emit(term.a, out);
    emit(term.b, out);
  } else if (term.op == TruthOp::Not) {
    emit(term.a, out);
  }
  out.push_back({term.op, term.op == TruthOp::Atom ? term.a : -1});
}

/// Depth of the stack that the program needs; truthOf has a fixed one.
static int stackDepth(const std::vector<TruthStep> &truth) {
  int top = 0, deepest = 0;
  for (const TruthStep &step : truth) {
    top += step.op == TruthOp::Atom || step.op == TruthOp::True;
    top -= step.op == TruthOp::And || step.op == TruthOp::Or;
    deepest = std::max(deepest, top);
  }
  return deepest;
}

std::optional<Formula> FormulaBuilder::finish(TermId root) {
  Formula result = formula;
  emit(root, result.truth);
  if (result.atoms.size() > kMaxAtoms || stackDepth(result.truth) >= 120)
    return std::nullopt;
  return result;
}

//===----------------------------------------------------------------------===//
// Head parameters
//===----------------------------------------------------------------------===//

static bool sameButForConstants(const Formula &a, const Formula &b) {
  if (a.rank != b.rank || a.symbols != b.symbols || a.atoms != b.atoms || a.truth != b.truth)
    return false;
  for (int d = 0; d < a.rank; ++d) {
    const auto &x = a.dags[d].nodes(), &y = b.dags[d].nodes();
    bool same = std::equal(x.begin(), x.end(), y.begin(), y.end(), [](auto &m, auto &n) {
      return m == n || (m.op == ExprOp::Constant && n.op == ExprOp::Constant);
    });
    if (!same)
      return false;
  }
  return true;
}

/// Rewrites every constant on which the members disagree into a head parameter.
static void extractParameters(ParameterizedFormulas &out, std::span<const Formula> all,
                              const std::vector<size_t> &members) {
  Formula shared = all[members[0]];
  int32_t next = 0;
  for (int d = 0; d < shared.rank; ++d) {
    ExprDag rewritten;
    for (size_t i = 0; i < shared.dags[d].nodes().size(); ++i) {
      ExprNode node = shared.dags[d].nodes()[i];
      bool differs = std::any_of(members.begin(), members.end(), [&](size_t m) {
        return all[m].dags[d].nodes()[i].value != node.value;
      });
      if (node.op == ExprOp::Constant && differs) {
        for (size_t m : members)
          out.parameters[m].push_back(all[m].dags[d].nodes()[i].value);
        node = {ExprOp::Symbol, -1, -1, -1, static_cast<int64_t>(shared.symbols.size())};
        shared.symbols.push_back({SymbolKind::HeadParam, next++});
      }
      rewritten.appendRaw(node);
    }
    shared.dags[d] = std::move(rewritten);
  }
  out.formulas.push_back(std::move(shared));
}

ParameterizedFormulas parameterize(std::span<const Formula> perMask) {
  ParameterizedFormulas out;
  out.formulaOf.assign(perMask.size(), -1);
  out.parameters.resize(perMask.size());
  for (size_t i = 0; i < perMask.size(); ++i) {
    if (out.formulaOf[i] >= 0)
      continue;
    std::vector<size_t> members;
    for (size_t j = i; j < perMask.size(); ++j) {
      if (out.formulaOf[j] < 0 && sameButForConstants(perMask[i], perMask[j])) {
        out.formulaOf[j] = static_cast<int32_t>(out.formulas.size());
        members.push_back(j);
      }
    }
    extractParameters(out, perMask, members);
  }
  return out;
}

} // namespace attn
