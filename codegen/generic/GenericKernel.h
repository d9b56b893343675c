//===- GenericKernel.h - attention without compiled code ---------*- C++ -*-===//
//
// One body for every kernel: it walks the tile maps as compiled kernels do and computes in f32, but
// interprets score and mask regions. Right away there, and many times slower. No MLIR; codegen/generic/
// EmitGeneric.h makes it of a tiled kernel.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/generic/LaneProgram.h"

#include <optional>

namespace attn::generic {

struct GenericKernel {
  KernelInfo info; ///< scratchBytes are those of this kernel
  float scale = 1;
  bool isBounded = false; ///< tile::AttentionOp::isBounded
  /// Regions as dialect/TileOps.td has them, with their arguments: of tile.score; of tile.mask, one for
  /// each formula, or none where tiles are full; of tile.init, likewise.
  std::optional<LaneProgram> score;
  std::vector<LaneProgram> masks, zeroKeys;

  int64_t scratchBytes() const;
  /// As CpuKernel says.
  void run(const KernelArgs &args, int64_t ticket, void *scratch) const;
};

} // namespace attn::generic
