//===- Merge.cpp - partial outputs of split keys to one -------------------===//
//
// With l_s the log-sum-exp and o_s the output of part s, m = max l_s and w_s = exp(l_s - m):
//   o = sum w_s o_s / sum w_s,   lse = m + log(sum w_s)
// A part that has seen no key has l_s = -inf; where all have, o is 0 and lse -inf.
//
//===----------------------------------------------------------------------===//
#include "codegen/nvvm/Merge.h"

#include "codegen/nvvm/Gather.h"

using namespace mlir;

namespace attn::nvvm {
namespace {

class MergeLowering {
public:
  MergeLowering(OpBuilder &builder, tile::AttentionOp op, Value args)
      : e(builder, op.getLoc(), args), heads(op.getQuery().getType().getDimSize(1)),
        headDim(op.getValue().getType().getDimSize(3)),
        element(op.getQuery().getType().getElementType()),
        splits(e.intArgument(offsetof(KernelArgs, splits))) {}

  void run() {
    Type i32 = e.b.getI32Type();
    Value block = NVVM::BlockIdXOp::create(e.b, e.loc, i32);
    Value thread = e.add(e.mul(block, kMergeThreads), e.threadIndex());
    int64_t perRow = headDim / kMergedElements;
    row = e.div(thread, perRow);
    column = e.mul(e.rem(thread, perRow), kMergedElements);
    numQueries = e.intArgument(offsetof(KernelArgs, numQueries));
    rows = e.mul(e.mul(e.intArgument(offsetof(KernelArgs, batch)), heads), numQueries);
    e.when(e.lessThan(row, rows), [&] { mergeRow(); });
    LLVM::ReturnOp::create(e.b, e.loc, ValueRange{});
  }

private:
  /// Row of part `split` in the partial tensors, i64.
  Value partialRow(Value split) {
    return e.add(e.mul(e.toI64(split), e.toI64(rows)), e.toI64(row));
  }
  Value partialLse(Value split) {
    Value base = e.pointerArgument(offsetof(KernelArgs, partialLse));
    return e.load(e.b.getF32Type(), e.at(base, e.mul(partialRow(split), e.i64(4))));
  }
  Values partialOutput(Value split) {
    Value index = e.add(e.mul(partialRow(split), e.i64(headDim)), e.toI64(column));
    Value address =
        e.at(e.pointerArgument(offsetof(KernelArgs, partialO)), e.mul(index, e.i64(4)));
    Value vector = LLVM::LoadOp::create(e.b, e.loc, VectorType::get({kMergedElements}, e.b.getF32Type()),
                                        address, /*alignment=*/16);
    Values elements;
    for (int64_t i = 0; i < kMergedElements; ++i)
      elements.push_back(LLVM::ExtractElementOp::create(e.b, e.loc, vector, e.i32(i)));
    return elements;
  }

  /// What `step` makes of `state` for each part, one after the other. There is at least one.
  Values forParts(Values state, llvm::function_ref<Values(Value split, ValueRange state)> step) {
    Values carried{e.i32(0)};
    carried.append(state);
    Block *loop = e.appendBlock(ValueRange(carried).getTypes());
    Block *after = e.appendBlock(ValueRange(state).getTypes());
    e.jump(loop, carried);
    e.b.setInsertionPointToStart(loop);
    Value split = loop->getArgument(0);
    Values next = step(split, loop->getArguments().drop_front());
    Values again{e.add(split, 1)};
    again.append(next);
    e.branch(e.lessThan(again[0], splits), loop, again, after, next);
    e.b.setInsertionPointToStart(after);
    return Values(after->args_begin(), after->args_end());
  }

  void mergeRow() {
    Value max = forParts({e.negativeInfinity()}, [&](Value split, ValueRange state) -> Values {
      return {e.maxF(state[0], partialLse(split))};
    })[0];
    // Rows without a key subtract 0, so that their weights are exp(-inf).
    Value pivot = e.select(e.equalF(max, e.negativeInfinity()), e.f32(0), max);
    Values sums = forParts(Values(1 + kMergedElements, e.f32(0)), [&](Value split, ValueRange state) {
      Value weight = e.exp2(e.mulF(e.subF(partialLse(split), pivot), e.f32(kLog2e)));
      Values next{e.addF(state[0], weight)};
      for (auto [sum, part] : llvm::zip_equal(state.drop_front(), partialOutput(split)))
        next.push_back(e.fma(weight, part, sum));
      return next;
    });
    Value empty = e.equalF(sums[0], e.f32(0));
    Value inverse = e.select(empty, e.f32(0), e.reciprocal(sums[0]));
    Value lse = e.fma(e.log2(sums[0]), e.f32(kLn2), pivot);
    store(ValueRange(sums).drop_front(), inverse, e.select(empty, e.negativeInfinity(), lse));
  }

  void store(ValueRange sums, Value inverse, Value lse) {
    Value position = e.rem(row, numQueries), slice = e.div(row, numQueries);
    Value batch = e.div(slice, heads), head = e.rem(slice, heads);
    HeadSlice output =
        headSlice(e, offsetof(KernelArgs, o), offsetof(KernelArgs, oStride), 2, batch, head);
    Value address = e.at(tokenAddress(e, output, position), e.toI64(e.mul(column, 2)));
    for (size_t i = 0; i < sums.size(); i += 2)
      e.store(e.pack(e.mulF(sums[i], inverse), e.mulF(sums[i + 1], inverse), element),
              e.at(address, int64_t(2 * i)));
    e.when(e.equal(column, e.i32(0)), [&] {
      HeadSlice slice = headSlice(e, offsetof(KernelArgs, lse), offsetof(KernelArgs, lseStride), 4,
                                  batch, head);
      e.store(lse, tokenAddress(e, slice, position));
    });
  }

  Emitter e;
  int64_t heads, headDim;
  Type element;
  Value splits, numQueries, rows; ///< i32
  Value row, column;              ///< i32, of the thread's first element
};

} // namespace

void emitMerge(OpBuilder &b, Location loc, StringRef name, tile::AttentionOp op) {
  LLVM::LLVMFuncOp entry = createEntry(b, loc, name, kMergeThreads);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(entry.addEntryBlock(b));
  MergeLowering(b, op, entry.getArgument(0)).run();
}

} // namespace attn::nvvm
