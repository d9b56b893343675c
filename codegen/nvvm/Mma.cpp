#include "codegen/nvvm/Mma.h"

#include "codegen/nvvm/Gather.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn::nvvm {

Values flatten(const Accumulator &matrix) {
  Values values;
  for (const auto &row : matrix)
    for (const Fragment &fragment : row)
      llvm::append_range(values, fragment);
  return values;
}

Accumulator unflatten(ValueRange &values, int64_t blocks, int64_t columnBlocks) {
  Accumulator matrix(blocks);
  for (auto &row : matrix)
    for (int64_t n = 0; n < columnBlocks; ++n) {
      row.push_back({values[0], values[1], values[2], values[3]});
      values = values.drop_front(4);
    }
  return matrix;
}

Accumulator zeros(Emitter &e, int64_t blocks, int64_t columnBlocks) {
  Value zero = e.f32(0);
  return Accumulator(blocks, llvm::SmallVector<Fragment, 0>(columnBlocks, {zero, zero, zero, zero}));
}

Lane::Lane(Emitter &e, const Plan &plan) {
  thread = e.threadIndex();
  lane = e.bitAnd(thread, 31);
  group = e.div(lane, 4);
  quad = e.bitAnd(thread, 3);
  firstRow = e.mul(e.div(thread, 32), plan.rowsPerWarp());
}

WarpProducts::WarpProducts(Emitter &emitter, const Plan &plan, const Lane &at, Value shared,
                           Type element)
    : e(emitter), plan(plan), lane(at.lane), keyBase(e.add(shared, plan.keyOffset())),
      element(element) {
  // ldmatrix takes the address of row i of its matrix j from lane 8 j + i. Of the query and the values
  // matrices 0 and 1 are 8 rows apart, 0 and 2 a chunk.
  Value row = e.bitAnd(lane, 15), odd = e.div(lane, 16);
  query = swizzled(shared, e.add(at.firstRow, row), odd, plan.headDimQk);
  value = swizzled(e.add(shared, plan.valueOffset()), row, odd, plan.headDimV);
}

WarpProducts::Swizzled WarpProducts::swizzled(Value base, Value row, Value oddChunk,
                                              int64_t headDim) {
  Swizzled result{Value(), Plan::rowBytes(headDim)};
  Value start = e.add(base, e.mul(row, result.rowBytes));
  Value chunk = e.mul(e.bitXor(oddChunk, swizzleOf(e, lane, headDim)), 16);
  result.first = e.add(start, chunk);
  return result;
}

Fragment WarpProducts::loadMatrices(const Swizzled &addresses, int64_t pair, int64_t row,
                                    bool transposed) {
  Type i32 = e.b.getI32Type();
  Type result = LLVM::LLVMStructType::getLiteral(e.b.getContext(), {i32, i32, i32, i32});
  std::string load = std::string("ldmatrix.sync.aligned.m8n8.x4") + (transposed ? ".trans" : "") +
                     ".shared.b16 {$0, $1, $2, $3}, [";
  std::string offset = "+" + std::to_string(pair / 4 * 128 + row * addresses.rowBytes) + "];";
  std::string text =
      pair % 4 == 0 ? load + "$4" + offset
                    : "{ .reg .b32 a; xor.b32 a, $4, " + std::to_string(pair % 4 * 32) + "; " +
                          load + "a" + offset + " }";
  Value four = e.sharedPtx(result, text, "=r,=r,=r,=r,r,~{memory}", addresses.first);
  return {e.field(four, 0), e.field(four, 1), e.field(four, 2), e.field(four, 3)};
}

