#include "tools/ReadableExpr.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace attn::tools {

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static std::string listed(const std::vector<Sum> &operands) {
  std::string text;
  for (const Sum &operand : operands)
    text += (text.empty() ? "" : ", ") + operand.text();
  return text;
}

/// In parentheses where it is a sum.
static std::string factorText(const Sum &sum) {
  return sum.isOneTerm() ? sum.text() : "(" + sum.text() + ")";
}

std::string Part::text() const {
  switch (kind) {
  case Name:
    return name;
  case Min:
    return "min(" + listed(operands) + ")";
  case Max:
    return "max(" + listed(operands) + ")";
  case Floor:
    return "floor(" + factorText(operands[0]) + "/" + factorText(operands[1]) + ")";
  case Ceil:
    return "ceil(" + factorText(operands[0]) + "/" + factorText(operands[1]) + ")";
  case Mod:
    return "(" + factorText(operands[0]) + " mod " + factorText(operands[1]) + ")";
  case Product:
    return factorText(operands[0]) + "*" + factorText(operands[1]);
  case Less:
    return "[" + operands[0].text() + " < " + operands[1].text() + "]";
  case If:
    return fmt::format("({} if {}, else {})", operands[1].text(), operands[0].text(),
                       operands[2].text());
  }
  return {};
}

std::string Sum::text() const {
  if (isInfinite())
    return isPlusInfinity() ? "inf" : "-inf";
  // Positive terms first: "N - q", not "-q + N".
  std::string text;
  for (bool positive : {true, false})
    for (const auto &[name, term] : terms) {
      if ((term.factor > 0) != positive)
        continue;
      text += text.empty() ? (positive ? "" : "-") : positive ? " + " : " - ";
      if (std::abs(term.factor) != 1)
        text += fmt::format("{}*", std::abs(term.factor));
      text += name;
    }
  if (text.empty())
    return std::to_string(constant);
  if (constant != 0)
    text += fmt::format(" {} {}", constant < 0 ? '-' : '+', std::abs(constant));
  return text;
}

//===----------------------------------------------------------------------===//
// Questions
//===----------------------------------------------------------------------===//

std::optional<int64_t> Sum::asConstant() const {
  return terms.empty() ? std::optional(constant) : std::nullopt;
}

bool Sum::isOneTerm() const {
  if (terms.empty())
    return constant >= 0;
  return terms.size() == 1 && constant == 0 && terms.begin()->second.factor > 0;
}

const Part *Sum::onlyPart() const {
  if (terms.size() != 1 || terms.begin()->second.factor != 1)
    return nullptr;
  return &terms.begin()->second.part;
}

int64_t Sum::factorOf(const std::string &name) const {
  auto it = terms.find(name);
  return it == terms.end() ? 0 : it->second.factor;
}

bool Sum::mentions(const std::string &name) const {
  return std::any_of(terms.begin(), terms.end(), [&](const auto &entry) {
    const Part &part = entry.second.part;
    return part.kind == Part::Name
               ? part.name == name
               : std::any_of(part.operands.begin(), part.operands.end(),
                             [&](const Sum &operand) { return operand.mentions(name); });
  });
}

static bool isNotNegative(const Part &part) {
  auto notNegative = [](const Sum &operand) { return operand.isNotNegative(); };
  const std::vector<Sum> &x = part.operands;
  switch (part.kind) {
  case Part::Name:
    return part.name != kOffsetName;
  case Part::Mod:
  case Part::Less:
    return true;
  case Part::Floor:
  case Part::Ceil:
    return x[0].isNotNegative();
  case Part::Max:
    return std::any_of(x.begin(), x.end(), notNegative);
  case Part::Min:
  case Part::Product:
    return std::all_of(x.begin(), x.end(), notNegative);
  case Part::If:
    return x[1].isNotNegative() && x[2].isNotNegative();
  }
  return false;
}

bool Sum::isNotNegative() const {
  return constant >= 0 && std::all_of(terms.begin(), terms.end(), [](const auto &entry) {
           return entry.second.factor > 0 && tools::isNotNegative(entry.second.part);
         });
}

