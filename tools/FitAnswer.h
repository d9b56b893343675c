//===- FitAnswer.h - what attnc fit has found --------------------*- C++ -*-===//
#pragma once

#include "simulator/time/EndToEndRows.h"
#include "simulator/time/Fit.h"

namespace attn::tools {

/// A whole call, predicted before and after the fit.
struct CheckedRow {
  std::string name;
  double measured, before, after; ///< microseconds
  bool isPublished;               ///< built in, not of the data
};

struct FitAnswer {
  std::string source;  ///< the data's file, without its folder
  FitReport report;
  Machine start;
  bool fitsRows = false;
  std::vector<CheckedRow> rows;
};

/// Constants with a range on which no measurement depends.
std::vector<Constant> untouchedConstants(const FitReport &report);
/// The machine with ranges of two standard deviations, within the ones before, and its sources.
Machine fittedMachine(const FitAnswer &answer);

/// Fields are documented in docs/simulate-json.md.
std::string fitJson(const FitAnswer &answer);
std::string fitText(const FitAnswer &answer);

} // namespace attn::tools
