//===- Merge.h - partial outputs of split keys to one -----------*- C++ -*-===//
#pragma once

#include "codegen/nvvm/Emitter.h"
#include "dialect/Tile.h"

namespace attn::nvvm {

/// What the name of the merging kernel has behind that of the kernel. No kernel of a spec is called so.
constexpr const char *kMergeSuffix = "$merge";

/// The kernel that makes o and lse of what the parts of a launch with split keys have left in
/// KernelArgs::partialO and partialLse. A thread makes kMergedElements neighbouring elements of a row.
void emitMerge(mlir::OpBuilder &b, mlir::Location loc, llvm::StringRef name, tile::AttentionOp op);

} // namespace attn::nvvm
