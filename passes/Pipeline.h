//===- Pipeline.h - from attention to tiles, for any target ------*- C++ -*-===//
#pragma once

#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/SmallVector.h"

#include <string>

namespace attn {

/// Tile extents per dimension of the token layout; empty: chosen by the compiler.
struct TilingOptions {
  llvm::SmallVector<int64_t> queryTile, keyTile;
  /// For which they are chosen: a GPU, by its name in simulator/time/Machine.h, empty for the target's first
  /// one; or the ISA level of a processor, by its name in runtime/CpuFeatures.h, empty for AVX-512, and
  /// another name for none, which gets the tiles that suit any target.
  std::string machine;
};

/// Appends the passes that turn attn into tile. The module needs no target yet.
void buildTilingPipeline(mlir::OpPassManager &pm, const TilingOptions &options = {});

} // namespace attn
