#include "dialect/algebra/TileMap.h"

#include <algorithm>
#include <cassert>
#include <map>

namespace attn {

int64_t TileGeometry::numQueryTiles() const {
  int64_t n = 1;
  for (int d = 0; d < rank; ++d)
    n *= queryTiles(d);
  return n;
}

int64_t TileGeometry::numKeyTiles() const {
  int64_t n = 1;
  for (int d = 0; d < rank; ++d)
    n *= keyTiles(d);
  return n;
}

int64_t KeyBox::size() const {
  int64_t n = 1;
  for (int d = 0; d < kMaxRank; ++d)
    n *= hi[d] - lo[d];
  return n;
}

TileMap::TileMap(Formula f, const TileGeometry &geometry, std::vector<int64_t> symbols)
    : formula(std::move(f)), geo(geometry), symbolValues(std::move(symbols)) {
  assert(formula.rank == geo.rank && "the formula speaks of the dimensions of the layout");
  assert(symbolValues.size() == formula.symbols.size() && "every symbol is bound");
  if (geo.rank == 1)
    return;
  for (int d = 0; d < geo.rank; ++d)
    for (int64_t t = 0; t < geo.queryTiles(d); ++t)
      runTable[d].push_back(runsOf(d, t));
}

namespace {
/// Tiles begin <= t < end in which a signature occurs.
struct TileRange {
  Signature signature;
  int64_t begin, end;
};

void addRanges(const Cell &cell, int64_t tile, std::vector<TileRange> &out) {
  if (cell.stride <= tile) {
    out.push_back({cell.signature, cell.first / tile, cell.last / tile + 1});
    return;
  }
  for (int64_t key = cell.first; key <= cell.last; key += cell.stride)
    out.push_back({cell.signature, key / tile, key / tile + 1});
}
} // namespace

TileMap::Runs TileMap::runsOf(int dim, int64_t queryTile) const {
  thread_local std::vector<TileRange> ranges;
  thread_local std::vector<int64_t> cuts;
  ranges.clear();
  cuts.clear();
  int64_t tile = geo.keyTile[dim];
  int64_t q0 = queryTile * geo.queryTile[dim];
  int64_t q1 = std::min(q0 + geo.queryTile[dim], geo.queries[dim]) - 1;
  DimSweep sweep(formula, dim, geo.keys[dim], geo.keyTiles(dim) * tile, symbolValues.data());
  sweep.run(q0, q1, [&](const Cell &cell) { addRanges(cell, tile, ranges); });

  for (const TileRange &range : ranges)
    cuts.insert(cuts.end(), {range.begin, range.end});
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  Runs runs;
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    std::vector<Signature> signatures;
    for (const TileRange &range : ranges)
      if (range.begin <= cuts[i] && cuts[i + 1] <= range.end)
        signatures.push_back(range.signature);
    std::sort(signatures.begin(), signatures.end());
    signatures.erase(std::unique(signatures.begin(), signatures.end()), signatures.end());
    if (!runs.empty() && runs.back().end == cuts[i] && runs.back().signatures == signatures)
      runs.back().end = cuts[i + 1];
    else
      runs.push_back({cuts[i], cuts[i + 1], std::move(signatures)});
  }
  return runs;
}

/// Data atoms may be either: every assignment of their bits counts.
TileMap::Visibility TileMap::truthOf(Signature signature) const {
  if (signature & kBeyondEnd)
    return {false, true};
  Visibility seen;
  Signature data = formula.dataAtoms(), bits = 0;
  do {
    (formula.truthOf((signature & ~data) | bits) ? seen.visible : seen.hidden) = true;
    bits = (bits - data) & data; // the next subset of `data`
  } while (bits && !(seen.visible && seen.hidden));
  return seen;
}

/// A box atom holds for a pair if it holds in every dimension, and the query coordinates of a tile vary
/// independently: so every choice of one signature per dimension occurs, and their conjunction decides.
void TileMap::classify(const std::array<const Run *, kMaxRank> &runs, int dim, Signature signature,
                       Visibility &seen) const {
  if (seen.visible && seen.hidden)
    return;
  if (dim == geo.rank) {
    Visibility one = truthOf(signature);
    seen.visible |= one.visible;
    seen.hidden |= one.hidden;
    return;
  }
  for (Signature s : runs[dim]->signatures) {
    Signature beyond = (signature | s) & kBeyondEnd;
    classify(runs, dim + 1, (signature & s & ~kBeyondEnd) | beyond, seen);
  }
}

