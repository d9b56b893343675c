//===- PredicateClasses.cpp - tiles of free predicates --------------------===//
#include "dialect/algebra/DataClasses.h"

namespace attn {
namespace {

/// Boxes of pairs that may be evaluated for one query tile, and for each key tile that is left open.
constexpr int kRangeBudget = 4000, kTileBudget = 400;

class PredicateClasses : public DataClasses {
public:
  PredicateClasses(const TileGeometry &geometry, const PairExpr &predicate,
                   const PairEnvironment &env, int64_t queryOffset)
      : geo(geometry), expr(predicate), environment(env), offset(queryOffset) {}

  bool exact() const override { return false; }

  void rangesOf(int64_t queryTile, std::vector<KeyTileRange> &out) const override {
    TokenBox rows = tokensOfTile(geo, coordsAt(queryTile, tileGrid(geo, true), geo.rank), true);
    int budget = kRangeBudget;
    if (geo.numKeyTiles() > 0)
      splitTiles(rows, 0, geo.numKeyTiles(), budget, out);
  }

private:
  static void add(std::vector<KeyTileRange> &out, int64_t begin, int64_t end, Share share) {
    if (share == Share::None)
      return;
    if (!out.empty() && out.back().end == begin && out.back().share == share)
      out.back().end = end;
    else
      out.push_back({begin, end, share});
  }

  /// A range of key tiles is decided as a whole, or in halves.
  void splitTiles(const TokenBox &rows, int64_t begin, int64_t end, int &budget,
                  std::vector<KeyTileRange> &out) const {
    --budget;
    Share share = shareOf(rows, hullOf(begin, end));
    if (share == Share::Some && end - begin == 1) {
      int tileBudget = kTileBudget;
      bool seen = false, hidden = false;
      search(rows, hullOf(begin, end), tileBudget, seen, hidden);
      share = !seen ? Share::None : hidden ? Share::Some : Share::All;
    }
    if (share != Share::Some || end - begin == 1 || budget <= 0)
      return add(out, begin, end, share);
    int64_t middle = begin + (end - begin) / 2;
    splitTiles(rows, begin, middle, budget, out);
    splitTiles(rows, middle, end, budget, out);
  }

  /// The smallest box around key tiles begin to end, by row-major number.
  TokenBox hullOf(int64_t begin, int64_t end) const {
    Coords grid = tileGrid(geo, false);
    Coords first = coordsAt(begin, grid, geo.rank), last = coordsAt(end - 1, grid, geo.rank);
    bool wide = false;
    TokenBox box;
    for (int d = 0; d < geo.rank; ++d) {
      int64_t from = wide ? 0 : first[d], to = wide ? grid[d] - 1 : last[d];
      wide |= from != to;
      box.lo[d] = from * geo.keyTile[d];
      box.hi[d] = std::min((to + 1) * geo.keyTile[d], geo.keys[d]);
    }
    return box;
  }

  Interval positions(const TokenBox &box, const Coords &extents) const {
    Coords last = box.hi;
    for (int d = 0; d < geo.rank; ++d)
      --last[d];
    return {rowMajor(box.lo, extents, geo.rank), rowMajor(last, extents, geo.rank)};
  }

  Share shareOf(const TokenBox &rows, const TokenBox &keys) const {
    PairBox box;
    for (size_t d = 0; d < size_t(geo.rank); ++d) {
      box.query[d] = {rows.lo[d], rows.hi[d] - 1};
      box.key[d] = {keys.lo[d], keys.hi[d] - 1};
    }
    box.row = positions(rows, geo.queries);
    box.position = {box.row.lo + offset, box.row.hi + offset};
    box.keyPosition = positions(keys, geo.keys);
    thread_local std::vector<Interval> memory;
    Interval truth = rangeOf(expr, box, environment, &memory);
    return truth.hi == 0 ? Share::None : truth.lo > 0 ? Share::All : Share::Some;
  }

  /// Looks for a visible and for a hidden pair; what the budget leaves open may be either.
  void search(const TokenBox &rows, const TokenBox &keys, int &budget, bool &seen,
              bool &hidden) const {
    if (seen && hidden)
      return;
    Share share = --budget < 0 ? Share::Some : shareOf(rows, keys);
    int widest = -1;
    int64_t width = 1;
    bool ofRows = false;
    for (int d = 0; d < geo.rank; ++d)
      for (bool isRow : {true, false}) {
        const TokenBox &box = isRow ? rows : keys;
        if (box.hi[d] - box.lo[d] > width) {
          widest = d;
          width = box.hi[d] - box.lo[d];
          ofRows = isRow;
        }
      }
    if (share != Share::Some || budget < 0 || widest < 0) {
      seen |= share != Share::None;
      hidden |= share != Share::All;
      return;
    }
    TokenBox low = ofRows ? rows : keys, high = low;
    low.hi[widest] = high.lo[widest] = low.lo[widest] + width / 2;
    search(ofRows ? low : rows, ofRows ? keys : low, budget, seen, hidden);
    search(ofRows ? high : rows, ofRows ? keys : high, budget, seen, hidden);
  }

  TileGeometry geo;
  PairExpr expr;
  PairEnvironment environment;
  int64_t offset;
};

} // namespace

std::shared_ptr<const DataClasses> predicateClasses(const TileGeometry &geometry,
                                                    const PairExpr &predicate,
                                                    const PairEnvironment &env,
                                                    int64_t queryOffset) {
  return std::make_shared<PredicateClasses>(geometry, predicate, env, queryOffset);
}

} // namespace attn
