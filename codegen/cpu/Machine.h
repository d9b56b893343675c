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
  llvm::StringRef cpu; ///< LLVM's name of the x86-64 level
  int64_t columns() const { return width * vectors; }
};
Machine machineFor(IsaLevel isa);

/// Offsets in bytes of the buffers in a worker's scratch memory, and their row lengths in floats. Rows
/// and columns are padded to the register blocking, so that the loops need no tails.
struct Scratch {
  Scratch(tile::AttentionOp op, const Machine &machine);

  int64_t queryRows, keyRows;   ///< of the tiles
  int64_t paddedQueries;        ///< queryRows up to a multiple of machine.rows
  int64_t paddedKeys, paddedDv; ///< row lengths of the key panel, the scores; of values, output
  int64_t headDimQk, headDimV;
  int64_t query;     ///< f32 [paddedQueries][headDimQk], scaled
  int64_t keyPanel;  ///< f32 [headDimQk][paddedKeys]
  int64_t scores;    ///< f32 [paddedQueries][paddedKeys], later the weights
  int64_t value;     ///< f32 [keyRows][paddedDv]
  int64_t acc;       ///< f32 [paddedQueries][paddedDv]
  int64_t max, sum;  ///< f32 [paddedQueries]
  int64_t keyCoords; ///< i32 [rank + 1][paddedKeys]: coordinates, then linear positions
  int64_t bytes;
};

} // namespace attn::cpu
