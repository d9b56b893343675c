//===- EmitGeneric.h - tile to a kernel that is interpreted ------*- C++ -*-===//
#pragma once

#include "codegen/generic/GenericKernel.h"
#include "dialect/Tile.h"

namespace attn::generic {

/// A kernel for the same launches as a compiled one. Fails after a diagnostic, where the launch contract
/// (codegen/KernelInfoOf.h) cannot hold it, and where a region of MLIR text has an op that no spec in the
/// language makes.
mlir::FailureOr<GenericKernel> genericKernel(tile::AttentionOp op);

} // namespace attn::generic
