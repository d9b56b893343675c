//===- RegionMath.h - math ops of score and mask regions ---------*- C++ -*-===//
#pragma once

#include "codegen/nvvm/Emitter.h"

namespace attn::nvvm {

/// Whether `emitRegionMath` knows the op: math ops on f32 and i32, and the division of floats.
bool hasRegionMath(mlir::Operation *op);
/// "'math.exp', 'math.log' and ..."; for diagnostics.
std::string regionMathNames();
/// Exponentials and logarithms use the special function unit: a few ulp wrong, subnormals flushed.
Value emitRegionMath(Emitter &e, mlir::Operation *op, ValueRange operands);
/// A copy of an arith op with one result; an index becomes an i64.
Value cloneScalar(Emitter &e, mlir::Operation &op, ValueRange operands);
/// arith.index_cast(ui) of the region, where an index is an i64.
Value emitIndexCast(Emitter &e, mlir::Operation &op, Value operand);

} // namespace attn::nvvm
