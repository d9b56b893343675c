#include "dialect/algebra/Sweep.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <set>
#include <tuple>

namespace attn {

__int128 SweepCell::pairs() const {
  __int128 rows = row1 - row0 + 1;
  // The width is a line over the rows.
  return rows * ((high.at(row0) - low.at(row0)) + (high.at(row1) - low.at(row1))) / 2;
}

//===----------------------------------------------------------------------===//
// Moduli
//===----------------------------------------------------------------------===//

/// The modulus of every atom in one dimension (0 for data) and their least common multiple. Atoms
/// that would make for too many residues get modulus 1 and are added to `uncertain`.
static int64_t findModuli(const Formula &formula, int dim, std::vector<int64_t> &moduli,
                          Signature &uncertain) {
  int64_t lattice = 1;
  moduli.clear();
  for (size_t i = 0; i < formula.atoms.size(); ++i) {
    bool isBox = formula.atoms[i].kind == AtomKind::Box;
    int64_t modulus = isBox ? formula.atoms[i].dims[dim].modulus : 0;
    if (modulus <= 1) {
      moduli.push_back(modulus);
      continue;
    }
    int64_t factor = modulus / std::gcd(lattice, modulus);
    __int128 wider = __int128(lattice) * factor, residues = 0;
    std::set<std::tuple<int64_t, int64_t, ExprId, bool>> known;
    for (size_t j = 0; j <= i; ++j) {
      int64_t other = j < i ? moduli[j] : modulus;
      if (other <= 1)
        continue;
      const AtomDim &atom = formula.atoms[j].dims[dim];
      if (known.insert({other, atom.width, atom.shift, atom.relative}).second)
        residues += wider / other * atom.width;
    }
    bool fits = residues <= kMaxResidues;
    moduli.push_back(fits ? modulus : 1);
    if (fits)
      lattice = static_cast<int64_t>(wider);
    else
      uncertain |= Signature(1) << i;
  }
  return lattice;
}

Signature uncertainAtoms(const Formula &formula) {
  Signature uncertain = 0;
  std::vector<int64_t> moduli;
  for (int d = 0; d < formula.rank; ++d)
    findModuli(formula, d, moduli, uncertain);
  return uncertain;
}

DimSweep::DimSweep(const Formula &f, int d, int64_t k, int64_t padded, const Environment &e,
                   SweepScratch &memory)
    : formula(f), dim(d), keys(k), paddedKeys(padded), env(e), scratch(memory) {
  Signature uncertain = 0;
  lattice = findModuli(formula, dim, scratch.moduli, uncertain);
  for (size_t i = 0; i < scratch.moduli.size(); ++i)
    if (scratch.moduli[i] > 1)
      residueAtoms |= Signature(1) << i;
  scratch.bounds.resize(formula.atoms.size());
  scratch.valuesAt = -1;
  if (residueAtoms == 0)
    return;
  findShifts();
  findResidues(0);
  findLongestRun();
}

void DimSweep::findShifts() {
  formula.dags[dim].evaluate(0, env, scratch.values);
  scratch.shifts.assign(scratch.moduli.size(), 0);
  for (size_t i = 0; i < scratch.moduli.size(); ++i) {
    if (scratch.moduli[i] <= 1)
      continue;
    const AtomDim &atom = formula.atoms[i].dims[dim];
    absoluteAtoms |= !atom.relative;
    if (atom.shift >= 0)
      scratch.shifts[i] = scratch.values[atom.shift];
  }
}

static int64_t floorMod(int64_t a, int64_t b) { return a - b * floorDiv(a, b); }

/// Whether the residue condition of an atom holds for a key at this distance from the query.
bool DimSweep::onResidue(size_t atom, int64_t query, int64_t distance) const {
  const AtomDim &bounds = formula.atoms[atom].dims[dim];
  int64_t from = bounds.relative ? distance : query + distance;
  return floorMod(from - scratch.shifts[atom], scratch.moduli[atom]) < bounds.width;
}

/// Distances on which some modulus holds, seen from queries congruent to this one.
void DimSweep::findResidues(int64_t query) {
  auto &residues = scratch.residues;
  residues.clear();
  for (size_t i = 0; i < scratch.moduli.size(); ++i) {
    int64_t modulus = scratch.moduli[i];
    if (modulus <= 1)
      continue;
    const AtomDim &atom = formula.atoms[i].dims[dim];
    int64_t first = scratch.shifts[i] - (atom.relative ? 0 : query);
    for (int64_t w = 0; w < std::min(atom.width, modulus); ++w)
      for (int64_t r = floorMod(first + w, modulus); r < lattice; r += modulus)
        residues.push_back(r);
  }
  std::sort(residues.begin(), residues.end());
  residues.erase(std::unique(residues.begin(), residues.end()), residues.end());
}

/// An upper bound for all queries. Moduli that all follow the query, or none of them, have the same
/// runs for every query; of a mixture nothing is assumed.
void DimSweep::findLongestRun() {
  const auto &residues = scratch.residues;
  auto follows = [&](size_t i) {
    return scratch.moduli[i] <= 1 || formula.atoms[i].dims[dim].relative;
  };
  bool mixed = false;
  for (size_t i = 0; absoluteAtoms && i < scratch.moduli.size(); ++i)
    mixed |= scratch.moduli[i] > 1 && follows(i);
  if (mixed || int64_t(residues.size()) == lattice) {
    longestRun = kInfinity;
    return;
  }
  // A run may go on from the last residue to 0.
  auto residueAt = [&](size_t n) {
    return residues[n % residues.size()] + (n >= residues.size() ? lattice : 0);
  };
  longestRun = 1;
  for (size_t i = 1, run = 1; i < 2 * residues.size(); ++i) {
    run = residueAt(i) == residueAt(i - 1) + 1 ? run + 1 : 1;
    longestRun = std::max(longestRun, int64_t(run));
  }
}

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

/// Traces all bounds from pieceQuery on; returns for how many of at most `rows` rows they are lines
/// that move by 0 or by the step. One row alone always is.
int64_t DimSweep::traceRows(int64_t rows) {
  formula.dags[dim].trace(pieceQuery, step, env, scratch.lines);
  bool plain = step == 1;
  for (size_t i = 0; i < formula.atoms.size(); ++i) {
    if (scratch.moduli[i] == 0 || (plain && scratch.moduli[i] > 1))
      continue;
    const AtomDim &atom = formula.atoms[i].dims[dim];
    for (ExprId id : {atom.lo, atom.hi}) {
      const Line &line = scratch.lines[id];
      bool straight = line.slope == 0 || line.slope == step;
      rows = straight ? std::min(rows, std::min(line.steps, rows - 1) + 1) : 1;
    }
  }
  assert(rows >= 1 && "a piece has at least one row");
  return rows;
}

/// The keys whose distance from the query has this residue, on the rows that traceRows has traced.
/// With step 1 these are all keys, and atoms with a modulus take no part.
void DimSweep::sweepPiece(int64_t residue, int64_t rows) {
  keyResidue = (pieceQuery + residue) % step;
  auto coordinate = [&](int64_t key) { return step == 1 ? key : ceilDiv(key - keyResidue, step); };
  latticeKeys = coordinate(keys);
  latticePadded = coordinate(paddedKeys);
  auto &points = scratch.points;
  scratch.cells.clear();
  scratch.active.clear();
  points.assign({{0, 0}, {latticeKeys, 0}, {latticePadded, 0}});
  for (size_t i = 0; i < formula.atoms.size(); ++i) {
    int64_t modulus = scratch.moduli[i];
    if (modulus == 0 || (modulus > 1 && (step == 1 || !onResidue(i, pieceQuery, residue))))
      continue;
    auto point = [&](ExprId id) {
      const Line &line = scratch.lines[id];
      return SweepPoint{coordinate(line.value), rows > 1 ? line.slope / step : 0};
    };
    const AtomDim &atom = formula.atoms[i].dims[dim];
    scratch.active.push_back(static_cast<int32_t>(i));
    scratch.bounds[i] = {point(atom.lo), point(atom.hi)};
    // Bounds that lie outside on all rows cut nothing.
    for (const SweepPoint &bound : {scratch.bounds[i].first, scratch.bounds[i].second})
      if (bound.at(rows - 1) > 0 && bound.begin < latticePadded)
        points.push_back(bound);
  }
  sweepRows(0, rows - 1);
}

void DimSweep::sweepRows(int64_t row0, int64_t row1) {
  auto &points = scratch.points;
  // They are few: sorted by insertion.
  for (size_t i = 1; i < points.size(); ++i) {
    SweepPoint point = points[i];
    int64_t value = point.at(row0);
    size_t j = i;
    for (; j > 0; --j) {
      int64_t other = points[j - 1].at(row0);
      if (other < value || (other == value && points[j - 1].slope <= point.slope))
        break;
      points[j] = points[j - 1];
    }
    points[j] = point;
  }
  for (size_t i = 1; i < points.size(); ++i) {
    if (points[i].at(row1) >= points[i - 1].at(row1))
      continue;
    // The two lines meet at `meet` and have changed places one row later.
    int64_t meet = row0 + points[i].at(row0) - points[i - 1].at(row0);
    assert(meet >= row0 && meet < row1 && "lines that change places meet in between");
    sweepRows(row0, meet);
    sweepRows(meet + 1, row1);
    return;
  }
  for (size_t i = 0; i + 1 < points.size(); ++i)
    emitCell(points[i], points[i + 1], row0, row1);
}

void DimSweep::emitCell(const SweepPoint &low, const SweepPoint &high, int64_t row0, int64_t row1) {
  int64_t first = low.at(row0), end = high.at(row1);
  int64_t row = low.at(row0) < high.at(row0) ? row0 : row1;
  if (low.at(row) >= high.at(row) || end <= 0 || first >= latticePadded)
    return;
  Signature signature = 0;
  for (int32_t i : scratch.active) {
    const auto &[begin, stop] = scratch.bounds[i];
    if (begin.at(row) <= low.at(row) && stop.at(row) >= high.at(row))
      signature |= Signature(1) << i;
  }
  if (first >= latticeKeys)
    signature |= kBeyondEnd;
  scratch.cells.push_back({signature, low, high, row0, row1, first, end});
}

//===----------------------------------------------------------------------===//
// Plain cells, less the pairs on which a modulus holds
//===----------------------------------------------------------------------===//

/// At no row more keys than may all lie on residues.
bool DimSweep::isNarrow(const SweepCell &cell) const {
  int64_t width0 = cell.high.at(cell.row0) - cell.low.at(cell.row0);
  int64_t width1 = cell.high.at(cell.row1) - cell.low.at(cell.row1);
  return std::max(width0, width1) <= longestRun;
}

/// Whether some pair of the cell with its key in the tile has no atom with a modulus that holds.
bool DimSweep::showsPlain(const SweepCell &cell, int64_t tileNumber, int64_t tile) {
  int64_t begin = tileNumber * tile, end = begin + tile;
  auto first = [&](int64_t row) { return std::max(cell.low.at(row), begin); };
  auto last = [&](int64_t row) { return std::min(cell.high.at(row), end); };
  // The overlap is concave over the rows: it is largest at an end, or where a bound meets the
  // tile's.
  auto within = [&](int64_t row) { return std::clamp(row, cell.row0, cell.row1); };
  for (int64_t row :
       {cell.row0, cell.row1, within(begin - cell.low.begin), within(end - cell.high.begin)})
    if (last(row) - first(row) > longestRun)
      return true;
  for (int64_t row = cell.row0; row <= cell.row1; ++row)
    for (int64_t key = first(row); key < last(row); ++key)
      if (!holdsWithModulus(pieceQuery + row, key))
        return true;
  return false;
}

bool DimSweep::holdsWithModulus(int64_t query, int64_t key) {
  for (size_t i = 0; i < scratch.moduli.size(); ++i) {
    if (scratch.moduli[i] <= 1 || !onResidue(i, query, key - query))
      continue;
    if (scratch.valuesAt != query) {
      formula.dags[dim].evaluate(query, env, scratch.values);
      scratch.valuesAt = query;
    }
    const AtomDim &atom = formula.atoms[i].dims[dim];
    if (scratch.values[atom.lo] <= key && key < scratch.values[atom.hi])
      return true;
  }
  return false;
}

} // namespace attn
