//===- Report.h - how the programs speak to people ---------------*- C++ -*-===//
#pragma once

#include "runtime/Error.h"

#include <string>
#include <string_view>
#include <vector>

namespace attn::tools {

/// Prints "error: ..." and its notes to the standard error stream; returns 1, the exit code of a
/// mistake.
int fail(const Error &error);

/// With --quiet nothing is told but errors, with their notes, and what was asked for.
void setQuiet(bool quiet);
bool isQuiet();

/// Prints "warning: ..." and its notes to the standard error stream, for each.
void warn(const std::vector<Error> &warnings);
/// Prints "note: ..." to the standard error stream.
void note(std::string_view text);

/// Writes a whole file or nothing; "-" is the standard output.
Status writeOutput(const std::string &path, std::string_view content);

/// "unknown <what> 'name'", with the closest of `allowed` as a guess and the list of them.
Error unknownName(std::string_view what, const std::string &name,
                  const std::vector<std::string> &allowed);

} // namespace attn::tools
