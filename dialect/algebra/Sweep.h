//===- Sweep.h - where the truth of a mask changes ---------------*- C++ -*-===//
//
// One dimension, a run of queries: on pieces of the run every bound is a line of slope 0 or 1, so
// the bounds, sorted, cut the keys into cells on which every atom is constantly true or false. As
// slopes are at most 1, a cell sweeps exactly the keys between its first lower and its last upper
// end. This is a proof, not a heuristic: tile maps and counts made from the cells are exact.
//
// Atoms with a modulus hold on a few residues only. Pairs on which one of them holds are swept on
// the lattice of that residue, where the modulus vanishes; all other pairs are swept as if those
// atoms did not exist, and what the lattices have shown is taken away. So the cost does not grow
// with the square of a dilation.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/Formula.h"

namespace attn {

/// Set in the signature of keys at or beyond the end of the dimension.
constexpr Signature kBeyondEnd = Signature(1) << 63;

/// Residues modulo the least common multiple of the moduli on which some atom may hold, at most.
/// Atoms whose modulus would need more are swept without it: see `uncertainAtoms`. One modulus
/// alone needs one.
constexpr int64_t kMaxResidues = 512;

/// Bits of the atoms that may be shown as true although the residue says false, because too many
/// moduli meet. Depends on the formula alone.
Signature uncertainAtoms(const Formula &formula);

/// A bound seen over a piece, in the coordinates of a residue lattice.
struct SweepPoint {
  int64_t begin; ///< at the first row
  int64_t slope; ///< 0 or 1 per row
  int64_t at(int64_t row) const { return begin + slope * row; }
};

/// On rows row0 to row1 of a piece, the keys low <= k < high see one signature.
struct SweepCell {
  Signature signature;
  SweepPoint low, high;
  int64_t row0, row1;
  int64_t first, end; ///< all keys that see it from some row, in lattice coordinates

  __int128 pairs() const;
};

/// The memory of a sweep, kept between sweeps so that they do not allocate.
struct SweepScratch {
  std::vector<Line> lines;
  std::vector<int64_t> values; ///< of the bounds at query `valuesAt`
  int64_t valuesAt = -1;
  std::vector<SweepCell> cells;
  std::vector<std::pair<SweepPoint, SweepPoint>> bounds; ///< per atom of the formula
  std::vector<int64_t> moduli, shifts;                   ///< per atom; 0 for data
  std::vector<int64_t> residues;                         ///< of k - q on which some modulus holds
  std::vector<int32_t> active; ///< atoms that may hold in the present sweep
  std::vector<SweepPoint> points;
};

/// Sweeps one dimension of a formula. One thread at a time per scratch; cheap to create.
class DimSweep {
public:
  /// `paddedKeys` >= `keys`: keys up to there are reported as kBeyondEnd.
  DimSweep(const Formula &formula, int dim, int64_t keys, int64_t paddedKeys,
           const Environment &env, SweepScratch &scratch);

  /// Calls sink(signature, begin, end) for tiles begin <= t < end of `tile` keys in which some
  /// query q0 <= q <= q1 and some key see the signature; every such tile is told, maybe more than
  /// once.
  template <class Sink> void tiles(int64_t q0, int64_t q1, int64_t tile, Sink &&sink) {
    sweepPlain(q0, q1, [&](const SweepCell &cell) { tilesOfPlain(cell, tile, sink); });
    sweepResidues(q0, q1, [&](const SweepCell &cell) {
      int64_t first = keyResidue + step * cell.first, last = keyResidue + step * (cell.end - 1);
      if (step <= tile)
        return sink(cell.signature, first / tile, last / tile + 1);
      for (int64_t key = first; key <= last; key += step)
        sink(cell.signature, key / tile, key / tile + 1);
    });
  }

