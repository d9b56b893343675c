//===- Gather.h - boxes of tokens to shared memory ---------------*- C++ -*-===//
#pragma once

#include "codegen/nvvm/Emitter.h"
#include "codegen/nvvm/Plan.h"

namespace attn::nvvm {

/// The number of a row in a tile: `base` + `rest`, 0 <= rest < bound. Where the tile's extents allow
/// it the constant part is split into coordinates when compiling.
struct RowIndex {
  int64_t base;
  Value rest;
  int64_t bound;
};

/// The queries' or the keys' layout and its tiles. Everything is i32.
struct Grid {
  Values lengths;                    ///< tokens per dimension
  llvm::ArrayRef<int64_t> tile;      ///< extents of a tile
  Value count;                       ///< tokens that exist; null where all of the layout do
  /// Heads whose rows follow each other in a tile, each a box of `tile`; rows beyond the last head exist
  /// where `padded`.
  int64_t heads = 1;
  bool padded = false;

  unsigned rank() const { return tile.size(); }
};
Grid queryGrid(Emitter &e, tile::AttentionOp op, const Plan &plan);
Grid keyGrid(Emitter &e, tile::AttentionOp op);

/// Coordinates inside the tile of one of its rows; in front of them the row's head, where there are several.
Values localCoords(Emitter &e, const Grid &grid, RowIndex row);
/// First token of the tile with these coordinates in the grid of tiles.
Values originOf(Emitter &e, const Grid &grid, ValueRange tileCoords);
/// Coordinates in the grid of tiles of the tile with a row-major number.
Values tileCoordsOf(Emitter &e, const Grid &grid, Value number);

/// A row of a tile on the layout: its coordinates, its row-major position, whether it exists, and how far
/// its head lies behind the tile's first one, null where the grid has one.
struct Token {
  Values coords;
  Value position, inside, head;
};
Token tokenOf(Emitter &e, const Grid &grid, ValueRange origin, ValueRange local);

/// A tensor [B, H, N, D] at one batch entry and head.
struct HeadSlice {
  Value base;        ///< pointer to global memory
  Value tokenStride; ///< i32, in bytes
  Value headStride;  ///< i64, in bytes
};
/// `pointer` and `strides` are offsets of fields of KernelArgs.
HeadSlice headSlice(Emitter &e, size_t pointer, size_t strides, int64_t elementBytes, Value batch,
                    Value head);
/// Address of a token of the slice, or of that of a head behind the slice's, if one is given.
Value tokenAddress(Emitter &e, const HeadSlice &slice, Value position, Value head = {});

/// What the number of a chunk is combined with by exclusive or: of eight neighbouring rows, a different number
/// for each, so that ldmatrix reads one chunk of all without a conflict of banks; and, of as many rows as eight
/// threads copy at once, numbers that part their chunks.
Value swizzleOf(Emitter &e, Value row, int64_t headDim);

/// Starts to copy the rows of a tile to shared memory at `target` (i32), swizzled as Plan.h says. Rows
/// outside the layout, and all rows unless `valid`, are filled with zeros.
struct TileCopy {
  const Grid &grid;
  int64_t rows, headDim;
  int64_t threads;
  Value thread;
};
void copyTile(Emitter &e, const TileCopy &copy, const HeadSlice &slice, ValueRange origin,
              Value target, Value valid);

/// A step of the walk over the key tiles that a query tile visits.
struct KeyTile {
  Values coords; ///< in the grid of key tiles
  Value box;     ///< i32, number of its box among those of the query tile

  Values flat() const;
  static KeyTile unflatten(ValueRange values);
};

/// Walks the boxes of a part of a query tile's keys, last dimension fastest, without branches.
class BoxWalk {
public:
  /// `part` is the number of a part of a query tile, `parts` that of all of them.
  BoxWalk(Emitter &e, const Plan &plan, tile::AttentionOp op, Value batch, Value head, Value part,
          Value parts);

  Value any(); ///< i1: there is a key tile
  KeyTile first();
  KeyTile next(const KeyTile &tile);
  /// i1: `tile` lies before the end. A tile beyond it has sane coordinates.
  Value exists(const KeyTile &tile);
  /// i32, of the box of a tile that exists (KernelArgs::boxes). Read again for every tile instead of
  /// carried along, for want of registers.
  Value flags(const KeyTile &tile) { return word(tile.box, 2 * rank); }

private:
  unsigned wordBytes() const { return rank == 1 ? 4 : 2; }
  Value word(Value box, unsigned field);
  Values corner(Value box, unsigned firstField);

  Emitter &e;
  unsigned rank;
  Value boxes; ///< pointer to the first box
  Value count; ///< i32
};

} // namespace attn::nvvm
