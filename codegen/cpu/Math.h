//===- Math.h - matrix products, exponentials, conversions -------*- C++ -*-===//
#pragma once

#include "codegen/cpu/Emitter.h"

namespace attn::cpu {

/// The factor of a product whose elements are broadcast. Its lines lie anywhere: `table` holds the address
/// of each. A line is a row, and its elements are the depth, or the other way round.
struct Broadcasts {
  Value table;
  bool linesAreRows;
};

/// Where the sums of a product begin, and where they go: both are called once per vector of a row of
/// c[rows][columns], columns = machine.columns(). `begin` may be null: zeros.
struct Sums {
  llvm::function_ref<Value(Value row, int64_t vector)> begin;
  llvm::function_ref<void(Value sum, Value row, int64_t vector)> end;
  /// Called before machine.rows rows are computed, if not null.
  llvm::function_ref<void(Value row)> prepare;
};

/// Numbers from <= i < to, i64.
struct Range {
  Value from, to;
};

/// sum[row][column] = begin + sum over the k of `depth` of a(row, k) * b[k][column], in f32, b contiguous. The
/// ends of `rows` are multiples of machine.rows. Elements of a and b are f32, or with `pairs` two bf16 each, whose
/// products are added.
void emitProduct(Emitter &e, const Broadcasts &a, Value b, Range rows, Range depth, bool pairs,
                 const Sums &sums);

/// (low[i], high[i]) as pairs of bf16, each rounded to nearest even, in the lanes of a vector of f32.
/// Needs machine.dotsPairs.
Value emitPairs(Emitter &e, Value low, Value high);

/// The rows become columns: machine.width vectors of as many elements.
llvm::SmallVector<Value> emitTransposed(Emitter &e, llvm::SmallVector<Value> rows);

/// 2^x of a vector, at most 2 ulp wrong, 0 below -126.5 (and for -inf), NaN for NaN; x <= 0.
Value emitExp2(Emitter &e, Value x);

/// Reads a vector (or scalar, when `vector` is false) of `element` and widens it to f32.
Value emitLoadAsF32(Emitter &e, Value address, Type element, bool vector);
/// Rounds f32, vector or scalar, to nearest even and stores it as `element`.
void emitStoreFromF32(Emitter &e, Value value, Value address, Type element);

} // namespace attn::cpu
