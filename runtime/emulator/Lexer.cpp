//===- Lexer.cpp ----------------------------------------------------------===//
#include "runtime/emulator/Lexer.h"

#include <bit>
#include <charconv>
#include <string>

namespace attn::emulator {
namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isWordStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '%';
}
bool isWordPart(char c) { return isWordStart(c) || isDigit(c); }

class Lexer {
public:
  explicit Lexer(std::string_view source) : source(source) {}

  Expected<std::vector<Token>> run() {
    while (true) {
      if (!skipBlanks())
        return makeError("line {}: comment without an end", line);
      if (at >= source.size())
        break;
      if (Status status = next(); !status)
        return status.takeError();
    }
    tokens.push_back({TokenKind::End, source.substr(source.size()), line, 0});
    return std::move(tokens);
  }

private:
  char peek(size_t ahead = 0) const {
    return at + ahead < source.size() ? source[at + ahead] : '\0';
  }

  void push(TokenKind kind, size_t begin, uint64_t bits = 0) {
    tokens.push_back({kind, source.substr(begin, at - begin), line, bits});
  }

  /// False if a comment does not end.
  bool skipBlanks() {
    while (at < source.size()) {
      if (peek() == '\n') {
        ++line, ++at;
      } else if (peek() == ' ' || peek() == '\t' || peek() == '\r') {
        ++at;
      } else if (peek() == '/' && peek(1) == '/') {
        while (at < source.size() && peek() != '\n')
          ++at;
      } else if (peek() == '/' && peek(1) == '*') {
        size_t end = source.find("*/", at + 2);
        if (end == std::string_view::npos)
          return false;
        for (; at < end + 2; ++at)
          line += source[at] == '\n';
      } else {
        break;
      }
    }
    return true;
  }

  Status next() {
    size_t begin = at;
    if (isWordStart(peek()) || (peek() == '.' && isWordStart(peek(1)))) {
      word();
      push(TokenKind::Word, begin);
      return {};
    }
    if (isDigit(peek()))
      return number();
    if (peek() == '"') {
      size_t end = source.find_first_of("\"\n", at + 1);
      if (end == std::string_view::npos || source[end] == '\n')
        return makeError("line {}: string without an end", line);
      at = end + 1;
      push(TokenKind::String, begin);
      return {};
    }
    constexpr std::string_view kPunctuation = "{}[]()<>,;:+-*/@!|=&~^?";
    if (kPunctuation.find(peek()) == std::string_view::npos)
      return makeError("line {}: unexpected character '{}'", line,
                       isprint(static_cast<unsigned char>(peek())) ? std::string(1, peek()) : "?");
    ++at;
    push(TokenKind::Punct, begin);
    return {};
  }

  /// Dots and double colons inside belong to the word: `shared::cta`, `ld.global.L2::128B`. A
  /// directive ends at the next dot: `.reg.b32` is two words.
  void word() {
    bool directive = peek() == '.';
    ++at;
    while (at < source.size()) {
      if (isWordPart(peek()))
        ++at;
      else if (!directive && peek() == '.' && isWordPart(peek(1)))
        at += 2;
      else if (peek() == ':' && peek(1) == ':' && isWordPart(peek(2)))
        at += 3;
      else
        break;
    }
  }

  Status number() {
    size_t begin = at;
    while (isWordPart(peek()) || peek() == '.' ||
           ((peek() == '+' || peek() == '-') && isDecimalExponent(begin)))
      ++at;
    std::string_view text = source.substr(begin, at - begin);
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'f' || text[1] == 'F'))
      return digits(begin, text.substr(2), 16, TokenKind::Float32, 8);
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'd' || text[1] == 'D'))
      return digits(begin, text.substr(2), 16, TokenKind::Float64, 16);
    if (text.find('.') != std::string_view::npos)
      return decimal(begin, text);
    if (text.back() == 'U')
      text.remove_suffix(1);
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
      return digits(begin, text.substr(2), 16, TokenKind::Integer, 0);
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'b' || text[1] == 'B'))
      return digits(begin, text.substr(2), 2, TokenKind::Integer, 0);
    if (text.size() > 1 && text[0] == '0')
      return digits(begin, text.substr(1), 8, TokenKind::Integer, 0);
    return digits(begin, text, 10, TokenKind::Integer, 0);
  }

  /// The sign after the 'e' of a decimal constant, which always has a point: 1.5e-3.
  bool isDecimalExponent(size_t begin) const {
    std::string_view text = source.substr(begin, at - begin);
    return text.find('.') != std::string_view::npos && (text.back() == 'e' || text.back() == 'E');
  }

  Status digits(size_t begin, std::string_view text, int base, TokenKind kind, size_t length) {
    uint64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size() || text.empty() ||
        (length != 0 && text.size() != length))
      return makeError("line {}: malformed number '{}'", line, source.substr(begin, at - begin));
    push(kind, begin, value);
    return {};
  }

  Status decimal(size_t begin, std::string_view text) {
    double value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      return makeError("line {}: malformed number '{}'", line, text);
    push(TokenKind::Float64, begin, std::bit_cast<uint64_t>(value));
    return {};
  }

  std::string_view source;
  size_t at = 0;
  uint32_t line = 1;
  std::vector<Token> tokens;
};

} // namespace

Expected<std::vector<Token>> tokenize(std::string_view source) { return Lexer(source).run(); }

} // namespace attn::emulator