/// Joins boxes that differ in dimension `dim` alone and touch there.
static void mergeAlong(int dim, std::vector<KeyBox> &boxes) {
  std::vector<KeyBox> merged;
  for (const KeyBox &box : boxes) {
    auto it = std::find_if(merged.begin(), merged.end(), [&](const KeyBox &other) {
      if (other.full != box.full || other.hi[dim] != box.lo[dim])
        return false;
      for (int d = 0; d < kMaxRank; ++d)
        if (d != dim && (other.lo[d] != box.lo[d] || other.hi[d] != box.hi[d]))
          return false;
      return true;
    });
    if (it != merged.end())
      it->hi[dim] = box.hi[dim];
    else
      merged.push_back(box);
  }
  boxes = std::move(merged);
}

void TileMap::boxes(int64_t queryTile, std::vector<KeyBox> &out) const {
  out.clear();
  std::array<Runs, kMaxRank> local;
  std::array<const Runs *, kMaxRank> runs{};
  int64_t rest = queryTile;
  for (int d = geo.rank - 1; d >= 0; --d) {
    int64_t t = rest % geo.queryTiles(d);
    rest /= geo.queryTiles(d);
    if (geo.rank == 1)
      local[d] = runsOf(d, t);
    runs[d] = geo.rank == 1 ? &local[d] : &runTable[d][t];
    if (runs[d]->empty())
      return;
  }
  std::array<size_t, kMaxRank> at{};
  std::array<const Run *, kMaxRank> chosen{};
  for (bool more = true; more;) {
    KeyBox box;
    for (int d = 0; d < geo.rank; ++d) {
      chosen[d] = &(*runs[d])[at[d]];
      box.lo[d] = chosen[d]->begin;
      box.hi[d] = chosen[d]->end;
    }
    Visibility seen;
    classify(chosen, 0, ~Signature(0) & ~kBeyondEnd, seen);
    box.full = !seen.hidden;
    if (seen.visible)
      out.push_back(box);
    int d = geo.rank - 1;
    while (d >= 0 && ++at[d] == runs[d]->size())
      at[d--] = 0;
    more = d >= 0;
  }
  for (int d = geo.rank - 1; d >= 0; --d)
    mergeAlong(d, out);
}

TileCounts TileMap::counts() const {
  TileCounts counts;
  std::vector<KeyBox> list;
  int64_t queryTiles = geo.numQueryTiles();
  counts.all = queryTiles * geo.numKeyTiles();
  for (int64_t t = 0; t < queryTiles; ++t) {
    boxes(t, list);
    int64_t visited = 0;
    for (const KeyBox &box : list) {
      visited += box.size();
      counts.full += box.full ? box.size() : 0;
    }
    counts.visited += visited;
    counts.worst = std::max(counts.worst, visited);
  }
  return counts;
}

int64_t TileMap::visiblePairs() const {
  // Pairs per conjunction of signatures, dimension by dimension.
  std::map<Signature, __int128> pairs{{~kBeyondEnd, 1}};
  for (int d = 0; d < geo.rank; ++d) {
    std::map<Signature, int64_t> here;
    DimSweep sweep(formula, d, geo.keys[d], geo.keys[d], symbolValues.data());
    if (geo.queries[d] > 0)
      sweep.run(0, geo.queries[d] - 1, [&](const Cell &cell) {
        here[cell.signature] += cell.pairs;
      });
    std::map<Signature, __int128> next;
    for (const auto &[before, n] : pairs)
      for (const auto &[signature, m] : here)
        next[before & signature] += n * m;
    pairs = std::move(next);
  }
  __int128 total = 0;
  for (const auto &[signature, n] : pairs)
    if (truthOf(signature).visible)
      total += n;
  return total > INT64_MAX ? INT64_MAX : static_cast<int64_t>(total);
}

} // namespace attn
