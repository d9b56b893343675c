//===- Draw.h - random expressions, formulas, layouts and data ---*- C++ -*-===//
//
// Everything that the algebra can express, at sizes that brute force can check: nested and / or /
// not over intervals, boxes with odd bounds, residues and tables, and data atoms, on ragged layouts
// of 1 to 4 dimensions. A case is a function of its seed alone.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/FormulaBuilder.h"
#include "dialect/algebra/HeadParameters.h"
#include "dialect/algebra/Sweep.h"
#include "dialect/algebra/TileMap.h"

#include <random>

namespace attn::test {

class Draw {
public:
  explicit Draw(uint64_t seed) : engine(seed) {}

  /// Uniform in [low, high].
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine() % static_cast<uint64_t>(high - low + 1));
  }
  bool oneIn(int64_t n) { return between(1, n) == 1; }

  /// An expression of the query coordinate in `dag`, with symbols below `numSymbols`. Slopes other
  /// than 0 and 1 occur.
  ExprId expression(ExprDag &dag, int depth, int64_t span, int64_t numSymbols);
  /// What bounds of masks look like: mostly slopes 0 and 1, jumps, clamps, tables.
  ExprId bound(FormulaBuilder &builder, int dim, int64_t span);
  LinearBound linearBound(int64_t span);
  AtomDim interval(FormulaBuilder &builder, int dim, int64_t span);
  /// Data atoms read the inputs of `Data`.
  TermId term(FormulaBuilder &builder, int depth, int64_t span, bool withData);
  PairExpr predicate(int rank, int depth, int64_t span);

private:
  TermId dataTerm(FormulaBuilder &builder, int64_t span);
  int32_t pairNode(PairExpr &expr, int rank, int depth, int64_t span);
  int32_t pairLeaf(PairExpr &expr, int rank, int64_t span);

  std::mt19937_64 engine;
};

/// Inputs by number: what drawn formulas read.
enum Input : int32_t {
  kTableA,      ///< i32[Nq]
  kTableB,      ///< i32[Nq]
  kQueryLabels, ///< i32[Nq], also classes
  kKeyLabels,   ///< i32[Nk]
  kMaskA,       ///< bool[2|1, 2|1, Nq|1, Nk]
  kMaskB,
  kRowPointers, ///< i32[R + 1]
  kKeyBlocks,   ///< i32[nnz]
  kBits,        ///< i32[2|1, 2|1, R, ceil(C / 32)]
  kNumInputs
};
constexpr int64_t kBlock = 6; ///< tokens of a listed block
constexpr int32_t kClasses = 4;

/// Run-time inputs of a launch: vectors with many runs and few labels, masks with many equal
/// entries.
struct Data {
  Data(Draw &draw, const TileGeometry &geometry);
  Data(const Data &) = delete;

  std::vector<DataView> views;

private:
  void addVector(std::vector<int32_t> values);
  void addMask(Draw &draw, int64_t queries, int64_t keys);
  void addBlocks(Draw &draw, int64_t queries, int64_t keys);

  std::vector<std::vector<int32_t>> ints;
  std::vector<std::vector<uint8_t>> bools;
};

/// A formula on a tiled layout with all symbols bound, at one batch entry and head.
struct Case {
  Formula formula;
  TileGeometry geometry;
  std::vector<int64_t> symbolValues;
  int64_t queryOffset = 0, batch = 0, head = 0;
  std::shared_ptr<const Data> data;
  std::vector<std::shared_ptr<const TableData>> tableData;
  std::vector<Table> tables;

  Environment env() const { return {symbolValues.data(), tables.data()}; }
  /// The truth of a data atom for one pair of coordinates, from the definition.
  bool holds(const Atom &atom, const Coords &q, const Coords &k) const;
  int64_t numQueries() const;
  int64_t numKeys() const;
  std::string text() const;
};

/// How many cases a test draws: `normally`, or ATTNC_DRAWS from the environment.
uint64_t draws(uint64_t normally);

struct DrawOptions {
  int64_t maxPairs; ///< (query, key) pairs at most
  bool withData = false;
  bool bounded = false; ///< some layouts of several dimensions end early
};
Case drawCase(uint64_t seed, const DrawOptions &options);

/// Values of the symbols of `formula`: lengths from the geometry, the others as small numbers that
/// depend on their index.
std::vector<int64_t> bindSymbols(const Formula &formula, const TileGeometry &geometry,
                                 int64_t queryOffset);

} // namespace attn::test
