#include "dialect/algebra/FormulaBuilder.h"

#include "dialect/algebra/TileGeometry.h"

#include <algorithm>
#include <cassert>

namespace attn {

FormulaBuilder::FormulaBuilder(LayoutShape s) : shape(std::move(s)) {
  formula.rank = rank();
  formula.dags.resize(shape.extents.size());
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

int32_t FormulaBuilder::symbolIndex(Symbol s) {
  auto it = std::find(formula.symbols.begin(), formula.symbols.end(), s);
  if (it == formula.symbols.end())
    it = formula.symbols.insert(formula.symbols.end(), s);
  return int32_t(it - formula.symbols.begin());
}

ExprId FormulaBuilder::symbol(int dim, Symbol s) { return dag(dim).symbol(symbolIndex(s)); }

Symbol FormulaBuilder::span(const SpanRule &rule) {
  auto it = std::find(formula.spans.begin(), formula.spans.end(), rule);
  if (it == formula.spans.end())
    it = formula.spans.insert(formula.spans.end(), rule);
  return {SymbolKind::Span, int32_t(it - formula.spans.begin())};
}

int32_t FormulaBuilder::table(const TableInfo &info) {
  auto it = std::find(formula.tables.begin(), formula.tables.end(), info);
  if (it == formula.tables.end())
    it = formula.tables.insert(formula.tables.end(), info);
  return int32_t(it - formula.tables.begin());
}

ExprId FormulaBuilder::tableExpr(TableKind kind) { return dag(0).table(packedTable(kind)); }

ExprId FormulaBuilder::query(int dim) {
  ExprDag &e = dag(dim);
  if (!packed)
    return e.query();
  // AlignBegin is the first key less the first query.
  ExprId inKeys = packed->isSelf() ? e.query() : e.add(e.query(), tableExpr(TableKind::AlignBegin));
  return e.sub(inKeys, tableExpr(TableKind::KeyBegin));
}

ExprId FormulaBuilder::position(int dim) {
  ExprDag &e = dag(dim);
  if (rank() > 1)
    return e.query();
  if (!packed)
    return e.add(e.query(), symbol(0, {SymbolKind::QueryOffset}));
  ExprId inKeys = packed->isSelf() ? e.query() : e.add(e.query(), tableExpr(TableKind::AlignEnd));
  return e.sub(inKeys, tableExpr(TableKind::KeyBegin));
}

/// Of the tiled layout.
ExprId FormulaBuilder::extent(int dim) {
  return shape.extents[dim] >= 0 ? dag(dim).constant(shape.extents[dim])
                                 : symbol(dim, {SymbolKind::Dim, dim});
}

ExprId FormulaBuilder::length(int dim) {
  ExprDag &e = dag(dim);
  if (packed)
    return e.sub(tableExpr(TableKind::KeyEnd), tableExpr(TableKind::KeyBegin));
  if (shape.groups.empty() || dim > 0)
    return extent(dim);
  // The tokens before group 1 are whole slabs.
  int64_t slab = 1;
  const std::vector<int64_t> &dims = shape.groups.front().dims;
  for (size_t d = 1; d < dims.size(); ++d)
    slab *= dims[d];
  if (dims.front() >= 0)
    return e.constant(dims.front());
  return e.floorDiv(boundIn(dim, groupBegin(1)), e.constant(slab));
}

//===----------------------------------------------------------------------===//
// Positions and residues
//===----------------------------------------------------------------------===//

std::vector<FormulaBuilder::SplitDim> FormulaBuilder::splitDims() {
  std::vector<SplitDim> dims;
  int next = 0;
  for (size_t d = 0; d < shape.steps.size(); ++d) {
    SplitDim dim{next, shape.steps[d]};
    int64_t step = dim.step, length = shape.lengths[d];
    next += step > 1 ? 2 : 1;
    bool isRagged = d == 0 && isUnevenSplit(shape.lengths, shape.steps);
    if (isRagged && length >= 0)
      dim.longResidues = dag(1).constant(length % step);
    if (isRagged && length < 0) {
      // Tokens behind the last whole slab of positions, 1 to step.
      assert(shape.steps.size() == 1 && "an open length is split in one dimension alone");
      ExprDag &e = dag(1);
      ExprId whole = e.mul(e.sub(symbol(1, {SymbolKind::Dim, 0}), e.constant(1)), e.constant(step));
      dim.longResidues = e.sub(symbol(1, {SymbolKind::NumKeys}), whole);
    }
    dims.push_back(dim);
  }
  return dims;
}

AtomDim FormulaBuilder::sameResidue(const SplitDim &dim, ExprId shift) {
  ExprDag &e = dag(dim.position + 1);
  ExprId residue = e.query();
  if (shift >= 0)
    residue = e.mod(e.add(residue, shift), e.constant(dim.step));
  return {residue, e.add(residue, e.constant(1))};
}

size_t FormulaBuilder::groupNamed(const std::string &name) const {
  auto it = std::find_if(shape.groups.begin(), shape.groups.end(),
                         [&](const auto &group) { return group.name == name; });
  assert(it != shape.groups.end() && "verifyOn has found the group");
  return size_t(it - shape.groups.begin());
}

/// Counted from the first token, or from the last one where the open length lies before the group.
LinearBound FormulaBuilder::groupBegin(size_t group) const {
  auto tokensOf = [&](size_t first, size_t end) {
    int64_t sum = 0;
    for (size_t g = first; g < end; ++g) {
      int64_t tokens = 1;
      for (int64_t length : shape.groups[g].dims)
        tokens = length < 0 || tokens < 0 ? -1 : tokens * length;
      if (tokens < 0)
        return int64_t(-1);
      sum += tokens;
    }
    return sum;
  };
  int64_t before = tokensOf(0, group);
  if (before >= 0)
    return {false, before, {}};
  return {false, -tokensOf(group, shape.groups.size()), {{{SymbolKind::NumKeys}, 1}}};
}

//===----------------------------------------------------------------------===//
// Terms
//===----------------------------------------------------------------------===//

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

static AtomDim everything(ExprDag &e) { return {e.constant(-kInfinity), e.constant(kInfinity)}; }

static bool isInfinite(const ExprDag &e, ExprId id) {
  const ExprNode &node = e.nodes()[size_t(id)];
  return node.op == ExprOp::Constant && std::abs(node.value) >= kInfinity;
}

/// From bounds in the query's sequence to bounds in the tensor.
TermId FormulaBuilder::boundsOfSequence(std::vector<AtomDim> dims) {
  ExprDag &e = dag(0);
  for (ExprId *bound : {&dims[0].lo, &dims[0].hi})
    if (packed && !isInfinite(e, *bound))
      *bound = e.add(*bound, tableExpr(TableKind::KeyBegin));
  return addAtom({AtomKind::Box, std::move(dims)});
}

TermId FormulaBuilder::box(std::vector<AtomDim> dims) {
  assert(dims.size() == shape.extents.size() && "a box has one interval per dimension");
  if (!shape.groups.empty()) {
    // Queries and keys of other groups lie beyond the first one's last slab.
    ExprDag &e = dag(0);
    ExprId end = length(0);
    dims[0].lo = e.max(dims[0].lo, e.constant(0));
    dims[0].hi = e.select(e.less(e.query(), end), e.min(dims[0].hi, end), e.constant(-kInfinity));
  }
  return boundsOfSequence(std::move(dims));
}

TermId FormulaBuilder::slab(int dim, AtomDim bounds) {
  std::vector<AtomDim> dims;
  for (int d = 0; d < rank(); ++d)
    dims.push_back(d == dim ? bounds : everything(dag(d)));
  return boundsOfSequence(std::move(dims));
}

TermId FormulaBuilder::labels(int32_t queryInput, int32_t keyInput) {
  return addAtom({AtomKind::Labels, {}, queryInput, keyInput});
}

TermId FormulaBuilder::mask(int32_t input) { return addAtom({AtomKind::Mask, {}, input}); }

template <class T> static int32_t indexIn(std::vector<T> &list, T value) {
  auto it = std::find(list.begin(), list.end(), value);
  if (it == list.end())
    it = list.insert(list.end(), std::move(value));
  return int32_t(it - list.begin());
}

TermId FormulaBuilder::classes(int32_t queryInput, int32_t keyInput, ClassTable table) {
  int32_t index = indexIn(formula.classTables, std::move(table));
  return addAtom({AtomKind::Classes, {}, queryInput, keyInput, index});
}

TermId FormulaBuilder::listed(const BlockList &list) {
  int32_t index = indexIn(formula.blockLists, list);
  return addAtom({AtomKind::Listed, {}, list.rowInput, list.keyInput, index});
}

TermId FormulaBuilder::predicate(PairExpr expr) {
  int32_t index = indexIn(formula.predicates, std::move(expr));
  return addAtom({AtomKind::Predicate, {}, -1, -1, index});
}

//===----------------------------------------------------------------------===//
// Packed sequences and token groups
//===----------------------------------------------------------------------===//

void FormulaBuilder::pack(int32_t queryInput, int32_t keyInput) {
  assert(rank() == 1 && !packed && "sequences are packed once, in one dimension");
  packed = Packing{queryInput, keyInput};
}

void FormulaBuilder::unpack() { packed.reset(); }

TermId FormulaBuilder::ownSequence() {
  return addAtom(
      {AtomKind::Box, {{tableExpr(TableKind::KeyBegin), tableExpr(TableKind::KeyEnd)}}});
}

TermId FormulaBuilder::keysOfGroup(size_t group) {
  bool isLast = group + 1 == shape.groups.size();
  if (group == 0 && isLast)
    return always();
  if (rank() == 1) {
    ExprDag &e = dag(0);
    return addAtom({AtomKind::Box,
                    {{boundIn(0, groupBegin(group)),
                      isLast ? e.constant(kInfinity) : boundIn(0, groupBegin(group + 1))}}});
  }
  auto below = [&](size_t g) { return lessLinear(groupBegin(g)); };
  // The first group ends with a whole slab.
  auto firstGroup = [&] {
    ExprDag &e = dag(0);
    std::vector<AtomDim> dims{{e.constant(-kInfinity), length(0)}};
    for (int d = 1; d < rank(); ++d)
      dims.push_back(everything(dag(d)));
    return addAtom({AtomKind::Box, std::move(dims)});
  };
  if (group == 0)
    return firstGroup();
  TermId earlier = group == 1 ? firstGroup() : below(group);
  return isLast ? notOf(earlier) : andOf(below(group + 1), notOf(earlier));
}

TermId FormulaBuilder::queriesOfGroup(size_t group) {
  bool isLast = group + 1 == shape.groups.size();
  auto below = [&](size_t g) {
    return queriesBelow([&](int dim) { return boundIn(dim, groupBegin(g)); }, /*aligned=*/false);
  };
  if (group == 0 && isLast)
    return always();
  if (group == 0)
    return below(1);
  TermId later = notOf(below(group));
  return isLast ? later : andOf(below(group + 1), later);
}

TermId FormulaBuilder::queries(int64_t lo, int64_t hi) {
  auto below = [&](int64_t bound) {
    return queriesBelow([&](int dim) { return dag(dim).constant(bound); }, /*aligned=*/true);
  };
  return andOf(below(hi), notOf(below(lo)));
}

/// Row-major strides, as an expression of dimension `dim`.
static ExprId strideOf(ExprDag &e, int dim, int last, const std::function<ExprId(int)> &extent) {
  ExprId stride = e.constant(1);
  for (int inner = dim + 1; inner <= last; ++inner)
    stride = e.mul(stride, extent(inner));
  return stride;
}

/// Queries before a position, `aligned` ones with q_offset added: all keys where it holds. On several
/// dimensions the union over i of "coordinates before i equal the bound's, coordinate i is less".
TermId FormulaBuilder::queriesBelow(const std::function<ExprId(int dim)> &bound, bool aligned) {
  int last = rank() - 1;
  auto rowsWhere = [&](int d, ExprId condition) -> AtomDim {
    ExprDag &e = dag(d);
    return {e.constant(-kInfinity),
            e.select(condition, e.constant(kInfinity), e.constant(-kInfinity))};
  };
  if (last == 0)
    return addAtom({AtomKind::Box,
                    {rowsWhere(0, dag(0).less(aligned ? position(0) : query(0), bound(0)))}});
  TermId any = notOf(always());
  for (int i = 0; i <= last; ++i) {
    std::vector<AtomDim> dims;
    for (int d = 0; d <= last; ++d) {
      ExprDag &e = dag(d);
      auto extentHere = [&](int inner) {
        return shape.extents[inner] >= 0 ? e.constant(shape.extents[inner])
                                         : symbol(d, {SymbolKind::Dim, inner});
      };
      ExprId target = bound(d);
      if (aligned)
        target = e.sub(target, symbol(d, {SymbolKind::QueryOffset}));
      ExprId digit = e.floorDiv(target, strideOf(e, d, last, extentHere));
      if (d > 0)
        digit = e.mod(digit, extent(d));
      ExprId less = e.less(e.query(), digit);
      ExprId notMore = e.less(e.query(), e.add(digit, e.constant(1)));
      dims.push_back(d > i    ? everything(e)
                     : d == i ? rowsWhere(d, less)
                              : rowsWhere(d, e.sub(notMore, less)));
    }
    any = orOf(any, addAtom({AtomKind::Box, std::move(dims)}));
  }
  return any;
}

//===----------------------------------------------------------------------===//
// Linear intervals
//===----------------------------------------------------------------------===//

/// constant + symbols of `bound`, without its query, as an expression of dimension `dim`.
ExprId FormulaBuilder::boundIn(int dim, const LinearBound &bound) {
  ExprDag &e = dag(dim);
  ExprId sum = e.constant(bound.constant);
  for (const auto &[s, sign] : bound.symbols) {
    ExprId value = symbol(dim, s);
    sum = sign > 0 ? e.add(sum, value) : e.sub(sum, value);
  }
  return sum;
}

TermId FormulaBuilder::interval(std::optional<LinearBound> lo, std::optional<LinearBound> hi) {
  if (rank() == 1) {
    auto value = [&](std::optional<LinearBound> &bound, int64_t otherwise) {
      ExprDag &e = dag(0);
      if (!bound)
        return e.constant(otherwise);
      // The offset belongs to the query's position, which packed sequences define otherwise.
      size_t offsets = std::erase_if(bound->symbols, [&](auto &s) {
        return bound->followsQuery && s.first.kind == SymbolKind::QueryOffset && s.second > 0;
      });
      ExprId sum = boundIn(0, *bound);
      return bound->followsQuery ? e.add(offsets ? position(0) : query(0), sum) : sum;
    };
    return boundsOfSequence({{value(lo, -kInfinity), value(hi, kInfinity)}});
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
      auto extentHere = [&](int inner) {
        return shape.extents[inner] >= 0 ? e.constant(shape.extents[inner])
                                         : symbol(d, {SymbolKind::Dim, inner});
      };
      ExprId digit = e.floorDiv(boundIn(d, bound), strideOf(e, d, last, extentHere));
      if (d > 0)
        digit = e.mod(digit, extent(d));
      if (!bound.followsQuery) {
        digits[d] = {digit, e.constant(1)};
        continue;
      }
      ExprId sum = e.add(e.query(), e.add(digit, e.constant(carries(d + 1))));
      ExprId fits = d > 0 ? e.less(sum, extent(d)) : e.constant(1);
      digits[d] = carries(d) ? Digit{e.sub(sum, extent(d)), e.sub(e.constant(1), fits)}
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
      any = orOf(any, addAtom({AtomKind::Box, std::move(dims)}));
    }
  }
  return any;
}

//===----------------------------------------------------------------------===//
// The finished formula
//===----------------------------------------------------------------------===//

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

} // namespace attn
