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
  Ends at(int64_t query) const { return at({query, query})[0]; }
  std::array<Ends, 2> at(const ExprDag::Pair &queries) const;
  /// How the ends go on from there in steps of `step` queries.
  struct Lines {
    Line lo, hi;
  };
  Lines trace(int64_t query, int64_t step) const;
  /// Pairs of the queries 0 <= q < `queries` and of the keys 0 <= k < `keys`.
  __int128 pairs(int64_t queries, int64_t keys) const;

private:
  ExprDag dag; ///< free of symbols and tables
  ExprId lo = -1, hi = -1;
};

} // namespace attn
