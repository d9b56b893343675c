//===- Mma.h - matrix products of a warp -------------------------*- C++ -*-===//
//
// mma.sync m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16"). Of a 16 x 8 accumulator, lane l holds
// elements 0, 1 of row g and 2, 3 of row g + 8, in columns 2t and 2t + 1; g = l / 4, t = l % 4.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/nvvm/Emitter.h"
#include "codegen/nvvm/Plan.h"

#include <array>

namespace attn::nvvm {

using Fragment = std::array<Value, 4>;
/// A warp's part of a matrix of f32: [row block of 16][column block of 8].
using Accumulator = llvm::SmallVector<llvm::SmallVector<Fragment, 0>, 2>;

Values flatten(const Accumulator &matrix);
/// The inverse for a matrix of this many blocks; takes its values from the front of `values`.
Accumulator unflatten(ValueRange &values, int64_t blocks, int64_t columnBlocks);
Accumulator zeros(Emitter &e, int64_t blocks, int64_t columnBlocks);

/// Where a thread stands in its block. All i32.
struct Lane {
  Lane(Emitter &e, const Plan &plan);

  Value thread, lane;
  Value group, quad;  ///< g and t
  Value firstRow;     ///< of the warp, in the query tile
};

class WarpProducts {
public:
  /// `shared` is the address of the shared memory that Plan.h lays out.
  WarpProducts(Emitter &e, const Plan &plan, const Lane &lane, Value shared, Type element);

  /// Reads the query fragments, where the plan keeps them in registers. Needs the query tile to be there.
  void loadQuery();
  /// query . key^T for the key tile that lies `slot` (i32) bytes after Plan::keyOffset().
  Accumulator scores(Value slot);
  /// acc + weights . value for the value tile that lies `slot` bytes after Plan::valueOffset(). The weights
  /// are rounded to the element type.
  Accumulator accumulate(const Accumulator &weights, const Accumulator &acc, Value slot);

private:
  /// Where a lane reads with ldmatrix.x4: for chunk pair j at (first ^ 32 * (j % 4)) + 128 * (j / 4), because
  /// only the low three bits of a chunk's number are swizzled. Rows are added in multiples of 8. The xor is
  /// part of the inline PTX, where ptxas may repeat it instead of keeping four addresses alive.
  struct Swizzled {
    Value first;
    int64_t rowBytes;
  };
  Swizzled swizzled(Value base, Value row, Value oddChunk, int64_t headDim);
  Fragment loadMatrices(const Swizzled &addresses, int64_t pair, int64_t row, bool transposed);
  Fragment queryFragment(int64_t block, int64_t step);
  void multiply(Fragment &acc, const Fragment &a, Value b0, Value b1);
  Fragment weightFragment(const Accumulator &weights, int64_t block, int64_t step);

  Emitter &e;
  const Plan &plan;
  Value lane;
  Value keyBase;
  Type element;
  Swizzled query, value;
  llvm::SmallVector<llvm::SmallVector<Fragment>> queryFragments; ///< [block][step]
};

} // namespace attn::nvvm
