#include "simulator/time/KernelShape.h"

#include <algorithm>

namespace attn {

int64_t bytesOf(Precision precision) {
  switch (precision) {
  case Precision::F32:
    return 4;
  case Precision::F8:
    return 1;
  default:
    return 2;
  }
}

const char *nameOf(Precision precision) {
  static const char *const names[] = {"f32", "f16", "bf16", "f8"};
  return names[size_t(precision)];
}

KernelShape flashAttention3(int64_t headDim, bool causal) {
  KernelShape shape;
  shape.precision = Precision::F16;
  shape.headDim = shape.valueDim = headDim;
  shape.rows = headDim <= 64 ? 192 : 128;
  shape.columns = headDim <= 64 ? 128 : headDim > 128 ? 80 : causal ? 128 : 176;
  shape.sharedBy = headDim >= 128 && !causal ? 2 : 1;
  shape.order = causal ? Order::LongestFirst : Order::RoundRobin;
  return shape;
}

KernelShape nattenHopper(int64_t headDim, int rank) {
  KernelShape shape;
  shape.precision = Precision::F16;
  shape.headDim = shape.valueDim = headDim;
  shape.rows = headDim <= 64 ? 64 : 128;
  shape.columns = headDim > 128 ? 64 : 128;
  shape.masksEveryTile = true;
  shape.maskOps = 5 * rank + 1;
  return shape;
}

System nattenPermuted() {
  System system;
  system.permutesTokens = true;
  return system;
}

int64_t sharedBytes(const KernelShape &s) {
  if (s.products == Products::OfWarps)
    return s.sharedBytes;
  int64_t b = bytesOf(s.precision);
  int64_t bytes = s.rows * std::max(s.headDim, s.valueDim) * b + // q, later o
                  s.stages * s.columns * (s.headDim + s.valueDim) * b;
  if (!s.probabilitiesInRegisters)
    bytes += s.rows * s.columns * b;
  if (s.pass == Pass::Backward) // do, p and ds beside
    bytes += s.rows * s.valueDim * b + 2 * s.rows * s.columns * b;
  return bytes;
}

static Status checkSizes(const KernelShape &s) {
  constexpr int64_t kLargest = 1 << 16;
  for (auto [name, value] :
       {std::pair("query rows of a tile", s.rows), std::pair("keys of a tile", s.columns),
        std::pair("head_dim", s.headDim), std::pair("value dimension", s.valueDim),
        std::pair("stages", s.stages)})
    if (value < 1 || value > kLargest)
      return makeError("{} {} must lie between 1 and {}", value, name, kLargest);
  return {};
}

/// Words of 32 bits for scores, their rounded copy and the output, of all threads of a block.
static int64_t accumulatorWords(const KernelShape &s) {
  int64_t probabilities = s.probabilitiesInRegisters ? s.columns * bytesOf(s.precision) / 4 : 0;
  if (s.pass == Pass::Backward) // scores and ds of one tile, dk and dv of its keys
    return 2 * s.rows * s.columns + s.columns * (s.headDim + s.valueDim);
  return s.rows * (s.columns + probabilities + s.valueDim);
}

Status checkShape(const KernelShape &s, const Machine &machine) {
  if (Status sizes = checkSizes(s); !sizes)
    return sizes;
  if (s.precision == Precision::F8 && machine[Constant::MatrixF8] == 0)
    return makeError("machine '{}' has no matrix products of f8", machine.name)
        .withNote("f16, bf16 and f32 are allowed");
  double kilobytes = double(sharedBytes(s)) / 1024, allowed = machine[Constant::SharedKb];
  if (kilobytes > allowed)
    return makeError("tiles of {} queries and {} keys with head_dim {} need {:.0f} KB of shared "
                     "memory, but a thread block of '{}' has {:.0f} KB",
                     s.rows, s.columns, s.headDim, kilobytes, machine.name, allowed)
        .withNote("smaller tiles need less: '--q-tile=' and '--k-tile='");
  int64_t columns = int64_t(machine[Constant::TensorMemoryColumns]);
  if (int64_t used = (s.rows + 127) / 128 * (s.columns + s.valueDim); columns > 0 && used > columns)
    return makeError("tiles of {} queries and {} keys with head_dim {} need {} columns of tensor "
                     "memory, but '{}' has {}",
                     s.rows, s.columns, s.headDim, used, machine.name, columns)
        .withNote("smaller tiles need fewer: '--q-tile=' and '--k-tile='");
  // 2 warpgroups of 216 usable registers, as FlashAttention-3 budgets them, of 65,536.
  constexpr double kUsable = 2 * 128 * 216 / 65536.0;
  double words = kUsable * machine[Constant::RegisterKb] * 1024 / 4;
  // What warps have no registers for goes to local memory.
  if (columns == 0 && s.products == Products::OfWarpgroups && double(accumulatorWords(s)) > words)
    return makeError("tiles of {} queries and {} keys with head_dim {} need {} registers for their "
                     "accumulators, but about {:.0f} of '{}' are usable",
                     s.rows, s.columns, s.headDim, accumulatorWords(s), words, machine.name)
        .withNote("smaller tiles need fewer: '--q-tile=' and '--k-tile='");
  return {};
}

Expected<TileParts> fitShape(KernelShape &shape, const Machine &machine) {
  constexpr int64_t kFewest = 16;
  TileParts parts;
  KernelShape cut = shape;
  Status fits = checkShape(cut, machine);
  while (!fits) {
    bool ofRows = cut.rows >= cut.columns;
    int64_t &extent = ofRows ? cut.rows : cut.columns;
    if (extent % 2 != 0 || extent / 2 < kFewest)
      return checkShape(shape, machine).error();
    extent /= 2;
    (ofRows ? parts.queries : parts.keys) *= 2;
    fits = checkShape(cut, machine);
  }
  shape = cut;
  return parts;
}

} // namespace attn
