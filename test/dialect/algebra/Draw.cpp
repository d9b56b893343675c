#include "test/dialect/algebra/Draw.h"

#include <cstdlib>

namespace attn::test {

ExprId Draw::expression(ExprDag &dag, int depth, int64_t span, int64_t numSymbols) {
  if (depth == 0 || oneIn(5)) {
    int64_t leaf = between(0, numSymbols > 0 ? 3 : 2);
    if (leaf == 3)
      return dag.symbol(between(0, numSymbols - 1));
    return leaf == 0 ? dag.constant(between(-span, span)) : dag.query();
  }
  auto sub = [&] { return expression(dag, depth - 1, span, numSymbols); };
  auto positive = [&] { return dag.constant(between(1, span)); };
  switch (between(0, 8)) {
  case 0:
    return dag.add(sub(), sub());
  case 1:
    return dag.sub(sub(), sub());
  case 2:
    return dag.mul(sub(), dag.constant(between(-3, 3)));
  case 3:
    return dag.floorDiv(sub(), positive());
  case 4:
    return dag.mod(sub(), positive());
  case 5:
    return dag.min(sub(), sub());
  case 6:
    return dag.max(sub(), sub());
  case 7:
    return dag.less(sub(), sub());
  default:
    return dag.select(oneIn(3) ? sub() : dag.less(sub(), sub()), sub(), sub());
  }
}

ExprId Draw::bound(FormulaBuilder &builder, int dim, int64_t span) {
  ExprDag &e = builder.dag(dim);
  ExprId q = e.query(), shift = e.constant(between(-span, span)), length = builder.length(dim);
  switch (between(0, 10)) {
  case 0:
    return e.constant(oneIn(2) ? kInfinity : -kInfinity);
  case 1:
    return shift;
  case 2:
  case 3:
    return e.add(q, shift);
  case 4: { // blocks of one length, shifted
    ExprId size = e.constant(between(1, span));
    return e.add(e.mul(e.floorDiv(e.sub(q, shift), size), size), shift);
  }
  case 5: // clamped into the layout
    return e.max(e.min(e.add(q, shift), e.sub(length, e.constant(between(0, span)))),
                 e.constant(0));
  case 6: // some queries see everything
    return e.select(e.less(q, shift), length, e.constant(between(-span, span)));
  case 7:
    return e.add(q, builder.symbol(dim, {SymbolKind::HeadParam, int32_t(between(0, 2))}));
  case 8:
    return builder.symbol(dim, {SymbolKind::BatchInput, int32_t(between(0, 1))});
  case 9:
    return e.add(e.table(builder.table({TableKind::Input, oneIn(2) ? kTableA : kTableB})),
                 oneIn(2) ? shift : e.constant(0));
  default:
    return expression(e, 3, span, 0);
  }
}

LinearBound Draw::linearBound(int64_t span) {
  LinearBound bound{oneIn(2), between(-span, span), {}};
  if (oneIn(3))
    bound.symbols.push_back({Symbol{SymbolKind::QueryOffset}, 1});
  if (oneIn(8))
    bound.symbols.push_back({Symbol{SymbolKind::NumKeys}, oneIn(2) ? 1 : -1});
  if (oneIn(8))
    bound.symbols.push_back({Symbol{SymbolKind::HeadParam, 0}, oneIn(2) ? 1 : -1});
  return bound;
}

AtomDim Draw::interval(FormulaBuilder &builder, int dim, int64_t span) {
  ExprDag &e = builder.dag(dim);
  ExprId lo = bound(builder, dim, span);
  ExprId hi = oneIn(2) ? bound(builder, dim, span) : e.add(lo, e.constant(between(0, span)));
  AtomDim bounds{lo, hi};
  if (!oneIn(3))
    return bounds;
  bounds.modulus = between(2, oneIn(4) ? 40 : 4);
  if (oneIn(2))
    bounds.width = between(1, bounds.modulus);
  if (oneIn(3))
    bounds.shift = e.constant(between(-span, span));
  else if (oneIn(3))
    bounds.shift = builder.symbol(dim, {SymbolKind::QueryOffset});
  bounds.relative = !oneIn(3);
  return bounds;
}

//===----------------------------------------------------------------------===//
// Terms
//===----------------------------------------------------------------------===//

TermId Draw::dataTerm(FormulaBuilder &builder, int64_t span) {
  switch (between(0, builder.rank() == 1 ? 5 : 3)) {
  case 0:
    return builder.labels(kQueryLabels, kKeyLabels);
  case 1:
    return builder.mask(oneIn(2) ? kMaskA : kMaskB);
  case 2: {
    ClassTable table{kClasses, {}};
    for (int32_t i = 0; i < kClasses * kClasses; ++i)
      table.allow.push_back(oneIn(2));
    return builder.classes(kQueryLabels, kKeyLabels, table);
  }
  case 3:
    return builder.predicate(predicate(builder.rank(), int(between(1, 4)), span));
  case 4:
    return builder.listed({kRowPointers, kKeyBlocks, kBlock});
  default:
    return builder.listed({kBits, -1, kBlock});
  }
}

TermId Draw::term(FormulaBuilder &builder, int depth, int64_t span, bool withData) {
  if (depth == 0 || oneIn(4)) {
    if (withData && oneIn(3))
      return dataTerm(builder, span);
    if (oneIn(12))
      return builder.always();
    if (oneIn(2)) {
      std::optional<LinearBound> none;
      return builder.interval(oneIn(4) ? none : linearBound(span),
                              oneIn(4) ? none : linearBound(span));
    }
    std::vector<AtomDim> dims;
    for (int d = 0; d < builder.rank(); ++d)
      dims.push_back(interval(builder, d, span));
    return builder.box(std::move(dims));
  }
  auto sub = [&] { return term(builder, depth - 1, span, withData); };
  switch (between(0, 2)) {
  case 0:
    return builder.notOf(sub());
  case 1:
    return builder.orOf(sub(), sub());
  default:
    return builder.andOf(sub(), sub());
  }
}

int32_t Draw::pairLeaf(PairExpr &expr, int rank, int64_t span) {
  PairNode node{PairOp::Constant};
  int64_t leaf = between(0, 5);
  if (leaf == 0)
    node.value = between(-span, span);
  else if (leaf <= 2)
    node = {leaf == 1 ? PairOp::Query : PairOp::Key, -1, -1, -1, -1, between(-1, rank - 1)};
  else if (leaf == 3)
    node.op = PairOp::Row;
  if (leaf <= 3) {
    expr.push_back(node);
    return int32_t(expr.size()) - 1;
  }
  // A vector at the query or at the key.
  expr.push_back(leaf == 4 ? PairNode{PairOp::Row} : PairNode{PairOp::Key, -1, -1, -1, -1, -1});
  int32_t index = int32_t(expr.size()) - 1;
  expr.push_back({PairOp::Lookup, index, -1, -1, -1, leaf == 4 ? kTableA : kKeyLabels});
  return index + 1;
}

int32_t Draw::pairNode(PairExpr &expr, int rank, int depth, int64_t span) {
  if (depth == 0)
    return pairLeaf(expr, rank, span);
  static constexpr PairOp ops[] = {PairOp::Add,   PairOp::Sub,       PairOp::Mul,      PairOp::Min,
                                   PairOp::Max,   PairOp::Less,      PairOp::FloorDiv, PairOp::Mod,
                                   PairOp::Equal, PairOp::LessEqual, PairOp::Select};
  PairOp op = ops[between(0, 10)];
  PairNode node{op, pairNode(expr, rank, depth - 1, span)};
  if (op == PairOp::FloorDiv || op == PairOp::Mod) {
    expr.push_back({PairOp::Constant, -1, -1, -1, -1, between(1, span)});
    node.b = int32_t(expr.size()) - 1;
  } else {
    node.b = pairNode(expr, rank, depth - 1, span);
  }
  if (op == PairOp::Select) {
    expr.push_back({PairOp::Less, node.a, node.b});
    node = {op, int32_t(expr.size()) - 1, node.a, node.b};
  }
  expr.push_back(node);
  return int32_t(expr.size()) - 1;
}

PairExpr Draw::predicate(int rank, int depth, int64_t span) {
  PairExpr expr;
  auto condition = [&](int levels) {
    int32_t a = pairNode(expr, rank, levels, span), b = pairNode(expr, rank, levels, span);
    expr.push_back({oneIn(4) ? PairOp::Equal : PairOp::LessEqual, a, b});
    return int32_t(expr.size()) - 1;
  };
  int32_t first = condition(depth - 1);
  if (oneIn(2)) {
    int32_t second = condition(depth - 1);
    expr.push_back({oneIn(2) ? PairOp::And : PairOp::Or, first, second});
  }
  if (oneIn(3))
    expr.push_back({PairOp::Not, int32_t(expr.size()) - 1});
  return expr;
}

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

static int64_t product(const Coords &extents, int rank) {
  int64_t n = 1;
  for (int d = 0; d < rank; ++d)
    n *= extents[d];
  return n;
}

int64_t Case::numQueries() const {
  return geometry.bounded ? geometry.numQueries : product(geometry.queries, geometry.rank);
}
int64_t Case::numKeys() const {
  return geometry.bounded ? geometry.numKeys : product(geometry.keys, geometry.rank);
}

/// Runs of neighbours that are equal, of `mean` entries or more.
static std::vector<int32_t> drawRuns(Draw &draw, int64_t count, int64_t mean, int64_t lo,
                                     int64_t hi) {
  std::vector<int32_t> values;
  while (int64_t(values.size()) < count)
    values.insert(values.end(), size_t(draw.between(1, 2 * mean)), int32_t(draw.between(lo, hi)));
  values.resize(size_t(count));
  return values;
}

Data::Data(Draw &draw, const TileGeometry &geo) {
  int64_t queries = geo.bounded ? geo.numQueries : product(geo.queries, geo.rank);
  int64_t keys = geo.bounded ? geo.numKeys : product(geo.keys, geo.rank);
  addVector(drawRuns(draw, queries, 3, -5, 30));
  addVector(drawRuns(draw, queries, 8, 0, 9));
  int64_t mean = draw.between(1, 12);
  if (draw.oneIn(3)) { // one run per label
    std::vector<int32_t> labels = drawRuns(draw, keys, mean, 0, 0);
    for (size_t k = 0, label = 0; k < labels.size(); ++k)
      labels[k] = int32_t(label += draw.oneIn(mean));
    addVector(drawRuns(draw, queries, mean, 0, 4));
    addVector(std::move(labels));
  } else {
    addVector(drawRuns(draw, queries, mean, 0, kClasses - 1));
    addVector(drawRuns(draw, keys, mean, 0, kClasses - 1));
  }
  addMask(draw, queries, keys);
  addMask(draw, queries, keys);
  addBlocks(draw, queries, keys);
}

void Data::addVector(std::vector<int32_t> values) {
  ints.push_back(std::move(values));
  DataView view;
  view.data = ints.back().data();
  view.rank = 1;
  view.shape[0] = int64_t(ints.back().size());
  view.strides[0] = 1;
  views.push_back(view);
}

void Data::addMask(Draw &draw, int64_t queries, int64_t keys) {
  DataView view;
  view.isBool = true;
  view.rank = 4;
  view.shape = {draw.between(1, 2), draw.between(1, 2), draw.oneIn(3) ? 1 : queries, keys};
  int64_t stride = draw.oneIn(3) ? 2 : 1; // some rows do not lie contiguously
  for (size_t d = 4; d-- > 0;) {
    view.strides[d] = view.shape[d] > 1 || d == 3 ? stride : 0;
    stride *= view.shape[d];
  }
  std::vector<uint8_t> &bytes = bools.emplace_back(size_t(stride));
  int64_t density = draw.between(0, 20);
  for (size_t i = 0; i < bytes.size();) {
    bool value = draw.between(1, 20) <= density;
    for (size_t end = i + size_t(draw.between(1, 30)); i < std::min(end, bytes.size()); ++i)
      bytes[i] = value;
  }
  view.data = bytes.data();
  views.push_back(view);
}

void Data::addBlocks(Draw &draw, int64_t queries, int64_t keys) {
  int64_t rows = ceilDiv(queries, kBlock), columns = ceilDiv(keys, kBlock);
  std::vector<int32_t> pointers{0}, listed;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = columns; c-- > 0;) // in descending order
      if (draw.oneIn(3))
        listed.push_back(int32_t(c));
    pointers.push_back(int32_t(listed.size()));
  }
  addVector(std::move(pointers));
  addVector(std::move(listed));
  DataView view;
  view.rank = 4;
  view.shape = {draw.between(1, 2), draw.between(1, 2), rows, ceilDiv(columns, 32)};
  int64_t stride = 1;
  for (size_t d = 4; d-- > 0;) {
    view.strides[d] = view.shape[d] > 1 ? stride : 0;
    stride *= view.shape[d];
  }
  std::vector<int32_t> &words = ints.emplace_back();
  for (int64_t i = 0; i < stride; ++i)
    words.push_back(int32_t(draw.between(INT32_MIN, INT32_MAX)));
  view.data = words.data();
  views.push_back(view);
}

