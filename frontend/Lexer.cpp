//===- Lexer.cpp - words of the .attn language ----------------------------===//
#include "frontend/Lexer.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using llvm::StringRef;

namespace attn {

static bool startsWord(char c) { return llvm::isAlpha(c) || c == '_'; }
static bool continuesWord(char c) { return llvm::isAlnum(c) || c == '_'; }

Lexer::Lexer(StringRef text) : rest(text) { rest.consume_front("\xEF\xBB\xBF"); }

void Lexer::skipSpaceAndComments() {
  for (;;) {
    rest = rest.ltrim(" \t\r\n\v\f");
    if (!rest.starts_with("//") && !rest.starts_with("#"))
      return;
    // Not find + substr: at the end of the text `rest` must point there, for the last message.
    rest = rest.drop_front(std::min(rest.find('\n'), rest.size()));
  }
}

Token Lexer::take(Token::Kind kind, size_t length) {
  Token token{kind, rest.take_front(length), {}};
  rest = rest.drop_front(length);
  return token;
}

Token Lexer::invalid(size_t length, std::string problem) {
  Token token = take(Token::Invalid, length);
  token.problem = std::move(problem);
  return token;
}

/// digits with single `_` between them
static size_t lengthOfDigits(StringRef text) {
  size_t n = 0;
  while (n < text.size() && (llvm::isDigit(text[n]) || (n > 0 && text[n] == '_')))
    ++n;
  return n;
}

static bool hasStrayUnderscore(StringRef digits) {
  return digits.contains("__") || digits.ends_with("_");
}

Token Lexer::lexNumber() {
  size_t n = lengthOfDigits(rest);
  bool stray = hasStrayUnderscore(rest.take_front(n)), real = false;
  auto digitsFollow = [&](size_t at) { return at < rest.size() && llvm::isDigit(rest[at]); };
  auto takeDigits = [&] {
    size_t more = lengthOfDigits(rest.drop_front(n));
    stray |= hasStrayUnderscore(rest.substr(n, more));
    n += more;
    real = true;
  };
  // `0..3` is a range, so a fraction needs a digit after the point.
  if (rest.substr(n, 1) == "." && digitsFollow(n + 1)) {
    ++n;
    takeDigits();
  }
  if (n < rest.size() && (rest[n] == 'e' || rest[n] == 'E')) {
    size_t sign = n + 1 < rest.size() && (rest[n + 1] == '-' || rest[n + 1] == '+');
    if (digitsFollow(n + 1 + sign)) {
      n += 1 + sign;
      takeDigits();
    }
  }
  size_t end = n;
  while (end < rest.size() && continuesWord(rest[end]))
    ++end;
  if (end == n && !stray)
    return take(real ? Token::Real : Token::Integer, n);
  std::string spelled = rest.take_front(std::min<size_t>(end, 40)).str();
  return invalid(end, "malformed number '" + spelled +
                          "', write decimal digits, optionally with '_' between them");
}

/// From one '"' to the next on the same line; there are no escapes.
Token Lexer::lexString() {
  size_t end = 1;
  while (end < rest.size() && rest[end] != '"' &&
         !llvm::is_contained({'\n', '\r', '\0'}, rest[end]))
    ++end;
  if (end < rest.size() && rest[end] == '"')
    return take(Token::String, end + 1);
  return invalid(end, "string is not closed, a '\"' must follow on its line");
}

static std::string describeCharacter(unsigned char c) {
  if (llvm::isPrint(c))
    return std::string("unexpected character '") + char(c) + "'";
  return "unexpected byte 0x" + llvm::utohexstr(c, /*LowerCase=*/true, /*Width=*/2);
}

Token Lexer::next() {
  skipSpaceAndComments();
  if (rest.empty())
    return take(Token::End, 0);
  if (startsWord(rest.front()))
    return take(Token::Identifier, rest.take_while(continuesWord).size());
  if (llvm::isDigit(rest.front()))
    return lexNumber();
  if (rest.front() == '"')
    return lexString();
  for (StringRef two : {"=>", "<=", ">=", "==", "!=", "&&", "||", ".."})
    if (rest.starts_with(two))
      return take(Token::Punctuation, 2);
  if (StringRef("{}[](),;:=?!&|+-*/%<>").contains(rest.front()))
    return take(Token::Punctuation, 1);
  return invalid(1, describeCharacter(rest.front()));
}

} // namespace attn
