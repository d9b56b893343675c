//===- Sweep.h - where the truth of a mask changes ---------------*- C++ -*-===//
//
// One dimension, a run of queries: on pieces of the run every bound is a line of slope 0 or 1, so
// the bounds, sorted, cut the keys into cells on which every atom is constantly true or false. As
// slopes are at most 1, a cell sweeps exactly the keys between its first lower and its last upper
// end. This is a proof, not a heuristic: tile maps and counts made from the cells are exact.
// Queries and keys with equal residues form their own lattices when an atom has a modulus.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/Formula.h"

namespace attn {

/// Set in the signature of keys at or beyond the end of the dimension.
constexpr Signature kBeyondEnd = Signature(1) << 63;

/// A sweep costs up to the square of the least common multiple of the moduli. Atoms whose modulus
/// would make it larger than this are swept without their modulus: see `uncertainAtoms`.
constexpr int64_t kMaxStep = 64;

/// Bits of the atoms that a cell may show as true although the residue says false, because their
/// modulus is too large to be swept. Depends on the formula alone.
Signature uncertainAtoms(const Formula &formula);

/// Keys first, first + stride, ..., at most last: all keys that see the signature from some query
/// of the piece. `pairs` is the number of (query, key) pairs of the piece in this cell.
struct Cell {
  Signature signature;
  int64_t first, last, stride;
  __int128 pairs;
};

/// A bound seen over a piece, in the coordinates of a residue lattice.
struct SweepPoint {
  int64_t begin; ///< at the first row
  int64_t slope; ///< 0 or 1 per row
  int64_t at(int64_t row) const { return begin + slope * row; }
};

/// The memory of a sweep, kept between sweeps so that they do not allocate.
struct SweepScratch {
  std::vector<Line> lines;
  std::vector<Cell> cells;
  std::vector<std::pair<SweepPoint, SweepPoint>> bounds; ///< per atom of the formula
  std::vector<int32_t> active;                           ///< atoms that hold on the residue pair
  std::vector<SweepPoint> points;
};

/// Sweeps one dimension of a formula. One thread at a time per scratch; cheap to create.
class DimSweep {
public:
  /// `paddedKeys` >= `keys`: keys up to there are reported as kBeyondEnd.
  DimSweep(const Formula &formula, int dim, int64_t keys, int64_t paddedKeys,
           const int64_t *symbolValues, SweepScratch &scratch);

  /// Calls `sink` with the cells of queries q0 <= q <= q1; cells may repeat a signature.
  template <class Sink> void run(int64_t q0, int64_t q1, Sink &&sink) {
    for (int64_t first = q0; first <= q1 && first < q0 + step; ++first) {
      for (int64_t q = first; q <= q1;) {
        int64_t rows = traceRows(q, (q1 - q) / step + 1);
        for (int64_t residue = 0; residue < step; ++residue) {
          sweepResidue(q % step, residue, rows);
          for (const Cell &cell : scratch.cells)
            sink(cell);
        }
        q += rows * step;
      }
    }
  }

private:
  int64_t traceRows(int64_t q, int64_t rows);
  void sweepResidue(int64_t queryResidue, int64_t keyResidue, int64_t rows);
  void sweepRows(int64_t row0, int64_t row1);
  void emitCell(const SweepPoint &low, const SweepPoint &high, int64_t row0, int64_t row1);

  const Formula &formula;
  int dim;
  int64_t keys, paddedKeys;
  const int64_t *symbolValues;
  SweepScratch &scratch;
  int64_t step = 1; ///< least common multiple of the moduli
  Signature uncertain;
  int64_t keyResidue = 0, latticeKeys = 0, latticePadded = 0;
};

} // namespace attn
