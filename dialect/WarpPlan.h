//===- WarpPlan.h - how warps share the tiles of a GPU kernel ----*- C++ -*-===//
//
// What codegen/nvvm builds and the simulator predicts: kernels whose warps multiply with mma.sync. Plain numbers, so
// that both ask the same formulas.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstdint>

namespace attn {

/// The tiles of a kernel of 16-bit elements. Rows of the query tile count those of all heads packed into it.
struct WarpTiles {
  int64_t queryRows = 128, keyRows = 64;
  int64_t headDimQk = 128, headDimV = 128;
};

/// One thread block computes a query tile; a warp owns `blocks` * 16 neighbouring rows of it.
///
/// Registers of a thread: the output takes blocks * Dv / 2, the scores blocks * Bk / 2. Two row blocks halve
/// what a warp reads from shared memory per multiplication, so they are taken where those fit. Where a mask
/// or a score region then wants more registers than there are, words are kept in local memory: on an H200 kernels with 8 to
/// 40 bytes of it were still up to a fourth faster than those with one row block. causal & (window(256) | sink(64)) on 8192
/// tokens with head_dim 128 keeps 80 bytes; that was not compared with one row block.
///
/// Shared memory: the query tile, and `stages` key and value tiles, as many as do not cost the multiprocessor a
/// thread block; where that is less than two, two key tiles and one value tile. Rows are padded to 128 bytes.
struct WarpPlan {
  /// `sharedLimit`: bytes that a thread block may have. Query rows and keys are multiples of 16.
  WarpPlan(const WarpTiles &tiles, int64_t sharedLimit);

  static constexpr int64_t kMostRows = 128, kMostKeys = 128; ///< of a tile
  static constexpr int64_t kFewRows = 64;                    ///< of a query tile that keep four warps busy

  int64_t queryRows, keyRows, headDimQk, headDimV;
  int64_t blocks; ///< of 16 rows, per warp
  int64_t warps;
  int64_t stages;
  bool queryInRegisters; ///< else its fragments are read again for every key tile

  int64_t threads() const { return warps * 32; }
  int64_t rowsPerWarp() const { return blocks * 16; }
  /// Registers of a thread, about: what an assembler makes of it is known only afterwards.
  int64_t registers() const;
  /// Thread blocks that a multiprocessor with so many bytes of shared memory and 65,536 registers runs at a time.
  int64_t blocksAtOnce(int64_t sharedOfMultiprocessor) const;

  /// Bytes of a row of `headDim` 16-bit elements in shared memory.
  static int64_t rowBytes(int64_t headDim) { return (headDim * 2 + 127) / 128 * 128; }
  int64_t keyOffset() const { return queryRows * rowBytes(headDimQk); }
  int64_t keyTileBytes() const { return keyRows * rowBytes(headDimQk); }
  int64_t valueTileBytes() const { return keyRows * rowBytes(headDimV); }
  /// A slot is the place of a stage, or of a key tile where there are no stages.
  int64_t slots() const { return stages > 1 ? stages : 2; }
  int64_t slotBytes() const { return keyTileBytes() + (stages > 1 ? valueTileBytes() : 0); }
  int64_t valueOffset() const {
    return keyOffset() + (stages > 1 ? keyTileBytes() : 2 * keyTileBytes());
  }
  int64_t sharedBytes() const {
    return keyOffset() + slots() * slotBytes() + (stages > 1 ? 0 : valueTileBytes());
  }

private:
  void chooseStages(int64_t sharedLimit);
};

} // namespace attn
