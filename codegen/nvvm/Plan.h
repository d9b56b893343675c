//===- Plan.h - how one attention is spread over a thread block --*- C++ -*-===//
#pragma once

#include "dialect/Targets.h"
#include "dialect/Tile.h"

namespace attn::nvvm {

/// The ops of a tile.attention, found by `matchTiles`, in the order in which a key tile runs them.
struct TileOps {
  tile::AttentionOp attention;
  tile::LoadOp query, key, value;
  tile::InitOp init;
  tile::ForKeysOp loop;
  tile::ScoresOp scores;
  tile::ScoreOp score; ///< null where there is no score region
  tile::MaskOp mask;   ///< null where no visited tile is partial
};

/// Checks that the body is the chain load, scores[, score][, mask], softmax, load, accumulate.
mlir::FailureOr<TileOps> matchTiles(tile::AttentionOp op);

/// One thread block computes a query tile, of `packedHeads` heads with the rows of one after those of the
/// other, filled up to a multiple of 16 rows; a warp owns `blocks` * 16 neighbouring rows of it.
///
/// Registers of a thread: the output takes blocks * Dv / 2, the scores blocks * Bk / 2. Two row blocks halve
/// what a warp reads from shared memory per multiplication, so they are taken where those fit.
///
/// Shared memory: the query tile, and `stages` key and value tiles (KeyStages.h), as many as do not cost the
/// multiprocessor a thread block; where that is less than two, two key tiles and one value tile. Rows are padded to 128 bytes,
/// and 16-byte chunk c of row r lies at chunk c ^ s(r) (swizzleOf in Gather.h, r & 7 for long rows), so that the
/// eight rows that ldmatrix reads at once lie in different banks, and so do the chunks that eight threads copy.
struct Plan {
  Plan(const TileOps &ops, const Target &target);

  int64_t packedHeads;
  int64_t queryRows, keyRows, headDimQk, headDimV;
  int64_t blocks;  ///< of 16 rows, per warp
  int64_t warps;
  int64_t stages;
  bool queryInRegisters; ///< else its fragments are read again for every key tile
  bool scaleFirst;       ///< scale the scores themselves, not only their exponents
  double scale;

  int64_t threads() const { return warps * 32; }
  int64_t rowsPerWarp() const { return blocks * 16; }
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
  void chooseStages(const Target &target);
};

/// The plan, or a diagnostic that says what of the attention the target has no code for.
mlir::FailureOr<Plan> planKernel(const TileOps &ops, const Target &target);

} // namespace attn::nvvm
