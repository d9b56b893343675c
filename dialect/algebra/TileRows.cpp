//===- TileRows.cpp - tile maps of layouts of one dimension --------------===//
#include "dialect/algebra/TileMap.h"

#include <algorithm>
#include <cassert>

namespace attn {

void TileMap::boxesOfRow(int64_t queryTile, std::vector<KeyBox> &out) const {
  if (copyFromStretch(queryTile, out) || boxesOfInterval(queryTile, out))
    return;
  if (!knowsData)
    return boxesWithoutData(queryTile, out);
  boxesWithData(queryTile, out);
  if (coarsens())
    coarsen(out);
}

//===----------------------------------------------------------------------===//
// Ranges of tiles
//===----------------------------------------------------------------------===//

namespace {

/// Key tiles begin <= t < end.
struct TileSpan {
  int64_t begin, end;
};

/// A union of ranges. Neighbouring pieces of a query tile mostly add to the same one.
class TileSpans {
public:
  void clear() { spans.clear(); }
  void add(int64_t begin, int64_t end) {
    for (size_t i = spans.size(); i-- > 0 && i + 4 > spans.size();)
      if (begin <= spans[i].end && end >= spans[i].begin) {
        spans[i] = {std::min(begin, spans[i].begin), std::max(end, spans[i].end)};
        return;
      }
    spans.push_back({begin, end});
  }
  /// Ascending, disjoint and not touching.
  const std::vector<TileSpan> &merged() {
    auto before = [](const TileSpan &a, const TileSpan &b) { return a.begin < b.begin; };
    if (!std::is_sorted(spans.begin(), spans.end(), before))
      std::sort(spans.begin(), spans.end(), before);
    size_t last = 0;
    for (size_t i = 1; i < spans.size(); ++i) {
      if (spans[i].begin <= spans[last].end)
        spans[last].end = std::max(spans[last].end, spans[i].end);
      else
        spans[++last] = spans[i];
    }
    if (!spans.empty())
      spans.resize(last + 1);
    return spans;
  }

private:
  std::vector<TileSpan> spans;
};

void addBox(std::vector<KeyBox> &out, int64_t begin, int64_t end, bool full) {
  KeyBox &box = out.emplace_back();
  box.lo[0] = begin;
  box.hi[0] = end;
  box.full = full;
}

} // namespace

//===----------------------------------------------------------------------===//
// One interval whose ends rise
//===----------------------------------------------------------------------===//

/// Where some key is seen by every row, no row is without a key and the rows' intervals leave no gap:
/// together they show what lies between the first row's begin and the last row's end. Elsewhere nothing.
std::optional<TileMap::IntervalTiles> TileMap::intervalTiles(int64_t queryTile) const {
  if (!interval)
    return std::nullopt;
  int64_t tile = geo.keyTile[0], q0 = queryTile * geo.queryTile[0];
  int64_t q1 = std::min(q0 + geo.queryTile[0], geo.queries[0]) - 1;
  auto [first, last] = interval->at({q0, q1});
  first.lo = std::max<int64_t>(first.lo, 0);
  last.lo = std::max<int64_t>(last.lo, 0);
  first.hi = std::min(first.hi, geo.keys[0]);
  last.hi = std::min(last.hi, geo.keys[0]);
  if (last.lo >= first.hi)
    return std::nullopt;
  return IntervalTiles{first.lo / tile, ceilDiv(last.hi, tile), ceilDiv(last.lo, tile), first.hi / tile};
}

bool TileMap::boxesOfInterval(int64_t queryTile, std::vector<KeyBox> &out) const {
  std::optional<IntervalTiles> tiles = intervalTiles(queryTile);
  if (!tiles)
    return false;
  if (tiles->fullLo >= tiles->fullHi) {
    addBox(out, tiles->lo, tiles->hi, false);
    return true;
  }
  if (tiles->lo < tiles->fullLo)
    addBox(out, tiles->lo, tiles->fullLo, false);
  addBox(out, tiles->fullLo, tiles->fullHi, true);
  if (tiles->fullHi < tiles->hi)
    addBox(out, tiles->fullHi, tiles->hi, false);
  return true;
}

//===----------------------------------------------------------------------===//
// Masks without data
//===----------------------------------------------------------------------===//

/// Visited tiles show a visible pair; those that show a hidden one too are partial.
void TileMap::boxesWithoutData(int64_t queryTile, std::vector<KeyBox> &out) const {
  thread_local SweepScratch scratch;
  thread_local TileSpans visible, hidden;
  visible.clear();
  hidden.clear();
  out.clear();
  int64_t tile = geo.keyTile[0], q0 = queryTile * geo.queryTile[0];
  int64_t q1 = std::min(q0 + geo.queryTile[0], geo.queries[0]) - 1;
  DimSweep sweep(formula, 0, geo.keys[0], geo.keyTiles(0) * tile, env(), scratch);
  sweep.tiles(q0, q1, tile, [&](Signature signature, int64_t begin, int64_t end) {
    Visibility seen =
        signature < truths.size() ? truths[signature] : truthOf(signature, {0, dataBits});
    if (seen.visible)
      visible.add(begin, end);
    if (seen.hidden)
      hidden.add(begin, end);
  });
  const std::vector<TileSpan> &masked = hidden.merged();
  auto next = masked.begin();
  for (const TileSpan &span : visible.merged()) {
    int64_t at = span.begin;
    while (at < span.end) {
      while (next != masked.end() && next->end <= at)
        ++next;
      int64_t partial = next == masked.end() ? span.end : std::min(next->begin, span.end);
      if (partial > at)
        addBox(out, at, partial, true);
      if (partial == span.end)
        break;
      int64_t end = std::min(next->end, span.end);
      addBox(out, std::max(at, partial), end, false);
      at = end;
    }
  }
}

//===----------------------------------------------------------------------===//
// Stretches: query tiles whose boxes move along a line
//===----------------------------------------------------------------------===//

/// Fewer query tiles are not worth it.
static constexpr int64_t kShortest = 8;

namespace {
/// The values of a bound on the rows of a query tile, those that stay or those that advance.
struct BoundRange {
  int64_t least = 1, most = 0;
  bool moves = false;

