//===- VerbText.h - what people are told of verbs and options ----*- C++ -*-===//
//
// Every verb and option is declared once (VerbBuilder.h). The command line is parsed by the
// declaration; help, shell completion and the manual are written from it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <string>
#include <vector>

namespace attn::tools {

/// An option, or what a verb is about.
struct OptionText {
  std::vector<std::string> names; ///< "-o", "--output"; of a subject: "SPEC"
  std::string type;               ///< "FILE"; "[=SEED]" where it may be left out; empty: a flag
  std::string description;
  bool isHidden = false;                ///< from help, where another option's description names it
  std::vector<std::string> values = {}; ///< that shells offer; for a choice there are no others
  bool isList = false;                  ///< several of the values, joined by commas
  bool takesFiles = false;
  std::vector<std::string> suffixes = {}; ///< of the files; none: any

  bool isFlag() const { return type.empty(); }
  const std::string &longName() const { return names.back(); }

  OptionText &suggest(std::vector<std::string> list) {
    values = std::move(list);
    return *this;
  }
  OptionText &joined() {
    isList = true;
    return *this;
  }
  OptionText &orFile(std::vector<std::string> endings = {}) {
    takesFiles = true;
    suffixes = std::move(endings);
    return *this;
  }
  OptionText &hide() {
    isHidden = true;
    return *this;
  }
};

struct VerbText {
  std::string name, description, example;
  OptionText subject;
  std::string subjectInWords; ///< "a spec", for messages
  bool takesSeveral = false;  ///< subjects
  bool needsSubject = true;
  std::vector<OptionText> options;
};

struct ProgramText {
  std::string description, example, version;
  std::vector<OptionText> options; ///< that stand without a verb
  std::vector<const VerbText *> verbs;
};

/// "-o, --output FILE", "--random[=SEED]".
std::string spellingOf(const OptionText &option);
/// "SPEC", "SPEC...", nothing where there is no subject.
std::string subjectOf(const VerbText &verb);

/// One line an option or verb, the example last: within 24 lines of 100 columns.
std::string helpOf(const ProgramText &program);
std::string helpOf(const VerbText &verb);

} // namespace attn::tools
