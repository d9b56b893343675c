//===- TimeModel.h - how long a kernel takes, and what limits it -*- C++ -*-===//
//
// The equations are derived in docs/simulator.md. In short: a step of a query tile takes the p-norm
// of the times of the units that work at once; tiles go to the multiprocessors by list scheduling;
// the kernel takes that makespan at the clock under load, or as long as its bytes need from memory
// if that is longer.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "simulator/time/KernelShape.h"
#include "simulator/time/Work.h"

#include <optional>

namespace attn {

/// What can limit a kernel. Order of `termNames`.
enum class TermKind : uint8_t {
  Matrix,
  Exp,
  Alu,
  Mask,
  SharedMemory,
  L2,
  Hbm,
  Fixed,     ///< first load and last store of the query tiles
  Imbalance, ///< multiprocessors that wait for the last one
  Launch,
  Merge,   ///< of split keys
  Permute, ///< tokens, before and after
  MaskBuild
};
constexpr size_t kNumTerms = size_t(TermKind::MaskBuild) + 1;
const char *nameOf(TermKind kind);

struct Term {
  double us = 0; ///< that this alone would take, were all multiprocessors busy with it
  double share =
      0; ///< of the time, by which it limits: what a rate twice as high saves, to first order
};

struct Prediction {
  double us = 0;            ///< in all
  double low = 0, high = 0; ///< from the ranges of the constants, only from predictWithRange
  double clockGhz = 0;      ///< under load
  std::array<Term, kNumTerms> terms;
  TermKind limiter = TermKind::Matrix, next = TermKind::Matrix;
  int64_t splits = 1;
  double neededFlops = 0;                  ///< of the visible pairs
  double executedFlops = 0;                ///< of the visited tiles
  double requestedBytes = 0, hbmBytes = 0; ///< of keys and values from L2; of all from memory

  const Term &operator[](TermKind kind) const { return terms[size_t(kind)]; }
  double tflops() const { return us > 0 ? neededFlops / us / 1e6 : 0; }
  /// Share of the time that a unit works: of its peak at the clock under load.
  double fractionOfPeak(TermKind kind) const { return us > 0 ? terms[size_t(kind)].us / us : 0; }
};

/// Cycles of one step, a key tile against a query tile.
struct StepCycles {
  double matrix = 0, exp = 0, alu = 0, mask = 0, shared = 0, l2 = 0;
  double bookkeeping = 0; ///< beside them: of kernels of warps
  double all = 0;         ///< that the step takes
};
StepCycles stepCycles(const Machine &machine, const KernelShape &shape, bool isMasked);
/// p of the p-norm of the units' times.
double overlapPower(const Machine &machine, const KernelShape &shape);
/// Cycles of a query tile beside its steps.
double fixedCycles(const Machine &machine, const KernelShape &shape);

/// How the makespan is found: over classes of equal tiles, or tile by tile, which are both exact;
/// or over at most kCoarseClasses classes of nearly equal tiles, for sweeps.
enum class Scheduling : uint8_t { ByClass, ByHeap, Coarse };
constexpr size_t kCoarseClasses = 16;

/// Tiles of `work` must be those of `shape`, and the shape fit the machine (checkShape). A backward
/// pass takes the list of a query tile for that of a key tile.
Prediction predict(const Machine &machine, const KernelShape &shape, const Work &work,
                   const System &system = {}, Scheduling scheduling = Scheduling::ByClass);

/// Also fills `low` and `high`: each constant by itself at the ends of its range, the changes as
/// independent errors.
Prediction predictWithRange(const Machine &machine, const KernelShape &shape, const Work &work,
                            const System &system = {}, Scheduling scheduling = Scheduling::ByClass);

} // namespace attn
