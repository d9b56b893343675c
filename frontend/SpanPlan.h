//===- SpanPlan.h - elastic spans from a file --------------------*- C++ -*-===//
#pragma once

#include "frontend/Source.h"

namespace attn {

/// The spans of one layer, one for each head.
struct SpanPlan {
  llvm::SmallVector<double> alphas, betas;
};

/// Layer `layer` of the JSON file `path`, `{"alphas": [[..], ..], "betas": [[..], ..]}`: for each
/// layer the numbers of its heads; other keys are passed over. A relative path starts at the folder
/// of `source`, or at the working directory where the text is not from a file. Failure has been
/// reported: at `layerLoc` what concerns the layer, at `loc` the rest.
mlir::FailureOr<SpanPlan> readSpanPlan(llvm::StringRef path, llvm::SMLoc loc, int64_t layer,
                                       llvm::SMLoc layerLoc, const Source &source);

} // namespace attn
