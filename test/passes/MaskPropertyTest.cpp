// Drawn masks, nested, of every kind, on drawn layouts and tiles: what the compiler's formulas and tile
// maps say against brute force over the formulas restated in test/reference.
#include "test/passes/Parsed.h"

#include "gtest/gtest.h"

using namespace attn;
using namespace attn::test;
namespace ref = attn::reference;

namespace {

/// The pairs that the reference says are visible, for one batch entry.
class Pairs {
public:
  Pairs(const ref::Mask &mask, const ref::Context &context, int64_t batch)
      : nk(context.nk), seen(context.nq * context.nk) {
    for (int64_t q = 0; q < context.nq; ++q)
      for (int64_t k = 0; k < nk; ++k)
        seen[q * nk + k] = ref::sees(mask, context, batch, q, k);
  }
  bool at(int64_t q, int64_t k) const { return seen[q * nk + k]; }
  int64_t count() const { return std::count(seen.begin(), seen.end(), 1); }

private:
  int64_t nk;
  std::vector<char> seen;
};

/// One formula, bound to a drawn context.
struct Bound {
  Formula formula;
  TileGeometry geometry;
  std::vector<int64_t> symbols;
  std::vector<std::string> inputs;
  const ref::Context *context = nullptr;

  int64_t linear(const Coords &coords, bool query) const {
    int64_t position = 0;
    for (int d = 0; d < geometry.rank; ++d)
      position = position * (query ? geometry.queries[d] : geometry.keys[d]) + coords[d];
    return position;
  }
  Coords coordsOf(int64_t position, bool query) const {
    Coords coords{};
    for (int d = geometry.rank - 1; d >= 0; --d) {
      int64_t length = query ? geometry.queries[d] : geometry.keys[d];
      coords[d] = position % length;
      position /= length;
    }
    return coords;
  }
  bool sees(int64_t q, int64_t k) const {
    Coords cq = coordsOf(q, true), ck = coordsOf(k, false);
    return formula.sees(cq.data(), ck.data(), symbols.data(), [&](const Atom &atom) {
      const auto &labels = context->labels.at(inputs[atom.input]);
      return labels[q] == labels[k];
    });
  }
};

int64_t valueOf(const Symbol &s, const ref::Context &context, const TileGeometry &geometry,
                const std::vector<std::string> &inputs, int64_t batch) {
  switch (s.kind) {
  case SymbolKind::NumQueries: return context.nq;
  case SymbolKind::NumKeys: return context.nk;
  case SymbolKind::QueryOffset: return context.qOffset;
  case SymbolKind::Dim: return geometry.keys[s.index];
  case SymbolKind::BatchInput: return context.batchInputs.at(inputs[s.index])[batch];
  default: break;
  }
  ADD_FAILURE() << "an unparameterised formula has no head parameters";
  return 0;
}

/// Nothing when the mask has too many atoms for this layout, which only nested linear masks on layouts
/// of several dimensions have.
std::optional<Bound> bind(const Parsed &parsed, const ref::Context &context, bool flatten,
                          int64_t batch) {
  AttentionOp op = parsed.attention;
  Bound bound;
  bound.context = &context;
  for (mlir::StringRef name : op.getInputNameList())
    bound.inputs.push_back(name.str());
  llvm::SmallVector<int64_t> queries(op.getTokens().getDims()), keys(op.getKvTokens().getDims());
  if (flatten) {
    queries = {context.nq};
    keys = {context.nk};
  }
  bound.geometry.rank = static_cast<int>(keys.size());
  std::copy(queries.begin(), queries.end(), bound.geometry.queries.begin());
  std::copy(keys.begin(), keys.end(), bound.geometry.keys.begin());
  std::optional<Formula> formula = formulaOf(
      op.getMask(), op.getKvTokens().withDims(keys), op.getMaskInputs());
  if (!formula)
    return std::nullopt;
  bound.formula = *formula;
  for (const Symbol &s : bound.formula.symbols)
    bound.symbols.push_back(valueOf(s, context, bound.geometry, bound.inputs, batch));
  return bound;
}

/// Calls body with every linear position of the tokens of a tile.
template <class Body>
void forTile(const Bound &bound, const Coords &tile, bool query, Body &&body) {
  const TileGeometry &g = bound.geometry;
  const Coords &extent = query ? g.queryTile : g.keyTile, &length = query ? g.queries : g.keys;
  Coords c{};
  for (c[0] = tile[0] * extent[0]; c[0] < std::min((tile[0] + 1) * extent[0], length[0]); ++c[0])
    for (c[1] = tile[1] * extent[1]; c[1] < std::min((tile[1] + 1) * extent[1], length[1]); ++c[1])
      for (c[2] = tile[2] * extent[2]; c[2] < std::min((tile[2] + 1) * extent[2], length[2]); ++c[2])
        body(bound.linear(c, query));
}

bool isRagged(const TileGeometry &g, const Coords &tile) {
  for (int d = 0; d < g.rank; ++d)
    if ((tile[d] + 1) * g.keyTile[d] > g.keys[d])
      return true;
  return false;
}

enum class Class : char { Empty, Partial, Full };

Class classOf(const Bound &bound, const Pairs &pairs, const Coords &queryTile,
              const Coords &keyTile) {
  bool visible = false, hidden = isRagged(bound.geometry, keyTile);
  forTile(bound, queryTile, true, [&](int64_t q) {
    forTile(bound, keyTile, false, [&](int64_t k) {
      (pairs.at(q, k) ? visible : hidden) = true;
    });
  });
  return !visible ? Class::Empty : hidden ? Class::Partial : Class::Full;
}

template <class Body> void forGrid(const Coords &lo, const Coords &hi, Body &&body) {
  Coords c{};
  for (c[0] = lo[0]; c[0] < hi[0]; ++c[0])
    for (c[1] = lo[1]; c[1] < hi[1]; ++c[1])
      for (c[2] = lo[2]; c[2] < hi[2]; ++c[2])
        body(c);
}

/// Every tile pair: the map's class is the true one, and no tile is in two boxes. With data atoms the
/// class need only be safe.
void checkTileMap(const Bound &bound, const Pairs &pairs, const std::string &text) {
  const TileGeometry &g = bound.geometry;
  TileMap map(bound.formula, g, bound.symbols);
  Coords queryTiles{1, 1, 1, 1}, keyTiles{1, 1, 1, 1};
  for (int d = 0; d < g.rank; ++d) {
    queryTiles[d] = g.queryTiles(d);
    keyTiles[d] = g.keyTiles(d);
  }
  int64_t number = 0;
  std::vector<KeyBox> boxes;
  forGrid({}, queryTiles, [&](const Coords &queryTile) {
    std::vector<int> hits(g.numKeyTiles());
    std::vector<Class> classes(g.numKeyTiles(), Class::Empty);
    auto index = [&](const Coords &t) { return (t[0] * keyTiles[1] + t[1]) * keyTiles[2] + t[2]; };
    map.boxes(number++, boxes);
    for (const KeyBox &box : boxes)
      forGrid(box.lo, box.hi, [&](const Coords &t) {
        ASSERT_LT(index(t), g.numKeyTiles());
        ++hits[index(t)];
        classes[index(t)] = box.full ? Class::Full : Class::Partial;
      });
    forGrid({}, keyTiles, [&](const Coords &keyTile) {
      Class truth = classOf(bound, pairs, queryTile, keyTile), said = classes[index(keyTile)];
      ASSERT_LE(hits[index(keyTile)], 1) << "visited twice\n" << text;
      bool right = map.exact() ? said == truth : said == truth || said == Class::Partial;
      ASSERT_TRUE(right) << "query tile " << number - 1 << ", key tile " << index(keyTile)
                         << ": said " << int(said) << ", is " << int(truth) << "\n"
                         << text;
    });
  });
  if (map.exact()) {
    ASSERT_EQ(map.visiblePairs(), pairs.count()) << text;
  }
}

void drawTiles(ref::Draw &draw, TileGeometry &g) {
  static const std::vector<int64_t> extents[] = {
      {}, {1, 7, 16, 32, 64}, {1, 2, 4, 5, 8}, {1, 2, 3, 4}};
  for (int d = 0; d < g.rank; ++d) {
    g.queryTile[d] = draw.oneOf(extents[g.rank]);
    g.keyTile[d] = draw.oneOf(extents[g.rank]);
  }
}

struct Tally {
  int formulas = 0, tooManyAtoms = 0;
};

void checkDraw(mlir::MLIRContext &context, uint64_t seed, Tally &tally) {
  ref::Draw draw(seed);
  ref::ShapeOptions options;
  options.maxTokens = 90;
  options.tileQ = options.tileK = 32;
  ref::Shape shape = ref::drawShape(draw, options);
  ref::Mask mask = ref::drawMask(draw, shape);
  ref::Context drawn = ref::drawContext(draw, shape, mask);
  Parsed parsed(context, shape, mask);
  if (parsed.isTooLarge()) {
    ++tally.tooManyAtoms;
    return;
  }
  ASSERT_TRUE(parsed.module) << parsed.diagnostics << parsed.text;
  int64_t batch = shape.batch - 1;
  Pairs pairs(mask, drawn, batch);
  bool linear = mlir::cast<MaskAttrInterface>(parsed.attention.getMask()).isLinear();
  for (bool flatten : {false, true}) {
    if (flatten ? !linear || shape.tokens.size() == 1
                : parsed.attention.getTokens() != parsed.attention.getKvTokens() &&
                      shape.tokens.size() > 1)
      continue;
    std::optional<Bound> bound = bind(parsed, drawn, flatten, batch);
    ++(bound ? tally.formulas : tally.tooManyAtoms);
    if (!bound)
      continue;
    for (int64_t q = 0; q < drawn.nq; ++q)
      for (int64_t k = 0; k < drawn.nk; ++k)
        ASSERT_EQ(bound->sees(q, k), pairs.at(q, k)) << q << " -> " << k << "\n" << parsed.text;
    drawTiles(draw, bound->geometry);
    checkTileMap(*bound, pairs, parsed.text);
    if (testing::Test::HasFatalFailure())
      return;
  }
}

TEST(MaskProperties, ElementsAndTilesEqualBruteForce) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  Tally tally;
  for (int seed = 0; seed < draws(5000); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    checkDraw(context, seed, tally);
    if (HasFatalFailure())
      return;
  }
  // Masks that no formula holds must stay rare, or the test checks little.
  EXPECT_LT(tally.tooManyAtoms * 20, tally.formulas);
}

} // namespace
