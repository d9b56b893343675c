//===- CommandLine.cpp - from the words of a command to its verb ----------===//
#include "tools/CommandLine.h"

#include "tools/CommandLineVerbs.h"

#include "llvm/Config/llvm-config.h"

namespace attn::tools {

namespace {

std::vector<Verb> addVerbs(CLI::App &root, const ProgramText &program) {
  return {addCompile(root),
          addInspect(root),
          addRun(root),
          addBench(root),
          addShow(root),
          addSimulate(root),
          addTune(root),
          addFit(root),
          addExplain(root),
          addCache(root),
          addCompletion(root, program),
          addMan(root, program)};
}

/// Help is written from the declarations.
class Helper : public CLI::Formatter {
public:
  explicit Helper(const ProgramText &program) : program(program) {}
  std::string make_help(const CLI::App *app, std::string, CLI::AppFormatMode) const override {
    for (const VerbText *verb : program.verbs)
      if (verb->name == app->get_name())
        return helpOf(*verb);
    return helpOf(program);
  }

private:
  const ProgramText &program;
};

ProgramText programText() {
  ProgramText program;
  program.description = "a compiler for sparse attention";
  program.example = "attnc run examples/minilm/dense.attn --random --check";
  program.version = "attnc " ATTNC_VERSION " (LLVM " LLVM_VERSION_STRING ")";
  program.options = {
      {{"-h", "--help"}, "", "show this text; 'attnc VERB --help' shows a verb's options"},
      {{"--version"}, "", "show the version"}};
  return program;
}

std::vector<std::string> optionNames(const CLI::App &app) {
  std::vector<std::string> names;
  for (const CLI::Option *option : app.get_options())
    for (const std::string &name : option->get_lnames())
      names.push_back("--" + name);
  return names;
}

std::string helpCommandOf(const CLI::App &app) {
  return (app.get_parent() ? "attnc " + app.get_name() : app.get_name()) + " --help";
}

Error unexpectedArgument(const CLI::App &app) {
  std::vector<std::string> rest = app.remaining();
  assert(!rest.empty() && "CLI11 complains of words that it then holds");
  const std::string &word = rest.front();
  if (word.size() < 2 || word[0] != '-')
    return makeError("unexpected argument '{}'", word)
        .withNote("'{}' lists what may be given", helpCommandOf(app));
  return unknownName("option", word.substr(0, word.find('=')), optionNames(app));
}

/// `verb` is none where the mistake came before it.
Error commandLineError(const CLI::ParseError &error, const CLI::App &app, const VerbText *verb) {
  if (dynamic_cast<const CLI::ExtrasError *>(&error))
    return unexpectedArgument(app);
  std::string help = helpCommandOf(app);
  if (dynamic_cast<const CLI::RequiredError *>(&error))
    return verb ? makeError("{} is missing", verb->subjectInWords)
                      .withNote("'{}' shows an example", help)
                : unexpectedArgument(app);
  std::string message = error.what();
  std::string option = message.substr(0, message.find_first_of(": "));
  if (dynamic_cast<const CLI::ArgumentMismatch *>(&error))
    message = message.find("flag override") == std::string::npos
                  ? fmt::format("option '{}' needs a value", option)
                  : fmt::format("option '--{}' takes no value", option);
  return Error{message, {fmt::format("'{}' lists the options", help)}};
}

/// `--random` may stand alone; CLI11 would then take the next word for its value.
std::vector<std::string> wordsOf(int argc, char **argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  for (std::string &word : words)
    if (word == "--random")
      word = "--random=0";
  return words;
}

int parseAndRun(CLI::App &root, const std::vector<Verb> &verbs, std::vector<std::string> words) {
  std::reverse(words.begin(), words.end()); // CLI11 takes them from the back
  try {
    root.parse(words);
  } catch (const CLI::Success &request) {
    return root.exit(request); // --help, --version
  } catch (const CLI::ParseError &error) {
    for (const Verb &verb : verbs)
      if (verb.builder->app->count() > 0 || verb.builder->verb.name == words.back())
        return fail(commandLineError(error, *verb.builder->app, &verb.builder->verb));
    return fail(commandLineError(error, root, nullptr));
  }
  for (const Verb &verb : verbs)
    if (verb.builder->app->parsed())
      return verb.run();
  return 1;
}

} // namespace

int runCommandLine(int argc, char **argv) {
  ProgramText program = programText();
  CLI::App root(program.description, "attnc");
  root.formatter(std::make_shared<Helper>(program));
  root.set_help_flag("-h,--help");
  root.set_version_flag("--version", program.version);
  root.require_subcommand(1);
  std::vector<Verb> verbs = addVerbs(root, program);
  std::vector<std::string> names;
  for (const Verb &verb : verbs) {
    program.verbs.push_back(&verb.builder->verb);
    names.push_back(verb.builder->verb.name);
  }
  std::vector<std::string> words = wordsOf(argc, argv);
  if (words.empty()) {
    fmt::print(stderr, "{}", root.help());
    return 1;
  }
  if (words[0][0] != '-' && std::find(names.begin(), names.end(), words[0]) == names.end())
    return fail(unknownName("verb", words[0], names));
  return parseAndRun(root, verbs, words);
}

} // namespace attn::tools
