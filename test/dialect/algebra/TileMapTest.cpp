// Tile maps against brute force: every pair of every tile, for thousands of random formulas.
#include "test/dialect/algebra/Draw.h"

#include <gtest/gtest.h>

#include <map>

namespace attn::test {
namespace {

/// What brute force says of one pair: open data atoms may be either, so a pair may be both.
struct Truth {
  bool visible = false, hidden = false;
};

/// What is taken for known of the data atoms of a case.
enum class Known {
  Nothing, ///< each may be either for every pair
  Tiles,   ///< whether it holds for none, some or all pairs of a tile
  Pairs    ///< everything
};

struct DataTruth {
  Signature holds = 0, open = 0;
};

Truth truthOfPair(const Case &c, const Coords &q, const Coords &k, DataTruth data) {
  Signature box = c.formula.signatureOf(q.data(), k.data(), c.env()) & ~c.formula.dataAtoms();
  Truth truth;
  Signature bits = 0;
  do {
    (c.formula.truthOf(box | data.holds | bits) ? truth.visible : truth.hidden) = true;
    bits = (bits - data.open) & data.open;
  } while (bits);
  return truth;
}

DataTruth truthOfData(const Case &c, const Coords &q, const Coords &k) {
  DataTruth data;
  for (size_t i = 0; i < c.formula.atoms.size(); ++i)
    if (c.formula.atoms[i].kind != AtomKind::Box && c.holds(c.formula.atoms[i], q, k))
      data.holds |= Signature(1) << i;
  return data;
}

/// Calls `visit` with every coordinate lo <= x < hi of the first `rank` dimensions.
template <class Visit> void forEachIn(int rank, Coords lo, Coords hi, Visit &&visit) {
  Coords at = lo;
  for (int d = 0; d < rank; ++d)
    if (lo[d] >= hi[d])
      return;
  while (true) {
    visit(at);
    int d = rank - 1;
    while (d >= 0 && ++at[d] == hi[d]) {
      at[d] = lo[d];
      --d;
    }
    if (d < 0)
      return;
  }
}

/// Calls `visit` with every pair of the two boxes.
template <class Visit>
void forEachPair(int rank, const TokenBox &queries, const TokenBox &keys, Visit &&visit) {
  forEachIn(rank, queries.lo, queries.hi, [&](const Coords &q) {
    forEachIn(rank, keys.lo, keys.hi, [&](const Coords &k) { visit(q, k); });
  });
}

enum class Class { Empty, Partial, Full };

/// What a map should say of a tile.
struct Expected {
  Class tileClass = Class::Empty;
  int64_t pairs = 0; ///< of tokens that exist
  DataTruth data;    ///< on the tile
};

class BruteForce {
public:
  explicit BruteForce(const Case &c) : c(c), geo(c.geometry) {}

  /// The class of a tile when only that much is known, of tokens that exist.
  Expected tile(const Coords &queryTile, const Coords &keyTile, Known known) const {
    TokenBox queries = tokensOfTile(geo, queryTile, true), keys = tokensOfTile(geo, keyTile, false);
    Expected expected;
    expected.data = dataOn(queries, keys, known);
    Truth all;
    all.hidden = isRagged(keys);
    forEachPair(geo.rank, queries, keys, [&](const Coords &q, const Coords &k) {
      if (!existsQuery(q))
        return;
      Truth truth;
      truth.hidden = true;
      if (existsKey(k))
        truth = truthOfPair(c, q, k, known == Known::Pairs ? truthOfData(c, q, k) : expected.data);
      all.visible |= truth.visible;
      all.hidden |= truth.hidden;
      expected.pairs += truth.visible;
    });
    if (all.visible)
      expected.tileClass = all.hidden ? Class::Partial : Class::Full;
    return expected;
  }

private:
  bool existsQuery(const Coords &q) const {
    return !geo.bounded || rowMajor(q, geo.queries, geo.rank) < geo.numQueries;
  }
  bool existsKey(const Coords &k) const {
    return !geo.bounded || rowMajor(k, geo.keys, geo.rank) < geo.numKeys;
  }
  /// A ragged key tile needs its mask.
  bool isRagged(const TokenBox &keys) const {
    bool ragged = false;
    for (int d = 0; d < geo.rank; ++d)
      ragged |= keys.hi[d] - keys.lo[d] < geo.keyTile[d];
    return ragged;
  }

