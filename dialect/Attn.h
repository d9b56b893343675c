//===- Attn.h - the attn dialect --------------------------------*- C++ -*-===//
#pragma once

#include "dialect/algebra/Formula.h"

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

/// What a mask is checked against. Dynamic lengths are mlir::ShapedType::kDynamic.
struct MaskContext {
  llvm::ArrayRef<int64_t> queryDims, keyDims;
  llvm::ArrayRef<mlir::StringRef> inputNames;
  llvm::ArrayRef<mlir::Type> inputTypes;
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
