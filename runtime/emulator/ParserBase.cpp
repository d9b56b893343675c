//===- ParserBase.cpp -----------------------------------------------------===//
#include "runtime/emulator/ParserBase.h"

#include <bit>
#include <cstring>

namespace attn::emulator {

bool ParserBase::fail(std::string_view message) {
  if (!error)
    error = source.errorAt(peek().line, message);
  return false;
}

bool ParserBase::expect(char c) {
  if (take(c))
    return true;
  // A missing ';' is noticed on the next line; the message belongs to the line before.
  if (!error && at > 0 && peek().line != tokens[at - 1].line)
    error = source.errorAt(tokens[at - 1].line, fmt::format("expected '{}' at the end", c));
  return fail(fmt::format("expected '{}' before '{}'", c, peek().text));
}

void ParserBase::skipLine(uint32_t line) {
  while (peek().kind != TokenKind::End && peek().line == line)
    next();
}

bool ParserBase::skipDebugging() {
  if (peek().is(".loc") || peek().is(".file")) {
    skipLine(peek().line);
    return true;
  }
  if (take(".pragma")) {
    while (peek().kind == TokenKind::String || peek().is(','))
      next();
    expect(';');
    return true;
  }
  if (!take(".section"))
    return false;
  next(); // the name
  if (!expect('{'))
    return true;
  while (peek().kind != TokenKind::End && !peek().is('}'))
    next();
  expect('}');
  return true;
}

bool ParserBase::parseDeclarator(Variable &variable) {
  variable.line = peek().line;
  bool aligned = false;
  uint64_t vector = 1;
  std::optional<Type> type;
  while (peek().kind == TokenKind::Word && peek().text[0] == '.') {
    std::string_view word = peek().text;
    if (word == ".align") {
      next();
      uint64_t alignment = peek().bits;
      if (peek().kind != TokenKind::Integer || !std::has_single_bit(alignment) || alignment > 4096)
        return fail("an alignment is a power of two up to 4096");
      // After .ptr it is that of the memory pointed to.
      if (!aligned)
        variable.alignment = static_cast<uint32_t>(alignment);
      aligned = true;
    } else if (word == ".ptr") {
      aligned = true;
    } else if (word == ".v2" || word == ".v4") {
      vector = word[2] - '0';
    } else if (std::optional<Type> parsed = parseType(word.substr(1))) {
      type = parsed;
      if (!aligned)
        variable.alignment = byteSize(*type);
    } else if (variable.space != Space::Param ||
               (word != ".global" && word != ".shared" && word != ".const" && word != ".local")) {
      return fail(fmt::format("'{}' is not understood here", word));
    }
    next();
  }
  if (!type || byteSize(*type) == 0 || peek().kind != TokenKind::Word)
    return fail("expected a type and a name");
  elementType = *type;
  variable.name = next().text;
  variable.bytes = byteSize(*type) * vector;
  if (variable.alignment < byteSize(*type) && !aligned)
    variable.alignment = byteSize(*type);
  while (take('[')) {
    if (take(']')) {
      variable.dynamic = true;
      variable.bytes = 0;
      return true;
    }
    constexpr uint64_t kMostBytes = uint64_t(1) << 28;
    if (peek().kind != TokenKind::Integer || peek().bits == 0)
      return fail("expected the length of the array");
    if (peek().bits > kMostBytes / variable.bytes)
      return fail(fmt::format("a variable may have {} bytes", kMostBytes));
    variable.bytes *= next().bits;
    if (!expect(']'))
      return false;
  }
  return true;
}

bool ParserBase::parseVariable(Variable &variable) {
  if (!parseDeclarator(variable))
    return false;
  if (variable.dynamic && variable.space != Space::Shared)
    return fail("only shared memory may have no length");
  if (take('=')) {
    if (variable.space != Space::Global && variable.space != Space::Const)
      return fail("only global and constant variables have an initialiser");
    if (!parseInitializer(variable))
      return false;
    if (variable.initial.size() > variable.bytes)
      return fail(fmt::format("the initialiser has {} bytes, the variable {}",
                              variable.initial.size(), variable.bytes));
  }
  return expect(';');
}

bool ParserBase::parseInitializer(Variable &variable, unsigned depth) {
  if (!take('{'))
    return parseElement(variable);
  if (take('}'))
    return true;
  constexpr unsigned kMostDimensions = 32;
  if (depth == kMostDimensions)
    return fail(fmt::format("an initialiser is nested {} deep at most", kMostDimensions));
  do {
    if (!parseInitializer(variable, depth + 1))
      return false;
  } while (take(','));
  return expect('}');
}

bool ParserBase::parseElement(Variable &variable) {
  bool negative = take('-');
  uint64_t bits = peek().bits;
  switch (peek().kind) {
  case TokenKind::Integer:
    bits = negative ? -bits : bits;
    break;
  case TokenKind::Float32:
    bits ^= negative ? uint64_t(1) << 31 : 0;
    break;
  case TokenKind::Float64:
    bits ^= negative ? uint64_t(1) << 63 : 0;
    if (elementType == Type::F32)
      bits = std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(bits)));
    break;
  default:
    return fail("only numbers are supported in an initialiser");
  }
  next();
  size_t end = variable.initial.size();
  variable.initial.resize(end + byteSize(elementType));
  std::memcpy(variable.initial.data() + end, &bits, byteSize(elementType)); // little endian, as PTX
  return true;
}

} // namespace attn::emulator
