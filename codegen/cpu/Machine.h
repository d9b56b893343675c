//===- Machine.h - the shape of code for an ISA level ------------*- C++ -*-===//
#pragma once

#include "dialect/Tile.h"
#include "runtime/CpuFeatures.h"

namespace attn::cpu {

/// Register blocking: `rows` x `vectors` accumulators of `width` floats live in registers. AVX-512 has
/// 32 registers (8 x 2 accumulators, 2 panel vectors, broadcasts from memory), AVX2 and SSE have 16.
struct Machine {
  int64_t width, rows, vectors;
  bool fma;
  bool dotsPairs;                ///< adds products of two pairs of bf16 in one instruction
  bool hasTileProducts;          ///< multiplies matrices of bf16 (Amx.h)
  llvm::StringRef cpu, features; ///< LLVM's name of the x86-64 level, and what it has besides
  int64_t columns() const { return width * vectors; }
};
Machine machineFor(IsaLevel isa);
/// The same for a kernel: one with few queries has narrower blocks.
Machine machineFor(IsaLevel isa, tile::AttentionOp op);

/// The buffers in a worker's scratch memory: offsets in bytes, strides in floats. Queries are the columns
/// of everything that is computed, `columns` of them (a block) at a time, so that the softmax of a query
/// stays in its lane and neither keys nor values are transposed. Rows and columns are padded to the
/// register blocking, so that the loops need no tails.
struct Scratch {
  Scratch(tile::AttentionOp op, const Machine &machine);

  int64_t columns;              ///< queries of a block
  int64_t queryRows, keyRows;   ///< of the tiles; a query tile's for all heads that are packed into it
  int64_t paddedQueries;        ///< queryRows up to a multiple of `columns`
  int64_t rowsAtOnce;           ///< of a product's result that are computed together
  int64_t paddedKeys, paddedDv; ///< up to multiples of rowsAtOnce
  int64_t headDimQk, headDimV;
  /// Products add pairs of bf16: an element of their factors is a pair, in the 4 bytes of a float, of
  /// neighbours along the depth.
  bool pairs;
  /// Products are those of AMX: keys are copied, values are turned into columns.
  bool tileProducts;
  int64_t depthQk, depthKeys;     ///< of the products, in elements: of a head dimension, of the keys
  int64_t keyStride, valueStride; ///< row lengths, odd numbers of cache lines
  int64_t panelRows, accRows;     ///< of a block: head dimensions up to multiples of machine.width
  /// What follows are elements: f32, or pairs where the buffer is a factor of a product.
  int64_t zeros;                  ///< [max(headDimQk, headDimV)]: a row outside the layout
  int64_t query;                  ///< [blocks][panelRows][columns]
  /// Whether keys and values are read where they lie: they need no conversion, and no row is read beyond
  /// its end.
  bool keysInPlace, valuesInPlace;
  int64_t keyTable, valueTable; ///< addresses [paddedKeys + machine.rows] of the tile's rows
  int64_t keys;                 ///< [paddedKeys][keyStride], unless in place
  int64_t staging;              ///< [paddedQueries][..Stride]: queries, outputs; shares `keys`
  int64_t values;               ///< [depthKeys][valueStride], unless in place
  int64_t turnedStride;         ///< with tileProducts `values` is [paddedDv][turnedStride]
  int64_t scores;                 ///< [paddedKeys][columns] of one block, later the weights
  int64_t acc;                    ///< f32 [blocks][accRows][columns]
  int64_t max, sum;               ///< f32 [paddedQueries]
  int64_t visible;                ///< i64 [2]: from and to of the block's keys in a partial tile
  int64_t queryCoords;            ///< i32 [rank + 1][paddedQueries]: coordinates, then row-major positions
  int64_t keyCoords;              ///< i32 [rank + 1][paddedKeys]
  int64_t bytes;
};

} // namespace attn::cpu
