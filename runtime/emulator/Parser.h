//===- Parser.h - PTX text to syntax ----------------------------*- C++ -*-===//
#pragma once

#include "runtime/Error.h"
#include "runtime/emulator/Syntax.h"

#include <string>
#include <string_view>
#include <vector>

namespace attn::emulator {

/// The text of a module with its line starts, for messages.
class Source {
public:
  explicit Source(std::string text);

  std::string_view text() const { return body; }
  /// Line `number` (from 1) without surrounding blanks.
  std::string_view line(uint32_t number) const;
  /// `line N: 'text': message`.
  Error errorAt(uint32_t number, std::string_view message) const;

private:
  std::string body;
  std::vector<size_t> starts;
};

/// Parses a whole module. Debugging directives (.loc, .file, .section) and pragmas are read over;
/// anything else that is not understood is an error that names its line.
Expected<ModuleSyntax> parse(const Source &source);

} // namespace attn::emulator
