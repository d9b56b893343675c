//===- KernelInfoOf.h - what the launch of a kernel needs to know -*- C++ -*-===//
#pragma once

#include "dialect/Tile.h"
#include "runtime/KernelInfo.h"

namespace attn {

/// Everything in KernelInfo that is the same for every target: all but `target`, `scratchBytes`,
/// `threadsPerBlock` and `sharedBytes`. `name` and `entry` are the name of the function that holds
/// `op`. `tokens` and `kvTokens` are the tiled layouts, where masks of linear positions see one
/// dimension; a caller that knows the layout of the spec overwrites them.
/// Fails, with a diagnostic on `op`, where the launch contract cannot hold the kernel.
mlir::FailureOr<KernelInfo> kernelInfoOf(tile::AttentionOp op);

/// The same for processors, all but `scratchBytes`: what compiled kernels and generic ones have in common.
mlir::FailureOr<KernelInfo> kernelInfoOnCpu(tile::AttentionOp op);

} // namespace attn
