//===- TileShapes.h - which tiles to use when nobody says so -----*- C++ -*-===//
#pragma once

#include "dialect/Attn.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace attn {

/// Tokens of a usual tile, which suits any target: exactly this many, fewer only where a mask's blocks are smaller.
constexpr int64_t kTileTokens = 128;

/// The layouts as they are tiled, and the tiles. Lengths are in tokens,
/// `mlir::ShapedType::kDynamic` where known only at run time; tile extents are powers of two and
/// their product is kTileTokens. All four have one rank, except that layouts of different rank that
/// are not flattened keep theirs.
///
/// Where every mask keeps a query to keys a multiple of a step apart from it, as dilated ones do, the
/// layout is split into positions and residues (#attn.split): a tile then holds tokens of one residue,
/// and no tile of another one is visited.
struct TileChoice {
  llvm::SmallVector<int64_t> layout;   ///< of the queries
  llvm::SmallVector<int64_t> kvLayout; ///< of the keys
  llvm::SmallVector<int64_t> queryTile, keyTile;
  llvm::SmallVector<int64_t> steps;    ///< of the split, for each dimension of the spec; empty: none
  /// The attribute of these layouts.
  LayoutAttr queryLayoutOf(AttentionOp op) const { return layoutOf(op.getTokens(), layout); }
  LayoutAttr keyLayoutOf(AttentionOp op) const { return layoutOf(op.getKvTokens(), kvLayout); }

private:
  LayoutAttr layoutOf(LayoutAttr spec, llvm::ArrayRef<int64_t> dims) const {
    return (steps.empty() ? spec : spec.splitBy(steps)).withDims(dims);
  }
};

/// Tiles for queries on `tokens` and keys on `kvTokens` (1 to 4 dimensions each). With `linear` the
/// layouts are flattened to one dimension. Otherwise a tile is a box, 8x16, 2x8x8 or 2x2x4x8; where a
/// dimension is shorter than that, the box shrinks to the next power of two and grows in the
/// dimensions with room, else beyond the end of the last one. Dynamic dimensions count as long.
TileChoice chooseTiles(llvm::ArrayRef<int64_t> tokens, llvm::ArrayRef<int64_t> kvTokens,
                       bool linear);

/// Most tokens of a tile that is only simulated.
constexpr int64_t kMaxSimulatedTile = 1 << 16;

/// The tiles asked for, and chosen ones where one of them is empty. `linear`: no mask of the
/// attention needs its layout. Tiles of the split layout's rank split it, those of another rank than
/// the layout's flatten it. After a diagnostic at the attention, failure: ranks that do not agree,
/// extents below 1, more than `maxTokens` in a tile, tiles that do not divide the blocks of a mask.
mlir::FailureOr<TileChoice> tilesOf(AttentionOp op, bool linear, llvm::ArrayRef<int64_t> queryTile,
                                    llvm::ArrayRef<int64_t> keyTile, int64_t maxTokens);

} // namespace attn
