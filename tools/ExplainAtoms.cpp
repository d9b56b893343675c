#include "tools/ExplainAtoms.h"

#include "tools/BoundSpec.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attn::tools {

std::vector<int32_t> atomOrder(const Formula &formula) {
  std::vector<int32_t> order;
  for (const TruthStep &step : formula.truth)
    if (step.op == TruthOp::Atom && !llvm::is_contained(order, step.atom))
      order.push_back(step.atom);
  return order;
}

std::vector<std::string> atomNames(const Formula &formula) {
  std::vector<std::string> names(formula.atoms.size());
  for (auto [place, atom] : llvm::enumerate(atomOrder(formula)))
    names[size_t(atom)] =
        char('A' + place % 26) + (place < 26 ? std::string() : std::to_string(place / 26));
  return names;
}

//===----------------------------------------------------------------------===//
// Intervals
//===----------------------------------------------------------------------===//

namespace {

/// Keys lo <= k < hi of one dimension, with a residue.
struct Interval {
  std::string query, key; ///< names
  Sum lo, hi;
  Sum distance; ///< of which the residue is taken
  int64_t modulus = 1, width = 1;
  std::string condition; ///< on the query, without which it sees none of them; empty: there is none

  bool isOpen() const { return lo.isInfinite() && !lo.isPlusInfinity(); }
  bool isEndless() const { return hi.isPlusInfinity(); }
  bool hasResidue() const { return modulus > 1 && width < modulus; }

  /// All keys of the dimension or none, as the query's condition says.
  bool isConditionAlone() const { return !condition.empty() && isOpen() && isEndless(); }
  bool isEmpty() const { return hi.isInfinite() && !hi.isPlusInfinity(); }

  /// How many keys, where that is a number.
  std::optional<int64_t> length() const {
    if (isOpen() || isEndless())
      return std::nullopt;
    if (std::optional<int64_t> difference = (hi - lo).asConstant())
      return difference;
    // Constants may lie inside of minima and maxima.
    const Part *low = lo.onlyPart(), *high = hi.onlyPart();
    if (!low || !high || low->operands.empty() || high->operands.empty())
      return std::nullopt;
    std::optional<int64_t> difference = (high->operands[0] - low->operands[0]).asConstant();
    return difference && (lo + *difference).text() == hi.text() ? difference : std::nullopt;
  }

  std::string range() const {
    if (isOpen() && isEndless())
      return "";
    bool follows = hi.mentions(query);
    if (isOpen())
      return fmt::format("{} {} {}", key, follows ? "≤" : "<", (follows ? hi - 1 : hi).text());
    if (isEndless())
      return fmt::format("{} ≥ {}", key, lo.text());
    bool isPlain = (lo - Sum::name(query)).asConstant() || lo.asConstant();
    if (std::optional<int64_t> keys = length(); keys && !isPlain)
      return fmt::format("{} ≤ {} < that + {}", lo.text(), key, *keys);
    return fmt::format("{} ≤ {} ≤ {}", lo.text(), key, (hi - 1).text());
  }

  /// "(k - q) mod 4 = 0"
  std::string residue() const {
    if (!hasResidue())
      return "";
    return fmt::format("({}) mod {} {}", distance.text(), modulus,
                       width == 1 ? "= 0" : fmt::format("< {}", width));
  }

