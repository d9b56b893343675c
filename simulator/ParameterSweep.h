//===- ParameterSweep.h - many masks and tiles of one attention, timed -*- C++ -*-===//
//
// A sweep varies parameters of one or more of an attention's masks (MaskAttrInterface::parameters)
// and the shapes of its tiles. Masks are made once for all their tiles, from attributes and without
// text; every configuration has the exact tile map of its masks, and a predicted time with at most
// kCoarseClasses classes of query tiles.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "simulator/TimedProblem.h"
#include "runtime/Error.h"

#include <functional>

namespace attn {

/// Most configurations of a sweep, and most values of one parameter.
constexpr int64_t kMostConfigurations = int64_t(1) << 18;

/// A parameter of the masks, and the values that it takes.
struct SweepAxis {
  mlir::Attribute mask; ///< that has the parameter, somewhere in the attention's masks
  std::string name;
  std::vector<llvm::SmallVector<int64_t>> values;
  /// Of "stride": for each window and pair of tiles the strides worth trying (worthwhileStrides), in
  /// each dimension by itself and all combinations of these, instead of `values`.
  bool isWorthwhile = false;
};

/// A parameter, as an attention has it.
struct SweptParameter {
  mlir::Attribute mask;
  MaskParameter parameter;
};
/// Every parameter of every mask in the attention, each mask once, in the order of the heads.
std::vector<SweptParameter> parametersOf(AttentionOp op);

/// Lengths bound and tiled, a kernel that fits the machine, and its time without a mask.
struct SweepTiles {
  Problem problem; ///< without groups
  KernelShape shape;
  double denseUs = 0;
};

/// The masks of several configurations that differ in their tiles alone.
struct SweepMasks {
  std::vector<llvm::SmallVector<int64_t>> values; ///< for each axis
  std::vector<std::pair<mlir::Attribute, llvm::SmallVector<int64_t>>> masks; ///< with their heads
};

struct SweepPlan {
  std::vector<SweepTiles> tiles;
  std::vector<SweepMasks> masks;
  struct Configuration {
    uint32_t masks, tiles;
  };
  std::vector<Configuration> configurations; ///< by masks, then by tiles
  int64_t refused = 0;     ///< combinations of values that a mask does not allow
  std::string whyRefused;  ///< the first of them
};

/// What a configuration needs and takes.
struct SweepResult {
  double us = 0;
  TermKind limiter = TermKind::Matrix, next = TermKind::Matrix;
  double visited = 0, full = 0; ///< key tiles, over all heads of one batch entry
  double density = 0;           ///< of visible pairs
  bool exact = true;            ///< see Counts
};

/// Combines the axes' values. An error: more than kMostConfigurations, or none that the masks allow.
/// `tiles` of one attention, in the order of the output.
Expected<SweepPlan> planSweep(AttentionOp op, const std::vector<SweepAxis> &axes,
                              std::vector<SweepTiles> tiles);

/// One result for each configuration. `threads` >= 1; with more than one the context gets
/// multithreading. `progress`, if any, is called with the number of results now and then, from the
/// calling thread.
std::vector<SweepResult> runSweep(AttentionOp op, const SweepPlan &plan, const Machine &machine,
                                  unsigned threads,
                                  const std::function<void(size_t)> &progress = {});

} // namespace attn
