//===- Lexer.h - tokens of PTX text -----------------------------*- C++ -*-===//
#pragma once

#include "runtime/Error.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace attn::emulator {

enum class TokenKind : uint8_t {
  Word, ///< identifier, opcode with its dotted modifiers, directive, register: `%tid.x`, `ld.b32`
  Integer, ///< bits: the value
  Float32, ///< bits: the pattern of 0fXXXXXXXX
  Float64, ///< bits: the pattern of 0dX..X or of a decimal constant
  String,
  Punct, ///< one character
  End,
};

struct Token {
  TokenKind kind = TokenKind::End;
  std::string_view text; ///< points into the source
  uint32_t line = 0;     ///< from 1
  uint64_t bits = 0;

  bool is(char c) const { return kind == TokenKind::Punct && text[0] == c; }
  bool is(std::string_view word) const { return kind == TokenKind::Word && text == word; }
};

/// All tokens, the last one End; comments are gone. Tokens point into `source`.
Expected<std::vector<Token>> tokenize(std::string_view source);

} // namespace attn::emulator
