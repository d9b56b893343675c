#include "tools/CompletionScripts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attn::tools {

namespace {

using Words = std::vector<std::string>;

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
  return text;
}

/// As one word of bash and zsh.
std::string quoted(const std::string &text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

Words verbNames(const ProgramText &program) {
  Words names;
  for (const VerbText *verb : program.verbs)
    names.push_back(verb->name);
  return names;
}

/// A value that may be left out stands behind '='.
bool takesNextWord(const OptionText &option) { return !option.isFlag() && option.type[0] != '['; }

bool hasHints(const OptionText &option) { return option.takesFiles || !option.values.empty(); }

//===----------------------------------------------------------------------===//
// bash
//===----------------------------------------------------------------------===//

/// bash breaks words at '=' unless somebody has told it not to, so that the value of --option=value
/// arrives in one of three forms.
constexpr const char *kBashHead =
    R"(# Completion of attnc for bash, written by 'attnc completion bash'.
_attnc() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local verb=${COMP_WORDS[1]} option='' front='' options='' values='' files='' list=''
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '@VERBS@ @OPTIONS@' -- "$cur"))
    return
  fi
  if [[ $cur == '=' ]]; then
    option=$prev cur=''
  elif [[ $prev == '=' ]]; then
    option=${COMP_WORDS[COMP_CWORD-2]}
  elif [[ $cur == --*=* ]]; then
    option=${cur%%=*} front=${cur%%=*}= cur=${cur#*=}
  elif [[ $prev == -* && $cur != -* ]]; then
    option=$prev
  fi
  case $verb in
)";

