//===- ExplainNames.h - how the numbers of a formula are called --*- C++ -*-===//
#pragma once

#include "simulator/Problem.h"
#include "tools/ReadableExpr.h"

namespace attn::tools {

/// The names and constants that a kernel's formulas are written with. Lengths that the spec leaves
/// open keep their names where queries and keys are the same tokens, also when they are bound.
class Naming {
public:
  /// `tiles` has the lengths of the spec; `bound` is null where some length is not bound.
  Naming(AttentionOp op, const TileChoice &tiles, const Problem *bound,
         const ProblemRequest &request);

  int rank() const { return int(tiles.layout.size()); }
  /// Queries and keys are the same tokens.
  bool isSelf() const { return self; }
  const Sum &offset() const { return queryOffset; }
  /// "q", or "q1" on several dimensions.
  std::string axis(const char *letter, int dim) const;
  /// The query's coordinate by its position.
  Sum queryAt(int dim) const;
  Sum queries(int dim) const { return lengths(tiles.layout, dim, false); }
  Sum keys(int dim) const { return lengths(tiles.kvLayout, dim, true); }
  Leaves leaves(const Formula &formula, Sum query) const;
  Sum symbol(const Formula &formula, const Symbol &symbol) const;
  /// Values of all names but those of query tiles.
  NameValues valuesOf(const Formula &formula, const Problem &problem,
                      llvm::ArrayRef<int64_t> symbolValues) const;
  std::string input(int32_t index) const { return inputs.names[index].str(); }
  int32_t inputCount() const { return int32_t(inputs.names.size()); }

private:
  Sum lengths(llvm::ArrayRef<int64_t> layout, int dim, bool ofKeys) const;
  std::string tableName(const TableInfo &table) const;

  const TileChoice &tiles;
  MaskInputs inputs;
  bool self = false, hasGroups = false;
  Sum queryOffset, numQueries, numKeys;
};

} // namespace attn::tools
