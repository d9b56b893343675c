//===- HelpText.cpp - help that fits a screen ------------------------------===//
#include "tools/VerbText.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attn::tools {

using Rows = std::vector<std::pair<std::string, std::string>>;

static std::string table(const Rows &rows) {
  size_t width = 0;
  for (const auto &[left, right] : rows)
    width = std::max(width, left.size());
  std::string text;
  for (const auto &[left, right] : rows)
    text += fmt::format("  {:<{}}  {}\n", left, width, right);
  return text;
}

static Rows rowsOf(const std::vector<OptionText> &options) {
  Rows rows;
  for (const OptionText &option : options)
    if (!option.isHidden)
      rows.emplace_back(spellingOf(option), option.description);
  return rows;
}

std::string spellingOf(const OptionText &option) {
  const char *space = option.isFlag() || option.type[0] == '[' ? "" : " ";
  return fmt::format("{}{}{}", fmt::join(option.names, ", "), space, option.type);
}

std::string subjectOf(const VerbText &verb) {
  return verb.subject.names.empty() ? ""
                                    : verb.subject.longName() + (verb.takesSeveral ? "..." : "");
}

std::string helpOf(const ProgramText &program) {
  Rows verbs;
  for (const VerbText *verb : program.verbs)
    verbs.emplace_back(verb->name, verb->description);
  return fmt::format("attnc: {}\nusage: attnc VERB [options]\n{}{}example:\n  {}\n",
                     program.description, table(verbs), table(rowsOf(program.options)),
                     program.example);
}

std::string helpOf(const VerbText &verb) {
  Rows rows;
  if (!subjectOf(verb).empty())
    rows.emplace_back(subjectOf(verb), verb.subject.description);
  for (auto &row : rowsOf(verb.options))
    rows.push_back(std::move(row));
  return fmt::format("{}\nusage: attnc {} {}{}[options]\n{}example:\n  {}\n", verb.description,
                     verb.name, subjectOf(verb), subjectOf(verb).empty() ? "" : " ", table(rows),
                     verb.example);
}

} // namespace attn::tools