static std::optional<int64_t> evaluate(const Part &part, const NameValues &values) {
  if (part.kind == Part::Name) {
    auto it = values.find(part.name);
    return it == values.end() ? std::nullopt : std::optional(it->second);
  }
  std::vector<int64_t> x;
  for (const Sum &operand : part.operands) {
    std::optional<int64_t> value = operand.evaluate(values);
    if (!value)
      return std::nullopt;
    x.push_back(*value);
  }
  auto divisor = [&] { return std::max<int64_t>(x[1], 1); };
  switch (part.kind) {
  case Part::Name:
    break;
  case Part::Min:
    return *std::min_element(x.begin(), x.end());
  case Part::Max:
    return *std::max_element(x.begin(), x.end());
  case Part::Floor:
    return floorDiv(x[0], divisor());
  case Part::Ceil:
    return ceilDiv(x[0], divisor());
  case Part::Mod:
    return x[0] - divisor() * floorDiv(x[0], divisor());
  case Part::Product:
    return x[0] * x[1];
  case Part::Less:
    return x[0] < x[1];
  case Part::If:
    return x[0] ? x[1] : x[2];
  }
  return std::nullopt;
}

std::optional<int64_t> Sum::evaluate(const NameValues &values) const {
  int64_t total = constant;
  for (const auto &[name, term] : terms) {
    std::optional<int64_t> value = tools::evaluate(term.part, values);
    if (!value)
      return std::nullopt;
    total += term.factor * *value;
  }
  return total;
}

//===----------------------------------------------------------------------===//
// Limits
//===----------------------------------------------------------------------===//

Sum::Range Sum::rangeOf(const Part &part, const NameValues &most) {
  constexpr Range any{-kInfinity, kInfinity};
  std::vector<Range> x;
  for (const Sum &operand : part.operands)
    x.push_back(operand.range(most));
  auto it = most.find(part.name);
  switch (part.kind) {
  case Part::Name:
    if (part.name == kOffsetName)
      return any;
    return {0, it == most.end() ? kInfinity : it->second};
  case Part::Min:
  case Part::Max: {
    Range all = x.front();
    for (const Range &one : x)
      all = part.kind == Part::Min ? Range{std::min(all.lo, one.lo), std::min(all.hi, one.hi)}
                                   : Range{std::max(all.lo, one.lo), std::max(all.hi, one.hi)};
    return all;
  }
  case Part::Floor:
  case Part::Ceil:
    if (std::optional<int64_t> by = part.operands[1].asConstant(); by && *by > 0)
      return part.kind == Part::Floor ? Range{floorDiv(x[0].lo, *by), floorDiv(x[0].hi, *by)}
                                      : Range{ceilDiv(x[0].lo, *by), ceilDiv(x[0].hi, *by)};
    return any;
  default:
    return any;
  }
}

Sum::Range Sum::range(const NameValues &most) const {
  Range all{constant, constant};
  for (const auto &[name, term] : terms) {
    Range part = rangeOf(term.part, most);
    if (term.factor < 0)
      std::swap(part.lo, part.hi);
    auto add = [&](int64_t &end, int64_t value, int64_t otherwise) {
      bool open = std::abs(end) >= kMaxMagnitude || std::abs(value) >= kMaxMagnitude;
      end = open ? otherwise : end + term.factor * value;
    };
    add(all.lo, part.lo, -kInfinity);
    add(all.hi, part.hi, kInfinity);
  }
  return all;
}

Sum Sum::within(const Part &part, const NameValues &most) {
  std::vector<Sum> operands;
  for (const Sum &operand : part.operands)
    operands.push_back(operand.within(most));
  if (part.kind == Part::Floor)
    return floorOf(operands[0], operands[1]);
  if (part.kind != Part::Min && part.kind != Part::Max)
    return of({part.kind, part.name, std::move(operands)});
  for (size_t i = operands.size(); i-- > 0 && operands.size() > 1;)
    for (size_t j = 0; j < operands.size(); ++j) {
      Sum ahead = part.kind == Part::Max ? operands[j] - operands[i] : operands[i] - operands[j];
      if (i != j && ahead.range(most).lo >= 0) {
        operands.erase(operands.begin() + int64_t(i));
        break;
      }
    }
  Sum result = operands.front();
  for (const Sum &operand : operands)
    result = extreme(part.kind, result, operand);
  return result;
}

