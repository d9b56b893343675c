#include "codegen/cpu/Machine.h"

namespace attn::cpu {

Machine machineFor(IsaLevel isa) {
  switch (isa) {
  case IsaLevel::Avx512: return {16, 8, 2, true, "x86-64-v4"};
  case IsaLevel::Avx2: return {8, 4, 2, true, "x86-64-v3"};
  case IsaLevel::Baseline: return {4, 4, 2, false, "x86-64"};
  }
  return {4, 4, 2, false, "x86-64"};
}

static int64_t roundUp(int64_t value, int64_t multiple) {
  return ceilDiv(value, multiple) * multiple;
}

Scratch::Scratch(tile::AttentionOp op, const Machine &machine)
    : queryRows(op.getQueryRows()), keyRows(op.getKeyRows()),
      paddedQueries(roundUp(queryRows, machine.rows)),
      paddedKeys(roundUp(keyRows, machine.columns())),
      headDimQk(op.getQuery().getType().getDimSize(3)),
      headDimV(op.getValue().getType().getDimSize(3)) {
  paddedDv = roundUp(headDimV, machine.columns());
  int64_t next = 0;
  auto take = [&](int64_t floats) {
    int64_t offset = next;
    next += roundUp(floats * 4, 64);
    return offset;
  };
  query = take(paddedQueries * headDimQk);
  keyPanel = take(headDimQk * paddedKeys);
  scores = take(paddedQueries * paddedKeys);
  value = take(keyRows * paddedDv);
  acc = take(paddedQueries * paddedDv);
  max = take(paddedQueries);
  sum = take(paddedQueries);
  keyCoords = take((op.getRank() + 1) * paddedKeys);
  bytes = next;
}

} // namespace attn::cpu