void WarpProducts::multiply(Fragment &acc, const Fragment &a, Value b0, Value b1) {
  Values left(a.begin(), a.end()), right{b0, b1};
  if (element.isF16())
    for (Values *operands : {&left, &right})
      for (Value &operand : *operands)
        operand = LLVM::BitcastOp::create(e.b, e.loc, VectorType::get({2}, element), operand);
  NVVM::MMATypes type = element.isF16() ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
  Type f32 = e.b.getF32Type();
  Type result = LLVM::LLVMStructType::getLiteral(e.b.getContext(), {f32, f32, f32, f32});
  Value product = NVVM::MmaOp::create(
      e.b, e.loc, result, left, right, ValueRange(acc), ArrayRef<int64_t>{16, 8, 16}, std::nullopt,
      std::nullopt, std::array{type, type},
      std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
  for (int64_t i = 0; i < 4; ++i)
    acc[i] = e.field(product, i);
}

void WarpProducts::loadQuery() {
  if (!plan.queryInRegisters)
    return;
  queryFragments.resize(plan.blocks);
  for (int64_t block = 0; block < plan.blocks; ++block)
    for (int64_t step = 0; step < plan.headDimQk / 16; ++step)
      queryFragments[block].push_back(
          loadMatrices(query, step, block * 16, /*transposed=*/false));
}

Fragment WarpProducts::queryFragment(int64_t block, int64_t step) {
  if (plan.queryInRegisters)
    return queryFragments[block][step];
  return loadMatrices(query, step, block * 16, /*transposed=*/false);
}

Accumulator WarpProducts::scores(Value slot) {
  Accumulator result = zeros(e, plan.blocks, plan.keyRows / 8);
  // Of the keys matrices 0 and 1 are a chunk apart, 0 and 2 8 rows: (0, 1) and (2, 3) are the B
  // fragments of two neighbouring column blocks.
  Value row = e.add(e.bitAnd(lane, 7), e.mul(e.div(lane, 16), 8));
  Value odd = e.bitAnd(e.div(lane, 8), 1);
  Swizzled key = swizzled(e.add(keyBase, slot), row, odd, plan.headDimQk);
  for (int64_t step = 0; step < plan.headDimQk / 16; ++step) {
    llvm::SmallVector<Fragment> a;
    for (int64_t block = 0; block < plan.blocks; ++block)
      a.push_back(queryFragment(block, step));
    for (int64_t n = 0; n < plan.keyRows / 8; n += 2) {
      Fragment b = loadMatrices(key, step, n * 8, /*transposed=*/false);
      for (int64_t block = 0; block < plan.blocks; ++block) {
        multiply(result[block][n], a[block], b[0], b[1]);
        multiply(result[block][n + 1], a[block], b[2], b[3]);
      }
    }
  }
  return result;
}

/// The A fragment of 16 columns is what the lane holds of two neighbouring accumulators, rounded.
Fragment WarpProducts::weightFragment(const Accumulator &weights, int64_t block, int64_t step) {
  const Fragment &low = weights[block][2 * step], &high = weights[block][2 * step + 1];
  return {e.pack(low[0], low[1], element), e.pack(low[2], low[3], element),
          e.pack(high[0], high[1], element), e.pack(high[2], high[3], element)};
}

Accumulator WarpProducts::accumulate(const Accumulator &weights, const Accumulator &acc,
                                     Value slot) {
  Accumulator result = acc;
  Swizzled tile{e.add(value.first, slot), value.rowBytes};
  for (int64_t step = 0; step < plan.keyRows / 16; ++step) {
    llvm::SmallVector<Fragment> a;
    for (int64_t block = 0; block < plan.blocks; ++block)
      a.push_back(weightFragment(weights, block, step));
    // Transposed, matrices (0, 1) and (2, 3) are the B fragments of two column blocks.
    for (int64_t n = 0; n < plan.headDimV / 8; n += 2) {
      Fragment b = loadMatrices(tile, n / 2, step * 16, /*transposed=*/true);
      for (int64_t block = 0; block < plan.blocks; ++block) {
        multiply(result[block][n], a[block], b[0], b[1]);
        multiply(result[block][n + 1], a[block], b[2], b[3]);
      }
    }
  }
  return result;
}

} // namespace attn::nvvm
