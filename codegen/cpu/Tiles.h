//===- Tiles.h - rows of boxes, gathered where they lie ----------*- C++ -*-===//
#pragma once

#include "codegen/cpu/Math.h"

namespace attn::cpu {

/// A row of a tile: its coordinates in the layout, its row-major position, whether it exists. All i64.
struct RowPosition {
  llvm::SmallVector<Value> coords;
  Value position, inside;
};

/// What the body of tile.for_keys is told of a key tile: its number and its box's flags.
struct VisitedTile {
  Value number, partial, listed; ///< i32, i1, i32
};

/// Moves tiles between tensors of any strides and scratch memory, and walks the tile map.
class Tiles {
public:
  Tiles(Emitter &e, tile::AttentionOp op, const Scratch &scratch, Value args, Value memory);

  /// Returns how many rows must be computed: up to the last that can exist, a multiple of the block.
  Value enterQueryTile(Value number);
  /// Calls the body for every tile that part `split` of `splits` of the query tile visits.
  void forKeyTiles(Value batch, Value head, Value queryTile, Value split, Value splits,
                   llvm::function_ref<void(const VisitedTile &)> body);

  /// Writes the coordinates and positions of the tile's rows to scratch memory, for the next two.
  void fillQueryCoordinates();
  void fillKeyCoordinates();
  /// Vector of coordinate `d` of the query rows from `row` on; d = rank: of their positions.
  Value queryCoordinates(int64_t d, Value row);
  /// Coordinate `d` of a key row, an i32; d = rank: its position.
  Value keyCoordinate(int64_t d, Value row);

  void loadQuery(Value batch, Value head);
  /// Make scratch.keyTable and scratch.valueTable the addresses of the tile's rows, which are where they
  /// lie or copies; with scratch.tileProducts, which has no use for addresses, scratch.keys and
  /// scratch.values the factors.
  void loadKeys(Value batch, Value head);
  void loadValues(Value batch, Value head);
  /// Asks for some keys and values of the tile that probably comes next; called for every `row`, a multiple
  /// of scratch.rowsAtOnce, of every block, it asks for all. Rows that a partial tile leaves out ask for none,
  /// which costs nothing measurable: the next tile is then a neighbour in the cache, mostly.
  void prefetchNext(Value batch, Value kvHead, Value block, Value row);
  /// Stores the rows of the staging memory that exist, and what `lse` says of them; where `splits` is above
  /// 1, as those of the part `split`.
  void storeRows(Value batch, Value head, Value rows, Value split, Value splits,
                 llvm::function_ref<Value(Value row)> lse);

private:
  /// The fields of KernelArgs that say where a tensor is, and its type.
  struct TensorFields {
    size_t pointer, strides;
    Type element;
  };
  TensorFields keyFields() {
    return {offsetof(KernelArgs, k), offsetof(KernelArgs, kStride),
            op.getKey().getType().getElementType()};
  }
  TensorFields valueFields() {
    return {offsetof(KernelArgs, v), offsetof(KernelArgs, vStride),
            op.getValue().getType().getElementType()};
  }
  using PositionOf = llvm::function_ref<RowPosition(Value row)>;

  RowPosition rowOf(Value row, llvm::ArrayRef<Value> origin, llvm::ArrayRef<int64_t> tile,
                    llvm::ArrayRef<Value> lengths, Value count);
  /// Rows that only pad the tile to the blocks are outside.
  RowPosition queryRow(Value row);
  /// The head of a row of the query tile, of those that follow `head`.
  Value headOf(Value head, Value row);
  RowPosition keyRow(Value row) { return keyRow(row, keyOrigin); }
  RowPosition keyRow(Value row, llvm::ArrayRef<Value> origin);
  llvm::SmallVector<Value> originOf(Value number, llvm::ArrayRef<int64_t> tile,
                                    llvm::ArrayRef<Value> lengths);
  Value rowAddress(const TensorFields &tensor, Value batch, Value head, Value token);
  /// The row's address in the tensor, or that of zeros where it is outside.
  Value sourceOf(const TensorFields &tensor, Value batch, Value head, const RowPosition &row);
  /// Both tables with where the rows lie, which share the work of finding them.
  void fillSources(Value batch, Value head);
  void fillTable(int64_t table, llvm::function_ref<Value(Value row)> addressOf);
  /// Rows as elements of products along the head dimension to `target`, `stride` elements apart.
  void loadRows(Type element, int64_t headDim, Value rows, llvm::function_ref<Value(Value row)> sourceOf,
                Value target, int64_t stride);
  void copyPairs(Value source, Value target, int64_t headDim);
  /// Each pair of the tile's values as a row of pairs.
  void loadValuePairs(Value batch, Value head);
  /// The tile's values as columns of pairs, those of rows outside as zeros.
  void turnValues();
  void turnBlock(Value key, Value d, int64_t elements);
  void storeRow(Type element, Value target, Value source);
  void fillCoordinates(int64_t offset, int64_t rows, PositionOf positionOf);
  Value coordinateAddress(int64_t offset, int64_t rows, int64_t d, Value row);
  Value boxWord(Value entry, int64_t index);
  void guessNextTile(Value entry);
  /// Visits [0, headDim) in vectors, the rest in scalars.
  void forElements(int64_t headDim, llvm::function_ref<void(Value, bool)> body);
  void nestBoxes(unsigned dim, Value entry, Value number,
                 llvm::function_ref<void(Value)> body);

  Emitter &e;
  tile::AttentionOp op;
  const Scratch &scratch;
  Value args, memory;
  unsigned rank;
  Type f32, i32, i64;
  Value queryRows; ///< i64, of the tile up to the last that can exist, a multiple of the block
  llvm::SmallVector<Value> queryLengths, keyLengths; ///< i64 per dimension
  llvm::SmallVector<Value> queryOrigin, keyOrigin;   ///< first token of the tile, i64 per dimension
  llvm::SmallVector<Value> nextOrigin;               ///< of the key tile that probably comes next
  Value queryCount, keyCount; ///< i64, tokens that exist; null where all of the layout do
};

} // namespace attn::cpu
