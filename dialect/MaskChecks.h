//===- MaskChecks.h - what several mask kinds check --------------*- C++ -*-===//
#pragma once

#include "dialect/Attn.h"

namespace attn {

using EmitError = llvm::function_ref<mlir::InFlightDiagnostic()>;

/// At least `least` and below 2^40, so that sums of a few fit 64 bits by far.
mlir::LogicalResult verifyCount(EmitError emitError, mlir::StringRef what, int64_t value,
                                int64_t least = 0);
/// The kind `name` needs a layout of one dimension; `instead` is for a note.
mlir::LogicalResult verifyOneDimension(EmitError emitError, const MaskContext &context,
                                       mlir::StringRef name, mlir::StringRef instead);
/// Queries and keys share one layout of `rank` dimensions.
mlir::LogicalResult verifySharedLayout(EmitError emitError, const MaskContext &context,
                                       mlir::StringRef name, size_t rank);
/// The kind cannot speak of positions inside packed sequences.
mlir::LogicalResult verifyNotPacked(EmitError emitError, const MaskContext &context,
                                    mlir::StringRef name);

/// The input exists, has elements of `bits` bits and one of `ranks`. `shape` is how users write it.
mlir::LogicalResult verifyInput(EmitError emitError, const MaskContext &context,
                                mlir::FlatSymbolRefAttr name, llvm::ArrayRef<int64_t> ranks,
                                unsigned bits, mlir::StringRef shape);
/// Number of an input that `verifyInput` has found.
int32_t inputIndex(const MaskInputs &inputs, mlir::FlatSymbolRefAttr name);

} // namespace attn
