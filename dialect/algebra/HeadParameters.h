//===- HeadParameters.h - one formula for heads that differ in constants -*- C++ -*-===//
#pragma once

#include "dialect/algebra/Formula.h"

#include <optional>
#include <span>

namespace attn {

/// A constant of a formula that differs between heads.
struct HeadParameter {
  int64_t value = 0;
  std::optional<SpanRule> span; ///< in place of the value: computed from the number of keys
};
/// At a launch with this many keys.
int64_t valueOf(const HeadParameter &parameter, int64_t numKeys);

/// Formulas equal but for constants become one whose differing constants are head parameters.
/// Returns the distinct formulas, for every input its formula, and for every input its parameter row
/// (all rows of one formula have equal length). All formulas number their tables alike.
struct ParameterizedFormulas {
  std::vector<Formula> formulas;
  std::vector<int32_t> formulaOf;
  std::vector<std::vector<HeadParameter>> parameters;
};
ParameterizedFormulas parameterize(std::span<const Formula> masks);

} // namespace attn
