#include "dialect/WarpPlan.h"

#include <algorithm>

namespace attn {

/// Registers of a thread for accumulators, and for those and the query's fragments, that leave room, of 255,
/// for other fragments, addresses and masks.
constexpr int64_t kAccumulatorRegisters = 192, kProductRegisters = 160;
constexpr int64_t kMostRegisters = 255, kRegistersOfMultiprocessor = 65536;
/// What a kernel keeps beside accumulators and fragments of the query; ptxas 13.0, over the kernels of bench/gpu.
constexpr int64_t kOtherRegisters = 64;

/// What the system keeps of each thread block's shared memory (CUDA C++ Programming Guide, "Shared Memory").
constexpr int64_t kReserved = 1024;

/// More stages than this wait for nothing: a tile's products take longer than its copies.
constexpr int64_t kMostStages = 3;

WarpPlan::WarpPlan(const WarpTiles &tiles, int64_t sharedLimit)
    : queryRows(tiles.queryRows), keyRows(tiles.keyRows), headDimQk(tiles.headDimQk), headDimV(tiles.headDimV) {
  bool two = queryRows % 128 == 0 && headDimV + keyRows <= kAccumulatorRegisters;
  blocks = two ? 2 : 1;
  warps = queryRows / (16 * blocks);
  int64_t accumulators = blocks * (headDimV + keyRows) / 2;
  queryInRegisters = accumulators + blocks * headDimQk / 4 <= kProductRegisters;
  chooseStages(sharedLimit);
}

void WarpPlan::chooseStages(int64_t sharedLimit) {
  auto fit = [&](int64_t number) {
    stages = number;
    return sharedBytes() > sharedLimit ? 0 : (sharedLimit + kReserved) / (sharedBytes() + kReserved);
  };
  int64_t most = fit(1), best = 1;
  for (int64_t number = 2; number <= kMostStages; ++number)
    if (int64_t blocks = fit(number); blocks > 0 && blocks == most)
      best = number;
  stages = best;
}

int64_t WarpPlan::registers() const {
  int64_t accumulators = blocks * (headDimV + keyRows) / 2;
  int64_t fragments = queryInRegisters ? blocks * headDimQk / 4 : 0;
  return std::min(accumulators + fragments + kOtherRegisters, kMostRegisters);
}

int64_t WarpPlan::blocksAtOnce(int64_t sharedOfMultiprocessor) const {
  // Registers are given out in units of 256 a warp.
  int64_t ofThread = (registers() + 7) / 8 * 8;
  int64_t byRegisters = kRegistersOfMultiprocessor / (ofThread * threads());
  int64_t byShared = (sharedOfMultiprocessor + kReserved) / (sharedBytes() + kReserved);
  return std::max<int64_t>(1, std::min(byRegisters, byShared));
}

} // namespace attn