  std::string rule() const {
    std::string text;
    for (const std::string &part : {range(), residue(), condition})
      if (!part.empty())
        text += (text.empty() ? "" : ", ") + part;
    return text;
  }
};

/// "q < 4", "q ≥ 4", "q = 4": a sum of truth values that is 1 or 0.
std::string conditionText(const Sum &condition) {
  if (const Part *part = condition.onlyPart(); part && part->kind == Part::Less)
    if (condition.addedConstant() == 0)
      return part->operands[0].text() + " < " + part->operands[1].text();
  Sum opposite = Sum(1) - condition;
  if (const Part *part = opposite.onlyPart(); part && part->kind == Part::Less)
    if (opposite.addedConstant() == 0)
      return part->operands[0].text() + " ≥ " + part->operands[1].text();
  return condition.text() + " = 1";
}

/// Takes the condition out of "hi if condition, else nothing".
void takeCondition(Interval &interval) {
  const Part *part = interval.hi.onlyPart();
  if (!part || part->kind != Part::If || interval.hi.addedConstant() != 0 ||
      !part->operands[2].isInfinite() || part->operands[2].isPlusInfinity())
    return;
  interval.condition = conditionText(part->operands[0]);
  Sum hi = part->operands[1];
  interval.hi = std::move(hi);
}

Interval intervalOf(const Formula &formula, const Atom &atom, int d, const Naming &naming) {
  const AtomDim &dim = atom.dims[size_t(d)];
  const ExprDag &dag = formula.dags[size_t(d)];
  Leaves leaves = naming.leaves(formula, naming.queryAt(d));
  Interval interval{naming.axis("q", d),
                    naming.axis("k", d),
                    readable(dag, dim.lo, leaves),
                    readable(dag, dim.hi, leaves),
                    0,
                    dim.modulus,
                    dim.width,
                    ""};
  takeCondition(interval);
  interval.distance = Sum::name(interval.key);
  if (dim.relative)
    interval.distance = interval.distance - leaves.query;
  if (dim.shift >= 0)
    interval.distance = interval.distance - readable(dag, dim.shift, leaves);
  return interval;
}

std::string keysText(int64_t count) {
  return count == 1 ? "1 key" : fmt::format("{} keys", grouped(count));
}

/// How far the bound is from the query, if it follows it at a constant distance.
std::optional<int64_t> distanceFromQuery(const Sum &bound, const std::string &query) {
  return (bound - Sum::name(query)).asConstant();
}

/// "at most 255 keys before the query, none after it"; empty where the rule says it as well.
std::string aroundQuery(const Interval &i) {
  std::optional<int64_t> lo = i.isOpen() ? std::nullopt : distanceFromQuery(i.lo, i.query);
  std::optional<int64_t> hi = i.isEndless() ? std::nullopt : distanceFromQuery(i.hi, i.query);
  if (i.isOpen() && hi && *hi >= 1)
    return *hi == 1 ? "no key after the query"
                    : fmt::format("at most {} after the query", keysText(*hi - 1));
  if (i.isEndless() && lo && *lo <= 0)
    return *lo == 0 ? "no key before the query"
                    : fmt::format("at most {} before the query", keysText(-*lo));
  if (!lo || !hi || *lo > 0 || *hi < 1)
    return "";
  if (*lo == 0 || *hi == 1)
    return *lo == 0 && *hi == 1 ? "the query's own key"
           : *lo == 0 ? fmt::format("the query's own key and {} after it", keysText(*hi - 1))
                      : fmt::format("the query's own key and {} before it", keysText(-*lo));
  if (-*lo == *hi - 1)
    return fmt::format("at most {} away from the query", keysText(-*lo));
  return fmt::format("from {} before the query to {} after it", keysText(-*lo), keysText(*hi - 1));
}

std::string positionWords(const Interval &i) {
  if (i.isConditionAlone())
    return "every key, for these queries";
  if (i.isOpen() && i.isEndless())
    return i.hasResidue() ? "" : "every key";
  std::optional<int64_t> lo = i.isOpen() ? std::optional<int64_t>(0) : i.lo.asConstant();
  std::optional<int64_t> hi = i.hi.asConstant();
  if (lo && hi && !i.isEndless())
    return *lo <= 0 ? fmt::format("the first {}", keysText(std::max<int64_t>(*hi, 0)))
                    : fmt::format("the {} from {} on", keysText(std::max<int64_t>(*hi - *lo, 0)),
                                  grouped(*lo));
  bool ofSequence = i.lo.text() == "begin(q)" && i.hi.text() == "end(q)";
  return ofSequence ? "the keys of the query's own sequence" : aroundQuery(i);
}

std::string intervalWords(const Interval &i) {
  std::string text = positionWords(i);
  if (!i.hasResidue())
    return text;
  std::string every = i.width > 1 ? fmt::format("{} of every {} keys", i.width, i.modulus)
                                  : fmt::format("one key of every {}", i.modulus);
  return text.empty() ? every : text + ", " + every;
}

/// "18 x 24 x 24 keys around the query", where the sizes do not depend on it.
std::string boxWords(const std::vector<Interval> &box) {
  std::string sizes;
  for (const Interval &i : box) {
    std::optional<int64_t> length = i.length();
    if (!length || !i.lo.mentions(i.query))
      return "";
    sizes += fmt::format("{}{}", sizes.empty() ? "" : " x ", ceilDiv(*length, i.modulus));
  }
  return sizes + " keys around the query";
}

AtomFact boxFact(const Formula &formula, const Atom &atom, const Naming &naming) {
  AtomFact fact{"", "interval", "", "", {}, {}};
  std::vector<Interval> box;
  for (int d = 0; d < formula.rank; ++d) {
    const Interval &i = box.emplace_back(intervalOf(formula, atom, d, naming));
    fact.bounds.push_back({i.lo.text(), i.hi.text()});
    if (std::string rule = i.rule(); !rule.empty())
      fact.rules.push_back(std::move(rule));
  }
  if (llvm::any_of(box, [](const Interval &i) { return i.isEmpty(); }))
    return fact.rule = "no k", fact;
  fact.rule = fact.rules.empty() ? "every k" : fmt::format("{}", fmt::join(fact.rules, ", "));
  fact.words = formula.rank == 1 ? intervalWords(box.front()) : boxWords(box);
  return fact;
}

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

std::string predicateText(const Formula &formula, const Atom &atom, const Naming &naming) {
  std::vector<std::string> inputs, symbols, tables;
  Leaves leaves = naming.leaves(formula, 0);
  for (int32_t i = 0; i < naming.inputCount(); ++i)
    inputs.push_back(naming.input(i));
  for (const Sum &symbol : leaves.symbols)
    symbols.push_back(symbol.text());
  for (const Sum &table : leaves.tables)
    tables.push_back(table.text());
  std::string text =
      print(formula.predicates[size_t(atom.index)], {inputs, symbols, tables, formula.rank});
  // Coordinates are called as in the other rules.
  for (const char *dotted : {"q.d", "k.d"})
    for (size_t at = 0; (at = text.find(dotted, at)) != std::string::npos;)
      text.erase(at + 1, 2);
  return text;
}

AtomFact dataFact(const Formula &formula, const Atom &atom, const Naming &naming) {
  std::string queries = atom.input >= 0 ? naming.input(atom.input) : "";
  std::string keys = atom.keyInput >= 0 ? naming.input(atom.keyInput) : "";
  switch (atom.kind) {
  case AtomKind::Box:
    break;
  case AtomKind::Labels:
    return {"", "labels", queries + "[q] = " + keys + "[k]", "keys with the query's label", {}, {}};
  case AtomKind::Classes:
    return {"",
            "classes",
            fmt::format("allow[{}[q]][{}[k]]", queries, keys),
            "keys of a class that the query's class sees",
            {},
            {}};
  case AtomKind::Mask:
    return {"", "mask", queries + "[b, h, q, k]", "what the input shows", {}, {}};
  case AtomKind::Listed: {
    int64_t size = formula.blockLists[size_t(atom.index)].size;
    return {"",
            "blocks",
            fmt::format("block (q div {0}, k div {0}) is listed", size),
            fmt::format("in '{}'", keys.empty() ? queries : queries + "', '" + keys),
            {},
            {}};
  }
  case AtomKind::Predicate:
    return {"", "predicate", predicateText(formula, atom, naming), "", {}, {}};
  }
  return {};
}

} // namespace

