#include "dialect/algebra/TileMap.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <map>

namespace attn {

int64_t KeyBox::size() const {
  int64_t n = 1;
  for (int d = 0; d < kMaxRank; ++d)
    n *= hi[d] - lo[d];
  return n;
}

TileMap::TileMap(Formula f, const TileGeometry &geometry, std::vector<int64_t> symbols,
                 MapData known)
    : formula(std::move(f)), geo(geometry), symbolValues(std::move(symbols)),
      data(std::move(known)), dataBits(formula.dataAtoms()), uncertain(uncertainAtoms(formula)) {
  assert(formula.rank == geo.rank && "the formula speaks of the dimensions of the layout");
  assert(symbolValues.size() == formula.symbols.size() && "every symbol is bound");
  if (geo.bounded)
    addExistence();
  queryGrid = tileGrid(geo, true);
  data.atoms.resize(formula.atoms.size());
  data.tables.resize(formula.tables.size());
  for (const auto &classes : data.atoms)
    knowsData |= classes != nullptr;
  if (geo.rank == 1) {
    findTruths();
    if (!geo.bounded && !knowsData)
      interval = RisingInterval::of(formula, env());
    findStretches();
    return;
  }
  for (int d = 0; d < geo.rank; ++d) {
    runTable[d].resize(geo.queryTiles(d));
    for (int64_t t = 0; t < geo.queryTiles(d); ++t)
      findRuns(d, t, runTable[d][t]);
  }
  findPatterns();
  makeTemplates();
}

bool TileMap::exact() const {
  if (uncertain || coarsens())
    return false;
  bool alone = int(formula.atoms.size()) - std::popcount(existingQueries | existingKeys) == 1;
  for (size_t i = 0; i < formula.atoms.size(); ++i) {
    if (formula.atoms[i].kind == AtomKind::Box)
      continue;
    const auto &classes = data.atoms[i];
    if (!classes || !(classes->isUniform() || (alone && classes->exact())))
      return false;
  }
  return true;
}

/// Atoms for the tokens that exist, where a layout has places for more. They are no part of the
/// mask's truth, see `truthOf`.
void TileMap::addExistence() {
  auto dimOf = [&](int d, int64_t lo, int64_t hi, bool ofQueries) -> AtomDim {
    ExprDag &e = formula.dags[size_t(d)];
    if (!ofQueries)
      return {e.constant(lo), e.constant(hi)};
    ExprId inside = e.sub(e.less(e.query(), e.constant(hi)), e.less(e.query(), e.constant(lo)));
    return {e.constant(-kInfinity),
            e.select(inside, e.constant(kInfinity), e.constant(-kInfinity))};
  };
  for (bool ofQueries : {true, false}) {
    const Coords &lengths = ofQueries ? geo.queries : geo.keys;
    int64_t count = ofQueries ? geo.numQueries : geo.numKeys;
    for (const TokenBox &box : boxesBelow(count, lengths, geo.rank)) {
      Signature &bits = ofQueries ? existingQueries : existingKeys;
      bits |= Signature(1) << formula.atoms.size();
      Atom &atom = formula.atoms.emplace_back();
      for (int d = 0; d < geo.rank; ++d)
        atom.dims.push_back(dimOf(d, box.lo[size_t(d)], box.hi[size_t(d)], ofQueries));
    }
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
  DimSweep sweep(formula, dim, geo.keys[dim], geo.keyTiles(dim) * tile, env(), scratch);
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
// Truth on tiles
//===----------------------------------------------------------------------===//

/// Open data may be either, and moduli that are not swept may hide what an interval shows: every
/// assignment of those bits counts. Queries that do not exist say nothing, keys that do not exist
/// are hidden.
TileMap::Visibility TileMap::truthOf(Signature signature, DataTruth truth) const {
  if (geo.bounded && !(signature & existingQueries))
    return {};
  if ((signature & kBeyondEnd) || (geo.bounded && !(signature & existingKeys)))
    return {false, true};
  Visibility seen;
  signature = (signature & ~dataBits) | truth.holds;
  Signature open = truth.open | (signature & uncertain), bits = 0;
  do {
    (formula.truthOf((signature & ~open) | bits) ? seen.visible : seen.hidden) = true;
    bits = (bits - open) & open; // the next subset of `open`
  } while (bits && !(seen.visible && seen.hidden));
  return seen;
}

/// A box atom holds for a pair if it holds in every dimension, and the query coordinates of a tile
/// vary independently: so every choice of one signature per dimension occurs, and their conjunction
/// decides.
void TileMap::classify(const Choice &choice, int dim, Signature signature, DataTruth truth,
                       Visibility &seen) const {
  if (seen.visible && seen.hidden)
    return;
  if (dim == geo.rank) {
    Visibility one = truthOf(signature, truth);
    seen.visible |= one.visible;
    seen.hidden |= one.hidden;
    return;
  }
  for (Signature s : choice[dim]) {
    Signature beyond = (signature | s) & kBeyondEnd;
    classify(choice, dim + 1, (signature & s & ~kBeyondEnd) | beyond, truth, seen);
  }
}

/// Ranges of all data atoms with classes on a query tile, one list per atom.
void TileMap::findShares(int64_t queryTile, std::vector<std::vector<KeyTileRange>> &out) const {
  out.resize(formula.atoms.size());
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].clear();
    if (data.atoms[i])
      data.atoms[i]->rangesOf(queryTile, out[i]);
  }
}

TileMap::DataTruth TileMap::truthAt(const std::vector<std::vector<KeyTileRange>> &shares,
                                    int64_t tile, std::vector<size_t> *next) const {
  DataTruth truth{0, dataBits};
  for (size_t i = 0; i < shares.size(); ++i) {
    if (!data.atoms[i])
      continue;
    Signature bit = Signature(1) << i;
    auto it = shares[i].begin();
    if (next) {
      size_t &at = (*next)[i];
      while (at < shares[i].size() && shares[i][at].end <= tile)
        ++at;
      it += int64_t(at);
    } else {
      it = std::upper_bound(shares[i].begin(), shares[i].end(), tile,
                            [](int64_t t, const KeyTileRange &range) { return t < range.end; });
    }
    Share share = it != shares[i].end() && it->begin <= tile ? it->share : Share::None;
    if (share != Share::Some)
      truth.open &= ~bit;
    if (share == Share::All)
      truth.holds |= bit;
  }
  return truth;
}

uint32_t TileMap::listedBits(Signature holds) const {
  uint32_t bits = 0;
  for (size_t i = 0; i < formula.atoms.size(); ++i)
    if (formula.atoms[i].kind == AtomKind::Listed && (holds >> i & 1))
      bits |= uint32_t(1) << formula.atoms[i].index;
  return bits;
}

//===----------------------------------------------------------------------===//
// Boxes
//===----------------------------------------------------------------------===//

bool continues(const KeyBox &box, const KeyBox &next, int dim) {
  if (box.full != next.full || box.listed != next.listed || box.hi[dim] != next.lo[dim])
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

/// Numbers the distinct sequences of signature lists of each dimension.
void TileMap::findPatterns() {
  for (int d = 0; d < geo.rank; ++d) {
    std::map<std::vector<Signature>, uint32_t> known;
    for (const Runs &runs : runTable[d]) {
      std::vector<Signature> pattern;
      for (const Run &run : runs.list) {
        pattern.push_back(Signature(run.count));
        for (Signature signature : runs.of(run))
          pattern.push_back(signature);
      }
      auto it = known.try_emplace(std::move(pattern), uint32_t(known.size())).first;
      patternOf[d].push_back(it->second);
    }
    patterns[d] = known.size();
  }
}

/// More combinations of patterns than this are not worth being remembered.
static constexpr size_t kMaxTemplates = 4096;

void TileMap::makeTemplates() {
  size_t combinations = 1;
  for (int d = 0; d < geo.rank; ++d)
    combinations = std::min(combinations * patterns[d], kMaxTemplates + 1);
  if (combinations > kMaxTemplates || combinations == 0)
    return;
  // A query tile for each pattern.
  std::array<std::vector<const Runs *>, kMaxRank> example;
  for (int d = 0; d < geo.rank; ++d) {
    example[d].resize(patterns[d]);
    for (size_t t = 0; t < runTable[d].size(); ++t)
      example[d][patternOf[d][t]] = &runTable[d][t];
  }
  Coords extents{1, 1, 1, 1};
  for (int d = 0; d < geo.rank; ++d)
    extents[d] = int64_t(patterns[d]);
  for (size_t i = 0; i < combinations; ++i) {
    Coords at = coordsAt(int64_t(i), extents, geo.rank);
    RunsOfTile runs{};
    for (int d = 0; d < geo.rank; ++d)
      runs[d] = example[d][at[d]];
    templates.push_back(templatesOf(runs));
  }
}

size_t TileMap::templateNumber(const Coords &tile) const {
  size_t number = 0;
  for (int d = 0; d < geo.rank; ++d)
    number = number * patterns[d] + patternOf[d][tile[d]];
  return number;
}

/// Classifies every product of runs, open data being either, and joins neighbours of one class.
std::vector<TileMap::BoxTemplate> TileMap::templatesOf(const RunsOfTile &runs) const {
  std::vector<KeyBox> boxes;
  std::array<size_t, kMaxRank> at{};
  for (int d = 0; d < geo.rank; ++d)
    if (runs[d]->list.empty())
      return {};
  for (bool more = true; more;) {
    KeyBox box;
    Choice choice;
    for (int d = 0; d < geo.rank; ++d) {
      choice[d] = runs[d]->of(runs[d]->list[at[d]]);
      box.lo[d] = int64_t(at[d]);
      box.hi[d] = int64_t(at[d]) + 1;
    }
    Visibility seen;
    classify(choice, 0, ~kBeyondEnd, {0, dataBits}, seen);
    box.full = !seen.hidden;
    if (seen.visible)
      boxes.push_back(box);
    int d = geo.rank - 1;
    while (d >= 0 && ++at[d] == runs[d]->list.size())
      at[d--] = 0;
    more = d >= 0;
  }
  // Data splits boxes of single runs.
  for (int d = geo.rank - 1; d >= 0 && !knowsData; --d)
    mergeAlong(d, boxes);
  std::vector<BoxTemplate> result;
  for (const KeyBox &box : boxes) {
    BoxTemplate &one = result.emplace_back();
    one.full = box.full;
    for (int d = 0; d < geo.rank; ++d) {
      one.lo[d] = uint16_t(box.lo[d]);
      one.hi[d] = uint16_t(box.hi[d]);
    }
  }
  return result;
}

void TileMap::boxes(int64_t queryTile, std::vector<KeyBox> &out) const {
  out.clear();
  if (geo.rank == 1)
    return boxesOfRow(queryTile, out);
  Coords tile = coordsAt(queryTile, queryGrid, geo.rank);
  RunsOfTile runs{};
  for (int d = 0; d < geo.rank; ++d)
    runs[d] = &runTable[d][tile[d]];
  std::vector<BoxTemplate> made;
  if (templates.empty())
    made = templatesOf(runs);
  const std::vector<BoxTemplate> &list = templates.empty() ? made : templates[templateNumber(tile)];
  for (const BoxTemplate &one : list) {
    KeyBox &box = out.emplace_back();
    for (int d = 0; d < geo.rank; ++d) {
      box.lo[d] = runs[d]->list[one.lo[d]].begin;
      box.hi[d] = runs[d]->list[one.hi[d] - 1].end;
    }
    box.full = one.full;
  }
  if (knowsData)
    splitByData(queryTile, runs, out);
}

/// Calls `visit` with the coordinates of every tile of the box.
template <class Visit> static void forEachTile(const KeyBox &box, int rank, Visit &&visit) {
  Coords at = box.lo;
  for (int d = 0; d >= 0;) {
    visit(at);
    for (d = rank - 1; d >= 0 && ++at[d] == box.hi[d]; --d)
      at[d] = box.lo[d];
  }
}

static KeyBox boxOfTile(const Coords &tile, int rank, bool full, uint32_t listed) {
  KeyBox box;
  for (int d = 0; d < rank; ++d) {
    box.lo[d] = tile[d];
    box.hi[d] = tile[d] + 1;
  }
  box.full = full;
  box.listed = listed;
  return box;
}

/// Boxes of single runs, of which partial ones are classified tile by tile with what the data says.
void TileMap::splitByData(int64_t queryTile, const RunsOfTile &runs,
                          std::vector<KeyBox> &out) const {
  std::vector<std::vector<KeyTileRange>> shares;
  findShares(queryTile, shares);
  Coords grid = tileGrid(geo, false);
  std::vector<KeyBox> split;
  for (const KeyBox &box : out) {
    if (box.full) {
      split.push_back(box);
      continue;
    }
    Choice choice;
    for (int d = 0; d < geo.rank; ++d) {
      auto run = std::find_if(runs[d]->list.begin(), runs[d]->list.end(),
                              [&](const Run &r) { return r.begin == box.lo[d]; });
      choice[d] = runs[d]->of(*run);
    }
    forEachTile(box, geo.rank, [&](const Coords &tile) {
      DataTruth truth = truthAt(shares, rowMajor(tile, grid, geo.rank));
      Visibility seen;
      classify(choice, 0, ~kBeyondEnd, truth, seen);
      if (seen.visible)
        split.push_back(
            boxOfTile(tile, geo.rank, !seen.hidden, seen.hidden ? listedBits(truth.holds) : 0));
    });
  }
  // Tiles come by boxes of runs.
  std::sort(split.begin(), split.end(),
            [](const KeyBox &a, const KeyBox &b) { return a.lo < b.lo; });
  for (int d = geo.rank - 1; d >= 0; --d)
    mergeAlong(d, split);
  out = std::move(split);
}

} // namespace attn
