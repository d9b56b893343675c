//===- Draw.h - random expressions, formulas and layouts ---------*- C++ -*-===//
//
// Everything that the algebra can express, at sizes that brute force can check: nested and / or /
// not over intervals, boxes with odd bounds and moduli, and data atoms, on ragged layouts of 1 to 3
// dimensions. A case is a function of its seed alone.
//
//===----------------------------------------------------------------------===//
#pragma once

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
  /// What bounds of masks look like: mostly slopes 0 and 1, jumps, clamps.
  ExprId bound(FormulaBuilder &builder, int dim, int64_t span);
  LinearBound linearBound(int64_t span);
  AtomDim interval(FormulaBuilder &builder, int dim, int64_t span);
  TermId term(FormulaBuilder &builder, int depth, int64_t span, bool withData);

private:
  std::mt19937_64 engine;
};

/// A formula on a tiled layout with all symbols bound.
struct Case {
  Formula formula;
  TileGeometry geometry;
  std::vector<int64_t> symbolValues;
  std::string text() const;
};
/// At most `maxPairs` (query, key) pairs; `withData` allows data atoms.
Case drawCase(uint64_t seed, int64_t maxPairs, bool withData);

/// Values of the symbols of `formula`: lengths from the geometry, the others as small numbers that
/// depend on their index.
std::vector<int64_t> bindSymbols(const Formula &formula, const TileGeometry &geometry,
                                 int64_t queryOffset);

} // namespace attn::test
