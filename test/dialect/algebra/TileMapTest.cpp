// Tile maps against brute force: every pair of every tile, for thousands of random formulas.
#include "test/dialect/algebra/Draw.h"

#include <gtest/gtest.h>

namespace attn::test {
namespace {

/// What brute force says of one pair: data atoms may be either, so a pair may be both.
struct Truth {
  bool visible = false, hidden = false;
};

Truth truthOfPair(const Case &c, const int64_t *q, const int64_t *k) {
  Truth truth;
  for (unsigned assignment = 0; assignment < 16; ++assignment) {
    auto data = [&](const Atom &atom) {
      return bool(assignment >> (atom.input + (atom.kind == AtomKind::Mask ? 2 : 0)) & 1);
    };
    bool sees = c.formula.sees(q, k, c.symbolValues.data(), data);
    (sees ? truth.visible : truth.hidden) = true;
    if (c.formula.dataAtoms() == 0)
      break;
  }
  return truth;
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

Coords tileAt(int64_t number, int rank, const TileGeometry &geometry, bool query) {
  Coords at{};
  for (int d = rank - 1; d >= 0; --d) {
    int64_t tiles = query ? geometry.queryTiles(d) : geometry.keyTiles(d);
    at[d] = number % tiles;
    number /= tiles;
  }
  return at;
}

struct Box {
  Coords lo{}, hi{};
};
Box tokensOf(const Coords &tile, const Coords &extent, const Coords &lengths, int rank) {
  Box box;
  for (int d = 0; d < rank; ++d) {
    box.lo[d] = tile[d] * extent[d];
    box.hi[d] = std::min(box.lo[d] + extent[d], lengths[d]);
  }
  return box;
}

enum class Class { Empty, Partial, Full };

struct Expected {
  Class tileClass = Class::Empty;
  int64_t pairs = 0;
};

Expected bruteForceTile(const Case &c, const Coords &queryTile, const Coords &keyTile) {
  const TileGeometry &geo = c.geometry;
  Box queries = tokensOf(queryTile, geo.queryTile, geo.queries, geo.rank);
  Box keys = tokensOf(keyTile, geo.keyTile, geo.keys, geo.rank);
  bool visible = false, hidden = false;
  for (int d = 0; d < geo.rank; ++d)
    hidden |= keys.hi[d] - keys.lo[d] < geo.keyTile[d]; // a ragged key tile needs its mask
  Expected expected;
  forEachIn(geo.rank, queries.lo, queries.hi, [&](const Coords &q) {
    forEachIn(geo.rank, keys.lo, keys.hi, [&](const Coords &k) {
      Truth truth = truthOfPair(c, q.data(), k.data());
      visible |= truth.visible;
      hidden |= truth.hidden;
      expected.pairs += truth.visible;
    });
  });
  expected.tileClass = !visible ? Class::Empty : hidden ? Class::Partial : Class::Full;
  return expected;
}

/// Classes of all key tiles as the boxes say; boxes must be disjoint, inside, and ascending.
std::vector<Class> classesOf(const TileMap &map, int64_t queryTile) {
  const TileGeometry &geo = map.geometry();
  std::vector<Class> classes(geo.numKeyTiles(), Class::Empty);
  std::vector<KeyBox> boxes;
  map.boxes(queryTile, boxes);
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (i > 0)
      EXPECT_LT(boxes[i - 1].lo, boxes[i].lo) << "boxes ascend";
    forEachIn(geo.rank, boxes[i].lo, boxes[i].hi, [&](const Coords &tile) {
      int64_t number = 0;
      for (int d = 0; d < geo.rank; ++d) {
        ASSERT_LT(tile[d], geo.keyTiles(d)) << "a box lies inside the layout";
        number = number * geo.keyTiles(d) + tile[d];
      }
      EXPECT_EQ(classes[number], Class::Empty) << "boxes are disjoint";
      classes[number] = boxes[i].full ? Class::Full : Class::Partial;
    });
  }
  return classes;
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
      bool sees = c.formula.sees(q.data(), k.data(), c.symbolValues.data());
      ASSERT_EQ(row[next++], sees) << "key " << next - 1;
    });
  });
}

/// Where too many moduli meet, a map may visit too much and call too little full, never the
/// reverse.
void checkSafety(const Case &c) {
  TileMap map(c.formula, c.geometry, c.symbolValues);
  const TileGeometry &geo = c.geometry;
  int64_t pairs = 0;
  for (int64_t t = 0; t < geo.numQueryTiles(); ++t) {
    std::vector<Class> classes = classesOf(map, t);
    for (int64_t u = 0; u < geo.numKeyTiles(); ++u) {
      Expected tile =
          bruteForceTile(c, tileAt(t, geo.rank, geo, true), tileAt(u, geo.rank, geo, false));
      if (tile.tileClass != Class::Empty)
        ASSERT_NE(int(classes[u]), int(Class::Empty)) << "query tile " << t << ", key tile " << u;
      if (tile.tileClass != Class::Full)
        ASSERT_NE(int(classes[u]), int(Class::Full)) << "query tile " << t << ", key tile " << u;
      pairs += tile.pairs;
    }
  }
  EXPECT_GE(map.visiblePairs(), pairs);
  EXPECT_FALSE(map.exact());
}

/// Compares everything a map says with brute force.
void check(const Case &c) {
  TileMap map(c.formula, c.geometry, c.symbolValues);
  const TileGeometry &geo = c.geometry;
  if (map.exact())
    checkRows(c, map);
  TileCounts expected{0, 0, geo.numQueryTiles() * geo.numKeyTiles(), 0};
  int64_t pairs = 0;
  for (int64_t t = 0; t < geo.numQueryTiles(); ++t) {
    std::vector<Class> classes = classesOf(map, t);
    int64_t visited = 0;
    for (int64_t u = 0; u < geo.numKeyTiles(); ++u) {
      Expected tile =
          bruteForceTile(c, tileAt(t, geo.rank, geo, true), tileAt(u, geo.rank, geo, false));
      ASSERT_EQ(int(classes[u]), int(tile.tileClass)) << "query tile " << t << ", key tile " << u;
      visited += tile.tileClass != Class::Empty;
      expected.full += tile.tileClass == Class::Full;
      pairs += tile.pairs;
    }
    expected.visited += visited;
    expected.worst = std::max(expected.worst, visited);
  }
  TileCounts counts = map.counts();
  EXPECT_EQ(counts.visited, expected.visited);
  EXPECT_EQ(counts.full, expected.full);
  EXPECT_EQ(counts.all, expected.all);
  EXPECT_EQ(counts.worst, expected.worst);
  EXPECT_EQ(map.visiblePairs(), pairs);
  EXPECT_EQ(map.exact(), c.formula.dataAtoms() == 0);
}

void checkDraws(uint64_t first, uint64_t count, int64_t maxPairs, bool withData) {
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Case c = drawCase(seed, maxPairs, withData);
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + c.text());
    uncertainAtoms(c.formula) ? checkSafety(c) : check(c);
    if (::testing::Test::HasFailure())
      return;
  }
}

TEST(TileMap, agreesWithBruteForceOnRandomFormulas) { checkDraws(1, 4000, 700, false); }

TEST(TileMap, treatsDataAtomsAsEither) { checkDraws(100001, 800, 300, true); }

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
