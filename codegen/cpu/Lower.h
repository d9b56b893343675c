//===- Lower.h - tile.attention to loops and vectors -------------*- C++ -*-===//
#pragma once

#include "codegen/cpu/Machine.h"

namespace attn::cpu {

/// Replaces the func.func that holds `op` by the kernel: scf loops over vector code on LLVM pointers.
mlir::LogicalResult lowerAttention(tile::AttentionOp op, const Machine &machine);

} // namespace attn::cpu
