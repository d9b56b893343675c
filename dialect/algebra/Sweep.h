//===- Sweep.h - where the truth of a mask changes ---------------*- C++ -*-===//
//
// One dimension, a run of queries: on pieces of the run every bound is a line of slope 0 or 1, so the
// bounds, sorted, cut the keys into cells on which every atom is constantly true or false. As slopes
// are at most 1, a cell sweeps exactly the keys between its first lower and its last upper end. This
// is a proof, not a heuristic: tile maps and counts made from the cells are exact.
// Queries and keys with equal residues form their own lattices when an atom has a modulus.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/Formula.h"

namespace attn {

/// Set in the signature of keys at or beyond the end of the dimension.
constexpr Signature kBeyondEnd = Signature(1) << 63;

/// Keys first, first + stride, ..., at most last: all keys that see the signature from some query of
/// the piece. `pairs` is the number of (query, key) pairs of the piece in this cell.
struct Cell {
  Signature signature;
  int64_t first, last, stride;
  int64_t pairs;
};

/// Sweeps one dimension of a formula. Not thread-safe (it keeps scratch memory); cheap to create.
class DimSweep {
public:
  /// `paddedKeys` >= `keys`: keys up to there are reported as kBeyondEnd.
  DimSweep(const Formula &formula, int dim, int64_t keys, int64_t paddedKeys,
           const int64_t *symbolValues);

  /// Calls `sink` with the cells of queries q0 <= q <= q1; cells may repeat a signature.
  template <class Sink> void run(int64_t q0, int64_t q1, Sink &&sink) {
    cells.clear();
    collect(q0, q1);
    for (const Cell &cell : cells)
      sink(cell);
  }

private:
  /// A bound seen over a piece, in the coordinates of a residue lattice.
  struct Point {
    int64_t begin; ///< at the first row
    int64_t slope; ///< 0 or 1 per row
    int64_t at(int64_t row) const { return begin + slope * row; }
  };
  void collect(int64_t q0, int64_t q1);
  int64_t traceRows(int64_t q, int64_t rows);
  void sweepResidue(int64_t queryResidue, int64_t keyResidue, int64_t rows);
  void sweepRows(int64_t row0, int64_t row1);
  void emitCell(const Point &low, const Point &high, int64_t row0, int64_t row1);

  const Formula &formula;
  int dim;
  int64_t keys, paddedKeys;
  const int64_t *symbolValues;
  int64_t step = 1; ///< least common multiple of the moduli

  std::vector<Line> lines;
  std::vector<Cell> cells;
  // State of one residue pair.
  int64_t keyResidue = 0, latticeKeys = 0, latticePadded = 0;
  std::vector<std::pair<Point, Point>> bounds; ///< per atom of the formula
  std::vector<uint8_t> active;
  std::vector<Point> points;
};

} // namespace attn
