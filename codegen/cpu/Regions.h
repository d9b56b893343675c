//===- Regions.h - score and mask regions, a vector at a time ----*- C++ -*-===//
#pragma once

#include "codegen/cpu/Emitter.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace attn::cpu {

/// Where the regions' leaves come from.
struct LaunchValues {
  Value args;              ///< KernelArgs
  int64_t headParamCount;  ///< row length of the parameter table
  llvm::SmallVector<Value> inputs; ///< the tensors, as the regions name them, in order
};

/// A region of tile.init, tile.score or tile.mask that is applied to a matrix of scores, row by row, a vector of
/// columns at a time. What depends on neither q nor k is emitted once per tile, what does not depend on k
/// once per row.
class ElementRegion {
public:
  /// `rowArguments` are the numbers of the block's arguments that vary by row, `columnArguments` of
  /// those that vary by column (and are vectors).
  ElementRegion(Emitter &e, const LaunchValues &launch, mlir::Block &block,
                llvm::ArrayRef<unsigned> rowArguments, llvm::ArrayRef<unsigned> columnArguments);

  /// Binds an argument of the block before the level that it belongs to is emitted.
  void bind(unsigned argument, Value value) { values[block.getArgument(argument)] = value; }
  void emitTileLevel() { emitLevel(Level::Tile); }
  void emitRowLevel() { emitLevel(Level::Row); }
  /// What a region without column arguments yields, once its row level is emitted.
  Value rowResult() { return resolve(block.getTerminator()->getOperand(0)); }
  /// Emits the rest and returns what the region yields, as a vector.
  Value emitColumnLevel();

private:
  enum class Level : uint8_t { Tile, Row, Column };
  void emitLevel(Level level);
  void emitScalar(mlir::Operation &op);
  Value scalarOf(mlir::Operation &op, llvm::ArrayRef<Value> operands);
  void emitVector(mlir::Operation &op);
  Value resolve(Value original);
  Value asVector(Value original);
  Value readSymbol(mlir::Operation &op);
  Value readTable(mlir::Operation &op, Value query);
  Value elementAddress(mlir::Operation &extract, llvm::ArrayRef<Value> indices);
  Value loadElement(Type type, Value address);
  Value gather(mlir::Operation &op);

  Emitter &e;
  const LaunchValues &launch;
  mlir::Block &block;
  llvm::DenseMap<mlir::Operation *, Level> levels;
  llvm::DenseMap<Value, Value> values;
};

} // namespace attn::cpu
