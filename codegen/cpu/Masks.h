//===- Masks.h - mask regions on a block of queries --------------*- C++ -*-===//
#pragma once

#include "codegen/cpu/Regions.h"
#include "codegen/cpu/Tiles.h"

namespace attn::cpu {

/// Where a mask is applied: a block of queries and the key tile whose coordinates scratch memory has.
struct MaskPlace {
  Value batch, head; ///< i32
  Value block;       ///< i64, the first query
  Value listed;      ///< i32, see tile.for_keys
};

/// Emits the regions of tile.mask.
class MaskEmitter {
public:
  MaskEmitter(Emitter &e, tile::AttentionOp op, const Scratch &scratch, Tiles &tiles,
              const LaunchValues &launch, Value memory)
      : e(e), op(op), scratch(scratch), tiles(tiles), launch(launch), memory(memory) {}

  /// -inf for the scores of those keys that a query does not see.
  void hide(mlir::Block &formula, const MaskPlace &place, Range keys);
  /// Writes to scratch memory from which to which key some query of the block sees any, in multiples of what
  /// registers hold; as many as there are, twice, where none is seen.
  void findVisible(mlir::Block &formula, const MaskPlace &place);
  /// What findVisible has written.
  Range visible();

private:
  void enterTile(ElementRegion &region, const MaskPlace &place);
  void enterQueries(ElementRegion &region, Value row);
  void enterKey(ElementRegion &region, Value key);
  ElementRegion regionOf(mlir::Block &formula);
  unsigned queryArgument(unsigned d) { return 2 + d; }
  unsigned keyArgument(unsigned d) { return 2 + unsigned(op.getRank()) + d; }

  Emitter &e;
  tile::AttentionOp op;
  const Scratch &scratch;
  Tiles &tiles;
  const LaunchValues &launch;
  Value memory;
};

} // namespace attn::cpu
