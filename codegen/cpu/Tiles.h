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

  /// Returns how many rows must be computed: up to the last that can exist, padded to machine.rows.
  Value enterQueryTile(Value number);
  RowPosition queryRow(Value row);
  /// Calls the body for every tile the query tile visits, with the key coordinates in scratch memory.
  void forKeyTiles(Value batch, Value head, Value queryTile,
                   llvm::function_ref<void(const VisitedTile &)> body);
  /// Vector of coordinate `d` of the key rows from `column` on; d = rank: of their positions.
  Value keyCoordinate(int64_t d, Value column);

  void loadQuery(Value batch, Value head, float scale);
  void loadKeys(Value batch, Value head);
  void loadValues(Value batch, Value head);
  void storeLse(Value batch, Value head, Value token, Value lse);
  /// Stores scale * read(d) to the token's output row; read returns a vector or a scalar.
  void storeOutput(Value batch, Value head, Value token, Value scale,
                   llvm::function_ref<Value(Value, bool)> read);

private:
  RowPosition rowOf(Value row, llvm::ArrayRef<Value> origin, llvm::ArrayRef<int64_t> tile,
                    llvm::ArrayRef<Value> lengths, Value count);
  RowPosition keyRow(Value row);
  llvm::SmallVector<Value> originOf(Value number, llvm::ArrayRef<int64_t> tile,
                                    llvm::ArrayRef<Value> lengths);
  /// Address of the row (batch, head, token) of a tensor whose pointer and strides are these fields.
  Value rowAddress(size_t pointer, size_t strides, Type element, Value batch, Value head,
                   Value token);
  Value boxWord(Value entry, int64_t index);
  void fillKeyCoordinates();
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
  llvm::SmallVector<Value> queryLengths, keyLengths; ///< i64 per dimension
  llvm::SmallVector<Value> queryOrigin, keyOrigin;   ///< first token of the tile, i64 per dimension
  Value queryCount, keyCount; ///< i64, tokens that exist; null where all of the layout do
};

} // namespace attn::cpu
