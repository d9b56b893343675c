//===- ReadableExpr.h - integer expressions as people write them -*- C++ -*-===//
//
// A sum of terms, each with a factor: 128*T - 4095, max(0, T - 32), floor(N / 128). Sums that are
// equal by the usual rules print alike, minima of expressions a constant apart are decided, and
// divisions take out what they divide.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/Formula.h"

#include <map>

namespace attn::tools {

/// The one name that may be negative.
constexpr const char *kOffsetName = "q_offset";

class Sum;

/// A name or a function of sums.
struct Part {
  enum Kind { Name, Min, Max, Floor, Ceil, Mod, Product, Less, If } kind = Name;
  std::string name;
  std::vector<Sum> operands;
  std::string text() const;
};

/// What names stand for; a name that is missing has no value.
using NameValues = std::map<std::string, int64_t>;

class Sum {
public:
  Sum(int64_t value = 0) : constant(value) {}
  static Sum name(const std::string &name) { return of({Part::Name, name, {}}); }

  std::optional<int64_t> asConstant() const;
  bool isInfinite() const { return constant >= kInfinity / 2 || constant <= -kInfinity / 2; }
  bool isPlusInfinity() const { return constant >= kInfinity / 2; }
  /// Whether every value is at least 0, given that names are, but for kOffsetName.
  bool isNotNegative() const;
  /// A number, or one term with a positive factor: what needs no parentheses.
  bool isOneTerm() const;
  /// The sum's one part, where it is that and a constant.
  const Part *onlyPart() const;
  int64_t addedConstant() const { return constant; }
  /// The factor of a name, 0 where it does not occur as a term.
  int64_t factorOf(const std::string &name) const;
  bool mentions(const std::string &name) const;
  std::optional<int64_t> evaluate(const NameValues &values) const;
  /// Without what minima and maxima never choose where names are at most `most`.
  Sum within(const NameValues &most) const;
  std::string text() const;

  friend Sum operator+(const Sum &a, const Sum &b) { return combine(a, b, 1); }
  friend Sum operator-(const Sum &a, const Sum &b) { return combine(a, b, -1); }
  friend Sum operator*(const Sum &a, int64_t factor);
  friend Sum product(const Sum &a, const Sum &b);
  friend Sum smaller(const Sum &a, const Sum &b);
  friend Sum larger(const Sum &a, const Sum &b);
  friend Sum floorOf(const Sum &a, const Sum &divisor);
  friend Sum remainder(const Sum &a, const Sum &divisor);
  friend Sum less(const Sum &a, const Sum &b);
  friend Sum choice(const Sum &condition, const Sum &yes, const Sum &no);

private:
  /// Values that it may have, both ends included.
  struct Range {
    int64_t lo, hi;
  };
  static Range rangeOf(const Part &part, const NameValues &most);
  static Sum within(const Part &part, const NameValues &most);
  Range range(const NameValues &most) const;

  struct Term {
    Part part;
    int64_t factor;
  };
  static Sum of(Part part);
  static Sum combine(const Sum &a, const Sum &b, int64_t factor);
  static Sum extreme(Part::Kind kind, const Sum &a, const Sum &b);
  static Sum floorOfRest(const Sum &rest, int64_t divisor);
  template <class Map> Sum mapped(Map &&map) const;

  std::map<std::string, Term> terms; ///< by their text
  int64_t constant;
};

Sum operator*(const Sum &a, int64_t factor);
Sum product(const Sum &a, const Sum &b);
Sum smaller(const Sum &a, const Sum &b);
Sum larger(const Sum &a, const Sum &b);
Sum floorOf(const Sum &a, const Sum &divisor);
Sum remainder(const Sum &a, const Sum &divisor);
/// 1 where a < b, else 0.
Sum less(const Sum &a, const Sum &b);
Sum choice(const Sum &condition, const Sum &yes, const Sum &no);
inline Sum ceilOf(const Sum &a, int64_t divisor) { return floorOf(a + (divisor - 1), divisor); }

/// What the leaves of a bound stand for.
struct Leaves {
  Sum query;
  std::vector<Sum> symbols; ///< in the order of the formula's
  std::vector<Sum> tables;  ///< at the query
};
Sum readable(const ExprDag &dag, ExprId id, const Leaves &leaves);

} // namespace attn::tools
