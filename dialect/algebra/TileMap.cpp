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
    : formula(std::move(f)), geo(geometry), symbolValues(std::move(symbols)),
      data(formula.dataAtoms()), uncertain(uncertainAtoms(formula)) {
  assert(formula.rank == geo.rank && "the formula speaks of the dimensions of the layout");
  assert(symbolValues.size() == formula.symbols.size() && "every symbol is bound");
  if (geo.rank == 1)
    return;
  for (int d = 0; d < geo.rank; ++d) {
    runTable[d].resize(geo.queryTiles(d));
    for (int64_t t = 0; t < geo.queryTiles(d); ++t)
      findRuns(d, t, runTable[d][t]);
  }
}

//===----------------------------------------------------------------------===//
// Runs: one dimension, one query tile
//===----------------------------------------------------------------------===//

namespace {
/// Key tiles begin <= t < end in which a signature occurs.
struct TileRange {
  Signature signature;
  int64_t begin, end;
};

/// The union of ranges per signature. Neighbouring pieces of a query tile sweep nearly the same
/// keys in the same order, so most ranges continue one that is there already, mostly the one after
/// the last.
class RangeSet {
public:
  void clear() {
    ranges.clear();
    next = 0;
  }

  void add(Signature signature, int64_t begin, int64_t end) {
    constexpr size_t nearby = 24;
    TileRange range{signature, begin, end};
    size_t count = ranges.size();
    if (next < count && joins(next, range))
      return;
    for (size_t i = 0; i < std::min(count, nearby); ++i)
      if (joins(i, range) || joins(count - 1 - i, range))
        return;
    ranges.push_back(range);
    next = count + 1;
  }

  /// The ranges of each signature, disjoint and not touching.
  const std::vector<TileRange> &merged() {
    std::sort(ranges.begin(), ranges.end(), [](const TileRange &a, const TileRange &b) {
      return a.signature != b.signature ? a.signature < b.signature : a.begin < b.begin;
    });
    size_t last = 0;
    for (size_t i = 1; i < ranges.size(); ++i) {
      if (ranges[i].signature == ranges[last].signature && ranges[i].begin <= ranges[last].end)
        ranges[last].end = std::max(ranges[last].end, ranges[i].end);
      else
        ranges[++last] = ranges[i];
    }
    if (!ranges.empty())
      ranges.resize(last + 1);
    return ranges;
  }

private:
  /// Extends range `i` by the new one if they have a signature and touch.
  bool joins(size_t i, const TileRange &range) {
    TileRange &known = ranges[i];
    if (known.signature != range.signature || range.begin > known.end || range.end < known.begin)
      return false;
    known.begin = std::min(known.begin, range.begin);
    known.end = std::max(known.end, range.end);
    next = i + 1;
    return true;
  }

  std::vector<TileRange> ranges;
  size_t next = 0;
};

/// A signature starts or stops to occur at a tile.
struct RangeEnd {
  int64_t at;
  Signature signature;
  bool begins;
};

void toggle(std::vector<Signature> &sorted, const RangeEnd &end) {
  auto it = std::lower_bound(sorted.begin(), sorted.end(), end.signature);
  if (end.begins)
    sorted.insert(it, end.signature);
  else
    sorted.erase(it);
}
} // namespace

void TileMap::findRuns(int dim, int64_t queryTile, Runs &out) const {
  thread_local SweepScratch scratch;
  thread_local RangeSet ranges;
  thread_local std::vector<RangeEnd> ends;
  thread_local std::vector<Signature> present;
  int64_t tile = geo.keyTile[dim];
  int64_t q0 = queryTile * geo.queryTile[dim];
  int64_t q1 = std::min(q0 + geo.queryTile[dim], geo.queries[dim]) - 1;
  ranges.clear();
  DimSweep sweep(formula, dim, geo.keys[dim], geo.keyTiles(dim) * tile, symbolValues.data(),
                 scratch);
  sweep.tiles(q0, q1, tile, [&](Signature signature, int64_t begin, int64_t end) {
    ranges.add(signature, begin, end);
  });

  ends.clear();
  for (const TileRange &range : ranges.merged()) {
    ends.push_back({range.begin, range.signature, true});
    ends.push_back({range.end, range.signature, false});
  }
  std::sort(ends.begin(), ends.end(),
            [](const RangeEnd &a, const RangeEnd &b) { return a.at < b.at; });
  out.list.clear();
  out.signatures.clear();
  present.clear();
  for (size_t i = 0; i < ends.size(); ++i) {
    toggle(present, ends[i]);
    if (i + 1 < ends.size() && ends[i + 1].at != ends[i].at && !present.empty()) {
      out.list.push_back({ends[i].at, ends[i + 1].at, out.signatures.size(), present.size()});
      out.signatures.insert(out.signatures.end(), present.begin(), present.end());
    }
  }
}

