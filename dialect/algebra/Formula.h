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

#include "dialect/algebra/PairExpr.h"

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
  BatchInput,  ///< run-time input `index`, its entry for this batch element
  HeadFormula, ///< for kernels: which formula is the head's
  Batch,       ///< number of the batch element
  HeadInput,   ///< run-time input `index`, its entry for this query head
  Span         ///< keys that the rule `Formula::spans[index]` lets a head see
};
struct Symbol {
  SymbolKind kind;
  int32_t index = 0;
  bool operator==(const Symbol &) const = default;
};
std::string printSymbol(const Symbol &symbol);

/// The elastic span of a head (Mixture of Attention Spans, arXiv 2406.14909): with N keys after
/// generation, min(int(alpha + beta * N), N) rounded up to whole blocks, two at least.
struct SpanRule {
  double alpha = 0, beta = 0;
  int64_t newTokens = 0; ///< keys still to be generated, which count for N
  bool operator==(const SpanRule &) const = default;
};
constexpr int64_t kSpanBlock = 64;
/// Tokens that the rule keeps at `numKeys` keys, a multiple of kSpanBlock; computed in f64.
int64_t spanLength(const SpanRule &rule, int64_t numKeys);

/// A vector over the queries, made at launch.
enum class TableKind : uint8_t {
  Input,      ///< run-time input `queryInput` itself
  KeyBegin,   ///< first key of the query's packed sequence; of cumulative lengths, as all that follow
  KeyEnd,     ///< end of its keys
  AlignBegin, ///< KeyBegin less the first query of the sequence
  AlignEnd,   ///< KeyEnd less the end of the sequence's queries
  RunBegin,   ///< first key whose label is the query's; the labels are sorted
  RunEnd
};
struct TableInfo {
  TableKind kind;
  int32_t queryInput = -1, keyInput = -1; ///< cumulative lengths, or labels, of queries and keys
  bool operator==(const TableInfo &) const = default;
};
std::string printTable(const TableInfo &table);

enum class AtomKind : uint8_t {
  Box,      ///< a product of intervals
  Labels,   ///< input[q] == keyInput[k], i32 vectors over the tokens
  Mask,     ///< input[b, h, q, k], a bool tensor
  Classes,  ///< allow[input[q]][input[k]] with the matrix `classTables[index]`
  Listed,   ///< the block of (q, k) is listed; true or false on whole tiles. `index` counts them
  Predicate ///< `predicates[index]`
};
struct AtomDim {
  ExprId lo, hi; ///< nodes of the dimension's ExprDag; keys lo <= k < hi
  /// Of these the keys with (k - q - shift) mod modulus < width, without q where not `relative`.
  int64_t modulus = 1;
  ExprId shift = -1; ///< free of Query; -1 is 0
  int64_t width = 1;
  bool relative = true;
  bool operator==(const AtomDim &) const = default;
};
/// Whether query coordinate q sees key coordinate k; `values` are those of the dag at q.
bool holds(const AtomDim &dim, int64_t q, int64_t k, std::span<const int64_t> values);

struct Atom {
  AtomKind kind = AtomKind::Box;
  std::vector<AtomDim> dims;            ///< of a box, one per dimension
  int32_t input = -1, keyInput = -1;    ///< of a data atom
  int32_t index = -1;
  bool operator==(const Atom &) const = default;
};

/// Which classes of queries see which classes of keys: row-major, count x count.
struct ClassTable {
  int32_t count = 0;
  std::vector<uint8_t> allow;
  bool operator==(const ClassTable &) const = default;
};

/// Where the truth of the listed blocks comes from: `size` tokens a block; row pointers and key
/// tiles, or one bit per pair of blocks.
struct BlockList {
  int32_t rowInput = -1, keyInput = -1; ///< CSR; with bits, rowInput alone
  int64_t size = 0;
  bool operator==(const BlockList &) const = default;
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
/// Atoms of one formula. Tile maps need the highest bit of a signature for keys beyond the last one, and
/// two for each dimension where a layout has places for more tokens than there are.
constexpr int kMaxAtoms = 54;

struct Formula {
  int rank = 1;
  std::vector<Symbol> symbols;
  std::vector<TableInfo> tables;
  std::vector<SpanRule> spans;
  std::vector<ClassTable> classTables;
  std::vector<BlockList> blockLists;
  std::vector<PairExpr> predicates;
  std::vector<ExprDag> dags; ///< one per dimension
  std::vector<Atom> atoms;
  std::vector<TruthStep> truth;
  /// Where keys outside the layout count as zeros: the window's size in each dimension. The mask is
  /// then its one box atom, and the zeros of a query are those of the window that it does not hold.
  std::vector<ExprId> taps;

  bool truthOf(Signature signature) const;
  /// Bits of the data atoms.
  Signature dataAtoms() const;
  std::vector<std::string> symbolNames() const;
  std::vector<std::string> tableNames() const;

  /// Bits of the box atoms that hold for the pair. `q` and `k` have `rank` entries.
  Signature signatureOf(const int64_t *q, const int64_t *k, const Environment &env) const;
  /// Whether query q sees key k. `data(atom)` answers for data atoms and may be empty without them.
  bool sees(const int64_t *q, const int64_t *k, const Environment &env,
            const std::function<bool(const Atom &)> &data = {}) const;
  /// Keys with a zero score outside the layout, of one query; 0 without taps.
  int64_t zeroKeys(const int64_t *q, const Environment &env) const;
  /// The mask in words: "k0 in [q0 - 3, q0 + 4) and not (...)".
  std::string print() const;
};

} // namespace attn
