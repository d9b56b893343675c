// Drawn masks of every kind, nested, with their run-time data, on drawn layouts and tiles: what the
// compiler's formulas and tile maps say against brute force over the formulas restated in
// test/reference.
#include "dialect/algebra/MapInputs.h"
#include "simulator/TileShapes.h"
#include "test/codegen/DrawnKernel.h"
#include "test/passes/Parsed.h"

#include "gtest/gtest.h"

#include <deque>
#include <numeric>

using namespace attn;
using namespace attn::test;
namespace ref = attn::reference;

namespace {

/// The pairs that the reference says are visible, for one batch entry and head.
class Pairs {
public:
  Pairs(const ref::Mask &mask, const ref::Context &context, int64_t batch, int64_t head)
      : nk(context.nk), seen(context.nq * context.nk) {
    for (int64_t q = 0; q < context.nq; ++q)
      for (int64_t k = 0; k < nk; ++k)
        seen[q * nk + k] = ref::sees(mask, context, batch, head, q, k);
  }
  bool at(int64_t q, int64_t k) const { return seen[q * nk + k]; }
  int64_t count() const { return std::count(seen.begin(), seen.end(), 1); }

private:
  int64_t nk;
  std::vector<char> seen;
};

/// A drawn kernel with the values of its inputs, as seen by one head of one batch entry.
struct Drawn {
  ref::Shape shape;
  ref::Mask mask;
  ref::Context context;
  int64_t batch = 0, head = 0;
};

/// The inputs of a kernel in the order of its operands.
class InputData {
public:
  InputData(AttentionOp op, const ref::Context &context) {
    for (auto [name, type] : llvm::zip_equal(op.getInputNameList(), op.getInputs().getTypes())) {
      const ref::Tensor &tensor = tensors.emplace_back(ref::inputOf(context, name.str()));
      bool isBool = mlir::cast<mlir::RankedTensorType>(type).getElementType().isInteger(1);
      DataView &view = list.emplace_back();
      view.isBool = isBool;
      view.rank = int(tensor.shape.size());
      int64_t stride = 1;
      for (size_t d = tensor.shape.size(); d-- > 0;) {
        view.shape[d] = tensor.shape[d];
        view.strides[d] = tensor.shape[d] == 1 ? 0 : stride;
        stride *= tensor.shape[d];
      }
      view.data = isBool
                      ? static_cast<const void *>(
                            bytes.emplace_back(tensor.values.begin(), tensor.values.end()).data())
                      : tensor.values.data();
    }
  }
  const std::vector<DataView> &views() const { return list; }

private:
  std::deque<ref::Tensor> tensors;
  std::deque<std::vector<uint8_t>> bytes;
  std::vector<DataView> list;
};

/// One formula on a tiled layout, with everything bound that it speaks of.
struct Bound {
  Formula formula;
  TileGeometry geometry;
  std::vector<int64_t> symbols;
  const InputData *data;
  const Drawn *drawn;
  std::shared_ptr<MapInputs> inputs;

  Coords coordsOf(int64_t position, bool query) const {
    return coordsAt(position, query ? geometry.queries : geometry.keys, geometry.rank);
  }
  PairEnvironment env() const { return {symbols.data(), inputs->tables().data(), data->views()}; }
  TileMap map() const { return inputs->makeMap(formula, symbols, drawn->batch, drawn->head); }

  bool sees(int64_t q, int64_t k) const {
    Coords cq = coordsOf(q, true), ck = coordsOf(k, false);
    return formula.sees(cq.data(), ck.data(), {symbols.data(), inputs->tables().data()},
                        [&](const Atom &atom) { return holds(atom, cq, ck, q, k); });
  }

