#include "test/mutants/Mutants.h"

#include <algorithm>
#include <bit>
#include <cstdio>

namespace attn::mutants {
namespace {

using Statements = std::vector<PtxStatement>;

/// What a kernel's text says of it as a whole.
struct Context {
  const Statements &statements;
  std::vector<bool> carried;
  /// By how much a stage of a buffer lies behind the other one; 0 where there are none.
  int64_t stageBytes = 0;
};

/// The new text of a statement; where it has two, also that of the statement `other`.
struct Change {
  std::string text;
  size_t other = 0;
  std::string otherText = {};
};

/// One kind of mutant: what it makes of a statement, or nothing.
struct Kind {
  const char *name;
  std::optional<Change> (*change)(const Context &, size_t);
  bool all = false; ///< no site is left out
};

//===----------------------------------------------------------------------===//
// What statements are
//===----------------------------------------------------------------------===//

bool isBarrier(const PtxStatement &s) { return s.is("bar.sync") || s.is("barrier.sync"); }
bool isCommit(const PtxStatement &s) { return s.is("cp.async.commit_group"); }
bool isWait(const PtxStatement &s) { return s.is("cp.async.wait_"); }
bool isCopy(const PtxStatement &s) { return s.is("cp.async.ca.") || s.is("cp.async.cg."); }
bool isFence(const PtxStatement &s) { return s.is("fence.") || s.is("membar."); }
bool isSynchronisation(const PtxStatement &s) {
  return isBarrier(s) || isCommit(s) || isWait(s) || isFence(s);
}
bool isLoadMatrix(const PtxStatement &s) { return s.is("ldmatrix."); }
bool isMma(const PtxStatement &s) { return s.is("mma.") && s.operands.size() == 4; }
bool isStore(const PtxStatement &s) {
  return s.is("st.") && (s.has(".global") || s.has(".shared"));
}
bool isShuffle(const PtxStatement &s) { return s.is("shfl.sync") && s.operands.size() == 5; }
bool isComparison(const PtxStatement &s) {
  return s.is("setp.") && !s.has(".f") && s.operands.size() >= 3;
}
bool isBranch(const PtxStatement &s) { return s.is("bra") && !s.guard.empty(); }

std::string replaced(const std::string &text, const std::string &from, const std::string &to) {
  std::string result = text;
  return result.replace(result.find(from), from.size(), to);
}

/// The statement with operand `i` made another.
std::string withOperand(PtxStatement s, size_t i, std::string operand) {
  s.operands[i] = std::move(operand);
  return s.text();
}

/// The statement with two elements of a vector operand in each other's place.
std::optional<Change> swapped(const PtxStatement &s, size_t operand, size_t i, size_t j) {
  std::vector<std::string> elements = elementsOf(s.operands[operand]);
  if (elements.size() <= std::max(i, j) || elements[i] == elements[j])
    return std::nullopt;
  std::swap(elements[i], elements[j]);
  return Change{withOperand(s, operand, vectorOf(elements))};
}

//===----------------------------------------------------------------------===//
// Changes
//===----------------------------------------------------------------------===//

template <bool (*is)(const PtxStatement &)> std::optional<Change> drop(const Context &c, size_t i) {
  if (is(c.statements[i]))
    return Change{""};
  return std::nullopt;
}

template <bool (*is)(const PtxStatement &), size_t operand, int64_t bytes>
std::optional<Change> move(const Context &c, size_t i) {
  const PtxStatement &s = c.statements[i];
  if (!is(s))
    return std::nullopt;
  return Change{withOperand(s, operand, moved(s.operands[operand], bytes))};
}

std::optional<Change> weakenWait(const Context &c, size_t i) {
  const PtxStatement &s = c.statements[i];
  if (!isWait(s))
    return std::nullopt;
  if (s.operands.empty()) // wait_all
    return Change{"cp.async.wait_group 1;"};
  return Change{withOperand(s, 0, std::to_string(*integerOf(s.operands[0]) + 1))};
}

/// Exchanges a statement with the next one of another sort, where only copies and arithmetic lie
/// between.
template <bool (*first)(const PtxStatement &), bool (*second)(const PtxStatement &)>
std::optional<Change> exchange(const Context &c, size_t i) {
  if (!first(c.statements[i]))
    return std::nullopt;
  for (size_t j = i + 1; j < c.statements.size(); ++j) {
    if (second(c.statements[j]))
      return Change{c.statements[j].text(), j, c.statements[i].text()};
    if (isSynchronisation(c.statements[j]))
      return std::nullopt;
  }
  return std::nullopt;
}

/// The last copy of a group into the next one.
std::optional<Change> commitEarly(const Context &c, size_t i) {
  if (isCopy(c.statements[i]))
    for (size_t j = i + 1; j < c.statements.size() && !isCopy(c.statements[j]); ++j) {
      if (isCommit(c.statements[j]))
        return Change{c.statements[j].text() + " " + c.statements[i].text(), j, ""};
      if (isSynchronisation(c.statements[j]))
        break;
    }
  return std::nullopt;
}

template <bool (*is)(const PtxStatement &), size_t operand, int sign>
std::optional<Change> otherStage(const Context &c, size_t i) {
  const PtxStatement &s = c.statements[i];
  if (!is(s) || c.stageBytes == 0)
    return std::nullopt;
  return Change{withOperand(s, operand, moved(s.operands[operand], sign * c.stageBytes))};
}

/// The bytes that are read of the source: none, or all.
template <int bytes> std::optional<Change> copySize(const Context &c, size_t i) {
  const PtxStatement &s = c.statements[i];
  if (!isCopy(s) || s.operands.size() != 4)
    return std::nullopt;
  return Change{withOperand(s, 3, std::to_string(bytes))};
}

std::optional<Change> toggleTranspose(const Context &c, size_t i) {
  PtxStatement s = c.statements[i];
  if (!isLoadMatrix(s))
    return std::nullopt;
  s.opcode = s.has(".trans") ? replaced(s.opcode, ".trans", "")
                             : replaced(s.opcode, ".shared", ".trans.shared");
  return Change{s.text()};
}

template <size_t operand, size_t i, size_t j>
std::optional<Change> swapFragment(const Context &c, size_t at) {
  return isMma(c.statements[at]) ? swapped(c.statements[at], operand, i, j) : std::nullopt;
}

/// The first registers of A as B, and B as the first ones of A.
std::optional<Change> swapFactors(const Context &c, size_t at) {
  PtxStatement s = c.statements[at];
  if (!isMma(s))
    return std::nullopt;
  std::vector<std::string> a = elementsOf(s.operands[1]), b = elementsOf(s.operands[2]);
  if (a == b)
    return std::nullopt;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    std::swap(a[i], b[i]);
  s.operands[1] = vectorOf(a);
  s.operands[2] = vectorOf(b);
  return Change{s.text()};
}

std::optional<Change> shuffleFurther(const Context &c, size_t i) {
  const PtxStatement &s = c.statements[i];
  std::optional<int64_t> lane = isShuffle(s) ? integerOf(s.operands[2]) : std::nullopt;
  if (!lane)
    return std::nullopt;
  return Change{withOperand(s, 2, std::to_string(4 * *lane))};
}
template <size_t operand, int64_t value>
std::optional<Change> shuffleOperand(const Context &c, size_t i) {
  const PtxStatement &s = c.statements[i];
  if (!isShuffle(s))
    return std::nullopt;
  return Change{withOperand(s, operand, std::to_string(value))};
}

/// Equality goes to the other side.
std::optional<Change> shiftBound(const Context &c, size_t i) {
  PtxStatement s = c.statements[i];
  if (!isComparison(s))
    return std::nullopt;
  for (auto [from, to] :
       {std::pair(".lt.", ".le."), std::pair(".le.", ".lt."), std::pair(".gt.", ".ge."),
        std::pair(".ge.", ".gt."), std::pair(".lo.", ".ls."), std::pair(".hi.", ".hs.")})
    if (s.has(from)) {
      s.opcode = replaced(s.opcode, from, to);
      return Change{s.text()};
    }
  return std::nullopt;
}

std::optional<Change> negateBranch(const Context &c, size_t i) {
  PtxStatement s = c.statements[i];
  if (!isBranch(s))
    return std::nullopt;
  s.guard = s.guard[0] == '!' ? s.guard.substr(1) : "!" + s.guard;
  return Change{s.text()};
}
std::optional<Change> negateGuard(const Context &c, size_t i) {
  PtxStatement s = c.statements[i];
  if (s.guard.empty() || s.is("bra"))
    return std::nullopt;
  s.guard = s.guard[0] == '!' ? s.guard.substr(1) : "!" + s.guard;
  return Change{s.text()};
}

/// A stage, a tile or a box that stays what it was in the loop's next turn.
std::optional<Change> standStill(const Context &c, size_t i) {
  const PtxStatement &s = c.statements[i];
  if (!c.carried[i])
    return std::nullopt;
  for (size_t o = 1; o < s.operands.size(); ++o)
    if (registersIn(s.operands[o]).size() == 1)
      return Change{"mov.b" + std::string(s.has("64") ? "64 " : "32 ") + s.operands[0] + ", " +
                    s.operands[o] + ";"};
  return std::nullopt;
}

/// A constant that is neither 0 nor infinite times 1 1/2.
std::optional<Change> otherConstant(const Context &c, size_t i) {
  const PtxStatement &s = c.statements[i];
  for (size_t o = 1; o < s.operands.size(); ++o) {
    if (!s.operands[o].starts_with("0f"))
      continue;
    float value = std::bit_cast<float>(uint32_t(std::stoul(s.operands[o].substr(2), nullptr, 16)));
    if (value == 0 || value - value != 0)
      continue;
    char text[16];
    std::snprintf(text, sizeof(text), "0f%08X", std::bit_cast<uint32_t>(1.5f * value));
    return Change{withOperand(s, o, text)};
  }
  return std::nullopt;
}

constexpr Kind kKinds[] = {
    {"barrier dropped", drop<isBarrier>, true},
    {"commit dropped", drop<isCommit>, true},
    {"wait dropped", drop<isWait>, true},
    {"fence dropped", drop<isFence>, true},
    {"wait one group weaker", weakenWait, true},
    {"commit and wait exchanged", exchange<isCommit, isWait>, true},
    {"wait and barrier exchanged", exchange<isWait, isBarrier>, true},
    {"last copy in the next group", commitEarly, true},
    {"copy dropped", drop<isCopy>},
    {"copy to 16 bytes further", move<isCopy, 0, 16>},
    {"copy to the stage after", otherStage<isCopy, 0, 1>},
    {"copy to the stage before", otherStage<isCopy, 0, -1>},
    {"copy from 16 bytes further", move<isCopy, 1, 16>},
    {"copy of nothing", copySize<0>},
    {"copy without a bound", copySize<16>},
    {"ldmatrix 16 bytes further", move<isLoadMatrix, 1, 16>},
    {"ldmatrix 128 bytes further", move<isLoadMatrix, 1, 128>},
    {"ldmatrix from the stage after", otherStage<isLoadMatrix, 1, 1>},
    {"ldmatrix from the stage before", otherStage<isLoadMatrix, 1, -1>},
    {"ldmatrix transposed or not", toggleTranspose},
    {"mma dropped", drop<isMma>},
    {"mma: D 0 and 1 swapped", swapFragment<0, 0, 1>},
    {"mma: A 0 and 1 swapped", swapFragment<1, 0, 1>},
    {"mma: A 1 and 2 swapped", swapFragment<1, 1, 2>},
    {"mma: B 0 and 1 swapped", swapFragment<2, 0, 1>},
    {"mma: A and B swapped", swapFactors},
    {"shuffle from 4 times as far", shuffleFurther},
    {"shuffle of half the warp", shuffleOperand<4, 0xffff>},
    {"shuffle clamped to one lane", shuffleOperand<3, 0>},
    {"store dropped", drop<isStore>},
    {"store 4 bytes further", move<isStore, 0, 4>},
    {"store 16 bytes further", move<isStore, 0, 16>},
    {"bound off by one", shiftBound},
    {"branch negated", negateBranch, true},
    {"guard negated", negateGuard},
    {"carried value stands still", standStill, true},
    {"constant times 1.5", otherConstant},
};

/// The constant that a carried stage is computed with: far more than any index steps by.
int64_t stageBytesOf(const Statements &statements, const std::vector<bool> &carried) {
  for (size_t i = 0; i < statements.size(); ++i)
    if (carried[i])
      for (const std::string &operand : statements[i].operands)
        if (int64_t value = integerOf(operand).value_or(0); value >= 1024 && value <= 65536)
          return value;
  return 0;
}

/// `count` of the numbers below `all`, evenly spaced.
std::vector<size_t> spread(size_t all, size_t count) {
  std::vector<size_t> numbers;
  for (size_t i = 0; i < std::min(all, count); ++i)
    numbers.push_back(all <= count ? i : i * all / count);
  return numbers;
}

std::string applied(const std::string &ptx, const Statements &statements, size_t i,
                    const Change &change) {
  std::string text = ptx;
  const PtxStatement &s = statements[i];
  if (change.other > i) { // from behind, so that offsets stay true
    const PtxStatement &other = statements[change.other];
    text.replace(other.begin, other.end - other.begin, change.otherText);
  }
  return text.replace(s.begin, s.end - s.begin, change.text);
}

} // namespace

std::vector<Mutant> mutantsOf(const std::string &ptx, size_t most) {
  Statements statements = statementsOf(ptx);
  Context context{statements, carriedOnes(statements)};
  context.stageBytes = stageBytesOf(statements, context.carried);
  std::vector<Mutant> mutants;
  for (const Kind &kind : kKinds) {
    std::vector<std::pair<size_t, Change>> changes;
    for (size_t i = 0; i < statements.size(); ++i)
      if (std::optional<Change> change = kind.change(context, i))
        changes.emplace_back(i, *std::move(change));
    for (size_t site : spread(changes.size(), kind.all ? changes.size() : most)) {
      const auto &[i, change] = changes[site];
      std::string after = change.text;
      if (change.other > i)
        after += " .. " + change.otherText;
      mutants.push_back({kind.name, site, changes.size(), i, statements[i].text(), after,
                         applied(ptx, statements, i, change)});
    }
  }
  return mutants;
}

std::string withTrapAt(const std::string &ptx, size_t statement) {
  PtxStatement s = statementsOf(ptx)[statement];
  std::string text = ptx;
  return text.replace(s.begin, s.end - s.begin, "trap;");
}

} // namespace attn::mutants
