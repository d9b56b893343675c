//===- Softmax.h - the online softmax of a warp ------------------*- C++ -*-===//
#pragma once

#include "codegen/nvvm/Mma.h"

namespace attn::nvvm {

/// What a warp carries from key tile to key tile. A lane has two rows of each row block, numbered
/// 2 * block + half. `max` is that of the whole row, in units of the scores before `exponentScale`; `sum`
/// is that of the lane's own columns.
struct SoftmaxState {
  Accumulator acc;
  Values max, sum;

  Values flat() const;
  static SoftmaxState unflatten(ValueRange &values, const Plan &plan);
};
SoftmaxState initialState(Emitter &e, const Plan &plan);
/// The state of rows that start with `counts` (i32, one per row of the lane) keys whose score and value
/// are 0.
SoftmaxState stateAfterZeroKeys(Emitter &e, const Plan &plan, const Lane &lane, ValueRange counts);

/// weights = exp(s - max') in place of the scores, and the state rescaled to max'.
SoftmaxState onlineSoftmax(Emitter &e, const Plan &plan, Accumulator &scores,
                           const SoftmaxState &state);

/// A row's results: acc * `inverse` is its output.
struct RowResult {
  Value inverse, lse;
};
RowResult finishRow(Emitter &e, const Plan &plan, const SoftmaxState &state, unsigned row);

} // namespace attn::nvvm