  DataTruth dataOn(const TokenBox &queries, const TokenBox &keys, Known known) const {
    if (known != Known::Tiles)
      return {0, known == Known::Nothing ? c.formula.dataAtoms() : 0};
    Signature some = 0, all = c.formula.dataAtoms();
    forEachPair(geo.rank, queries, keys, [&](const Coords &q, const Coords &k) {
      DataTruth one = truthOfData(c, q, k);
      some |= one.holds;
      all &= one.holds;
    });
    return {all, some & ~all};
  }

  const Case &c;
  const TileGeometry &geo;
};

struct TileSaid {
  Class tileClass = Class::Empty;
  uint32_t listed = 0;
};

/// All key tiles as the boxes say; boxes must be disjoint, inside, and ascending.
std::vector<TileSaid> tilesOf(const TileMap &map, int64_t queryTile) {
  const TileGeometry &geo = map.geometry();
  std::vector<TileSaid> tiles(size_t(geo.numKeyTiles()));
  std::vector<KeyBox> boxes;
  map.boxes(queryTile, boxes);
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (i > 0)
      EXPECT_LT(boxes[i - 1].lo, boxes[i].lo) << "boxes ascend";
    forEachIn(geo.rank, boxes[i].lo, boxes[i].hi, [&](const Coords &tile) {
      for (int d = 0; d < geo.rank; ++d)
        ASSERT_LT(tile[d], geo.keyTiles(d)) << "a box lies inside the layout";
      TileSaid &said = tiles[size_t(rowMajor(tile, tileGrid(geo, false), geo.rank))];
      EXPECT_EQ(said.tileClass, Class::Empty) << "boxes are disjoint";
      said = {boxes[i].full ? Class::Full : Class::Partial, boxes[i].listed};
    });
  }
  return tiles;
}

/// Calls `visit(query tile, key tile, what the map says)` for all tiles.
template <class Visit> void forEachTile(const TileMap &map, Visit &&visit) {
  const TileGeometry &geo = map.geometry();
  for (int64_t t = 0; t < geo.numQueryTiles(); ++t) {
    std::vector<TileSaid> tiles = tilesOf(map, t);
    for (int64_t u = 0; u < geo.numKeyTiles(); ++u)
      visit(coordsAt(t, tileGrid(geo, true), geo.rank), coordsAt(u, tileGrid(geo, false), geo.rank),
            tiles[size_t(u)]);
  }
}

/// The elements of every row, where the formula has no data.
void checkRows(const Case &c, const TileMap &map) {
  const TileGeometry &geo = c.geometry;
  int64_t keys = 1;
  for (int d = 0; d < geo.rank; ++d)
    keys *= geo.keys[d];
  std::vector<uint8_t> row(keys);
  forEachIn(geo.rank, Coords{}, geo.queries, [&](const Coords &q) {
    map.row(q, row.data());
    size_t next = 0;
    forEachIn(geo.rank, Coords{}, geo.keys, [&](const Coords &k) {
      bool sees = c.formula.sees(q.data(), k.data(), c.env());
      ASSERT_EQ(row[next++], sees) << "key " << next - 1;
    });
  });
}

/// Compares everything a map says with brute force.
void checkExactly(const Case &c, const TileMap &map, Known known) {
  const TileGeometry &geo = c.geometry;
  BruteForce truth(c);
  TileCounts expected{0, 0, geo.numQueryTiles() * geo.numKeyTiles(), 0};
  std::map<Coords, int64_t> visited;
  int64_t pairs = 0;
  forEachTile(map, [&](const Coords &queries, const Coords &keys, const TileSaid &said) {
    Expected tile = truth.tile(queries, keys, known);
    ASSERT_EQ(int(said.tileClass), int(tile.tileClass))
        << "query tile " << ::testing::PrintToString(queries) << ", key tile "
        << ::testing::PrintToString(keys);
    visited[queries] += tile.tileClass != Class::Empty;
    expected.full += tile.tileClass == Class::Full;
    pairs += known == Known::Tiles ? truth.tile(queries, keys, Known::Nothing).pairs : tile.pairs;
    for (size_t i = 0; said.tileClass == Class::Partial && i < c.formula.atoms.size(); ++i)
      if (c.formula.atoms[i].kind == AtomKind::Listed && known != Known::Nothing)
        EXPECT_EQ(said.listed >> c.formula.atoms[i].index & 1, tile.data.holds >> i & 1);
  });
  for (const auto &[queries, count] : visited) {
    expected.visited += count;
    expected.worst = std::max(expected.worst, count);
  }
  TileCounts counts = map.counts();
  EXPECT_EQ(counts.visited, expected.visited);
  EXPECT_EQ(counts.full, expected.full);
  EXPECT_EQ(counts.all, expected.all);
  EXPECT_EQ(counts.worst, expected.worst);
  EXPECT_EQ(map.visiblePairs(), pairs);
}

/// A map may visit too much and call too little full, never the reverse; where it says that it is
/// exact it does neither.
void checkSafety(const Case &c, const TileMap &map) {
  BruteForce truth(c);
  bool exact = map.exact();
  forEachTile(map, [&](const Coords &queries, const Coords &keys, const TileSaid &said) {
    Class is = truth.tile(queries, keys, Known::Pairs).tileClass;
    EXPECT_GE(is == Class::Empty ? 1 : int(said.tileClass), 1) << "a tile is missing";
    EXPECT_TRUE(said.tileClass != Class::Full || is == Class::Full) << "a tile is not full";
    EXPECT_TRUE(!exact || said.tileClass == is) << "the map says that it is exact";
  });
  TileCounts counts = map.counts();
  std::vector<KeyBox> boxes;
  int64_t visited = 0;
  for (int64_t t = 0; t < c.geometry.numQueryTiles(); ++t) {
    map.boxes(t, boxes);
    for (const KeyBox &box : boxes)
      visited += box.size();
  }
  EXPECT_EQ(counts.visited, visited);
}

template <class Check>
void checkDraws(uint64_t first, uint64_t count, const DrawOptions &options, Check &&check) {
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Case c = drawCase(seed, options);
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + c.text());
    check(c);
    if (::testing::Test::HasFailure())
      return;
  }
}

