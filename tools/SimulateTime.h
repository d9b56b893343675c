//===- SimulateTime.h - predicted times of a bound spec ----------*- C++ -*-===//
#pragma once

#include "simulator/Counts.h"
#include "simulator/time/Amdahl.h"
#include "simulator/time/TimeModel.h"
#include "tools/Simulate.h"

namespace attn::tools {

/// What is asked for besides counts.
struct TimeQuestion {
  Machine machine;
  std::optional<ModelDescription> model;
  Pass pass = Pass::Forward;
};

struct TimeAnswer {
  KernelShape shape;
  Prediction sparse, dense; ///< with ranges
  std::optional<double> endToEnd,
      attentionShare; ///< of the whole model; the share that becomes sparse
  double speedUp() const { return dense.us / sparse.us; }
};

/// From the options: names of machines and models, or files. Nothing where no machine is asked for.
Expected<std::optional<TimeQuestion>> timeQuestion(const SimulateOptions &options);

/// Visits of the query tiles of all heads.
Work workOf(const Problem &problem, llvm::ArrayRef<Counts> counts);
/// A kernel of this compiler with the problem's tiles.
KernelShape shapeOf(AttentionOp op, const Problem &problem, Pass pass);

/// The shape must fit the machine.
TimeAnswer answerOf(const TimeQuestion &question, const KernelShape &shape, const Work &work);

/// Names of the fields are documented in docs/simulate-json.md.
std::string timeJson(const TimeQuestion &question, const TimeAnswer &answer);
std::string timeText(const TimeQuestion &question, const TimeAnswer &answer);

} // namespace attn::tools
