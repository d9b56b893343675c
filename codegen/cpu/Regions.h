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

/// A region of tile.init, tile.score or tile.mask that is applied to a matrix of scores, a vector of queries
/// after the other, key by key. What depends on neither is emitted once per tile, what depends on queries
/// alone once per vector of queries, what depends on the key alone as scalars.
class ElementRegion {
public:
  /// `queryArguments` are the numbers of the block's arguments that vary by query (and are vectors),
  /// `keyArguments` of those that vary by key, `elementArguments` of those that vary by both.
  ElementRegion(Emitter &e, const LaunchValues &launch, mlir::Block &block,
                llvm::ArrayRef<unsigned> queryArguments, llvm::ArrayRef<unsigned> keyArguments,
                llvm::ArrayRef<unsigned> elementArguments = {});

  /// Binds an argument of the block before the level that it belongs to is emitted.
  void bind(unsigned argument, Value value) { values[block.getArgument(argument)] = value; }
  void emitTileLevel() { emitLevel(Level::Tile); }
  void emitQueryLevel() { emitLevel(Level::Query); }
  /// Emits what depends on the key.
  void emitKeyLevel() {
    emitLevel(Level::Key);
    emitLevel(Level::Element);
  }
  /// What the region yields, as a vector, once all levels that it depends on are emitted.
  Value result() { return asVector(block.getTerminator()->getOperand(0)); }

private:
  enum class Level : uint8_t { Tile = 0, Query = 1, Key = 2, Element = Query | Key };
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