/// What the classes of every data atom say of the case's data.
MapData classesOf(const Case &c) {
  MapData data;
  data.tables = c.tables;
  auto vector = [&](int32_t input) {
    const DataView &view = c.data->views[size_t(input)];
    return std::span(static_cast<const int32_t *>(view.data), size_t(view.shape[0]));
  };
  for (const Atom &atom : c.formula.atoms) {
    std::shared_ptr<const DataClasses> &classes = data.atoms.emplace_back();
    const TileGeometry &geo = c.geometry;
    if (atom.kind == AtomKind::Labels)
      classes = labelClasses(geo, vector(atom.input), vector(atom.keyInput));
    if (atom.kind == AtomKind::Classes)
      classes = tableClasses(geo, c.formula.classTables[size_t(atom.index)], vector(atom.input),
                             vector(atom.keyInput));
    if (atom.kind == AtomKind::Mask)
      classes = maskClasses(geo, c.data->views[size_t(atom.input)], c.batch, c.head);
    if (atom.kind == AtomKind::Listed)
      classes =
          blockClasses(geo, kBlock, c.data->views[size_t(atom.input)],
                       atom.keyInput < 0 ? nullptr : &c.data->views[kKeyBlocks], c.batch, c.head);
    if (atom.kind == AtomKind::Predicate)
      classes =
          predicateClasses(geo, c.formula.predicates[size_t(atom.index)],
                           {c.symbolValues.data(), c.tables.data(), c.data->views}, c.queryOffset);
  }
  return data;
}

bool hasPredicate(const Formula &formula) { return !formula.predicates.empty(); }

