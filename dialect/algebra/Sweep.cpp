#include "dialect/algebra/Sweep.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace attn {

/// The least common multiple of the moduli of one dimension. Atoms that would make it larger than
/// kMaxStep are left out and added to `uncertain`.
static int64_t latticeStep(const Formula &formula, int dim, Signature &uncertain) {
  int64_t step = 1;
  for (size_t i = 0; i < formula.atoms.size(); ++i) {
    if (formula.atoms[i].kind != AtomKind::Box)
      continue;
    int64_t modulus = formula.atoms[i].dims[dim].modulus;
    int64_t factor = modulus / std::gcd(step, modulus);
    if (factor <= kMaxStep / step)
      step *= factor;
    else
      uncertain |= Signature(1) << i;
  }
  return step;
}

Signature uncertainAtoms(const Formula &formula) {
  Signature uncertain = 0;
  for (int d = 0; d < formula.rank; ++d)
    latticeStep(formula, d, uncertain);
  return uncertain;
}

DimSweep::DimSweep(const Formula &f, int d, int64_t k, int64_t padded, const int64_t *symbols,
                   SweepScratch &memory)
    : formula(f), dim(d), keys(k), paddedKeys(padded), symbolValues(symbols), scratch(memory) {
  uncertain = 0;
  step = latticeStep(formula, dim, uncertain);
  scratch.bounds.resize(formula.atoms.size());
}

/// Traces all bounds from query q on; returns for how many of at most `rows` queries they are lines
/// that move by 0 or by the step. One query alone always is.
int64_t DimSweep::traceRows(int64_t q, int64_t rows) {
  formula.dags[dim].trace(q, step, symbolValues, scratch.lines);
  for (const Atom &atom : formula.atoms) {
    if (atom.kind != AtomKind::Box)
      continue;
    for (ExprId id : {atom.dims[dim].lo, atom.dims[dim].hi}) {
      const Line &line = scratch.lines[id];
      bool straight = line.slope == 0 || line.slope == step;
      rows = straight ? std::min(rows, std::min(line.steps, rows - 1) + 1) : 1;
    }
  }
  assert(rows >= 1 && "a piece has at least one query");
  return rows;
}

/// The keys keyResidue + step * b, seen from the queries that traceRows has traced.
void DimSweep::sweepResidue(int64_t queryResidue, int64_t residue, int64_t rows) {
  keyResidue = residue;
  auto lattice = [&](int64_t key) { return step == 1 ? key : ceilDiv(key - keyResidue, step); };
  latticeKeys = lattice(keys);
  latticePadded = lattice(paddedKeys);
  auto &points = scratch.points;
  scratch.cells.clear();
  scratch.active.clear();
  points.assign({{0, 0}, {latticeKeys, 0}, {latticePadded, 0}});
  for (size_t i = 0; i < formula.atoms.size(); ++i) {
    const Atom &atom = formula.atoms[i];
    if (atom.kind != AtomKind::Box)
      continue;
    int64_t modulus = uncertain >> i & 1 ? 1 : atom.dims[dim].modulus;
    if (modulus > 1 && (keyResidue - queryResidue) % modulus != 0)
      continue;
    auto point = [&](ExprId id) {
      const Line &line = scratch.lines[id];
      return SweepPoint{lattice(line.value), rows > 1 ? line.slope / step : 0};
    };
    scratch.active.push_back(static_cast<int32_t>(i));
    scratch.bounds[i] = {point(atom.dims[dim].lo), point(atom.dims[dim].hi)};
    points.push_back(scratch.bounds[i].first);
    points.push_back(scratch.bounds[i].second);
  }
  if (scratch.active.empty()) {
    emitCell(points[0], points[1], 0, rows - 1);
    emitCell(points[1], points[2], 0, rows - 1);
    return;
  }
  sweepRows(0, rows - 1);
}

void DimSweep::sweepRows(int64_t row0, int64_t row1) {
  auto &points = scratch.points;
  std::sort(points.begin(), points.end(), [&](const SweepPoint &a, const SweepPoint &b) {
    int64_t x = a.at(row0), y = b.at(row0);
    return x != y ? x < y : a.slope < b.slope;
  });
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
    const auto &[begin, end] = scratch.bounds[i];
    if (begin.at(row) <= low.at(row) && end.at(row) >= high.at(row))
      signature |= Signature(1) << i;
  }
  if (first >= latticeKeys)
    signature |= kBeyondEnd;
  first = std::max<int64_t>(first, 0);
  end = std::min(end, latticePadded);
  __int128 rows = row1 - row0 + 1;
  int64_t widths = (high.at(row0) - low.at(row0)) + (high.at(row1) - low.at(row1));
  scratch.cells.push_back({signature, keyResidue + step * first, keyResidue + step * (end - 1),
                           step, widths * rows / 2});
}

} // namespace attn
