//===- Pipeline.h - from attention to tiles, for any target ------*- C++ -*-===//
#pragma once

#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/SmallVector.h"

namespace attn {

/// Tile extents per dimension of the token layout; empty: chosen by the compiler.
struct TilingOptions {
  llvm::SmallVector<int64_t> queryTile, keyTile;
};

/// Appends the passes that turn attn into tile. The module needs no target yet.
void buildTilingPipeline(mlir::OpPassManager &pm, const TilingOptions &options = {});

} // namespace attn