TEST(TileMap, agreesWithBruteForceOnRandomFormulas) {
  int64_t exact = 0;
  checkDraws(1, draws(5000), {700, false, true}, [&](const Case &c) {
    TileMap map(c.formula, c.geometry, c.symbolValues, {nullptr, c.tables, {}});
    bool uncertain = uncertainAtoms(c.formula) != 0;
    EXPECT_EQ(map.exact(), !uncertain);
    exact += map.exact();
    if (uncertain)
      return checkSafety(c, map);
    if (!c.geometry.bounded)
      checkRows(c, map);
    checkExactly(c, map, Known::Nothing);
  });
  EXPECT_GT(exact, int64_t(draws(5000) * 7 / 10));
}

TEST(TileMap, treatsUnknownDataAsEither) {
  checkDraws(1000001, draws(800), {250, true, true}, [&](const Case &c) {
    TileMap map(c.formula, c.geometry, c.symbolValues, {nullptr, c.tables, {}});
    if (uncertainAtoms(c.formula) == 0)
      checkExactly(c, map, Known::Nothing);
  });
}

TEST(TileMap, knowsOfDataWhatItsTilesShow) {
  int64_t exact = 0;
  checkDraws(2000001, draws(1500), {300, true, false}, [&](const Case &c) {
    TileMap map(c.formula, c.geometry, c.symbolValues, classesOf(c));
    exact += map.exact() && c.formula.dataAtoms();
    checkSafety(c, map);
    if (uncertainAtoms(c.formula) == 0 && !hasPredicate(c.formula))
      checkExactly(c, map, Known::Tiles);
  });
  EXPECT_GT(exact, int64_t(draws(1500) / 25)) << "one data atom alone is exact";
}

TEST(TileMap, isSafeWhereLayoutsWithDataEndEarly) {
  checkDraws(3000001, draws(1500), {400, true, true}, [&](const Case &c) {
    checkSafety(c, TileMap(c.formula, c.geometry, c.symbolValues, classesOf(c)));
  });
}

/// A linear interval means the same on a layout of several dimensions and on the flat one.
TEST(TileMap, linearIntervalsMeanTheSameOnEveryLayout) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Draw draw(seed);
    int rank = static_cast<int>(draw.between(2, 3));
    std::vector<int64_t> extents;
    int64_t tokens = 1;
    for (int d = 0; d < rank; ++d) {
      extents.push_back(draw.between(1, rank == 2 ? 7 : 4));
      tokens *= extents.back();
    }
    LinearBound lo = draw.linearBound(tokens + 3), hi = draw.linearBound(tokens + 3);
    FormulaBuilder boxed(extents), flat({tokens});
    Formula a = *boxed.finish(boxed.interval(lo, hi)), b = *flat.finish(flat.interval(lo, hi));
    TileGeometry geometry;
    geometry.queries[0] = geometry.keys[0] = tokens;
    int64_t offset = draw.between(-5, 5);
    TileGeometry boxedGeometry;
    boxedGeometry.rank = rank;
    std::copy(extents.begin(), extents.end(), boxedGeometry.keys.begin());
    boxedGeometry.queries = boxedGeometry.keys;
    std::vector<int64_t> x = bindSymbols(a, boxedGeometry, offset),
                         y = bindSymbols(b, geometry, offset);
    for (int64_t q = 0; q < tokens; ++q)
      for (int64_t k = 0; k < tokens; ++k) {
        int64_t qs[3], ks[3], restQ = q, restK = k;
        for (int d = rank - 1; d >= 0; --d) {
          qs[d] = restQ % extents[d], restQ /= extents[d];
          ks[d] = restK % extents[d], restK /= extents[d];
        }
        ASSERT_EQ(a.sees(qs, ks, x.data()), b.sees(&q, &k, y.data()))
            << "seed " << seed << ", q " << q << ", k " << k << "\n"
            << a.print() << "\n"
            << b.print();
      }
  }
}

