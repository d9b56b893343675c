//===- Fit.h - constants from micro-benchmarks -------------------*- C++ -*-===//
//
// Least squares of ln(predicted / measured) over the constants that have a range, each within it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "simulator/time/MicroBenchmarks.h"

#include <functional>

namespace attn {

/// A number of the model that depends on the machine alone, as measured.
struct Observation {
  std::string name;
  double value = 0, error = 0.02;
  std::function<double(const Machine &)> predict;
};

/// What the data say of one constant.
struct FittedConstant {
  Constant constant;
  double before = 0, after = 0;
  double deviation = 0;   ///< one standard deviation; the range itself at most
  bool isTouched = false; ///< some observation depends on it
  bool isAtEnd = false;   ///< of its range: the data may want more
};

/// Constants that can move together, from one end of a range to the other, without a change that
/// the data would show.
struct Undetermined {
  double singularValue = 0; ///< below 1: in standard deviations over the whole range
  std::vector<std::pair<Constant, double>> weights; ///< of a unit vector; the largest first
};
struct Correlation {
  Constant a, b;
  double value;
};

struct FitReport {
  Machine machine; ///< with the fitted constants
  std::vector<FittedConstant> constants;
  std::vector<Undetermined> undetermined;
  std::vector<Correlation> correlations; ///< 0.9 and above in magnitude
  std::vector<Observation> used;
  std::vector<double> predicted;      ///< of each that is used, with the fitted constants
  std::vector<std::string> ignored;   ///< measurements that say nothing of these constants
  double rmsBefore = 0, rmsAfter = 0; ///< of ln(predicted / measured)
};

/// An error where no observation is left, or a prediction is not positive.
Expected<FitReport> fitObservations(const Machine &start, std::vector<Observation> observations,
                                    const std::vector<Constant> &which = {});
/// `rows` are whole calls (EndToEndRows.h), which are fitted as well.
Expected<FitReport> fitMachine(const Machine &start, const std::vector<Measurement> &measurements,
                               const std::vector<Measurement> &rows = {});

} // namespace attn