  bool isEmpty() const { return least > most; }
  void add(int64_t value) {
    if (isEmpty())
      least = most = value;
    least = std::min(least, value);
    most = std::max(most, value);
  }
};

/// For how many of `count` query tiles the bounds that stay keep `margin` away from those that
/// advance by `step` from one to the next.
int64_t tilesApart(const std::vector<BoundRange> &ranges, int64_t margin, int64_t step,
                   int64_t count) {
  for (const BoundRange &fixed : ranges)
    for (const BoundRange &moving : ranges) {
      if (fixed.moves || !moving.moves || fixed.isEmpty() || moving.isEmpty() ||
          moving.least >= fixed.most + margin)
        continue;
      int64_t room = fixed.least - margin - moving.most;
      count = room < 0 ? 0 : std::min(count, room / step + 1);
    }
  return count;
}
} // namespace

/// For how many query tiles from this one on, every bound of every row either stays or advances by
/// a query tile at each step, and bounds that stay keep two key tiles away from those that advance.
/// Then the cells of a row keep their order, and their tiles move by whole tiles. Rows are traced
/// in steps of the query tile, so that bounds that jump inside a tile, as blocks do, are lines as
/// well.
int64_t TileMap::straightTiles(int64_t queryTile) const {
  thread_local SweepScratch scratch;
  thread_local std::vector<BoundRange> ranges;
  int64_t step = geo.queryTile[0], count = geo.queries[0] / step - queryTile;
  int64_t margin = 2 * geo.keyTile[0];
  ranges.assign(3 + 4 * formula.atoms.size(), {});
  ranges[0].add(0);
  ranges[1].add(geo.keys[0]);
  ranges[2].add(geo.keyTiles(0) * geo.keyTile[0]);
  for (size_t i = 4; i < ranges.size(); i += 2)
    ranges[i].moves = true;
  auto addBound = [&](size_t number, const Line &line) {
    bool isStraight = line.slope == 0 || line.slope == step;
    count = isStraight ? std::min(count, std::min(line.steps, count) + 1) : 0;
    if (std::abs(line.value) < kInfinity / 2)
      ranges[3 + 2 * number + (line.slope != 0)].add(line.value);
  };
  for (int64_t i = 0; i < step && count >= kShortest; ++i) {
    if (i == 2 && intervalTiles(queryTile))
      break; // Of an interval these two rows decide alone.
    // The ends of the tile come first: they mostly decide.
    int64_t row = queryTile * step + (i == 0 ? 0 : i == 1 ? step - 1 : i - 1);
    if (interval) {
      RisingInterval::Lines lines = interval->trace(row, step);
      addBound(0, lines.lo);
      addBound(1, lines.hi);
    } else {
      formula.dags[0].trace(row, step, env(), scratch.lines);
      for (size_t a = 0; a < formula.atoms.size(); ++a) {
        if (formula.atoms[a].kind != AtomKind::Box)
          continue;
        addBound(2 * a, scratch.lines[formula.atoms[a].dims[0].lo]);
        addBound(2 * a + 1, scratch.lines[formula.atoms[a].dims[0].hi]);
      }
    }
    if (i < 2)
      count = tilesApart(ranges, margin, step, count);
  }
  return count < kShortest ? 0 : tilesApart(ranges, margin, step, count);
}

/// What is known of every signature, where they are few.
void TileMap::findTruths() {
  constexpr size_t kFewAtoms = 8;
  if (knowsData || formula.atoms.size() > kFewAtoms)
    return;
  for (Signature signature = 0; signature < Signature(1) << formula.atoms.size(); ++signature)
    truths.push_back(truthOf(signature, {0, dataBits}));
}

/// Finds the stretches of the whole map. Where the mask has none, few query tiles are tried.
void TileMap::findStretches() {
  bool hasModulus = false;
  for (const Atom &atom : formula.atoms)
    hasModulus |= atom.kind == AtomKind::Box && atom.dims[0].modulus > 1;
  if (knowsData || hasModulus || geo.keyTile[0] == 0 || geo.queryTile[0] % geo.keyTile[0] != 0)
    return;
  int64_t tiles = geo.queryTiles(0);
  // An interval's tiles are found quickly one by one.
  int failures = 0, patience = interval ? 2 : 6, farthest = interval ? 8 : 6;
  for (int64_t t = 0; t + kShortest <= tiles;) {
    int64_t count = straightTiles(t);
    if (count >= kShortest && addStretch(t, count)) {
      t += count;
      failures = 0;
    } else {
      t += int64_t(1) << std::min(failures++ / patience, farthest);
    }
  }
}

bool TileMap::addStretch(int64_t first, int64_t count) {
  std::vector<KeyBox> next, last;
  Stretch stretch{first, count, {}, {}};
  boxesWithoutData(first, stretch.boxes);
  boxesWithoutData(first + 1, next);
  boxesWithoutData(first + count - 1, last);
  bool agrees = next.size() == stretch.boxes.size() && last.size() == next.size();
  for (size_t i = 0; agrees && i < next.size(); ++i) {
    const KeyBox &box = stretch.boxes[i];
    int64_t lo = next[i].lo[0] - box.lo[0], hi = next[i].hi[0] - box.hi[0];
    stretch.moves.push_back({lo, hi});
    agrees = box.full == next[i].full && last[i].lo[0] == box.lo[0] + lo * (count - 1) &&
             last[i].hi[0] == box.hi[0] + hi * (count - 1);
  }
  assert(agrees && "bounds that move along lines make boxes that do");
  if (agrees)
    stretches.push_back(std::move(stretch));
  return agrees;
}

bool TileMap::copyFromStretch(int64_t queryTile, std::vector<KeyBox> &out) const {
  auto it = std::upper_bound(stretches.begin(), stretches.end(), queryTile,
                             [](int64_t t, const Stretch &s) { return t < s.first + s.count; });
  if (it == stretches.end() || queryTile < it->first)
    return false;
  out = it->boxes;
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].lo[0] += it->moves[i].lo * (queryTile - it->first);
    out[i].hi[0] += it->moves[i].hi * (queryTile - it->first);
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Masks with data
//===----------------------------------------------------------------------===//

/// Runs of the bounds, cut where what the data shows changes.
void TileMap::boxesWithData(int64_t queryTile, std::vector<KeyBox> &out) const {
  thread_local Runs runs;
  thread_local std::vector<std::vector<KeyTileRange>> shares;
  thread_local std::vector<int64_t> cuts;
  thread_local std::vector<size_t> next; // per atom, the first of its ranges that may matter
  out.clear();
  findRuns(0, queryTile, runs);
  findShares(queryTile, shares);
  cuts.clear();
  next.assign(shares.size(), 0);
  for (const auto &ranges : shares)
    for (const KeyTileRange &range : ranges)
      cuts.insert(cuts.end(), {range.begin, range.end});
  if (!std::is_sorted(cuts.begin(), cuts.end()))
    std::sort(cuts.begin(), cuts.end());
  auto add = [&](const Run &run, int64_t begin, int64_t end) {
    DataTruth truth = truthAt(shares, begin, &next);
    Visibility seen;
    for (Signature signature : runs.of(run)) {
      Visibility one = truthOf(signature, truth);
      seen.visible |= one.visible;
      seen.hidden |= one.hidden;
    }
    if (!seen.visible)
      return;
    KeyBox box;
    box.lo[0] = begin;
    box.hi[0] = end;
    box.full = !seen.hidden;
    box.listed = seen.hidden ? listedBits(truth.holds) : 0;
    if (!out.empty() && continues(out.back(), box, 0))
      out.back().hi[0] = box.hi[0];
    else
      out.push_back(box);
  };
  auto cut = cuts.begin();
  for (const Run &run : runs.list) {
    int64_t begin = run.begin;
    for (; cut != cuts.end() && *cut < run.end; ++cut)
      if (*cut > begin) {
        add(run, begin, *cut);
        begin = *cut;
      }
    add(run, begin, run.end);
  }
}

/// Listed blocks are as many as the caller's list has, and each box knows its own.
bool TileMap::coarsens() const {
  return geo.rank == 1 && knowsData && formula.blockLists.empty() &&
         geo.numKeyTiles() > int64_t(2 * kMaxDataBoxes);
}

/// Joins the boxes with the smallest gaps between them until kMaxDataBoxes are left, as partial
/// ones.
void TileMap::coarsen(std::vector<KeyBox> &boxes) {
  if (boxes.size() <= kMaxDataBoxes)
    return;
  auto gapAfter = [&](size_t i) { return boxes[i + 1].lo[0] - boxes[i].hi[0]; };
  std::vector<int64_t> gaps(boxes.size() - 1);
  for (size_t i = 0; i < gaps.size(); ++i)
    gaps[i] = gapAfter(i);
  std::nth_element(gaps.begin(), gaps.begin() + (kMaxDataBoxes - 1), gaps.end(), std::greater<>());
  int64_t least = gaps[kMaxDataBoxes - 1]; // gaps above it stay: fewer than kMaxDataBoxes
  size_t kept = 0;
  KeyBox joined = boxes[0];
  for (size_t i = 0; i + 1 < boxes.size(); ++i) {
    KeyBox after = boxes[i + 1];
    if (gapAfter(i) <= least) {
      joined.hi[0] = after.hi[0];
      joined.full = false;
      continue;
    }
    boxes[kept++] = joined;
    joined = after;
  }
  boxes[kept++] = joined;
  boxes.resize(kept);
}

} // namespace attn