/// One modulus, however large, is exact and needs no enumeration of residues.
TEST(TileMap, aLargeDilationIsExact) {
  int64_t tokens = 1 << 20, dilation = 1 << 18;
  FormulaBuilder builder({tokens});
  ExprDag &e = builder.dag(0);
  TermId mask = builder.box({{e.constant(-kInfinity), e.add(e.query(), e.constant(1)), dilation}});
  Formula formula = *builder.finish(mask);
  EXPECT_EQ(uncertainAtoms(formula), 0u);
  TileGeometry geometry;
  geometry.queries[0] = geometry.keys[0] = tokens;
  geometry.queryTile[0] = geometry.keyTile[0] = 128;
  TileMap map(formula, geometry, {});
  std::vector<KeyBox> boxes;
  map.boxes(8191, boxes);
  ASSERT_EQ(boxes.size(), 4u);
  EXPECT_EQ(boxes[1].lo[0], 4095);
  EXPECT_EQ(boxes[1].hi[0], 4096);
  EXPECT_EQ(map.visiblePairs(), dilation * (1 + 2 + 3 + 4));
}

/// Labels in any order would make a list as long as a table of all pairs of tiles.
TEST(TileMap, joinsTheNearestBoxesOfManyLabels) {
  Draw draw(1);
  std::vector<int32_t> labels(1 << 16);
  for (int32_t &label : labels)
    label = int32_t(draw.between(0, 1 << 12));
  TileGeometry geometry;
  geometry.queries[0] = geometry.keys[0] = int64_t(labels.size());
  geometry.queryTile[0] = geometry.keyTile[0] = 32;
  FormulaBuilder builder({geometry.keys[0]});
  Formula formula = *builder.finish(builder.labels(0, 0));
  auto classes = labelClasses(geometry, labels, labels);
  TileMap map(formula, geometry, {}, {nullptr, {}, {classes}});
  EXPECT_FALSE(map.exact());
  std::vector<KeyBox> boxes;
  std::vector<KeyTileRange> ranges;
  int64_t joined = 0;
  for (int64_t t = 0; t < geometry.numQueryTiles(); t += 101) {
    map.boxes(t, boxes);
    EXPECT_LE(boxes.size(), kMaxDataBoxes);
    ranges.clear();
    classes->rangesOf(t, ranges);
    joined += ranges.size() > boxes.size();
    size_t box = 0;
    for (const KeyTileRange &range : ranges) { // each lies in one box
      while (box < boxes.size() && boxes[box].hi[0] < range.end)
        ++box;
      ASSERT_LT(box, boxes.size());
      EXPECT_LE(boxes[box].lo[0], range.begin);
      EXPECT_TRUE(!boxes[box].full || range.share == Share::All);
    }
  }
  EXPECT_GT(joined, 0) << "some query tiles have more ranges";
}

TEST(TileMap, countsSaturateInsteadOfOverflowing) {
  int64_t tokens = kMaxMagnitude; // 2^40: 2^80 pairs
  FormulaBuilder builder({tokens});
  TileGeometry geometry;
  geometry.queries[0] = geometry.keys[0] = tokens;
  geometry.queryTile[0] = geometry.keyTile[0] = tokens / 4;
  TileMap map(*builder.finish(builder.always()), geometry, {});
  EXPECT_EQ(map.visiblePairs(), INT64_MAX);
  EXPECT_EQ(map.counts().visited, 16);
}

/// A bound that follows the query for 2^30 queries: half of 2^60 pairs, and the diagonal.
TEST(TileMap, countsPairsOfLongSequencesExactly) {
  int64_t tokens = int64_t(1) << 30;
  FormulaBuilder builder({tokens});
  TileGeometry geometry;
  geometry.queries[0] = geometry.keys[0] = tokens;
  geometry.queryTile[0] = geometry.keyTile[0] = tokens / 8;
  TileMap map(*builder.finish(builder.interval(std::nullopt, LinearBound{true, 1, {}})), geometry,
              {});
  EXPECT_EQ(map.visiblePairs(), tokens / 2 * (tokens + 1));
  EXPECT_EQ(map.counts().visited, 36);
  EXPECT_EQ(map.counts().full, 28);
}

} // namespace
} // namespace attn::test
