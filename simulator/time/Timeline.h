//===- Timeline.h - what each multiprocessor does when -----------*- C++ -*-===//
#pragma once

#include "simulator/time/TimeModel.h"

namespace attn {

/// Query tiles, or parts of them where keys are split, that take the same time: `count` of them over
/// all batch entries, of one group of heads.
struct TileJob {
  size_t group = 0;
  int64_t count = 0;
  double fixed = 0, plain = 0, masked = 0; ///< cycles: beside the steps, of full and of partial tiles
  double cycles() const { return fixed + plain + masked; }
};

/// All of them, in the order of the work's groups and classes. Of kernels of warpgroups: one thread
/// block at a time on a multiprocessor.
std::vector<TileJob> tileJobs(const Machine &machine, const KernelShape &shape, const Work &work,
                              int64_t splits);

/// Tiles of one job that a multiprocessor runs one after the other.
struct TimelineRun {
  size_t job;
  int64_t count;
  double begin; ///< cycles
};
struct Timeline {
  std::vector<TimelineRun> runs;
  double end = 0; ///< cycles, of its last tile
};

/// The multiprocessors that end last and first, tile by tile, as the kernel's order deals them.
std::pair<Timeline, Timeline> lastAndFirst(const Machine &machine, const KernelShape &shape,
                                           const std::vector<TileJob> &jobs);

} // namespace attn