//===----------------------------------------------------------------------===//
// Boxes
//===----------------------------------------------------------------------===//

/// Data atoms may be either, and moduli that are not swept may hide what an interval shows: every
/// assignment of those bits counts.
TileMap::Visibility TileMap::truthOf(Signature signature) const {
  if (signature & kBeyondEnd)
    return {false, true};
  Visibility seen;
  Signature open = data | (signature & uncertain), bits = 0;
  do {
    (formula.truthOf((signature & ~open) | bits) ? seen.visible : seen.hidden) = true;
    bits = (bits - open) & open; // the next subset of `open`
  } while (bits && !(seen.visible && seen.hidden));
  return seen;
}

/// A box atom holds for a pair if it holds in every dimension, and the query coordinates of a tile
/// vary independently: so every choice of one signature per dimension occurs, and their conjunction
/// decides.
void TileMap::classify(const Choice &choice, int dim, Signature signature, Visibility &seen) const {
  if (seen.visible && seen.hidden)
    return;
  if (dim == geo.rank) {
    Visibility one = truthOf(signature);
    seen.visible |= one.visible;
    seen.hidden |= one.hidden;
    return;
  }
  for (Signature s : choice[dim]) {
    Signature beyond = (signature | s) & kBeyondEnd;
    classify(choice, dim + 1, (signature & s & ~kBeyondEnd) | beyond, seen);
  }
}

/// Whether `next` continues `box` in dimension `dim` and equals it in every other.
static bool continues(const KeyBox &box, const KeyBox &next, int dim) {
  if (box.full != next.full || box.hi[dim] != next.lo[dim])
    return false;
  for (int d = 0; d < kMaxRank; ++d)
    if (d != dim && (box.lo[d] != next.lo[d] || box.hi[d] != next.hi[d]))
      return false;
  return true;
}

/// Joins boxes that differ in dimension `dim` alone and touch there. Keeps their order.
static void mergeAlong(int dim, std::vector<KeyBox> &boxes) {
  size_t kept = 0;
  for (const KeyBox &box : boxes) {
    auto end = boxes.begin() + kept;
    auto it = std::find_if(boxes.begin(), end,
                           [&](const KeyBox &other) { return continues(other, box, dim); });
    if (it != end)
      it->hi[dim] = box.hi[dim];
    else
      boxes[kept++] = box;
  }
  boxes.resize(kept);
}

void TileMap::boxes(int64_t queryTile, std::vector<KeyBox> &out) const {
  out.clear();
  if (geo.rank == 1)
    return boxesOfRow(queryTile, out);
  std::array<const Runs *, kMaxRank> runs{};
  int64_t rest = queryTile;
  for (int d = geo.rank - 1; d >= 0; --d) {
    runs[d] = &runTable[d][rest % geo.queryTiles(d)];
    rest /= geo.queryTiles(d);
    if (runs[d]->list.empty())
      return;
  }
  std::array<size_t, kMaxRank> at{};
  for (bool more = true; more;) {
    KeyBox box;
    Choice choice;
    for (int d = 0; d < geo.rank; ++d) {
      const Run &run = runs[d]->list[at[d]];
      choice[d] = runs[d]->of(run);
      box.lo[d] = run.begin;
      box.hi[d] = run.end;
    }
    Visibility seen;
    classify(choice, 0, ~kBeyondEnd, seen);
    box.full = !seen.hidden;
    if (seen.visible)
      out.push_back(box);
    int d = geo.rank - 1;
    while (d >= 0 && ++at[d] == runs[d]->list.size())
      at[d--] = 0;
    more = d >= 0;
  }
  for (int d = geo.rank - 1; d >= 0; --d)
    mergeAlong(d, out);
}

