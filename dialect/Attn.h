//===- Attn.h - the attn dialect --------------------------------*- C++ -*-===//
#pragma once

#include "dialect/algebra/FormulaBuilder.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace attn {

class LayoutAttr;

/// `base` tokens, and any multiple of `unit` more; 0 where the number is fixed.
struct TokenCount {
  int64_t base = 0, unit = 0;
  bool fits(int64_t tokens) const {
    return unit ? tokens >= base && (tokens - base) % unit == 0 : tokens == base;
  }
};

/// What happens to a neighbourhood's keys outside the layout.
enum class Border {
  Shift, ///< the window is moved inside
  Clip,  ///< they do not exist
  Zero   ///< they have score 0 and value 0
};

/// The run-time inputs of an attention, in order.
struct MaskInputs {
  llvm::SmallVector<mlir::StringRef> names;
  llvm::SmallVector<mlir::Type> types;
};

/// What a mask is checked against. Dynamic lengths are mlir::ShapedType::kDynamic. Layouts are passed by
/// their dimensions and the names of their token groups.
struct MaskContext {
  llvm::ArrayRef<int64_t> queryDims, keyDims;
  llvm::ArrayRef<mlir::StringRef> inputNames;
  llvm::ArrayRef<mlir::Type> inputTypes;
  int64_t heads = 1;
  llvm::ArrayRef<mlir::StringRef> groupNames = {};
  int64_t groupTokens = 0; ///< that exist in all token groups, where there are any
  /// Inside packed sequences, whose queries and keys have the same lengths if `isSelfPacked`.
  bool isPacked = false, isSelfPacked = false;
};

/// A number of a mask kind that can be varied: one value, or one for each dimension of the layout.
struct MaskParameter {
  mlir::StringRef name; ///< "window"
  llvm::SmallVector<int64_t> values;
};

/// tensor<BxHxNxf32> for an output of type tensor<BxHxNxDx...>.
mlir::Type lseTypeOf(mlir::Type output);

} // namespace attn

#include "dialect/MaskInterface.h.inc"

#include "dialect/AttnDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/AttnMasks.h.inc"
#define GET_OP_CLASSES
#include "dialect/AttnOps.h.inc"
