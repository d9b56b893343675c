#include "test/mutants/PtxText.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>

namespace attn::mutants {

std::string PtxStatement::text() const {
  std::string text = guard.empty() ? "" : "@" + guard + " ";
  text += opcode;
  for (size_t i = 0; i < operands.size(); ++i)
    text += (i ? ", " : " ") + operands[i];
  return text + ";";
}

static bool isBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// Blanks in a row become one, those at the ends and after an opening bracket none.
static std::string tidy(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (!isBlank(c))
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  while (!out.empty() && out.back() == ' ')
    out.pop_back();
  return out;
}

static std::vector<std::string> splitAtCommas(std::string_view text) {
  std::vector<std::string> parts;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    char c = i < text.size() ? text[i] : ',';
    depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    if (c == ',' && (depth == 0 || i == text.size())) {
      parts.push_back(tidy(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  return parts;
}

static PtxStatement statementAt(std::string_view text, size_t begin) {
  PtxStatement statement;
  statement.begin = begin;
  statement.end = begin + text.size() + 1;
  size_t at = 0;
  auto word = [&] {
    size_t from = at;
    while (at < text.size() && !isBlank(text[at]))
      ++at;
    std::string result(text.substr(from, at - from));
    while (at < text.size() && isBlank(text[at]))
      ++at;
    return result;
  };
  if (text.front() == '@')
    statement.guard = word().substr(1);
  statement.opcode = word();
  if (at < text.size())
    statement.operands = splitAtCommas(text.substr(at));
  return statement;
}

/// Those of the kernel whose body begins at `at`; returns where it ends.
static size_t appendBody(const std::string &ptx, size_t at, size_t kernel,
                         std::vector<PtxStatement> &statements) {
  int depth = 0;
  std::vector<std::string> labels;
  while (at < ptx.size()) {
    if (isBlank(ptx[at])) {
      ++at;
    } else if (ptx[at] == '{' || ptx[at] == '}') {
      depth += ptx[at] == '{' ? 1 : -1;
      ++at;
      if (depth == 0)
        break;
    } else if (ptx.compare(at, 2, "//") == 0) {
      at = std::min(ptx.find('\n', at), ptx.size());
    } else {
      size_t end = ptx.find_first_of(";:\n", at);
      if (end != std::string::npos && ptx[end] == ':') {
        labels.push_back(ptx.substr(at, end - at));
        at = end + 1;
        continue;
      }
      end = std::min(ptx.find(';', at), ptx.size());
      if (ptx[at] != '.') {
        statements.push_back(statementAt(std::string_view(ptx).substr(at, end - at), at));
        statements.back().kernel = kernel;
        statements.back().labels = std::move(labels);
        labels.clear();
      }
      at = end + 1;
    }
  }
  return at;
}

std::vector<PtxStatement> statementsOf(const std::string &ptx) {
  std::vector<PtxStatement> statements;
  size_t kernel = 0;
  for (size_t at = 0; (at = ptx.find(".entry", at)) != std::string::npos; ++kernel)
    at = appendBody(ptx, std::min(ptx.find('{', at), ptx.size()), kernel, statements);
  return statements;
}

std::vector<std::string> elementsOf(const std::string &vector) {
  return splitAtCommas(std::string_view(vector).substr(1, vector.size() - 2));
}

std::string vectorOf(const std::vector<std::string> &elements) {
  std::string text = "{";
  for (size_t i = 0; i < elements.size(); ++i)
    text += (i ? ", " : "") + elements[i];
  return text + "}";
}

std::string moved(const std::string &address, int64_t bytes) {
  std::string inside = address.substr(1, address.size() - 2);
  size_t plus = inside.find('+');
  int64_t offset =
      bytes + (plus == std::string::npos ? 0 : integerOf(inside.substr(plus + 1)).value_or(0));
  return "[" + tidy(inside.substr(0, plus)) + "+" + std::to_string(offset) + "]";
}

std::vector<std::string> registersIn(const std::string &operand) {
  std::vector<std::string> registers;
  for (size_t at = 0; (at = operand.find('%', at)) != std::string::npos;) {
    size_t end = std::min(operand.find_first_of(" ,+|]})", at), operand.size());
    registers.push_back(operand.substr(at, end - at));
    at = end;
  }
  return registers;
}

std::optional<int64_t> integerOf(const std::string &operand) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(operand.data(), operand.data() + operand.size(), value);
  if (error != std::errc() || end != operand.data() + operand.size() || operand.empty())
    return std::nullopt;
  return value;
}

/// Integer arithmetic from registers to a register.
static bool isIntegerStep(const PtxStatement &statement) {
  for (const char *opcode : {"add.", "sub.", "xor.", "mad.", "mul.", "min.", "max.", "selp.",
                             "and.", "or.", "mov.", "shl.", "cvt."})
    if (statement.is(opcode) && !statement.has(".f") && !statement.has("bf16") &&
        !statement.has(".pred"))
      return true;
  return false;
}

std::vector<bool> carriedOnes(const std::vector<PtxStatement> &statements) {
  // Registers that each register is computed from, all definitions together: LLVM carries the
  // values of a loop by movs.
  using Name = std::pair<size_t, std::string>; // of a kernel
  std::map<Name, std::vector<Name>> from;
  for (const PtxStatement &s : statements)
    if (isIntegerStep(s) && !s.operands.empty())
      for (size_t i = 1; i < s.operands.size(); ++i)
        for (const std::string &source : registersIn(s.operands[i]))
          from[{s.kernel, s.operands[0]}].push_back({s.kernel, source});
  auto reaches = [&](const Name &start, const Name &target) {
    std::vector<Name> open{start}, seen;
    while (!open.empty()) {
      Name here = open.back();
      open.pop_back();
      if (here == target)
        return true;
      if (std::find(seen.begin(), seen.end(), here) != seen.end())
        continue;
      seen.push_back(here);
      for (const Name &next : from[here])
        open.push_back(next);
    }
    return false;
  };
  std::vector<bool> carried;
  for (const PtxStatement &s : statements) {
    bool found = false;
    if (isIntegerStep(s) && !s.is("mov.") && !s.operands.empty())
      for (size_t i = 1; i < s.operands.size(); ++i)
        for (const std::string &source : registersIn(s.operands[i]))
          found = found || reaches({s.kernel, source}, {s.kernel, s.operands[0]});
    carried.push_back(found);
  }
  return carried;
}

} // namespace attn::mutants
