#include "codegen/cpu/Machine.h"

#include "codegen/cpu/Amx.h"

using namespace mlir;

namespace attn::cpu {

Machine machineFor(IsaLevel isa) {
  switch (isa) {
  case IsaLevel::Amx:
    return {16, 8, 2, true, true, true, "x86-64-v4", "+avx512bf16,+amx-tile,+amx-bf16"};
  case IsaLevel::Avx512Bf16: return {16, 8, 2, true, true, false, "x86-64-v4", "+avx512bf16"};
  case IsaLevel::Avx512: return {16, 8, 2, true, false, false, "x86-64-v4", ""};
  case IsaLevel::Avx2: return {8, 4, 2, true, false, false, "x86-64-v3", ""};
  case IsaLevel::Baseline: break;
  }
  return {4, 4, 2, false, false, false, "x86-64", ""};
}

Machine machineFor(IsaLevel isa, tile::AttentionOp op) {
  Machine machine = machineFor(isa);
  bool multipliesTiles =
      machine.hasTileProducts && op.getKey().getType().getElementType().isBF16();
  if (!multipliesTiles && op.getPackedHeads() * op.getQueryRows() <= machine.width) {
    machine.rows *= machine.vectors;
    machine.vectors = 1;
  }
  return machine;
}

static int64_t roundUp(int64_t value, int64_t multiple) {
  return ceilDiv(value, multiple) * multiple;
}

/// An odd number of cache lines: a column of rows then falls into all sets of the cache.
static int64_t strideFor(int64_t floats) {
  constexpr int64_t kLine = 16;
  return (ceilDiv(floats, kLine) | 1) * kLine;
}

Scratch::Scratch(tile::AttentionOp op, const Machine &machine)
    : columns(machine.columns()), queryRows(op.getPackedHeads() * op.getQueryRows()), keyRows(op.getKeyRows()),
      paddedQueries(roundUp(queryRows, columns)),
      headDimQk(op.getQuery().getType().getDimSize(3)),
      headDimV(op.getValue().getType().getDimSize(3)) {
  Type element = op.getKey().getType().getElementType();
  pairs = machine.dotsPairs && element.isBF16();
  tileProducts = machine.hasTileProducts && element.isBF16();
  rowsAtOnce = tileProducts ? kTileProductRows : machine.rows;
  paddedKeys = roundUp(keyRows, rowsAtOnce);
  paddedDv = roundUp(headDimV, rowsAtOnce);
  int64_t unit = pairs ? 2 : 1;
  depthQk = ceilDiv(headDimQk, unit);
  depthKeys = ceilDiv(keyRows, unit);
  if (tileProducts) {
    depthQk = roundUp(depthQk, kTileProductDepth);
    depthKeys = paddedKeys / unit;
  }
  keyStride = strideFor(depthQk);
  valueStride = strideFor(paddedDv);
  panelRows = roundUp(depthQk, machine.width);
  accRows = roundUp(paddedDv, machine.width);
  turnedStride = strideFor(depthKeys);
  keysInPlace = element.isF32() || (pairs && !tileProducts && headDimQk % 2 == 0);
  valuesInPlace = element.isF32() && paddedDv == headDimV;
  int64_t next = 0;
  auto take = [&](int64_t floats) {
    int64_t offset = next;
    next += roundUp(floats * 4, 64);
    return offset;
  };
  zeros = take(std::max(headDimQk, headDimV));
  query = take(paddedQueries * panelRows);
  keyTable = take(2 * (paddedKeys + rowsAtOnce));
  valueTable = take(2 * (paddedKeys + rowsAtOnce));
  keys = staging = take(std::max(keysInPlace ? 0 : paddedKeys * keyStride,
                                 paddedQueries * std::max(keyStride, valueStride)));
  values = take(tileProducts    ? paddedDv * turnedStride
                : valuesInPlace ? 0
                                : depthKeys * valueStride);
  scores = take(paddedKeys * columns);
  acc = take(paddedQueries * accRows);
  max = take(paddedQueries);
  sum = take(paddedQueries);
  visible = take(4);
  queryCoords = take((op.getRank() + 1) * paddedQueries);
  keyCoords = take((op.getRank() + 1) * paddedKeys);
  bytes = next;
}

} // namespace attn::cpu
