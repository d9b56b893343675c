//===- Formula.h - a mask as a boolean formula over interval atoms -*- C++ -*-===//
//
// A mask is a boolean formula over atoms. A box atom is a product over the dimensions of the layout of
//   { k : lo(q) <= k < hi(q), (k - q) mod modulus = 0 }
// with lo and hi integer expressions of the query's coordinate in that dimension. A data atom (labels,
// a bool mask) is known only from its data: a tile map treats it as "either".
// Evaluator, tile maps, pair counts, kernel code and pictures are all derived from this one structure.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/Expr.h"

#include <functional>
#include <optional>
#include <span>

namespace attn {

/// A number that is known when the kernel runs.
enum class SymbolKind : uint8_t {
  NumQueries,  ///< Nq
  NumKeys,     ///< Nk
  QueryOffset, ///< added to q by every relative mask; Nk - Nq unless the caller says otherwise
  Dim,         ///< length of dimension `index` of the token layout
  HeadParam,   ///< entry `index` of the head's row in the parameter table
  BatchInput   ///< run-time input `index`, its entry for this batch element
};
struct Symbol {
  SymbolKind kind;
  int32_t index = 0;
  bool operator==(const Symbol &) const = default;
};
std::string printSymbol(const Symbol &symbol);

enum class AtomKind : uint8_t {
  Box,    ///< a product of intervals
  Labels, ///< input[q] == input[k], an i32 vector over tokens
  Mask    ///< input[b, h, q, k], a bool tensor
};
struct AtomDim {
  ExprId lo, hi; ///< nodes of the dimension's ExprDag; keys lo <= k < hi
  int64_t modulus = 1;
  bool operator==(const AtomDim &) const = default;
};
struct Atom {
  AtomKind kind = AtomKind::Box;
  std::vector<AtomDim> dims; ///< of a box, one per dimension
  int32_t input = -1;        ///< of a data atom
  bool operator==(const Atom &) const = default;
};

enum class TruthOp : uint8_t { Atom, True, And, Or, Not };
/// One step of the postfix program that turns the truth of the atoms into that of the mask.
struct TruthStep {
  TruthOp op;
  int32_t atom = -1;
  bool operator==(const TruthStep &) const = default;
};

/// Bit i says whether atom i holds.
using Signature = uint64_t;
/// Atoms of one formula; the highest bit of a signature is kept for keys beyond the last one.
constexpr int kMaxAtoms = 60;

struct Formula {
  int rank = 1;
  std::vector<Symbol> symbols;
  std::vector<ExprDag> dags; ///< one per dimension
  std::vector<Atom> atoms;
  std::vector<TruthStep> truth;

  bool truthOf(Signature signature) const;
  /// Bits of the data atoms.
  Signature dataAtoms() const;
  bool usesBatchInputs() const;
  std::vector<std::string> symbolNames() const;

  /// Bits of the box atoms that hold for the pair. `q` and `k` have `rank` entries.
  Signature signatureOf(const int64_t *q, const int64_t *k, const int64_t *symbolValues) const;
  /// Whether query q sees key k. `data(atom)` answers for data atoms and may be empty without them.
  bool sees(const int64_t *q, const int64_t *k, const int64_t *symbolValues,
            const std::function<bool(const Atom &)> &data = {}) const;
  /// The mask in words: "k0 in [q0 - 3, q0 + 4) and not (...)".
  std::string print() const;
};

/// A bound of a linear (1-D or row-major) mask: [q +] constant + sum of symbols with signs.
struct LinearBound {
  bool followsQuery = false;
  int64_t constant = 0;
  std::vector<std::pair<Symbol, int>> symbols;
};

/// Index of a subformula inside a FormulaBuilder.
using TermId = int32_t;

/// What a mask kind writes its formula with. Kinds say either a linear interval (`interval`), which
/// works on every layout, or a box (`box`), which wants the layout it was written for.
class FormulaBuilder {
public:
  /// `extents[d]` is the length of dimension d, or -1 where it is known only at run time.
  explicit FormulaBuilder(std::vector<int64_t> extents);

  int rank() const { return static_cast<int>(extents.size()); }
  int64_t extent(int dim) const { return extents[dim]; }
  ExprDag &dag(int dim) { return formula.dags[dim]; }
  /// Length of dimension `dim` as an expression of that dimension's dag: a constant or a symbol.
  ExprId length(int dim);
  /// A symbol as an expression of dimension `dim`.
  ExprId symbol(int dim, Symbol symbol);

  TermId always();
  /// Keys lo <= k < hi of the row-major order; an absent bound is infinite.
  TermId interval(std::optional<LinearBound> lo, std::optional<LinearBound> hi);
  TermId box(std::vector<AtomDim> dims);
  TermId data(AtomKind kind, int32_t input);
  TermId andOf(TermId a, TermId b);
  TermId orOf(TermId a, TermId b);
  TermId notOf(TermId a);

  /// The formula of `root`; empty when it has more than kMaxAtoms atoms.
  std::optional<Formula> finish(TermId root);

private:
  struct Term {
    TruthOp op;
    int32_t a = -1, b = -1; ///< atom index of an Atom, subterms otherwise
  };
  TermId addTerm(TruthOp op, int32_t a = -1, int32_t b = -1);
  TermId addAtom(Atom atom);
  ExprId boundIn(int dim, const LinearBound &bound);
  TermId lessLinear(const LinearBound &bound);
  void emit(TermId id, std::vector<TruthStep> &out) const;

  std::vector<int64_t> extents;
  Formula formula;
  std::vector<Term> terms;
};

/// Formulas equal but for constants become one whose differing constants are head parameters.
/// Returns the distinct formulas, for every input its formula, and for every input its parameter row
/// (all rows of one formula have equal length).
struct ParameterizedFormulas {
  std::vector<Formula> formulas;
  std::vector<int32_t> formulaOf;
  std::vector<std::vector<int64_t>> parameters;
};
ParameterizedFormulas parameterize(std::span<const Formula> perMask);

} // namespace attn
