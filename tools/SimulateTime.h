//===- SimulateTime.h - predicted times of a bound spec ----------*- C++ -*-===//
#pragma once

#include "jit/Compilation.h"
#include "simulator/TimedProblem.h"
#include "simulator/time/Amdahl.h"
#include "tools/Simulate.h"

namespace attn::tools {

/// What is asked for besides counts.
struct TimeQuestion {
  Machine machine;
  std::optional<ModelDescription> model;
  Pass pass = Pass::Forward;
  const Target *target = nullptr; ///< whose kernel it is that 'attnc compile' makes; null: one of the machine's own kind
};

/// The kernel that is asked about, with the problem's tiles whole. An error where it has no code for them.
Expected<KernelShape> wholeKernelOf(AttentionOp op, const Problem &problem, const TimeQuestion &question, size_t masks);

/// The same, fitted to the machine: of tiles that no thread block holds, what one works on, with
/// the parts they were cut into. An error where that is impossible.
struct AskedKernel {
  KernelShape shape;
  TileParts parts;
};
Expected<AskedKernel> kernelOf(AttentionOp op, const Problem &problem, const TimeQuestion &question, size_t masks);

struct TimeAnswer {
  KernelShape shape;
  TileParts parts;
  Prediction sparse, dense; ///< with ranges
  std::optional<double> endToEnd,
      attentionShare; ///< of the whole model; the share that becomes sparse
  double speedUp() const { return dense.us / sparse.us; }
};

/// From the options: names of machines and models, or files. Nothing where no machine is asked for.
Expected<std::optional<TimeQuestion>> timeQuestion(const SimulateOptions &options);

/// Binds the spec, with tiles that the machine can hold where there is a question. Failure comes after
/// a message.
mlir::FailureOr<Problem> bindForMachine(Compilation &compilation, const BoundOptions &options,
                                        const TimeQuestion *question);

/// The attention that becomes sparse in the question's model.
struct AttentionBefore {
  double us;
  double sparseShare; ///< of the model's time, see ModelDescription
};
/// `denseUs` is the time without a mask; a causal model is predicted. Of `work` only the lengths
/// count. There is a model.
AttentionBefore attentionBefore(const TimeQuestion &question, const KernelShape &shape,
                                const Work &work, int64_t heads, double denseUs);

/// What the problem's tiles leave to do, in the kernel's.
Work workFor(const AskedKernel &kernel, const Work &ofProblem);

/// `work` has the kernel's tiles.
TimeAnswer answerOf(const TimeQuestion &question, const AskedKernel &kernel, const Work &work);

/// Names of the fields are documented in docs/simulate-json.md.
std::string timeJson(const TimeQuestion &question, const TimeAnswer &answer);
std::string timeText(const TimeQuestion &question, const TimeAnswer &answer);
/// "93.1 us", "23.19 ms".
std::string microseconds(double us);

} // namespace attn::tools
