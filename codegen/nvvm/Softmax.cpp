#include "codegen/nvvm/Softmax.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn::nvvm {

Values SoftmaxState::flat() const {
  Values values = flatten(acc);
  llvm::append_range(values, max);
  llvm::append_range(values, sum);
  return values;
}

SoftmaxState SoftmaxState::unflatten(ValueRange &values, const Plan &plan) {
  SoftmaxState state;
  state.acc = nvvm::unflatten(values, plan.blocks, plan.headDimV / 8);
  size_t rows = 2 * plan.blocks;
  state.max = Values(values.take_front(rows));
  state.sum = Values(values.slice(rows, rows));
  values = values.drop_front(2 * rows);
  return state;
}

SoftmaxState initialState(Emitter &e, const Plan &plan) {
  return {zeros(e, plan.blocks, plan.headDimV / 8), Values(2 * plan.blocks, e.negativeInfinity()),
          Values(2 * plan.blocks, e.f32(0))};
}

SoftmaxState stateAfterZeroKeys(Emitter &e, const Plan &plan, const Lane &lane, ValueRange counts) {
  SoftmaxState state = initialState(e, plan);
  // A sum is spread over the four lanes of a row; one of them takes the zero keys.
  Value first = e.equal(lane.quad, e.i32(0));
  for (auto [row, count] : llvm::enumerate(counts)) {
    Value any = e.lessThan(e.i32(0), count);
    Value keys = arith::SIToFPOp::create(e.b, e.loc, e.b.getF32Type(), count);
    state.max[row] = e.select(any, e.f32(0), e.negativeInfinity());
    state.sum[row] = e.select(e.both(any, first), keys, e.f32(0));
  }
  return state;
}

/// exp(s) = 2^(factor * s); the scale of the scores is part of it unless they are scaled already.
static Value exponentFactor(Emitter &e, const Plan &plan) {
  return e.f32(plan.scaleFirst ? kLog2e : float(plan.scale * double(kLog2e)));
}

/// Combines the four lanes of a row.
static Value acrossQuad(Emitter &e, Value x, llvm::function_ref<Value(Value, Value)> combine) {
  for (int mask : {1, 2})
    x = combine(x, e.shuffleXor(x, mask));
  return x;
}

/// The scores of one row of the lane: calls `visit` with each.
static void forRow(Accumulator &matrix, unsigned row, llvm::function_ref<void(Value &)> visit) {
  for (Fragment &fragment : matrix[row / 2])
    for (unsigned i = 0; i < 2; ++i)
      visit(fragment[2 * (row % 2) + i]);
}

/// Powers of two by which a maximum may grow before a row is rescaled to it. Weights then stay below 2^8, far within
/// f16, and most steps of a long row rescale nothing (as FlashAttention-4 does).
static constexpr float kSlack = 8;

/// What exponents are taken from: factor * max. A row that has seen no key yet subtracts 0: its weights are
/// exp(-inf) = 0, not NaN.
static Value negatedPivot(Emitter &e, Value max, Value factor) {
  Value pivot = e.select(e.equalF(max, e.negativeInfinity()), e.f32(0), e.mulF(max, factor));
  return arith::NegFOp::create(e.b, e.loc, pivot);
}

/// The state of rows whose maxima become `tops`.
static SoftmaxState rescaled(Emitter &e, const SoftmaxState &state, const Values &tops, Value factor) {
  SoftmaxState next = state;
  next.max = tops;
  for (unsigned row = 0; row < tops.size(); ++row) {
    Value rescale = e.exp2(e.fma(state.max[row], factor, negatedPivot(e, tops[row], factor)));
    next.sum[row] = e.mulF(state.sum[row], rescale);
    forRow(next.acc, row, [&](Value &x) { x = e.mulF(x, rescale); });
  }
  return next;
}

SoftmaxState onlineSoftmax(Emitter &e, const Plan &plan, Accumulator &scores,
                           const SoftmaxState &state) {
  Value factor = exponentFactor(e, plan), grows = e.i1(false);
  Values tops;
  for (unsigned row = 0; row < 2 * plan.blocks; ++row) {
    Value top = state.max[row];
    forRow(scores, row, [&](Value &s) { top = e.maxF(top, s); });
    tops.push_back(acrossQuad(e, top, [&](Value x, Value y) { return e.maxF(x, y); }));
    // Where there was no key before, by infinity; where there is none yet, by NaN, which is not more.
    Value growth = e.mulF(e.subF(tops.back(), state.max[row]), factor);
    grows = e.either(grows, e.lessThanF(e.f32(kSlack), growth));
  }
  Values flat = e.when(e.anyLane(grows), state.flat(), [&] { return rescaled(e, state, tops, factor).flat(); });
  ValueRange values = flat;
  SoftmaxState next = SoftmaxState::unflatten(values, plan);
  for (unsigned row = 0; row < 2 * plan.blocks; ++row) {
    Value shift = negatedPivot(e, next.max[row], factor);
    forRow(scores, row, [&](Value &s) {
      s = e.exp2(e.fma(s, factor, shift));
      next.sum[row] = e.addF(next.sum[row], s);
    });
  }
  return next;
}

RowResult finishRow(Emitter &e, const Plan &plan, const SoftmaxState &state, unsigned row) {
  Value sum = acrossQuad(e, state.sum[row], [&](Value x, Value y) { return e.addF(x, y); });
  Value empty = e.equalF(sum, e.f32(0));
  Value inverse = e.select(empty, e.f32(0), e.reciprocal(sum));
  Value scale = e.f32(plan.scaleFirst ? 1.0f : float(plan.scale));
  Value lse = e.fma(e.log2(sum), e.f32(kLn2), e.mulF(state.max[row], scale));
  return {inverse, e.select(empty, e.negativeInfinity(), lse)};
}

} // namespace attn::nvvm
