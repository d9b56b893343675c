#include "test/mutants/Equivalents.h"

#include <algorithm>

namespace attn::mutants {
namespace {

using Statements = std::vector<PtxStatement>;

struct Rule {
  const char *kind;
  bool (*holds)(const Statements &, const Mutant &);
  const char *reason;
};

/// Whether a statement reads a register.
bool reads(const PtxStatement &statement, const std::string &name) {
  for (size_t i = 0; i < statement.operands.size(); ++i) {
    // The first operand is written, unless it is an address, or there is nothing else.
    bool isRead =
        i > 0 || statement.is("st.") || statement.is("cp.") || statement.operands.size() == 1;
    std::vector<std::string> names = registersIn(statement.operands[i]);
    if (isRead && std::find(names.begin(), names.end(), name) != names.end())
      return true;
  }
  return statement.guard == name || statement.guard == "!" + name;
}

/// `selp d, a, b, p` whose d is read by `selp e, d, c, p` alone: b never gets anywhere.
bool isSelectedAgain(const Statements &statements, const Mutant &mutant) {
  const PtxStatement &select = statements[mutant.statement];
  if (!select.is("selp.") || mutant.after.find(select.operands[1] + ";") == std::string::npos)
    return false;
  size_t reading = 0, again = 0;
  for (const PtxStatement &s : statements) {
    if (s.kernel != select.kernel)
      continue;
    reading += reads(s, select.operands[0]);
    again += s.is("selp.") && s.operands[1] == select.operands[0] &&
             s.operands[2] != select.operands[0] && s.operands[3] == select.operands[3];
  }
  return reading == 1 && again == 1;
}

/// What the branch leads to, up to the next one, stores a single word: the log-sum-exp of a row,
/// where the stores of its output are many.
bool isStoreOfARow(const Statements &statements, const Mutant &mutant) {
  size_t stores = 0;
  for (size_t i = mutant.statement + 1; i < statements.size(); ++i) {
    const PtxStatement &s = statements[i];
    bool isOtherWay = s.is("bra") && i == mutant.statement + 1;
    if ((s.is("bra") && !isOtherWay) || s.is("shfl.") || s.is("ret"))
      break;
    stores += s.is("st.global");
  }
  return stores == 1;
}

/// The statement that runs after one without a guard.
size_t after(const Statements &statements, size_t i) {
  const PtxStatement &s = statements[i];
  if (!s.is("bra") || !s.guard.empty())
    return i + 1;
  for (size_t j = 0; j < statements.size(); ++j) {
    const std::vector<std::string> &labels = statements[j].labels;
    if (statements[j].kernel == s.kernel &&
        std::find(labels.begin(), labels.end(), s.operands[0]) != labels.end())
      return j;
  }
  return statements.size();
}

/// The next synchronisation after the commit of the changed group is another commit, and the next
/// one after that a wait for all groups.
bool isWaitedForWithTheNext(const Statements &statements, const Mutant &mutant) {
  size_t commits = 0, steps = 0;
  for (size_t i = mutant.statement; i < statements.size() && steps < statements.size();
       i = after(statements, i), ++steps) {
    const PtxStatement &s = statements[i];
    commits += s.is("cp.async.commit_group");
    if (s.is("cp.async.wait_all") || (s.is("cp.async.wait_group") && s.operands[0] == "0"))
      return commits == 2;
    if (s.is("cp.async.wait") || s.is("bar.") || s.is("barrier."))
      return false;
  }
  return false;
}

constexpr const char *kOneGroup =
    "the next wait is for this group and the one after it, so that they may be one group";

const Rule kRules[] = {
    {"commit dropped", isWaitedForWithTheNext, kOneGroup},
    {"last copy in the next group", isWaitedForWithTheNext, kOneGroup},
    {"copy without a bound", [](const Statements &, const Mutant &) { return true; },
     "a row that is not there gets a copy of another one, not zeros: it is hidden by the mask or "
     "never stored, and what "
     "hidden values that are not finite do is unspecified"},
    {"branch negated", isStoreOfARow,
     "the lanes of a row all have its log-sum-exp: the others store it, each the same"},
    {"carried value stands still", isSelectedAgain,
     "where the predicate is false the result is not used either"},
};

} // namespace

std::string whyEquivalent(const Statements &statements, const Mutant &mutant) {
  for (const Rule &rule : kRules)
    if (mutant.kind == rule.kind && rule.holds(statements, mutant))
      return rule.reason;
  return "";
}

} // namespace attn::mutants
