#include "tools/HelpFormatter.h"

#include <fmt/format.h>

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

/// "-o, --output FILE" or "--threads N".
static std::string spelling(const CLI::Option *option) {
  std::string names = option->get_name(option->get_positional(), true);
  for (size_t at = 0; (at = names.find(',', at)) != std::string::npos; at += 2)
    names.replace(at, 1, ", ");
  std::string type = option->get_option_text();
  return type.empty() ? names : names + (type[0] == '[' ? "" : " ") + type;
}

std::string HelpFormatter::make_help(const CLI::App *app, std::string name,
                                     CLI::AppFormatMode) const {
  std::vector<const CLI::App *> verbs = app->get_subcommands({});
  std::string program =
      app->get_parent() ? app->get_parent()->get_name() + " " + app->get_name() : app->get_name();
  std::string positionals;
  Rows options, verbRows;
  for (const CLI::Option *option : app->get_options()) {
    if (option->get_group().empty()) // hidden: another option's description names it
      continue;
    if (option->get_positional())
      positionals += " " + option->get_name(true);
    options.emplace_back(option->get_positional() ? option->get_name(true) : spelling(option),
                         option->get_description());
  }
  for (const CLI::App *verb : verbs)
    verbRows.emplace_back(verb->get_name(), verb->get_description());
  std::string text = app->get_description() + "\n";
  text +=
      fmt::format("usage: {}{}{} [options]\n", program, verbs.empty() ? "" : " VERB", positionals);
  text += table(verbRows);
  text += table(options);
  return text + app->get_footer() + "\n";
}

} // namespace attn::tools