bool Case::holds(const Atom &atom, const Coords &q, const Coords &k) const {
  int64_t row = rowMajor(q, geometry.queries, geometry.rank);
  int64_t key = rowMajor(k, geometry.keys, geometry.rank);
  auto entry = [&](int32_t input, int64_t i) {
    return data->views[size_t(input)].at(std::array<int64_t, 1>{i});
  };
  switch (atom.kind) {
  case AtomKind::Box:
    break;
  case AtomKind::Labels:
    return entry(atom.input, row) == entry(atom.keyInput, key);
  case AtomKind::Mask:
    return data->views[size_t(atom.input)].at(std::array<int64_t, 4>{batch, head, row, key});
  case AtomKind::Classes: {
    const ClassTable &table = formula.classTables[size_t(atom.index)];
    int64_t x = entry(atom.input, row), y = entry(atom.keyInput, key);
    return x < table.count && y < table.count && table.allow[size_t(x * table.count + y)];
  }
  case AtomKind::Listed: {
    int64_t r = row / kBlock, c = key / kBlock;
    if (atom.keyInput < 0)
      return data->views[kBits].at(std::array<int64_t, 4>{batch, head, r, c / 32}) >> (c % 32) & 1;
    for (int64_t i = entry(kRowPointers, r); i < entry(kRowPointers, r + 1); ++i)
      if (entry(kKeyBlocks, i) == c)
        return true;
    return false;
  }
  case AtomKind::Predicate:
    return evaluate(formula.predicates[size_t(atom.index)],
                    {q.data(), k.data(), row, row + queryOffset, key},
                    {symbolValues.data(), tables.data(), data->views}) != 0;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Cases
//===----------------------------------------------------------------------===//

uint64_t draws(uint64_t normally) {
  const char *wanted = std::getenv("ATTNC_DRAWS");
  return wanted ? std::strtoull(wanted, nullptr, 10) : normally;
}

std::vector<int64_t> bindSymbols(const Formula &formula, const TileGeometry &geometry,
                                 int64_t queryOffset) {
  int64_t queries = 1, keys = 1;
  for (int d = 0; d < geometry.rank; ++d) {
    queries *= geometry.queries[d];
    keys *= geometry.keys[d];
  }
  std::vector<int64_t> values;
  for (const Symbol &symbol : formula.symbols) {
    switch (symbol.kind) {
    case SymbolKind::NumQueries:
      values.push_back(queries);
      break;
    case SymbolKind::NumKeys:
      values.push_back(keys);
      break;
    case SymbolKind::QueryOffset:
      values.push_back(queryOffset);
      break;
    case SymbolKind::Dim:
      values.push_back(geometry.keys[symbol.index]);
      break;
    case SymbolKind::HeadParam:
      values.push_back(3 * symbol.index - 2);
      break;
    case SymbolKind::BatchInput:
      values.push_back(5 * symbol.index + 1);
      break;
    default:
      values.push_back(symbol.index + 2);
      break;
    }
  }
  return values;
}

static TileGeometry drawGeometry(Draw &draw, const DrawOptions &options) {
  TileGeometry geometry;
  geometry.rank = static_cast<int>(draw.between(1, draw.oneIn(3) ? 4 : 3));
  constexpr int64_t longestOfRank[] = {40, 9, 5, 4};
  int64_t longest = longestOfRank[geometry.rank - 1];
  int64_t pairs = 0;
  do {
    pairs = 1;
    for (int d = 0; d < geometry.rank; ++d) {
      geometry.keys[d] = draw.between(draw.oneIn(40) ? 0 : 1, longest);
      // Linear intervals need one layout but for the slowest dimension.
      bool differs = d == 0 && draw.oneIn(2);
      geometry.queries[d] = differs ? draw.between(1, longest) : geometry.keys[d];
      geometry.queryTile[d] = draw.between(1, longest + 1);
      geometry.keyTile[d] = draw.between(1, longest + 1);
      pairs *= geometry.queries[d] * geometry.keys[d];
    }
  } while (pairs > options.maxPairs);
  if (geometry.rank == 1 && options.withData) {
    // Tiles divide the listed blocks.
    constexpr int64_t divisors[] = {1, 2, 3, 6};
    geometry.queryTile[0] = divisors[draw.between(0, 3)];
    geometry.keyTile[0] = divisors[draw.between(0, 3)];
  }
  geometry.bounded = options.bounded && geometry.rank > 1 && draw.oneIn(3);
  if (geometry.bounded) {
    geometry.numQueries = draw.between(0, product(geometry.queries, geometry.rank));
    geometry.numKeys = draw.between(0, product(geometry.keys, geometry.rank));
  }
  return geometry;
}

/// With as many runs as there may be, or as few as there must.
static void addTables(Draw &draw, Case &c) {
  for (const TableInfo &info : c.formula.tables) {
    const DataView &view = c.data->views[size_t(info.queryInput)];
    auto *values = static_cast<const int32_t *>(view.data);
    auto table = std::make_shared<TableData>();
    bool joined = draw.oneIn(2);
    for (int64_t q = 0; q < view.shape[0]; ++q)
      if (!joined || q + 1 == view.shape[0] || values[q] != values[q + 1])
        table->addRun(q + 1, values[q]);
    c.tables.push_back(table->view());
    c.tableData.push_back(std::move(table));
  }
}

Case drawCase(uint64_t seed, const DrawOptions &options) {
  Draw draw(seed);
  while (true) {
    Case result;
    result.geometry = drawGeometry(draw, options);
    std::vector<int64_t> extents;
    for (int d = 0; d < result.geometry.rank; ++d)
      extents.push_back(draw.oneIn(4) ? -1 : result.geometry.keys[d]);
    FormulaBuilder builder(extents);
    constexpr int64_t spanOfRank[] = {30, 6, 6, 4};
    int64_t span = spanOfRank[result.geometry.rank - 1];
    int depth = static_cast<int>(draw.between(0, 4));
    std::optional<Formula> formula =
        builder.finish(draw.term(builder, depth, span, options.withData));
    if (!formula)
      continue;
    result.formula = std::move(*formula);
    result.queryOffset = draw.between(-10, 10);
    result.symbolValues = bindSymbols(result.formula, result.geometry, result.queryOffset);
    result.batch = draw.between(0, 1);
    result.head = draw.between(0, 1);
    result.data = std::make_shared<Data>(draw, result.geometry);
    addTables(draw, result);
    return result;
  }
}

std::string Case::text() const {
  auto list = [&](const char *name, const Coords &values) {
    std::string out = std::string(name) + " [";
    for (int d = 0; d < geometry.rank; ++d)
      out += (d ? ", " : "") + std::to_string(values[d]);
    return out + "] ";
  };
  std::string out = list("queries", geometry.queries) + list("keys", geometry.keys) +
                    list("query tile", geometry.queryTile) + list("key tile", geometry.keyTile);
  for (size_t i = 0; i < symbolValues.size(); ++i)
    out += printSymbol(formula.symbols[i]) + " = " + std::to_string(symbolValues[i]) + " ";
  if (geometry.bounded)
    out += "of which " + std::to_string(geometry.numQueries) + " queries and " +
           std::to_string(geometry.numKeys) + " keys exist";
  return out + "\n" + formula.print();
}

} // namespace attn::test
