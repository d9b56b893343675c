//===- RisingInterval.h - an interval whose ends rise with the query -*- C++ -*-===//
//
// Causal masks, windows, blocks and strided neighborhoods show each query one interval of keys, and
// neither end ever moves back as the query advances. A tile of queries then follows from its first and
// its last one: keys that some query sees begin where the first query's do and end where the last one's
// do; keys that all see begin where the last query's do and end where the first one's do.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/Formula.h"

#include <optional>

namespace attn {

/// Immutable, so thread-safe.
class RisingInterval {
public:
  /// Nothing where the formula is not one interval of one dimension, or where an end may fall: what the
  /// operators prove decides. `env` is read here and not kept.
  static std::optional<RisingInterval> of(const Formula &formula, const Environment &env);

  /// Keys lo <= k < hi, below 0 and beyond the last one too.
  struct Ends {
    int64_t lo, hi;
  };
  Ends at(int64_t query) const;

private:
  static constexpr size_t kMaxValues = 24;
  /// Operands and the result are numbers of values; value 0 is the query.
  struct Step {
    ExprOp op;
    uint8_t a, b, result;
  };
  friend class RisingIntervalBuilder;

  std::array<int64_t, kMaxValues> values{}; ///< constants, and room for the steps' results
  size_t count = 1;
  std::vector<Step> steps;
  uint8_t lo = 0, hi = 0;
};

} // namespace attn
