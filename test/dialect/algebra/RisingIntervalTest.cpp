// Intervals whose ends rise: what is said of one is true of every query, and the tiles that follow from
// two queries are those of all of them.
#include "test/dialect/algebra/Draw.h"

#include <gtest/gtest.h>

namespace attn::test {
namespace {

constexpr int64_t kSymbols = 3;

/// Keys lo <= k < hi, both drawn.
struct Drawn {
  explicit Drawn(uint64_t seed) : draw(seed) {
    ExprDag &dag = formula.dags.emplace_back();
    AtomDim ends;
    ends.lo = draw.expression(dag, int(draw.between(1, 4)), 12, kSymbols);
    ends.hi = draw.expression(dag, int(draw.between(1, 4)), 40, kSymbols);
    Atom &atom = formula.atoms.emplace_back();
    atom.dims = {ends};
    formula.truth = {{TruthOp::Atom, 0}};
    for (int64_t i = 0; i < kSymbols; ++i) {
      formula.symbols.push_back({SymbolKind::NumKeys});
      symbols.push_back(draw.between(-9, 30));
    }
  }
  RisingInterval::Ends ends(int64_t query) const {
    std::vector<int64_t> values;
    formula.dags[0].evaluate(query, symbols.data(), values);
    const AtomDim &dim = formula.atoms[0].dims[0];
    return {values[size_t(dim.lo)], values[size_t(dim.hi)]};
  }

  Draw draw;
  Formula formula;
  std::vector<int64_t> symbols;
};

TEST(RisingInterval, endsAreThoseOfTheFormulaAndRise) {
  int found = 0;
  for (uint64_t seed = 1; seed <= draws(4000); ++seed) {
    Drawn drawn(seed);
    std::optional<RisingInterval> interval =
        RisingInterval::of(drawn.formula, drawn.symbols.data());
    if (!interval)
      continue;
    ++found;
    RisingInterval::Ends before = drawn.ends(-41);
    for (int64_t q = -40; q <= 80; ++q) {
      RisingInterval::Ends said = interval->at(q), ends = drawn.ends(q);
      ASSERT_EQ(said.lo, ends.lo) << "seed " << seed << ", q " << q << ": " << drawn.formula.print();
      ASSERT_EQ(said.hi, ends.hi) << "seed " << seed << ", q " << q << ": " << drawn.formula.print();
      ASSERT_LE(before.lo, ends.lo) << "seed " << seed << ": " << drawn.formula.print();
      ASSERT_LE(before.hi, ends.hi) << "seed " << seed << ": " << drawn.formula.print();
      before = ends;
    }
  }
  EXPECT_GT(found, int(draws(4000) / 50)) << "the draws are to be worth something";
}

/// Of the tiles `t` of a query tile: how many of its pairs are visible.
int64_t visiblePairs(const Drawn &drawn, const TileGeometry &geo, int64_t queryTile, int64_t keyTile) {
  int64_t visible = 0;
  for (int64_t q = queryTile * geo.queryTile[0];
       q < std::min((queryTile + 1) * geo.queryTile[0], geo.queries[0]); ++q) {
    RisingInterval::Ends ends = drawn.ends(q);
    int64_t begin = std::max(ends.lo, keyTile * geo.keyTile[0]);
    int64_t end = std::min({ends.hi, (keyTile + 1) * geo.keyTile[0], geo.keys[0]});
    visible += std::max<int64_t>(end - begin, 0);
  }
  return visible;
}

TEST(RisingInterval, tilesAreThoseOfBruteForce) {
  for (uint64_t seed = 1; seed <= draws(4000); ++seed) {
    Drawn drawn(seed);
    if (!RisingInterval::of(drawn.formula, drawn.symbols.data()))
      continue;
    TileGeometry geo;
    geo.queries[0] = drawn.draw.between(1, 90);
    geo.keys[0] = drawn.draw.between(0, 90);
    geo.queryTile[0] = drawn.draw.between(1, 12);
    geo.keyTile[0] = drawn.draw.between(1, 12);
    TileMap map(drawn.formula, geo, drawn.symbols);
    std::vector<KeyBox> boxes;
    for (int64_t t = 0; t < geo.numQueryTiles(); ++t) {
      std::vector<int> said(size_t(geo.numKeyTiles()), 0), is = said; // 1: partial, 2: full
      map.boxes(t, boxes);
      for (const KeyBox &box : boxes)
        for (int64_t k = box.lo[0]; k < box.hi[0]; ++k)
          said[size_t(k)] = box.full ? 2 : 1;
      int64_t rows = std::min((t + 1) * geo.queryTile[0], geo.queries[0]) - t * geo.queryTile[0];
      for (int64_t k = 0; k < geo.numKeyTiles(); ++k) {
        int64_t visible = visiblePairs(drawn, geo, t, k);
        is[size_t(k)] = visible == rows * geo.keyTile[0] ? 2 : visible > 0 ? 1 : 0;
      }
      ASSERT_EQ(said, is) << "seed " << seed << ", query tile " << t << ": " << drawn.formula.print();
    }
  }
}

TEST(RisingInterval, isNotSeenWhereThereIsNone) {
  Formula formula;
  ExprDag &e = formula.dags.emplace_back();
  ExprId q = e.query();
  auto isOne = [&](ExprId lo, ExprId hi, int64_t modulus = 1) {
    formula.atoms.assign(1, Atom());
    AtomDim dim;
    dim.lo = lo, dim.hi = hi, dim.modulus = modulus;
    formula.atoms[0].dims = {dim};
    return RisingInterval::of(formula, {}).has_value();
  };
  formula.truth = {{TruthOp::Atom, 0}};
  ExprId zero = e.constant(0), ten = e.constant(10);
  EXPECT_TRUE(isOne(zero, e.add(q, ten)));
  EXPECT_FALSE(isOne(zero, e.sub(ten, q))) << "it falls";
  EXPECT_FALSE(isOne(zero, e.mod(q, ten))) << "it falls back";
  EXPECT_FALSE(isOne(zero, q, 2)) << "every second key";
  formula.truth = {{TruthOp::Atom, 0}, {TruthOp::Not}};
  EXPECT_FALSE(isOne(zero, q)) << "the keys outside";
}

//===----------------------------------------------------------------------===//
// Visits
//===----------------------------------------------------------------------===//

TEST(TileMapVisits, areWhatTheBoxesHold) {
  for (uint64_t seed = 1; seed <= draws(400); ++seed) {
    Case c = drawCase(seed, {3000});
    TileMap map(c.formula, c.geometry, c.symbolValues, {nullptr, c.tables, {}});
    std::vector<KeyBox> boxes;
    int64_t t = 0;
    VisitRun last{0, -1, -1};
    for (const VisitRun &run : map.visits()) {
      ASSERT_TRUE(run.visited != last.visited || run.full != last.full) << "runs are maximal";
      last = run;
      for (int64_t i = 0; i < run.queryTiles; ++i, ++t) {
        int64_t visited = 0, full = 0;
        map.boxes(t, boxes);
        for (const KeyBox &box : boxes) {
          visited += box.size();
          full += box.full ? box.size() : 0;
        }
        ASSERT_EQ(run.visited, visited) << c.text() << "query tile " << t;
        ASSERT_EQ(run.full, full) << c.text() << "query tile " << t;
      }
    }
    ASSERT_EQ(t, c.geometry.numQueryTiles()) << c.text();
  }
}

} // namespace
} // namespace attn::test
