//===- Lower.h - tile.attention to a GPU kernel ------------------*- C++ -*-===//
#pragma once

#include "codegen/nvvm/Plan.h"

namespace attn::nvvm {

/// Name of the dynamic shared memory in a lowered module.
constexpr llvm::StringLiteral kSharedName = "attn_shared";

/// Replaces the function that holds the attention by its kernel: arith on scalars, LLVM, NVVM.
void lowerAttention(TileOps ops, const Plan &plan);

} // namespace attn::nvvm
