//===- Lexer.h - words of the .attn language ---------------------*- C++ -*-===//
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/SMLoc.h"

#include <string>

namespace attn {

struct Token {
  enum Kind { End, Invalid, Identifier, Integer, Real, String, Punctuation };

  Kind kind = End;
  llvm::StringRef text; // as it stands in the source, a String with its quotes; empty at the end
  std::string problem;  // of an Invalid token: the message, without the place

  llvm::SMLoc loc() const { return llvm::SMLoc::getFromPointer(text.data()); }
  /// Words and punctuation have different alphabets, so the text says the kind as well.
  bool is(llvm::StringRef spelling) const { return kind != Invalid && text == spelling; }
};

/// Cuts text into tokens; a copy is a bookmark. Never fails: what is no token is an Invalid one.
class Lexer {
public:
  explicit Lexer(llvm::StringRef text);

  /// The next token; End for ever after the last one.
  Token next();

  /// The text that is still to be read from `place` on, which lies further on.
  void jumpTo(const char *place) { rest = llvm::StringRef(place, rest.end() - place); }

private:
  void skipSpaceAndComments();
  Token lexNumber();
  Token lexString();
  Token take(Token::Kind kind, size_t length);
  Token invalid(size_t length, std::string problem);

  llvm::StringRef rest;
};

} // namespace attn
