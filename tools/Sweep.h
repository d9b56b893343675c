//===- Sweep.h - attnc simulate --sweep= -------------------------*- C++ -*-===//
#pragma once

#include "tools/SweepText.h"
#include "tools/TilePairs.h"

namespace attn::tools {

/// A sweep that has been run.
struct SweepAnswer {
  std::string kernel;
  std::vector<SweepAxis> axes;
  SweepPlan plan;
  std::vector<SweepResult> results; ///< of each configuration
  std::vector<LeftOutTiles> leftOut;
  size_t fastestDense = 0; ///< number of the tiles with which dense attention is fastest
  double beforeUs = 0;     ///< of the model's attention before it becomes sparse, in those tiles
  std::optional<double> sparseShare; ///< with a model

  double denseUs() const { return plan.tiles[fastestDense].denseUs; }
  double speedUp(size_t i) const { return denseUs() / results[i].us; }
};

/// The axes that keys other than q_tile and k_tile stand for. An error: a name that no mask of the
/// attention has as a parameter, or several; values of another rank, or beyond the layout.
Expected<std::vector<SweepAxis>> axesOf(AttentionOp op, const Problem &problem,
                                        const std::vector<SweepKey> &keys);

/// Runs a sweep on all cores, with a bar (Progress.h).
Expected<SweepAnswer> sweepOf(Compilation &compilation, const TimeQuestion &question,
                              std::vector<SweepAxis> axes, TilePairs tiles);

/// The verb. Errors go to the standard error stream, and nothing is half-written.
int sweepVerb(const SimulateOptions &options, const TimeQuestion &question);

/// Fields are documented in docs/simulate-json.md.
std::string sweepJson(const SweepAnswer &answer, const TimeQuestion &question);
/// The `top` fastest configurations and those that no other beats in density and time.
std::string sweepText(const SweepAnswer &answer, const TimeQuestion &question, int64_t top);

} // namespace attn::tools