  /// A data atom, from its definition.
  bool holds(const Atom &atom, const Coords &cq, const Coords &ck, int64_t q, int64_t k) const {
    auto entry = [&](int32_t input, std::initializer_list<int64_t> at) {
      return data->views()[size_t(input)].at(std::vector<int64_t>(at));
    };
    switch (atom.kind) {
    case AtomKind::Box:
      break;
    case AtomKind::Labels:
      return entry(atom.input, {q}) == entry(atom.keyInput, {k});
    case AtomKind::Mask:
      return entry(atom.input, {drawn->batch, drawn->head, q, k}) != 0;
    case AtomKind::Classes: {
      const ClassTable &table = formula.classTables[size_t(atom.index)];
      return table.allow[size_t(entry(atom.input, {q}) * table.count + entry(atom.keyInput, {k}))];
    }
    case AtomKind::Listed:
      return isListed(formula.blockLists[size_t(atom.index)], q, k);
    case AtomKind::Predicate:
      return evaluate(formula.predicates[size_t(atom.index)],
                      {cq.data(), ck.data(), q, q + drawn->context.qOffset, k}, env()) != 0;
    }
    return false;
  }

  bool isListed(const BlockList &list, int64_t q, int64_t k) const {
    const DataView &rows = data->views()[size_t(list.rowInput)];
    auto at = [&](const DataView &view, std::vector<int64_t> index) {
      if (view.rank > int(index.size()))
        index.insert(index.begin(), {drawn->batch, drawn->head});
      return view.at(index);
    };
    int64_t row = q / list.size, block = k / list.size;
    if (list.keyInput < 0)
      return uint32_t(at(rows, {row, block / 32})) >> (block % 32) & 1;
    const DataView &keys = data->views()[size_t(list.keyInput)];
    for (int64_t i = at(rows, {row}); i < at(rows, {row + 1}); ++i)
      if (at(keys, {i}) == block)
        return true;
    return false;
  }
};

int64_t valueOf(const Symbol &s, const Bound &bound) {
  const ref::Context &context = bound.drawn->context;
  auto entry = [&](int64_t i) {
    return bound.data->views()[size_t(s.index)].at(std::vector<int64_t>{i});
  };
  switch (s.kind) {
  case SymbolKind::NumQueries:
    return context.nq;
  case SymbolKind::NumKeys:
    return context.nk;
  case SymbolKind::QueryOffset:
    return context.qOffset;
  case SymbolKind::Dim:
    return bound.geometry.keys[s.index];
  case SymbolKind::BatchInput:
    return entry(bound.drawn->batch);
  case SymbolKind::HeadInput:
    return entry(bound.drawn->head);
  case SymbolKind::Batch:
    return bound.drawn->batch;
  case SymbolKind::Span:
    return spanLength(bound.formula.spans[size_t(s.index)], context.nk);
  case SymbolKind::HeadParam:
  case SymbolKind::HeadFormula:
    break;
  }
  ADD_FAILURE() << "an unparameterised formula has no head parameters";
  return 0;
}

/// Nothing when the mask has too many atoms for this layout, which only nested linear masks on
/// layouts of several dimensions have. The tiles are the caller's.
std::optional<Bound> bind(AttentionOp op, const Drawn &drawn, const InputData &data,
                          LayoutAttr layout, const TileGeometry &geometry) {
  std::optional<Formula> formula =
      formulaOf(op.getMaskOfHead(drawn.head), layout, op.getMaskInputs());
  if (!formula)
    return std::nullopt;
  Bound bound{*formula, geometry, {}, &data, &drawn, nullptr};
  for (const Symbol &s : bound.formula.symbols)
    bound.symbols.push_back(valueOf(s, bound));
  bound.inputs = std::make_shared<MapInputs>(geometry, data.views(), bound.formula.tables,
                                             drawn.context.nq, drawn.context.qOffset);
  return bound;
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

enum class Class : char { Empty, Partial, Full };

/// Calls body with every row-major position that exists in the tile; returns whether the tile has
/// places for others.
template <class Body>
bool forTile(const TileGeometry &g, const Coords &tile, bool query, Body &&body) {
  const Coords &extent = query ? g.queryTile : g.keyTile, &length = query ? g.queries : g.keys;
  int64_t count = query ? g.numQueries : g.numKeys, inside = 0, places = 1;
  Coords end{1, 1, 1, 1}, begin{0, 0, 0, 0};
  for (int d = 0; d < g.rank; ++d) {
    begin[d] = tile[d] * extent[d];
    end[d] = std::min(begin[d] + extent[d], length[d]);
    places *= extent[d];
  }
  Coords at{0, 0, 0, 0};
  for (at[0] = begin[0]; at[0] < end[0]; ++at[0])
    for (at[1] = begin[1]; at[1] < end[1]; ++at[1])
      for (at[2] = begin[2]; at[2] < end[2]; ++at[2])
        for (at[3] = begin[3]; at[3] < end[3]; ++at[3])
          if (int64_t position = rowMajor(at, length, g.rank); position < count) {
            body(position);
            ++inside;
          }
  return inside < places;
}

Class classOf(const TileGeometry &geometry, const Pairs &pairs, const Coords &queryTile,
              const Coords &keyTile) {
  bool visible = false;
  bool hidden = forTile(geometry, keyTile, false, [](int64_t) {});
  forTile(geometry, queryTile, true, [&](int64_t q) {
    forTile(geometry, keyTile, false,
            [&](int64_t k) { (pairs.at(q, k) ? visible : hidden) = true; });
  });
  return !visible ? Class::Empty : hidden ? Class::Partial : Class::Full;
}

/// The class of every key tile as the map's boxes say. No tile is in two of them.
std::vector<Class> saidOf(const TileMap &map, int64_t queryTile) {
  const TileGeometry &g = map.geometry();
  std::vector<Class> said(g.numKeyTiles(), Class::Empty);
  std::vector<KeyBox> boxes;
  map.boxes(queryTile, boxes);
  for (const KeyBox &box : boxes) {
    Coords at{0, 0, 0, 0};
    for (at[0] = box.lo[0]; at[0] < box.hi[0]; ++at[0])
      for (at[1] = box.lo[1]; at[1] < box.hi[1]; ++at[1])
        for (at[2] = box.lo[2]; at[2] < box.hi[2]; ++at[2])
          for (at[3] = box.lo[3]; at[3] < box.hi[3]; ++at[3]) {
            Class &here = said.at(rowMajor(at, tileGrid(g, false), g.rank));
            EXPECT_EQ(here, Class::Empty) << "visited twice";
            here = box.full ? Class::Full : Class::Partial;
          }
  }
  return said;
}

struct Tally {
  int formulas = 0, refused = 0, exact = 0, split = 0, tiles = 0, inexactTiles = 0;
};

/// Every pair of tiles: where the map says that it is exact, its class is the true one; else it is
/// that or partial.
void checkTileMap(const TileMap &map, const Pairs &pairs, bool hasData, Tally &tally) {
  const TileGeometry &g = map.geometry();
  tally.exact += map.exact();
  for (int64_t t = 0; t < g.numQueryTiles(); ++t) {
    std::vector<Class> said = saidOf(map, t);
    for (int64_t u = 0; u < g.numKeyTiles(); ++u) {
      Class truth = classOf(g, pairs, coordsAt(t, tileGrid(g, true), g.rank),
                            coordsAt(u, tileGrid(g, false), g.rank));
      bool safe = said[u] == truth || (said[u] == Class::Partial && !map.exact());
      ASSERT_TRUE(safe) << "query tile " << t << ", key tile " << u << ": said " << int(said[u])
                        << ", is " << int(truth);
      ++tally.tiles;
      tally.inexactTiles += said[u] != truth;
    }
  }
  // Of data a map counts the pairs that it may show.
  ASSERT_GE(map.visiblePairs(), pairs.count());
  if (map.exact() && !hasData) {
    ASSERT_EQ(map.visiblePairs(), pairs.count());
  }
}

/// The usual tiles, and odd ones. Tiles divide listed blocks.
void drawTiles(ref::Draw &draw, int64_t blocks, TileGeometry &g) {
  using Shapes = std::vector<std::vector<int64_t>>;
  static const Shapes shapes[] = {
      {},
      {{64}, {128}, {16}, {1}, {7}, {32}, {37}, {100}},
      {{8, 16}, {8, 8}, {16, 8}, {1, 5}, {4, 2}, {5, 3}, {2, 7}, {64, 1}},
      {{2, 8, 8}, {4, 4, 8}, {4, 8, 8}, {1, 2, 3}, {3, 1, 2}, {2, 2, 2}, {1, 4, 1}},
      {{2, 2, 4, 8}, {1, 2, 1, 3}, {2, 1, 2, 2}, {1, 1, 1, 4}}};
  const std::vector<int64_t> &q = draw.oneOf(shapes[g.rank]), &k = draw.oneOf(shapes[g.rank]);
  for (int d = 0; d < g.rank; ++d) {
    g.queryTile[d] = blocks ? std::gcd(q[d], blocks) : q[d];
    g.keyTile[d] = blocks ? std::gcd(k[d], blocks) : k[d];
  }
}

/// A layout that the masks may be tiled on.
struct Tiling {
  LayoutAttr layout; ///< of the keys
  TileGeometry geometry;
};

Tiling tilingOf(const Drawn &drawn, llvm::ArrayRef<int64_t> queries, LayoutAttr layout) {
  TileGeometry g;
  llvm::ArrayRef<int64_t> keys = layout.getDims();
  g.rank = int(keys.size());
  std::copy(queries.begin(), queries.end(), g.queries.begin());
  std::copy(keys.begin(), keys.end(), g.keys.begin());
  g.numQueries = drawn.context.nq;
  g.numKeys = drawn.context.nk;
  g.bounded = g.rank > 1 && layout.isBounded();
  return {layout, g};
}

/// The spec's own layout, one flat dimension, positions and residues.
std::vector<Tiling> tilingsOf(AttentionOp op, const Drawn &drawn, Tally &tally) {
  std::vector<Tiling> list;
  LayoutAttr tokens = op.getTokens(), keys = op.getKvTokens();
  size_t rank = keys.getDims().size();
  bool linear = mlir::cast<MaskAttrInterface>(op.getMaskOfHead(drawn.head)).isLinear();
  if (tokens.getDims() == keys.getDims() || rank == 1)
    list.push_back(tilingOf(drawn, tokens.getDims(), keys));
  if (rank > 1 && linear)
    list.push_back(tilingOf(drawn, {drawn.context.nq}, keys.withDims({drawn.context.nk})));
  mlir::FailureOr<TileChoice> choice = tilesOf(op, linear, {}, {}, 1024);
  if (succeeded(choice) && !choice->steps.empty()) {
    LayoutAttr split = choice->keyLayoutOf(op);
    list.push_back(tilingOf(drawn, split.getDims(), split));
    ++tally.split;
  }
  return list;
}

//===----------------------------------------------------------------------===//
// Draws
//===----------------------------------------------------------------------===//

/// A dilated kind and masks that compare positions: what is tiled by residues.
ref::Mask drawDilated(ref::Draw &draw, const ref::Shape &shape) {
  ref::MaskOptions others;
  others.depth = 2;
  others.neighborhoods = false;
  ref::Mask near = ref::drawMask(draw, shape, others);
  std::vector<ref::NeighborhoodDim> dims;
  for (int64_t length : shape.tokens) {
    int64_t dilation = draw.between(1, std::min<int64_t>(length, 6));
    int64_t window = draw.between(1, std::max<int64_t>(length / dilation, 1));
    dims.push_back({window, draw.between(1, window), dilation, draw.chance(30)});
  }
  int64_t kind = shape.tokens.size() > 1 ? 0 : draw.between(0, 2);
  ref::Mask far =
      kind == 0 ? ref::neighborhood(dims, draw.chance(30) ? ref::Border::Clip : ref::Border::Shift)
      : kind == 1 ? ref::dilatedWindow(dims[0].window, dims[0].dilation)
                  : ref::strided(dims[0].dilation);
  if (draw.chance(10) && kind == 0 && shape.groups.empty())
    return ref::neighborhood(dims, ref::Border::Zero);
  return draw.chance(40) ? far : draw.chance(60) ? far & near : far & !near;
}

/// Mostly small, sometimes with several tiles of 128.
Drawn drawOne(ref::Draw &draw, const ref::MaskOptions &masks) {
  ref::ShapeOptions shapes = ref::ShapeOptions::everything();
  shapes.maxTokens = draw.chance(8) ? 300 : 90;
  shapes.tileQ = shapes.tileK = draw.chance(50) ? 32 : 64;
  Drawn drawn;
  drawn.shape = ref::drawShape(draw, shapes);
  drawn.mask = draw.chance(10) && drawn.shape.oneLayout() && !drawn.shape.isPacked()
                   ? drawDilated(draw, drawn.shape)
                   : ref::drawMask(draw, drawn.shape, masks);
  drawn.context = ref::drawContext(draw, drawn.shape, drawn.mask, masks);
  // A caller may align queries with other keys; tables are drawn for the usual ones.
  if (draw.chance(20) && !drawn.shape.isPacked() &&
      !ref::contains(drawn.mask, ref::MaskKind::Predicate))
    drawn.context.qOffset += draw.between(-40, 40);
  drawn.batch = draw.between(0, drawn.shape.batch - 1);
  drawn.head = draw.between(0, drawn.shape.heads - 1);
  return drawn;
}

void checkTiling(AttentionOp op, const Drawn &drawn, const InputData &data, const Pairs &pairs,
                 const Tiling &tiling, Tally &tally) {
  std::optional<Bound> bound = bind(op, drawn, data, tiling.layout, tiling.geometry);
  ++(bound ? tally.formulas : tally.refused);
  if (!bound)
    return;
  for (int64_t q = 0; q < drawn.context.nq; ++q)
    for (int64_t k = 0; k < drawn.context.nk; ++k)
      ASSERT_EQ(bound->sees(q, k), pairs.at(q, k)) << q << " -> " << k;
  checkTileMap(bound->map(), pairs, bound->formula.dataAtoms() != 0, tally);
}

void checkDraw(mlir::MLIRContext &context, uint64_t seed, const std::string &planFile,
               Tally &tally) {
  ref::Draw draw(seed);
  ref::MaskOptions masks = ref::MaskOptions::everything(planFile);
  masks.blockSizes = {16, 48, 64};
  Drawn drawn = drawOne(draw, masks);
  writePlan({drawn.shape, drawn.mask, {}}, planFile);
  Parsed parsed(context, drawn.shape, drawn.mask);
  SCOPED_TRACE(parsed.text);
  if (isRefused(parsed.diagnostics)) {
    ++tally.refused;
    return;
  }
  ASSERT_TRUE(parsed.module) << parsed.diagnostics;
  AttentionOp op = parsed.attention;
  InputData data(op, drawn.context);
  Pairs pairs(drawn.mask, drawn.context, drawn.batch, drawn.head);
  int64_t blocks = mlir::cast<MaskAttrInterface>(op.getMaskOfHead(drawn.head)).blockSize();
  for (Tiling &tiling : tilingsOf(op, drawn, tally)) {
    drawTiles(draw, blocks, tiling.geometry);
    checkTiling(op, drawn, data, pairs, tiling, tally);
    if (testing::Test::HasFatalFailure())
      return;
  }
}

TEST(MaskProperties, ElementsAndTilesEqualBruteForce) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  std::string planFile = testing::TempDir() + "attn-mask-properties.json";
  Tally tally;
  for (int seed = 0; seed < ref::draws(5000); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    checkDraw(context, seed, planFile, tally);
    if (HasFailure())
      return;
  }
  RecordProperty("formulas", tally.formulas);
  RecordProperty("tiles", tally.tiles);
  RecordProperty("inexact_tiles", tally.inexactTiles);
  printf("%d formulas, %d of them with exact maps, %d split by residues, %d refused; %d pairs of "
         "tiles, "
         "%d partial ones that need not be\n",
         tally.formulas, tally.exact, tally.split, tally.refused, tally.tiles, tally.inexactTiles);
  // Masks that the compiler refuses must stay rare, or the test checks little.
  EXPECT_LT(tally.refused * 8, tally.formulas);
  EXPECT_GT(tally.exact * 2, tally.formulas);
  EXPECT_GT(tally.split * 40, tally.formulas);
}

} // namespace