Sum Sum::within(const NameValues &most) const {
  Sum result = constant;
  for (const auto &[name, term] : terms)
    result = result + within(term.part, most) * term.factor;
  return result;
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Sum Sum::of(Part part) {
  Sum sum;
  std::string text = part.text();
  sum.terms.emplace(std::move(text), Term{std::move(part), 1});
  return sum;
}

/// A constant goes into the operands of a minimum or maximum that stands alone.
template <class Map> Sum Sum::mapped(Map &&map) const {
  const Part *part = onlyPart();
  Sum result = map(part->operands.front() + constant);
  for (size_t i = 1; i < part->operands.size(); ++i)
    result = extreme(part->kind, result, map(part->operands[i] + constant));
  return result;
}

static bool isExtreme(const Part *part) {
  return part && (part->kind == Part::Min || part->kind == Part::Max);
}

Sum Sum::combine(const Sum &a, const Sum &b, int64_t factor) {
  if (a.isInfinite())
    return a;
  if (b.isInfinite())
    return b.isPlusInfinity() == (factor > 0) ? kInfinity : -kInfinity;
  Sum sum = a;
  sum.constant += factor * b.constant;
  for (const auto &[name, term] : b.terms) {
    Term &mine = sum.terms.try_emplace(name, Term{term.part, 0}).first->second;
    mine.factor += factor * term.factor;
    if (mine.factor == 0)
      sum.terms.erase(name);
  }
  if (sum.constant != 0 && isExtreme(sum.onlyPart()))
    return sum.mapped([](const Sum &operand) { return operand; });
  return sum;
}

Sum operator*(const Sum &a, int64_t factor) { return Sum::combine(0, a, factor); }

Sum product(const Sum &a, const Sum &b) {
  if (std::optional<int64_t> value = a.asConstant())
    return b * *value;
  if (std::optional<int64_t> value = b.asConstant())
    return a * *value;
  return Sum::of({Part::Product, "", {a, b}});
}

/// The operands of a minimum or maximum of both, without those that another one decides.
Sum Sum::extreme(Part::Kind kind, const Sum &a, const Sum &b) {
  std::vector<Sum> kept;
  auto decides = [&](const Sum &x, const Sum &y) { // x makes y superfluous
    if (x.isInfinite() || y.isInfinite())
      return kind == Part::Max ? x.isPlusInfinity() || (y.isInfinite() && !y.isPlusInfinity())
                               : (x.isInfinite() && !x.isPlusInfinity()) || y.isPlusInfinity();
    return (kind == Part::Max ? x - y : y - x).isNotNegative();
  };
  auto add = [&](const Sum &operand) {
    for (const Sum &other : kept)
      if (decides(other, operand))
        return;
    std::erase_if(kept, [&](const Sum &other) { return decides(operand, other); });
    kept.push_back(operand);
  };
  for (const Sum *side : {&a, &b}) {
    const Part *part = side->onlyPart();
    if (part && part->kind == kind && side->constant == 0)
      for (const Sum &operand : part->operands)
        add(operand);
    else
      add(*side);
  }
  if (kept.size() == 1)
    return kept.front();
  auto constant = std::find_if(kept.begin(), kept.end(),
                               [](const Sum &operand) { return operand.asConstant().has_value(); });
  if (constant != kept.end())
    std::rotate(kept.begin(), constant, constant + 1);
  return of({kind, "", std::move(kept)});
}

Sum smaller(const Sum &a, const Sum &b) { return Sum::extreme(Part::Min, a, b); }
Sum larger(const Sum &a, const Sum &b) { return Sum::extreme(Part::Max, a, b); }

/// A constant below 1 counts as 1, as in ExprOp::FloorDiv.
static std::optional<int64_t> divisorOf(const Sum &by) {
  std::optional<int64_t> value = by.asConstant();
  return value ? std::optional(std::max<int64_t>(*value, 1)) : std::nullopt;
}

Sum floorOf(const Sum &a, const Sum &by) {
  std::optional<int64_t> divisor = divisorOf(by);
  if (a.isInfinite() || divisor == 1)
    return a;
  if (!divisor)
    return Sum::of({Part::Floor, "", {a, by}});
  if (isExtreme(a.onlyPart()))
    return a.mapped([&](const Sum &operand) { return floorOf(operand, by); });
  Sum whole(floorDiv(a.constant, *divisor)), rest(a.constant - whole.constant * *divisor);
  int64_t common = *divisor;
  for (const auto &[name, term] : a.terms) {
    int64_t times = term.factor / *divisor, left = term.factor % *divisor;
    for (auto [sum, factor] : {std::pair(&whole, times), {&rest, left}})
      if (factor != 0)
        sum->terms.insert_or_assign(name, Sum::Term{term.part, factor});
    common = std::gcd(common, left);
  }
  if (rest.terms.empty())
    return whole;
  if (isExtreme(rest.onlyPart()))
    return whole + rest.mapped([&](const Sum &operand) { return floorOf(operand, by); });
  // floor((6 a + 5) / 4) = floor((3 a + 2) / 2)
  rest.constant = floorDiv(rest.constant, common);
  for (auto &[name, term] : rest.terms)
    term.factor /= common;
  return whole + Sum::floorOfRest(rest, *divisor / common);
}

/// `rest` is divided by nothing that divides the divisor, too.
Sum Sum::floorOfRest(const Sum &rest, int64_t divisor) {
  if (divisor == 1)
    return rest;
  const Part *inner = rest.onlyPart();
  std::optional<int64_t> within =
      inner && inner->kind == Part::Floor ? inner->operands[1].asConstant() : std::nullopt;
  if (within) // floor((floor(a / 2) + 1) / 4) = floor((a + 2) / 8)
    return floorOf(inner->operands[0] + rest.constant * *within, divisor * *within);
  bool descends = std::all_of(rest.terms.begin(), rest.terms.end(),
                              [](const auto &entry) { return entry.second.factor < 0; });
  if (descends) // floor(-a / b) = -ceil(a / b)
    return of({Part::Ceil, "", {rest * -1, divisor}}) * -1;
  if (rest.constant == divisor - 1)
    return of({Part::Ceil, "", {rest - rest.constant, divisor}});
  return of({Part::Floor, "", {rest, divisor}});
}

Sum remainder(const Sum &a, const Sum &by) {
  std::optional<int64_t> divisor = divisorOf(by);
  if (!divisor)
    return Sum::of({Part::Mod, "", {a, by}});
  Sum rest(a.constant - *divisor * floorDiv(a.constant, *divisor));
  for (const auto &[name, term] : a.terms)
    if (int64_t factor = term.factor - *divisor * floorDiv(term.factor, *divisor))
      rest.terms.emplace(name, Sum::Term{term.part, factor});
  return rest.terms.empty() ? rest : Sum::of({Part::Mod, "", {rest, by}});
}

Sum less(const Sum &a, const Sum &b) {
  if ((a - b).isNotNegative())
    return 0;
  if ((b - a - 1).isNotNegative())
    return 1;
  return Sum::of({Part::Less, "", {a, b}});
}

Sum choice(const Sum &condition, const Sum &yes, const Sum &no) {
  if (std::optional<int64_t> truth = condition.asConstant())
    return *truth ? yes : no;
  return Sum::of({Part::If, "", {condition, yes, no}});
}

//===----------------------------------------------------------------------===//
// From a formula
//===----------------------------------------------------------------------===//

Sum readable(const ExprDag &dag, ExprId id, const Leaves &leaves) {
  const ExprNode &node = dag.nodes()[size_t(id)];
  auto at = [&](ExprId operand) { return readable(dag, operand, leaves); };
  switch (node.op) {
  case ExprOp::Constant:
    return node.value;
  case ExprOp::Query:
    return leaves.query;
  case ExprOp::Symbol:
    return leaves.symbols[size_t(node.value)];
  case ExprOp::Table:
    return leaves.tables[size_t(node.value)];
  case ExprOp::Add:
    return at(node.a) + at(node.b);
  case ExprOp::Sub:
    return at(node.a) - at(node.b);
  case ExprOp::Mul:
    return product(at(node.a), at(node.b));
  case ExprOp::FloorDiv:
    return floorOf(at(node.a), at(node.b));
  case ExprOp::Mod:
    return remainder(at(node.a), at(node.b));
  case ExprOp::Min:
    return smaller(at(node.a), at(node.b));
  case ExprOp::Max:
    return larger(at(node.a), at(node.b));
  case ExprOp::Less:
    return less(at(node.a), at(node.b));
  case ExprOp::Select:
    return choice(at(node.a), at(node.b), at(node.c));
  }
  return {};
}

} // namespace attn::tools
