//===- FormulaBuilder.h - what mask kinds write formulas with ----*- C++ -*-===//
#pragma once

#include "dialect/algebra/Formula.h"

namespace attn {

/// A bound of a linear (1-D or row-major) mask: [q +] constant + sum of symbols with signs.
struct LinearBound {
  bool followsQuery = false;
  int64_t constant = 0;
  std::vector<std::pair<Symbol, int>> symbols;
};

/// Index of a subformula inside a FormulaBuilder.
using TermId = int32_t;

/// The token layout a formula is written for. Lengths are -1 where known only at run time.
struct LayoutShape {
  std::vector<int64_t> extents; ///< of the tiled layout
  /// Token groups, none for a layout of one. They follow one another in row-major order; the first
  /// alone may have several dimensions.
  struct Group {
    std::string name;
    std::vector<int64_t> dims;
  };
  std::vector<Group> groups;
  /// A layout whose dimensions are split into positions and residues: the lengths before, and a step
  /// for each, 1 where it is left alone. Empty where nothing is split.
  std::vector<int64_t> lengths, steps;
};

/// What a mask kind writes its formula with. Kinds say either a linear interval (`interval`), which
/// works on every layout, or a box (`box`), which wants the layout it was written for.
///
/// Under `pack`, `query`, `position`, `length` and all bounds speak of the query's own sequence.
class FormulaBuilder {
public:
  explicit FormulaBuilder(LayoutShape shape);
  explicit FormulaBuilder(std::vector<int64_t> extents)
      : FormulaBuilder(LayoutShape{std::move(extents), {}, {}, {}}) {}

  /// Of the tiled layout.
  int rank() const { return static_cast<int>(shape.extents.size()); }
  ExprDag &dag(int dim) { return formula.dags[dim]; }
  /// The query's coordinate.
  ExprId query(int dim);
  /// On a layout of one dimension the key position that the query is aligned with, q + q_offset; the
  /// coordinate on others.
  ExprId position(int dim);
  /// Length of dimension `dim`, of the first token group where there are several.
  ExprId length(int dim);
  /// A symbol as an expression of dimension `dim`.
  ExprId symbol(int dim, Symbol symbol);

  /// A dimension of the layout before it was split: its positions are dimension `position` of the tiled
  /// layout and, with a step above 1, its residues the one after it. The first `longResidues` of them have
  /// a last position, the others end one earlier; all have it where that is -1.
  struct SplitDim {
    int position;
    int64_t step;
    ExprId longResidues = -1; ///< an expression of dimension position + 1
  };
  bool isSplit() const { return !shape.steps.empty(); }
  std::vector<SplitDim> splitDims();
  /// Keys with the residue of the query `shift` tokens further.
  AtomDim sameResidue(const SplitDim &dim, ExprId shift = -1);

  Symbol span(const SpanRule &rule);
  size_t groupNamed(const std::string &name) const;
  /// First position of token group `group`.
  LinearBound groupBegin(size_t group) const;

  TermId always();
  /// Keys lo <= k < hi of the row-major order; an absent bound is infinite.
  TermId interval(std::optional<LinearBound> lo, std::optional<LinearBound> hi);
  /// Keys of token group `group`.
  TermId keysOfGroup(size_t group);
  TermId queriesOfGroup(size_t group);
  /// Holds for all keys where lo <= position of the query < hi, in row-major order.
  TermId queries(int64_t lo, int64_t hi);
  /// A box; where there are several token groups, inside the first one.
  TermId box(std::vector<AtomDim> dims);
  /// Bounds on one coordinate, in all token groups.
  TermId slab(int dim, AtomDim bounds);
  TermId labels(int32_t queryInput, int32_t keyInput);
  TermId mask(int32_t input);
  TermId classes(int32_t queryInput, int32_t keyInput, ClassTable table);
  TermId listed(const BlockList &list);
  TermId predicate(PairExpr expr);
  TermId andOf(TermId a, TermId b);
  TermId orOf(TermId a, TermId b);
  TermId notOf(TermId a);

  /// From now on sequences are packed one after the other: inputs of cumulative lengths. Rank 1.
  void pack(int32_t queryInput, int32_t keyInput);
  void unpack();
  /// The keys of the query's own sequence.
  TermId ownSequence();
  bool isPacked() const { return packed.has_value(); }
  /// Packed, and queries have the sequences of the keys.
  bool isSelfPacked() const { return packed && packed->isSelf(); }
  /// Index of a table of the packed sequences.
  int32_t packedTable(TableKind kind) {
    return table({kind, packed->queryInput, packed->keyInput});
  }
  /// Index of a symbol in the formula.
  int32_t symbolIndex(Symbol symbol);
  /// Index of a table over the queries; the same for the same table.
  int32_t table(const TableInfo &info);

  /// Keys that the last box's window would hold in each dimension, were the layout infinite.
  void setTaps(std::vector<ExprId> taps) { formula.taps = std::move(taps); }

  /// The formula of `root`; empty when it has more than kMaxAtoms atoms.
  std::optional<Formula> finish(TermId root);

private:
  struct Term {
    TruthOp op;
    int32_t a = -1, b = -1; ///< atom index of an Atom, subterms otherwise
  };
  struct Packing {
    int32_t queryInput, keyInput;
    bool isSelf() const { return queryInput == keyInput; }
  };
  TermId addTerm(TruthOp op, int32_t a = -1, int32_t b = -1);
  TermId addAtom(Atom atom);
  ExprId boundIn(int dim, const LinearBound &bound);
  ExprId tableExpr(TableKind kind);
  ExprId extent(int dim);
  TermId boundsOfSequence(std::vector<AtomDim> dims);
  TermId lessLinear(const LinearBound &bound);
  TermId queriesBelow(const std::function<ExprId(int dim)> &bound, bool aligned);
  void emit(TermId id, std::vector<TruthStep> &out) const;

  LayoutShape shape;
  std::optional<Packing> packed;
  Formula formula;
  std::vector<Term> terms;
};

} // namespace attn