constexpr const char *kBashTail = R"(  esac
  if [[ -z $option && $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    return
  fi
  if [[ -n $list && $cur == *,* ]]; then
    front+=${cur%,*}, cur=${cur##*,}
  fi
  COMPREPLY=($(compgen -P "$front" -W "$values" -- "$cur"))
  [[ -n $files ]] && _attnc_files
}

# Folders, and files that end as one of $files says; all files where nothing else fits or it says '*'.
_attnc_files() {
  local ending name found=()
  compopt -o filenames 2>/dev/null
  for ending in ${files//\*/}; do
    while IFS= read -r name; do found+=("$name"); done < <(compgen -f -X "!*.$ending" -- "$cur")
  done
  if ((${#found[@]} + ${#COMPREPLY[@]} == 0)); then
    while IFS= read -r name; do found+=("$name"); done < <(compgen -f -- "$cur")
  else
    while IFS= read -r name; do found+=("$name"); done < <(compgen -d -- "$cur")
  fi
  for name in "${found[@]}"; do COMPREPLY+=("$front$name"); done
}

complete -F _attnc attnc
)";

/// "values='cpu sm_80' list=1": what the script's variables say of an option.
std::string bashHints(const OptionText &option) {
  Words hints;
  if (!option.values.empty())
    hints.push_back(
        fmt::format("values={}", quoted(fmt::format("{}", fmt::join(option.values, " ")))));
  if (option.isList)
    hints.push_back("list=1");
  if (option.takesFiles)
    hints.push_back(
        fmt::format("files={}", quoted(option.suffixes.empty()
                                           ? "*"
                                           : fmt::format("{}", fmt::join(option.suffixes, " ")))));
  return fmt::format("{}", fmt::join(hints, " "));
}

std::string bashVerb(const VerbText &verb) {
  std::string cases, flags = "''";
  Words names;
  for (const OptionText &option : verb.options) {
    for (const std::string &name : option.names)
      names.push_back(name + (option.isFlag() || !name.starts_with("--") ? "" : "="));
    std::string label = fmt::format("{}", fmt::join(option.names, "|"));
    if (!takesNextWord(option))
      flags += "|" + label;
    else if (hasHints(option))
      cases += fmt::format("        {}) {} ;;\n", label, bashHints(option));
  }
  // The word behind a flag stands by itself.
  return fmt::format(
      "    {})\n      options={}\n      case $option in\n{}        {}) option='' {} ;;\n"
      "      esac ;;\n",
      verb.name, quoted(fmt::format("{}", fmt::join(names, " "))), cases, flags,
      bashHints(verb.subject));
}

std::string bashScript(const ProgramText &program) {
  Words options;
  for (const OptionText &option : program.options)
    options.push_back(option.longName());
  std::string text =
      replaced(kBashHead, "@VERBS@", fmt::format("{}", fmt::join(verbNames(program), " ")));
  text = replaced(text, "@OPTIONS@", fmt::format("{}", fmt::join(options, " ")));
  for (const VerbText *verb : program.verbs)
    text += bashVerb(*verb);
  return text + kBashTail;
}

//===----------------------------------------------------------------------===//
// zsh
//===----------------------------------------------------------------------===//

/// In a specification of _arguments.
std::string zshText(std::string text) {
  for (const char *special : {"\\", "[", "]", ":"})
    text = replaced(text, special, std::string("\\") + special);
  return text;
}

/// "(json)" alone would be a qualifier.
std::string zshPattern(const OptionText &option) {
  const Words &endings = option.suffixes;
  return endings.empty()       ? "*"
         : endings.size() == 1 ? "*." + endings.front()
                               : fmt::format("*.({})", fmt::join(endings, "|"));
}

/// How zsh completes the value.
std::string zshAction(const OptionText &option) {
  std::string values = fmt::format("{}", fmt::join(option.values, " "));
  if (option.isList)
    return "_sequence compadd - " + values;
  if (option.takesFiles && !values.empty()) // the space keeps other arguments away
    return fmt::format(" _attnc_names_or_files \"{}\" {}", zshPattern(option), values);
  if (option.takesFiles)
    return fmt::format("_files -g \"{}\"", zshPattern(option));
  return values.empty() ? " " : fmt::format("({})", values);
}

/// "'(-o --output)'{-o,--output=}'[where to write it]:FILE:_files'".
std::string zshOption(const OptionText &option) {
  std::string value;
  if (!option.isFlag())
    value = fmt::format("{}:{}:{}", option.type[0] == '[' ? ":" : "", zshText(option.type),
                        zshAction(option));
  auto withValue = [&](const std::string &name) {
    if (option.isFlag())
      return name;
    return name + (option.type[0] == '[' ? "=-" : name.starts_with("--") ? "=" : "");
  };
  std::string rest = quoted("[" + zshText(option.description) + "]" + value);
  if (option.names.size() == 1)
    return withValue(option.longName()) + rest;
  return fmt::format("'({} {})'{{{},{}}}{}", option.names[0], option.names[1],
                     withValue(option.names[0]), withValue(option.names[1]), rest);
}

std::string zshVerb(const VerbText &verb) {
  std::string text = fmt::format("    {})\n      _arguments", verb.name);
  for (const OptionText &option : verb.options)
    text += " \\\n        " + zshOption(option);
  if (!subjectOf(verb).empty())
    text += " \\\n        " + quoted(fmt::format("{}:{}:{}", verb.takesSeveral ? "*" : "1",
                                                 verb.subject.longName(), zshAction(verb.subject)));
  return text + " ;;\n";
}

constexpr const char *kZshHead = R"(#compdef attnc
# Completion of attnc for zsh, written by 'attnc completion zsh'.
_attnc_names_or_files() {
  local pattern=$1
  local -a names=("${@:2}")
  _alternative 'names:name:compadd -a names' "files:file:_files -g '$pattern'"
}

_attnc() {
  local -a verbs
  verbs=(
)";

std::string zshScript(const ProgramText &program) {
  std::string text = kZshHead;
  for (const VerbText *verb : program.verbs)
    text += fmt::format("    {}\n", quoted(verb->name + ":" + verb->description));
  text += "  )\n  if ((CURRENT == 2)); then\n    _describe -t verbs verb verbs\n    _arguments";
  for (const OptionText &option : program.options)
    text += " \\\n      " + zshOption(option);
  text += "\n    return\n  fi\n  local verb=$words[2]\n  shift words\n  ((CURRENT--))\n"
          "  case $verb in\n";
  for (const VerbText *verb : program.verbs)
    text += zshVerb(*verb);
  // Found by its name in a folder of $fpath, or read by hand.
  return text + "  esac\n}\n\nif [[ $funcstack[1] == _attnc ]]; then\n  _attnc \"$@\"\nelse\n"
                "  compdef _attnc attnc\nfi\n";
}

//===----------------------------------------------------------------------===//
// fish
//===----------------------------------------------------------------------===//

std::string fishQuoted(const std::string &text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

/// Values in their order. Behind '=' fish cannot choose files by their ends.
std::string fishValue(const OptionText &option) {
  std::string values = fmt::format("{}", fmt::join(option.values, " "));
  if (option.isList)
    values = fmt::format("(__fish_append , {})", values);
  return (option.takesFiles ? " -F" : " -f") +
         (values.empty() ? "" : " -k -a " + fishQuoted(values));
}

/// Files that end as they should come first.
std::string fishSubject(const OptionText &subject) {
  if (subject.suffixes.empty())
    return fishValue(subject);
  return fmt::format(" -k -a '(__fish_complete_suffix .{})'", fmt::join(subject.suffixes, " ."));
}

std::string fishOption(const std::string &condition, const OptionText &option) {
  std::string text = fmt::format("complete -c attnc -n {}", fishQuoted(condition));
  for (const std::string &name : option.names)
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (takesNextWord(option))
    text += " -r" + fishValue(option);
  return text + " -d " + fishQuoted(option.description) + "\n";
}

std::string fishScript(const ProgramText &program) {
  std::string text = R"(# Completion of attnc for fish, written by 'attnc completion fish'.
function __attnc_verb
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test "$words[2]" = "$argv[1]"
end
function __attnc_none
    test (count (commandline -opc)) -eq 1
end
complete -c attnc -f
)";
  for (const OptionText &option : program.options)
    text += fishOption("__attnc_none", option);
  for (const VerbText *verb : program.verbs) {
    text += fmt::format("complete -c attnc -n __attnc_none -a {} -d {}\n", verb->name,
                        fishQuoted(verb->description));
    std::string condition = "__attnc_verb " + verb->name;
    if (hasHints(verb->subject))
      text += fmt::format("complete -c attnc -n {}{}\n", fishQuoted(condition),
                          fishSubject(verb->subject));
    for (const OptionText &option : verb->options)
      text += fishOption(condition, option);
  }
  return text;
}

} // namespace

const std::vector<std::string> &shellNames() {
  static const std::vector<std::string> names{"bash", "zsh", "fish"};
  return names;
}

std::string completionScript(const ProgramText &program, const std::string &shell) {
  return shell == "bash"  ? bashScript(program)
         : shell == "zsh" ? zshScript(program)
                          : fishScript(program);
}

} // namespace attn::tools
