#include "tools/ManPage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attn::tools {

namespace {

struct Row {
  const char *name, *text;
};

const Row kExamples[] = {
    {"Compile a kernel for this machine, run it on random tensors and compare with an f64 "
     "reference:",
     "attnc run chat.attn --random --tokens=4096 --check"},
    {"How fast it is, how fast this processor could be, and what the mask saves:",
     "attnc bench chat.attn --tokens=4096 --dense"},
    {"One file with everything that launches need, for processors and for GPUs:",
     "attnc compile chat.attn --target=cpu,sm_80 --emit=package -o chat.attnpkg"},
    {"The tile map, as a page to look at in a browser:",
     "attnc show chat.attn --tokens=8192 --format=html -o chat.html"},
    {"How long the kernel takes on a GPU that is not here, and what limits it:",
     "attnc simulate video.attn --gpu=h100 --q-tile=2x8x8 --k-tile=2x8x8"},
};

const Row kMeasures[] = {
    {"peak",
     "What this processor does at most, measured beside the runs: fused multiply-adds of f32 "
     "between registers, with the widest registers that there are, on as many threads as "
     "the kernel has. For bf16 it is 16 times that with AMX, and twice that where the code "
     "has dot products of bf16 and the processor does twice as much with them."},
    {"tile bound",
     "The time that the visited tiles need at the peak, of the time that the run took. More than "
     "100 % where much of partial tiles is left out."},
    {"bound",
     "Of the speed-up over the same kernel under \"mask all\": all tiles by visited ones."},
};

const Row kEnvironment[] = {
    {"ATTNC_CACHE", "\"off\": compiled kernels are neither kept on disk nor looked for there."},
    {"ATTNC_CACHE_DIR", "The folder where they are kept."},
    {"XDG_CACHE_HOME", "Where ATTNC_CACHE_DIR is not set, the folder is \"attnc\" in this one."},
    {"HOME", "Where neither is set, it is \".cache/attnc\" in this one."},
    {"ATTNC_CACHE_SIZE", "Bytes of all kernels on disk, with K, M or G behind the number if wanted "
                         "(default: 256M). What was not used for longest goes first."},
    {"NO_COLOR",
     "If it is set, \"attnc show\" uses no colours unless --color=always asks for them."},
    {"PATH", "Where ptxas, which makes cubins, and ld.lld, which links packages, are looked for "
             "first."},
};

const Row kFiles[] = {
    {"*.attn", "Specs: kernels in the language of attnc."},
    {"*.mlir", "The same as MLIR text."},
    {"*.attnpkg", "Packages: compiled kernels with everything that launches need."},
    {"*.safetensors", "Tensors: q, k, v and the run-time inputs by their names; o and lse."},
    {"~/.cache/attnc", "Compiled kernels, see ENVIRONMENT and \"attnc cache\"."},
};

const Row kExits[] = {
    {"0", "All went well."},
    {"1",
     "A mistake on the command line or in a file, a comparison of \"attnc run\" that failed, or "
     "damage that \"attnc cache verify\" has found. Errors go to the standard error stream, and "
     "no output file is half-written."},
};

/// Text as it is meant: no hyphen for a minus, no escape, no request.
std::string plain(const std::string &text) {
  std::string result;
  for (char c : text)
    result += c == '\\' ? "\\e" : c == '-' ? "\\-" : c == '\'' ? "\\(aq" : std::string(1, c);
  return result.starts_with('.') ? "\\&" + result : result;
}

std::string bold(const std::string &text) { return "\\fB" + plain(text) + "\\fR"; }
std::string italic(const std::string &text) { return "\\fI" + plain(text) + "\\fR"; }

std::string optionText(const OptionText &option) {
  std::vector<std::string> names;
  for (const std::string &name : option.names)
    names.push_back(bold(name));
  std::string text = fmt::format(".TP\n{}", fmt::join(names, ", "));
  if (!option.isFlag())
    text += (option.type[0] == '[' ? "" : " ") + italic(option.type);
  return text + "\n" + plain(option.description) + "\n";
}

std::string exampleText(const std::string &command) {
  return fmt::format(".PP\n.EX\n    {}\n.EE\n", plain(command));
}

std::string verbText(const VerbText &verb) {
  std::string text = fmt::format(".SS attnc {}\n.B attnc {}\n", plain(verb.name), plain(verb.name));
  if (!subjectOf(verb).empty())
    text += italic(subjectOf(verb)) + "\n";
  text += fmt::format("[{}]\n.PP\n{}\n", italic("options"), plain(verb.description));
  if (!subjectOf(verb).empty())
    text += fmt::format(".TP\n{}\n{}\n", italic(verb.subject.longName()),
                        plain(verb.subject.description));
  for (const OptionText &option : verb.options)
    text += optionText(option);
  return text + exampleText(verb.example);
}

template <size_t N> std::string rowsText(const char *title, const Row (&rows)[N]) {
  std::string text = fmt::format(".SH {}\n", title);
  for (const Row &row : rows)
    text += fmt::format(".TP\n{}\n{}\n", bold(row.name), plain(row.text));
  return text;
}

std::string introduction(const ProgramText &program) {
  std::string text = fmt::format(
      ".TH ATTNC 1 \"\" \"{0}\" \"User Commands\"\n.SH NAME\nattnc \\- {1}\n.SH SYNOPSIS\n"
      ".B attnc\n{2}\n[{3}]\n.br\n.B attnc\n{2}\n{4}\n",
      plain(program.version.substr(0, program.version.find(" ("))), plain(program.description),
      italic("VERB"), italic("options"), bold("--help"));
  text += ".SH DESCRIPTION\n";
  text += plain("One sentence of a spec says which query may see which key. attnc turns it into a "
                "kernel that does no work for what is hidden, checks that the kernel is right, and "
                "says beforehand how fast it can be.") +
          "\n.PP\n";
  text +=
      plain("Options may be written --option=VALUE or --option VALUE, and stand anywhere behind "
            "the verb. Of an option that is given twice the last one counts.") +
      "\n";
  return text;
}

} // namespace

std::string manPage(const ProgramText &program) {
  std::string text = introduction(program) + ".SH OPTIONS\n";
  for (const OptionText &option : program.options)
    text += optionText(option);
  text += ".SH VERBS\n";
  for (const VerbText *verb : program.verbs)
    text += verbText(*verb);
  text += ".SH EXAMPLES\n";
  for (const Row &row : kExamples)
    text += fmt::format("{}{}\n{}", text.ends_with("EXAMPLES\n") ? "" : ".PP\n", plain(row.name),
                        exampleText(row.text));
  return text + rowsText("MEASURES", kMeasures) + rowsText("ENVIRONMENT", kEnvironment) +
         rowsText("FILES", kFiles) + rowsText("EXIT STATUS", kExits);
}

} // namespace attn::tools
