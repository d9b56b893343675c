//===- TokenStream.cpp - tokens, numbers, and what was expected instead ---===//
#include "frontend/Parser.h"

#include <cmath>

using namespace mlir;

namespace attn {

TokenStream::TokenStream(const Source &source) : source(source), lexer(source.text()) {
  token = lexer.next();
}

Token TokenStream::take() {
  Token taken = std::move(token);
  token = lexer.next();
  return taken;
}

void TokenStream::jumpTo(const char *place) {
  lexer.jumpTo(place);
  token = lexer.next();
}

StringRef TokenStream::textAhead() const {
  StringRef text = source.text();
  return text.drop_front(token.text.data() - text.data());
}

bool TokenStream::takeIf(StringRef spelling) {
  if (!token.is(spelling) || token.kind == Token::End)
    return false;
  take();
  return true;
}

InFlightDiagnostic TokenStream::unexpected(const Twine &what) const {
  if (token.kind == Token::Invalid)
    return source.error(token.loc()) << token.problem;
  InFlightDiagnostic diag = source.error(token.loc());
  diag << "expected " << what << ", but found ";
  constexpr size_t kLongest = 60;
  if (token.kind == Token::End)
    diag << "the end of the text";
  else
    diag << "'" << token.text.take_front(kLongest) << (token.text.size() > kLongest ? "...'" : "'");
  return diag;
}

LogicalResult TokenStream::expect(StringRef spelling, const Twine &where) {
  if (takeIf(spelling))
    return success();
  return unexpected("'" + spelling + "' " + where);
}

FailureOr<syntax::Word> TokenStream::expectWord(const Twine &what) {
  if (token.kind != Token::Identifier)
    return unexpected(what);
  Token word = take();
  return syntax::Word{word.text, word.loc()};
}

static std::string digitsOf(StringRef text) {
  std::string digits = text.str();
  llvm::erase(digits, '_');
  return digits;
}

FailureOr<int64_t> TokenStream::integerOf(const Token &number, bool negative) const {
  int64_t value;
  // Parsed with its sign, so that -2^63 is a number.
  if (!StringRef((negative ? "-" : "") + digitsOf(number.text)).getAsInteger(10, value))
    return value;
  return source.error(number.loc()) << "number does not fit into 64 bits";
}

FailureOr<double> TokenStream::realOf(const Token &number) const {
  double value;
  if (!StringRef(digitsOf(number.text)).getAsDouble(value) && std::isfinite(value))
    return value;
  return source.error(number.loc()) << "number is outside the range of f64";
}

FailureOr<syntax::Integer> TokenStream::parseInteger(const Twine &what) {
  llvm::SMLoc loc = token.loc();
  bool negative = takeIf("-");
  if (token.kind == Token::Real)
    return source.error(loc) << "expected an integer, but found '" << (negative ? "-" : "")
                             << token.text << "'";
  if (token.kind != Token::Integer)
    return unexpected(what);
  FailureOr<int64_t> value = integerOf(take(), negative);
  if (failed(value))
    return failure();
  return syntax::Integer{*value, loc};
}

FailureOr<syntax::Real> TokenStream::parseReal(const Twine &what) {
  llvm::SMLoc loc = token.loc();
  bool negative = takeIf("-");
  if (token.kind != Token::Real && token.kind != Token::Integer)
    return unexpected(what);
  FailureOr<double> value = realOf(take());
  if (failed(value))
    return failure();
  return syntax::Real{negative ? -*value : *value, loc};
}

LogicalResult checkBetween(const Source &source, StringRef what, syntax::Integer value,
                           int64_t least, int64_t most) {
  if (least <= value.value && value.value <= most)
    return success();
  return source.error(value.loc) << "'" << what << "' is " << value.value
                                 << ", but must be between " << least << " and " << most;
}

LogicalResult Nesting::check(const Source &source, llvm::SMLoc loc) const {
  if (depth <= syntax::kMaxNesting)
    return success();
  return source.error(loc) << "expression is nested deeper than " << syntax::kMaxNesting
                           << " levels";
}

} // namespace attn
