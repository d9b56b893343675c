//===- Regions.h - score and mask regions, element by element ----*- C++ -*-===//
#pragma once

#include "codegen/nvvm/Gather.h"
#include "codegen/nvvm/Mma.h"

#include "llvm/ADT/DenseMap.h"

namespace attn::nvvm {

/// Whether every op of the regions has code on a GPU; else a diagnostic on the first that has not.
mlir::LogicalResult checkRegions(TileOps ops, const Target &target);

/// Numbers of the launch, as tile.symbol, tile.table and tensor.extract name them.
struct LaunchValues {
  LaunchValues(tile::AttentionOp op);

  Value readSymbol(Emitter &e, tile::SymbolOp symbol, Value batch, Value head);
  /// Positions of rows outside the layout are answered with the last query's entry.
  Value readTable(Emitter &e, tile::TableOp table, Value query);
  /// An element of a run-time input; `indices` are i64. Positions of rows outside the layout, whose scores
  /// are hidden or never stored, are answered with the last element.
  Value readInput(Emitter &e, mlir::tensor::ExtractOp extract, ValueRange indices);

private:
  Value readElement(Emitter &e, Type element, Value base, Value offset);

  tile::AttentionOp op;
  int64_t headParamCount;
};

/// The region of tile.score or a formula of tile.init or tile.mask, applied to the elements of a warp's scores. An op
/// is emitted once per tile, row, column or element, whichever its operands ask for.
class ElementRegion {
public:
  using Mapping = llvm::DenseMap<Value, Value>;

  ElementRegion(Emitter &e, LaunchValues &launch, mlir::Block &block)
      : e(e), launch(launch), block(block) {}

  /// Says that argument `number` of the block varies by row, by column or by both.
  enum Level : uint8_t { Tile = 0, Row = 1, Column = 2, Element = 3 };
  void declare(unsigned number, Level level) { levels[block.getArgument(number)] = level; }
  /// Emits what depends on the tile alone. `bound` maps the arguments of that level.
  void enterTile(Mapping bound);
  Mapping enterRow(Mapping bound);
  Mapping enterColumn(Mapping bound);
  /// The yielded value of a region that knows no columns.
  Value ofRow(Mapping row);
  /// The yielded value. `bound` maps the arguments of element level.
  Value element(const Mapping &row, const Mapping &column, Mapping bound);

private:
  struct Scope {
    llvm::ArrayRef<const Mapping *> outer;
    Mapping &own;
  };
  Level levelOf(Value value) const;
  void emitLevel(Level level, Scope scope);
  Value emit(mlir::Operation &op, Scope scope);
  Value resolve(Value original, Scope scope);

  Emitter &e;
  LaunchValues &launch;
  mlir::Block &block;
  llvm::DenseMap<Value, Level> levels; ///< of arguments and results
  Mapping tile;
};

/// Where the elements of a warp's scores lie: what regions get as positions.
class ElementPositions {
public:
  ElementPositions(Emitter &e, const Plan &plan, const Lane &lane, const Grid &queries,
                   const Grid &keys)
      : e(e), plan(plan), lane(lane), queries(queries), keys(keys) {}

  /// Of row `row` of the lane (2 * block + half), in a query tile with this origin.
  Token query(ValueRange origin, unsigned row);
  unsigned rows() const { return 2 * plan.blocks; }
  /// Of element `i` (0 or 1) of column block `n`.
  Token key(ValueRange origin, int64_t n, unsigned i);

private:
  Emitter &e;
  const Plan &plan;
  const Lane &lane;
  const Grid &queries, &keys;
};

/// A query tile and a key tile, the head they belong to and the flags of the key tile's box.
struct TilePair {
  Value batch, head;
  Values queryOrigin, keyOrigin;
  Value flags; ///< i32
};

/// Per row of the lane (2 * block + half), how many zero keys a formula of tile.init gives it, as i32.
Values countZeroKeys(Emitter &e, LaunchValues &launch, ElementPositions &at, mlir::Block &formula,
                     const TilePair &tiles);
/// Applies the region of tile.score in place.
void applyScore(Emitter &e, LaunchValues &launch, ElementPositions &at, tile::ScoreOp op,
                const TilePair &tiles, Accumulator &scores);
/// Puts -inf where the region yields false, in place.
void applyFormula(Emitter &e, LaunchValues &launch, ElementPositions &at,
                  mlir::Block &formula, const TilePair &tiles, Accumulator &scores);

} // namespace attn::nvvm
