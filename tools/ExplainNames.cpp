#include "tools/ExplainNames.h"

#include "llvm/ADT/STLExtras.h"

#include <fmt/format.h>

using namespace mlir;

namespace attn::tools {

/// The number of tokens, or its name where the spec leaves it open.
static Sum tokensOf(LayoutAttr layout, const char *name) {
  int64_t count = 1;
  for (int64_t length : layout.getDims())
    count = ShapedType::isDynamic(length) || count < 0 ? -1 : count * length;
  if (layout.hasGroups())
    count = ShapedType::isDynamic(layout.getNumTokens()) ? -1 : layout.getNumTokens();
  return count < 0 ? Sum::name(name) : Sum(count);
}

Naming::Naming(AttentionOp op, const TileChoice &tiles, const Problem *bound,
               const ProblemRequest &request)
    : tiles(tiles), inputs(op.getMaskInputs()), hasGroups(op.getTokens().hasGroups()) {
  self = op.getTokens() == op.getKvTokens() && request.kvTokens.empty() &&
         (!bound || bound->numQueries == bound->numKeys);
  numQueries = tokensOf(op.getTokens(), self ? "N" : "Nq");
  numKeys = tokensOf(op.getKvTokens(), self ? "N" : "Nk");
  if (bound && !self) {
    numQueries = bound->numQueries;
    numKeys = bound->numKeys;
  }
  if (bound)
    queryOffset = bound->queryOffset;
  else if (op.getQOffset())
    queryOffset = int64_t(*op.getQOffset());
  else if (request.queryOffset)
    queryOffset = *request.queryOffset;
  else if (numQueries.asConstant() && numKeys.asConstant())
    queryOffset = numKeys - numQueries;
  else if (!self)
    queryOffset = Sum::name(kOffsetName);
}

std::string Naming::axis(const char *letter, int dim) const {
  return rank() == 1 ? letter : fmt::format("{}{}", letter, dim);
}

Sum Naming::queryAt(int dim) const {
  Sum query = Sum::name(axis("q", dim));
  return rank() == 1 ? query - queryOffset : query;
}

Sum Naming::lengths(ArrayRef<int64_t> layout, int dim, bool ofKeys) const {
  if (!ShapedType::isDynamic(layout[dim]))
    return layout[dim];
  if (rank() == 1)
    return ofKeys ? numKeys : numQueries;
  return Sum::name(fmt::format("L{}", dim));
}

Sum Naming::symbol(const Formula &formula, const Symbol &symbol) const {
  switch (symbol.kind) {
  case SymbolKind::NumQueries:
    return numQueries;
  case SymbolKind::NumKeys:
    return numKeys;
  case SymbolKind::QueryOffset:
    return queryOffset;
  case SymbolKind::Dim:
    return keys(symbol.index);
  case SymbolKind::BatchInput:
    return Sum::name(input(symbol.index) + "[b]");
  case SymbolKind::HeadInput:
    return Sum::name(input(symbol.index) + "[h]");
  case SymbolKind::Batch:
    return Sum::name("b");
  case SymbolKind::Span:
    return Sum::name(formula.spans.size() == 1 ? "span" : fmt::format("span{}", symbol.index));
  case SymbolKind::HeadParam:
  case SymbolKind::HeadFormula:
    break;
  }
  return Sum::name(printSymbol(symbol));
}

std::string Naming::tableName(const TableInfo &table) const {
  switch (table.kind) {
  case TableKind::Input:
    return input(table.queryInput) + "[q]";
  case TableKind::KeyBegin:
    return "begin(q)";
  case TableKind::KeyEnd:
    return "end(q)";
  case TableKind::AlignBegin:
    return "begin_shift(q)";
  case TableKind::AlignEnd:
    return "end_shift(q)";
  case TableKind::RunBegin:
  case TableKind::RunEnd:
    break;
  }
  return printTable(table);
}

Leaves Naming::leaves(const Formula &formula, Sum query) const {
  Leaves leaves{std::move(query), {}, {}};
  for (const Symbol &s : formula.symbols)
    leaves.symbols.push_back(symbol(formula, s));
  for (const TableInfo &table : formula.tables)
    leaves.tables.push_back(Sum::name(tableName(table)));
  return leaves;
}

NameValues Naming::valuesOf(const Formula &formula, const Problem &problem,
                            ArrayRef<int64_t> symbolValues) const {
  NameValues values{{"N", problem.numKeys},
                    {"Nq", problem.numQueries},
                    {"Nk", problem.numKeys},
                    {kOffsetName, problem.queryOffset}};
  for (int d = 0; d < rank(); ++d)
    values[fmt::format("L{}", d)] = problem.tiling.keys[d];
  for (auto [s, value] : llvm::zip_equal(formula.symbols, symbolValues))
    if (Sum named = symbol(formula, s); named.onlyPart() && named.addedConstant() == 0)
      values[named.text()] = value;
  return values;
}

} // namespace attn::tools
