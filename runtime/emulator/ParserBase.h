//===- ParserBase.h - token cursor and variable declarations ----*- C++ -*-===//
//
// What the parsers of a module and of a kernel's body share.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/emulator/Lexer.h"
#include "runtime/emulator/Parser.h"

#include <optional>

namespace attn::emulator {

/// Where parsing is, and the first thing that was wrong. Shared by the parsers of one module.
struct Progress {
  size_t at = 0;
  std::optional<Error> error;
};

class ParserBase {
protected:
  ParserBase(const Source &source, const std::vector<Token> &tokens, Progress &progress)
      : source(source), tokens(tokens), at(progress.at), error(progress.error), progress(progress) {
  }

  const Token &peek(size_t ahead = 0) const {
    return tokens[std::min(at + ahead, tokens.size() - 1)];
  }
  const Token &next() {
    const Token &token = peek();
    at += at + 1 < tokens.size();
    return token;
  }
  bool take(char c) {
    bool found = peek().is(c);
    if (found)
      next();
    return found;
  }
  bool take(std::string_view word) {
    bool found = peek().is(word);
    if (found)
      next();
    return found;
  }
  bool expect(char c);

  /// Records the first error, at the current token; returns false.
  bool fail(std::string_view message);
  bool ok() const { return !error; }

  /// Reads over .loc, .file, .section and .pragma; true if there was one.
  bool skipDebugging();

  /// `.align 16 .v2 .f32 name[4][2]`, without initialiser: after the state space.
  bool parseDeclarator(Variable &variable);
  /// A declarator, perhaps with an initialiser, and the semicolon.
  bool parseVariable(Variable &variable);

  const Source &source;
  const std::vector<Token> &tokens;
  size_t &at;
  std::optional<Error> &error;
  Progress &progress;

private:
  bool parseInitializer(Variable &variable, unsigned depth = 0);
  bool parseElement(Variable &variable);
  void skipLine(uint32_t line);

  Type elementType = Type::B8;
};

} // namespace attn::emulator
