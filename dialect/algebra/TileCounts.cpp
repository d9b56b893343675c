//===- TileCounts.cpp - tiles, pairs and elements of a tile map ----------===//
#include "dialect/algebra/TileMap.h"

#include <algorithm>
#include <cassert>
#include <map>

namespace attn {

static int64_t saturated(__int128 value) {
  return value > INT64_MAX ? INT64_MAX : static_cast<int64_t>(value);
}

static void addVisit(const VisitRun &run, std::vector<VisitRun> &runs) {
  if (!runs.empty() && runs.back().visited == run.visited && runs.back().full == run.full)
    runs.back().queryTiles += run.queryTiles;
  else
    runs.push_back(run);
}

VisitRun TileMap::visitsOf(int64_t queryTile, std::vector<KeyBox> &scratch) const {
  if (std::optional<IntervalTiles> tiles = intervalTiles(queryTile))
    return {1, tiles->hi - tiles->lo, std::max<int64_t>(tiles->fullHi - tiles->fullLo, 0)};
  VisitRun run{1, 0, 0};
  boxes(queryTile, scratch);
  for (const KeyBox &box : scratch) {
    run.visited += box.size();
    run.full += box.full ? box.size() : 0;
  }
  return run;
}

/// Of all tiles of the stretch; boxes whose ends move alike keep their size.
void TileMap::addVisits(const Stretch &stretch, std::vector<VisitRun> &out) const {
  VisitRun first{1, 0, 0}, growth{0, 0, 0};
  for (size_t i = 0; i < stretch.boxes.size(); ++i) {
    int64_t size = stretch.boxes[i].size(), grows = stretch.moves[i].hi - stretch.moves[i].lo;
    bool full = stretch.boxes[i].full;
    first.visited += size;
    growth.visited += grows;
    first.full += full ? size : 0;
    growth.full += full ? grows : 0;
  }
  if (growth.visited == 0 && growth.full == 0)
    return addVisit({stretch.count, first.visited, first.full}, out);
  for (int64_t i = 0; i < stretch.count; ++i)
    addVisit({1, first.visited + i * growth.visited, first.full + i * growth.full}, out);
}

std::vector<VisitRun> TileMap::visits() const {
  std::vector<VisitRun> runs;
  std::vector<KeyBox> scratch;
  auto stretch = stretches.begin();
  for (int64_t t = 0, tiles = geo.numQueryTiles(); t < tiles;) {
    if (stretch != stretches.end() && stretch->first == t) {
      addVisits(*stretch, runs);
      t += stretch++->count;
    } else {
      addVisit(visitsOf(t++, scratch), runs);
    }
  }
  return runs;
}

TileCounts TileMap::counts() const {
  int64_t worst = 0;
  __int128 visited = 0, full = 0;
  for (const VisitRun &run : visits()) {
    visited += __int128(run.queryTiles) * run.visited;
    full += __int128(run.queryTiles) * run.full;
    worst = std::max(worst, run.visited);
  }
  return {saturated(visited), saturated(full),
          saturated(__int128(geo.numQueryTiles()) * geo.numKeyTiles()), worst};
}

/// Pairs per conjunction of signatures, dimension by dimension. At most 2^80 pairs in all.
int64_t TileMap::visiblePairs() const {
  if (interval)
    return saturated(interval->pairs(geo.queries[0], geo.keys[0]));
  using Pairs = std::map<Signature, __int128>;
  SweepScratch scratch;
  Pairs pairs{{~kBeyondEnd, 1}};
  for (int d = 0; d < geo.rank; ++d) {
    Pairs here, next;
    DimSweep sweep(formula, d, geo.keys[d], geo.keys[d], env(), scratch);
    sweep.pairs(0, geo.queries[d] - 1,
                [&](Signature signature, __int128 n) { here[signature] += n; });
    for (const auto &[before, n] : pairs)
      for (const auto &[signature, m] : here)
        next[before & signature] += n * m;
    pairs = std::move(next);
  }
  __int128 total = 0;
  for (const auto &[signature, n] : pairs)
    if (truthOf(signature, {0, dataBits}).visible)
      total += n;
  return saturated(total);
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

/// Signatures of all keys of one dimension, seen from one query.
static std::vector<Signature> signaturesOf(const Formula &formula, int dim, int64_t query,
                                           int64_t keys, const Environment &env) {
  std::vector<int64_t> values;
  formula.dags[dim].evaluate(query, env, values);
  std::vector<Signature> signatures(keys, 0);
  for (size_t i = 0; i < formula.atoms.size(); ++i) {
    const AtomDim &atom = formula.atoms[i].dims[dim];
    int64_t first = std::max<int64_t>(values[atom.lo], 0), end = std::min(values[atom.hi], keys);
    for (int64_t k = first; k < end; ++k)
      if (atom.modulus <= 1 || holds(atom, query, k, values))
        signatures[k] |= Signature(1) << i;
  }
  return signatures;
}

void TileMap::row(const Coords &query, uint8_t *visible) const {
  assert(dataBits == 0 && "data atoms have no truth without their data");
  std::vector<Signature> all{~kBeyondEnd};
  for (int d = 0; d < geo.rank; ++d) {
    std::vector<Signature> here =
        signaturesOf(formula, d, query[d], geo.keys[d], env());
    std::vector<Signature> next;
    for (Signature outer : all)
      for (Signature inner : here)
        next.push_back(outer & inner);
    all = std::move(next);
  }
  // Neighbours mostly agree.
  Signature known = all.empty() ? 0 : all.front();
  bool truth = formula.truthOf(known);
  for (size_t k = 0; k < all.size(); ++k) {
    if (all[k] != known) {
      known = all[k];
      truth = formula.truthOf(known);
    }
    visible[k] = truth;
  }
}

} // namespace attn
