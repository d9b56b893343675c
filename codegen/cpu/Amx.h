//===- Amx.h - products of matrices in tile registers ------------*- C++ -*-===//
//
// Intel SDM volume 1, chapter 18: eight registers of 16 rows of 64 bytes. TDPBF16PS adds to 16 x 16 sums of
// f32 the products of 16 x 16 pairs of bf16, in 16 cycles. Here 2 x 2 registers hold sums, so that each
// factor that is loaded serves two products, and loads take half the cycles of the products.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/cpu/Emitter.h"

namespace attn::cpu {

/// Rows of a result that are computed together, and the depth of one step, in pairs.
constexpr int64_t kTileProductRows = 32, kTileProductDepth = 16;

/// c[row][column] = sum over k < depth of a[row][k] * b[k][column] for machine.columns() = 32 columns, in f32.
/// Elements of a and b are pairs of bf16; rows of a are `stride` of them apart, b and c are contiguous. Denormals
/// count as zeros. `rows` and `depth` are multiples of the two numbers above.
struct TileProduct {
  Value a;
  int64_t stride;
  Value b, c;
  int64_t rows, depth;
  bool adds; ///< to what is in c
  /// Called after kTileProductRows rows are computed, if not null.
  llvm::function_ref<void(Value row)> finish;
};
void emitTileProduct(Emitter &e, const TileProduct &product);

} // namespace attn::cpu
