//===- CommandLineShell.cpp - verbs that tell of the others ----------------===//
#include "tools/CommandLineVerbs.h"
#include "tools/CompletionScripts.h"
#include "tools/ManPage.h"

#include "nlohmann/json.hpp"

namespace attn::tools {

namespace {

struct ShellOptions {
  const ProgramText *program = nullptr;
  std::string shell;
  std::string output = "-";
  std::string format = "text"; ///< text or json
};

int write(const ShellOptions &options, std::string text) {
  if (options.format == "json") {
    nlohmann::ordered_json json;
    if (!options.shell.empty())
      json["shell"] = options.shell;
    json["text"] = std::move(text);
    text = json.dump(2) + "\n";
  }
  Status written = writeOutput(options.output, text);
  return written ? 0 : fail(written.error());
}

int completionVerb(const ShellOptions &options) {
  return write(options, completionScript(*options.program, options.shell));
}

int manVerb(const ShellOptions &options) { return write(options, manPage(*options.program)); }

} // namespace

Verb addCompletion(CLI::App &root, const ProgramText &program) {
  auto d = std::make_shared<Declared<ShellOptions>>(
      root, "completion", "writes what a shell reads to complete verbs, options and values",
      "source <(attnc completion bash)");
  d->options.program = &program;
  d->chosenSubject("SHELL", d->options.shell, shellNames(), "{}", "a shell");
  d->output(d->options.output);
  d->format(d->options.format);
  return finished(std::move(d), completionVerb);
}

Verb addMan(CLI::App &root, const ProgramText &program) {
  auto d = std::make_shared<Declared<ShellOptions>>(root, "man", "writes the manual page, attnc(1)",
                                                    "attnc man -o attnc.1 && man -l attnc.1");
  d->options.program = &program;
  d->output(d->options.output);
  d->format(d->options.format);
  return finished(std::move(d), manVerb);
}

} // namespace attn::tools
