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
  MaskContext layouts; ///< what the dialect's own checks ask for; inside the sequences, if packed
  LayoutAttr keyLayout;
  int64_t batch, heads, tokens, kvTokens;

  /// Of "batch", "heads", "tokens" or "kv_tokens"; ShapedType::kDynamic where known at run time
  /// only.
  int64_t extentOf(llvm::StringRef dimension) const;
  MaskInputs inputs() const {
    return {llvm::SmallVector<mlir::StringRef>(layouts.inputNames),
            llvm::SmallVector<mlir::Type>(layouts.inputTypes)};
  }
};

/// The mask's attribute, checked against the layouts and inputs of `scope`.
mlir::Attribute buildMask(const syntax::Mask &mask, const MaskScope &scope);

/// Warns once about heads that provably see no key. What takes long to prove is left alone.
void warnAboutBlindHeads(AttentionOp attention, const Source &source, const syntax::Word &kernel);

/// Fills the score region of `attention`, whose inputs are those declared.
mlir::LogicalResult buildScore(const syntax::Score &score, const Source &source,
                               llvm::ArrayRef<syntax::Input> inputs, AttentionOp attention);

/// The function of one kernel, at the insertion point of `builder`.
mlir::func::FuncOp buildKernel(const syntax::Kernel &kernel, const Source &source,
                               mlir::OpBuilder &builder);

} // namespace attn
