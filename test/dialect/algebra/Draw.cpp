#include "test/dialect/algebra/Draw.h"

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
  switch (between(0, 9)) {
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
  ExprId lo = bound(builder, dim, span);
  ExprId hi = oneIn(2) ? bound(builder, dim, span)
                       : builder.dag(dim).add(lo, builder.dag(dim).constant(between(0, span)));
  return {lo, hi, oneIn(3) ? between(2, oneIn(4) ? 40 : 4) : 1};
}

TermId Draw::term(FormulaBuilder &builder, int depth, int64_t span, bool withData) {
  if (depth == 0 || oneIn(4)) {
    if (withData && oneIn(4))
      return builder.data(oneIn(2) ? AtomKind::Labels : AtomKind::Mask, int32_t(between(0, 1)));
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
    }
  }
  return values;
}

static TileGeometry drawGeometry(Draw &draw, int64_t maxPairs) {
  TileGeometry geometry;
  geometry.rank = static_cast<int>(draw.between(1, 3));
  int64_t longest = geometry.rank == 1 ? 40 : geometry.rank == 2 ? 9 : 5;
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
  } while (pairs > maxPairs);
  return geometry;
}

Case drawCase(uint64_t seed, int64_t maxPairs, bool withData) {
  Draw draw(seed);
  while (true) {
    Case result;
    result.geometry = drawGeometry(draw, maxPairs);
    std::vector<int64_t> extents;
    for (int d = 0; d < result.geometry.rank; ++d)
      extents.push_back(draw.oneIn(4) ? -1 : result.geometry.keys[d]);
    FormulaBuilder builder(extents);
    int64_t span = result.geometry.rank == 1 ? 30 : 6;
    int depth = static_cast<int>(draw.between(0, 4));
    std::optional<Formula> formula = builder.finish(draw.term(builder, depth, span, withData));
    if (!formula)
      continue;
    result.formula = std::move(*formula);
    result.symbolValues = bindSymbols(result.formula, result.geometry, draw.between(-10, 10));
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
  return out + "\n" + formula.print();
}

} // namespace attn::test