/// The boxes of a layout of one dimension, where runs come in order and nothing is precomputed.
void TileMap::boxesOfRow(int64_t queryTile, std::vector<KeyBox> &out) const {
  thread_local Runs runs;
  findRuns(0, queryTile, runs);
  for (const Run &run : runs.list) {
    Visibility seen;
    for (Signature signature : runs.of(run)) {
      Visibility one = truthOf(signature);
      seen.visible |= one.visible;
      seen.hidden |= one.hidden;
    }
    if (!seen.visible)
      continue;
    KeyBox box;
    box.lo[0] = run.begin;
    box.hi[0] = run.end;
    box.full = !seen.hidden;
    if (!out.empty() && continues(out.back(), box, 0))
      out.back().hi[0] = box.hi[0];
    else
      out.push_back(box);
  }
}

//===----------------------------------------------------------------------===//
// Counts
//===----------------------------------------------------------------------===//

static int64_t saturated(__int128 value) {
  return value > INT64_MAX ? INT64_MAX : static_cast<int64_t>(value);
}

TileCounts TileMap::counts() const {
  std::vector<KeyBox> list;
  int64_t queryTiles = geo.numQueryTiles(), worst = 0;
  __int128 visited = 0, full = 0;
  for (int64_t t = 0; t < queryTiles; ++t) {
    boxes(t, list);
    int64_t here = 0;
    for (const KeyBox &box : list) {
      here += box.size();
      full += box.full ? box.size() : 0;
    }
    visited += here;
    worst = std::max(worst, here);
  }
  return {saturated(visited), saturated(full), saturated(__int128(queryTiles) * geo.numKeyTiles()),
          worst};
}

int64_t TileMap::visiblePairs() const {
  // Pairs per conjunction of signatures, dimension by dimension. At most 2^80 pairs in all.
  using Pairs = std::map<Signature, __int128>;
  SweepScratch scratch;
  Pairs pairs{{~kBeyondEnd, 1}};
  for (int d = 0; d < geo.rank; ++d) {
    Pairs here, next;
    DimSweep sweep(formula, d, geo.keys[d], geo.keys[d], symbolValues.data(), scratch);
    sweep.pairs(0, geo.queries[d] - 1,
                [&](Signature signature, __int128 n) { here[signature] += n; });
    for (const auto &[before, n] : pairs)
      for (const auto &[signature, m] : here)
        next[before & signature] += n * m;
    pairs = std::move(next);
  }
  __int128 total = 0;
  for (const auto &[signature, n] : pairs)
    if (truthOf(signature).visible)
      total += n;
  return saturated(total);
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

/// Signatures of all keys of one dimension, seen from one query.
static std::vector<Signature> signaturesOf(const Formula &formula, int dim, int64_t query,
                                           int64_t keys, const int64_t *symbolValues) {
  std::vector<int64_t> values;
  formula.dags[dim].evaluate(query, symbolValues, values);
  std::vector<Signature> signatures(keys, 0);
  for (size_t i = 0; i < formula.atoms.size(); ++i) {
    const AtomDim &atom = formula.atoms[i].dims[dim];
    int64_t first = std::max<int64_t>(values[atom.lo], 0), end = std::min(values[atom.hi], keys);
    int64_t distance = (query - first) % atom.modulus;
    first += distance < 0 ? distance + atom.modulus : distance;
    for (int64_t k = first; k < end; k += atom.modulus)
      signatures[k] |= Signature(1) << i;
  }
  return signatures;
}

void TileMap::row(const Coords &query, uint8_t *visible) const {
  assert(data == 0 && "data atoms have no truth without their data");
  std::vector<Signature> all{~kBeyondEnd};
  for (int d = 0; d < geo.rank; ++d) {
    std::vector<Signature> here =
        signaturesOf(formula, d, query[d], geo.keys[d], symbolValues.data());
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