std::vector<AtomFact> atomFacts(const Formula &formula, const Naming &naming) {
  std::vector<AtomFact> facts;
  std::vector<std::string> names = atomNames(formula);
  for (int32_t index : atomOrder(formula)) {
    const Atom &atom = formula.atoms[size_t(index)];
    facts.push_back(atom.kind == AtomKind::Box ? boxFact(formula, atom, naming)
                                               : dataFact(formula, atom, naming));
    facts.back().name = names[size_t(index)];
  }
  return facts;
}

//===----------------------------------------------------------------------===//
// Truth
//===----------------------------------------------------------------------===//

namespace {
struct TruthWords {
  std::string text;
  TruthOp op;
  std::shared_ptr<const TruthWords> inner = nullptr; ///< of a Not
};

TruthWords joined(const TruthWords &a, const TruthWords &b, TruthOp op) {
  bool isAnd = op == TruthOp::And;
  // "no key or A" and "every key and A" are A.
  const char *neutral = isAnd ? "every key" : "no key", *absorbing = isAnd ? "no key" : "every key";
  if (a.text == neutral || b.text == absorbing)
    return b;
  if (b.text == neutral || a.text == absorbing)
    return a;
  auto part = [&](const TruthWords &side) {
    bool nested = side.op != op && (side.op == TruthOp::And || side.op == TruthOp::Or);
    return nested ? "(" + side.text + ")" : side.text;
  };
  return {part(a) + (isAnd ? " and " : " or ") + part(b), op};
}

TruthWords inverted(const TruthWords &a) {
  if (a.op == TruthOp::True)
    return {a.text == "every key" ? "no key" : "every key", TruthOp::True};
  if (a.op == TruthOp::Not && a.inner)
    return *a.inner;
  bool nested = a.op == TruthOp::And || a.op == TruthOp::Or;
  return {nested ? "not (" + a.text + ")" : "not " + a.text, TruthOp::Not,
          std::make_shared<TruthWords>(a)};
}
} // namespace

std::string truthText(const Formula &formula) {
  std::vector<TruthWords> stack;
  std::vector<std::string> names = atomNames(formula);
  auto pop = [&] {
    TruthWords top = std::move(stack.back());
    stack.pop_back();
    return top;
  };
  for (const TruthStep &step : formula.truth) {
    if (step.op == TruthOp::Atom) {
      stack.push_back({names[size_t(step.atom)], TruthOp::Atom});
    } else if (step.op == TruthOp::True) {
      stack.push_back({"every key", TruthOp::True});
    } else if (step.op == TruthOp::Not) {
      stack.push_back(inverted(pop()));
    } else {
      TruthWords right = pop(), left = pop();
      stack.push_back(joined(left, right, step.op));
    }
  }
  return stack.back().text;
}

} // namespace attn::tools
