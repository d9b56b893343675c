//===- Math.h - matrix products, exponentials, conversions -------*- C++ -*-===//
#pragma once

#include "codegen/cpu/Emitter.h"

namespace attn::cpu {

/// A matrix of f32 in scratch memory, rows `stride` floats apart.
struct Matrix {
  Value base;
  int64_t stride;
};

/// c[0 .. rows) = a . b, or c += a . b with `accumulate`. `rows` is a multiple of machine.rows at run
/// time, `columns` a multiple of machine.columns(), `depth` what they have in common.
void emitProduct(Emitter &e, Matrix a, Matrix b, Matrix c, Value rows, int64_t columns,
                 int64_t depth, bool accumulate);

/// 2^x of a vector, at most 2 ulp wrong, 0 below -126 (and for -inf), NaN for NaN; x <= 0.
Value emitExp2(Emitter &e, Value x);

/// Reads a vector (or scalar, when `vector` is false) of `element` and widens it to f32.
Value emitLoadAsF32(Emitter &e, Value address, Type element, bool vector);
/// Rounds f32, vector or scalar, to nearest even and stores it as `element`.
void emitStoreFromF32(Emitter &e, Value value, Value address, Type element);

} // namespace attn::cpu
