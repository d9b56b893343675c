#include "dialect/algebra/Sweep.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace attn {

DimSweep::DimSweep(const Formula &f, int d, int64_t k, int64_t padded, const int64_t *symbols)
    : formula(f), dim(d), keys(k), paddedKeys(padded), symbolValues(symbols) {
  for (const Atom &atom : formula.atoms)
    if (atom.kind == AtomKind::Box)
      step = std::lcm(step, atom.dims[dim].modulus);
  bounds.resize(formula.atoms.size());
  active.resize(formula.atoms.size());
}

void DimSweep::collect(int64_t q0, int64_t q1) {
  for (int64_t first = q0; first <= q1 && first < q0 + step; ++first) {
    for (int64_t q = first; q <= q1;) {
      int64_t rows = traceRows(q, (q1 - q) / step + 1);
      for (int64_t residue = 0; residue < step; ++residue)
        sweepResidue(q % step, residue, rows);
      q += rows * step;
    }
  }
}

/// Traces all bounds from query q on; returns for how many of at most `rows` queries they are lines
/// that move by 0 or by the step. One query alone always is.
int64_t DimSweep::traceRows(int64_t q, int64_t rows) {
  formula.dags[dim].trace(q, step, symbolValues, lines);
  for (const Atom &atom : formula.atoms) {
    if (atom.kind != AtomKind::Box)
      continue;
    for (ExprId id : {atom.dims[dim].lo, atom.dims[dim].hi}) {
      const Line &line = lines[id];
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
  auto lattice = [&](int64_t key) { return ceilDiv(key - keyResidue, step); };
  latticeKeys = lattice(keys);
  latticePadded = lattice(paddedKeys);
  points.assign({{0, 0}, {latticeKeys, 0}, {latticePadded, 0}});
  for (size_t i = 0; i < formula.atoms.size(); ++i) {
    const Atom &atom = formula.atoms[i];
    active[i] = atom.kind == AtomKind::Box &&
                (keyResidue - queryResidue) % atom.dims[dim].modulus == 0;
    if (!active[i])
      continue;
    auto point = [&](ExprId id) {
      const Line &line = lines[id];
      return Point{lattice(line.value), rows > 1 ? line.slope / step : 0};
    };
    bounds[i] = {point(atom.dims[dim].lo), point(atom.dims[dim].hi)};
    points.push_back(bounds[i].first);
    points.push_back(bounds[i].second);
  }
  sweepRows(0, rows - 1);
}

void DimSweep::sweepRows(int64_t row0, int64_t row1) {
  std::sort(points.begin(), points.end(), [&](const Point &a, const Point &b) {
    return std::pair(a.at(row0), a.slope) < std::pair(b.at(row0), b.slope);
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

void DimSweep::emitCell(const Point &low, const Point &high, int64_t row0, int64_t row1) {
  int64_t first = low.at(row0), end = high.at(row1);
  int64_t row = low.at(row0) < high.at(row0) ? row0 : row1;
  if (low.at(row) >= high.at(row) || end <= 0 || first >= latticePadded)
    return;
  Signature signature = 0;
  for (size_t i = 0; i < active.size(); ++i)
    if (active[i] && bounds[i].first.at(row) <= low.at(row) &&
        bounds[i].second.at(row) >= high.at(row))
      signature |= Signature(1) << i;
  if (first >= latticeKeys)
    signature |= kBeyondEnd;
  first = std::max<int64_t>(first, 0);
  end = std::min(end, latticePadded);
  int64_t rows = row1 - row0 + 1;
  int64_t widths = (high.at(row0) - low.at(row0)) + (high.at(row1) - low.at(row1));
  cells.push_back({signature, keyResidue + step * first, keyResidue + step * (end - 1), step,
                   widths * rows / 2});
}

} // namespace attn