  /// Calls sink(signature, n) with numbers of (query, key) pairs, keys below `keys`, that see the
  /// signature; they are to be added up, and may be negative.
  template <class Sink> void pairs(int64_t q0, int64_t q1, Sink &&sink) {
    sweepPlain(q0, q1, [&](const SweepCell &cell) { sink(cell.signature, cell.pairs()); });
    sweepResidues(q0, q1, [&](const SweepCell &cell) {
      sink(cell.signature, cell.pairs());
      sink(cell.signature & ~residueAtoms, -cell.pairs());
    });
  }

private:
  /// The cells of the atoms without a modulus.
  template <class Visit> void sweepPlain(int64_t q0, int64_t q1, Visit &&visit) {
    step = 1;
    for (pieceQuery = q0; pieceQuery <= q1;) {
      int64_t rows = traceRows(q1 - pieceQuery + 1);
      sweepPiece(0, rows);
      for (const SweepCell &cell : scratch.cells)
        visit(cell);
      pieceQuery += rows;
    }
  }

  /// The cells on which some atom with a modulus holds, in coordinates of the lattice of
  /// `keyResidue`.
  template <class Visit> void sweepResidues(int64_t q0, int64_t q1, Visit &&visit) {
    if (residueAtoms == 0)
      return;
    step = lattice;
    for (int64_t first = q0; first <= q1 && first < q0 + step; ++first) {
      if (absoluteAtoms)
        findResidues(first);
      for (pieceQuery = first; pieceQuery <= q1;) {
        int64_t rows = traceRows((q1 - pieceQuery) / step + 1);
        for (int64_t residue : scratch.residues) {
          sweepPiece(residue, rows);
          for (const SweepCell &cell : scratch.cells)
            if ((cell.signature & residueAtoms) && !(cell.signature & kBeyondEnd))
              visit(cell);
        }
        pieceQuery += rows * step;
      }
    }
  }

  template <class Sink> void tilesOfPlain(const SweepCell &cell, int64_t tile, Sink &&sink) {
    int64_t begin = cell.first / tile, end = (cell.end - 1) / tile + 1;
    if (residueAtoms == 0 || (cell.signature & kBeyondEnd))
      return sink(cell.signature, begin, end);
    if (isNarrow(cell) || tile <= longestRun) {
      for (int64_t t = begin; t < end; ++t)
        if (showsPlain(cell, t, tile))
          sink(cell.signature, t, t + 1);
      return;
    }
    // A cell wider than any run of residues shows itself in every tile that it sweeps wholly.
    if (end - begin > 1 && !showsPlain(cell, end - 1, tile))
      --end;
    if (!showsPlain(cell, begin, tile))
      ++begin;
    if (begin < end)
      sink(cell.signature, begin, end);
  }

  void findShifts();
  void findResidues(int64_t query);
  void findLongestRun();
  bool onResidue(size_t atom, int64_t query, int64_t distance) const;
  int64_t traceRows(int64_t rows);
  void sweepPiece(int64_t residue, int64_t rows);
  void sweepRows(int64_t row0, int64_t row1);
  void emitCell(const SweepPoint &low, const SweepPoint &high, int64_t row0, int64_t row1);
  bool isNarrow(const SweepCell &cell) const;
  bool showsPlain(const SweepCell &cell, int64_t tileNumber, int64_t tile);
  bool holdsWithModulus(int64_t query, int64_t key);

  const Formula &formula;
  int dim;
  int64_t keys, paddedKeys;
  Environment env;
  SweepScratch &scratch;
  Signature residueAtoms = 0; ///< atoms with a modulus
  bool absoluteAtoms = false; ///< some modulus does not follow the query
  int64_t lattice = 1;        ///< least common multiple of the moduli
  int64_t longestRun = 0;     ///< of neighbouring residues on which some modulus may hold
  // State of a piece: query pieceQuery + step * row sees keys keyResidue + step * coordinate.
  int64_t step = 1, pieceQuery = 0, keyResidue = 0, latticeKeys = 0, latticePadded = 0;
};

} // namespace attn
