//===- Builders.h - syntax to IR ---------------------------------*- C++ -*-===//
//
// Functions that return a null attribute, a null op or failure have reported what went wrong.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/Attn.h"
#include "frontend/Source.h"
#include "frontend/Syntax.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

namespace attn {

/// What a mask of a kernel may speak of.
struct MaskScope {
  const Source &source;
  MaskContext layouts; ///< what the dialect's own checks ask for
  int64_t batch, heads, tokens, kvTokens;

  /// Of "batch", "heads", "tokens" or "kv_tokens"; ShapedType::kDynamic where known at run time
  /// only.
  int64_t extentOf(llvm::StringRef dimension) const;
};

/// The mask's attribute, checked against the layouts and inputs of `scope`.
mlir::Attribute buildMask(const syntax::Mask &mask, const MaskScope &scope);

/// Fills the score region of `attention`.
mlir::LogicalResult buildScore(const syntax::Score &score, const Source &source,
                               AttentionOp attention);

/// The function of one kernel, at the insertion point of `builder`.
mlir::func::FuncOp buildKernel(const syntax::Kernel &kernel, const Source &source,
                               mlir::OpBuilder &builder);

} // namespace attn
