//===- Compile.h - attnc compile ---------------------------------*- C++ -*-===//
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attn::tools {

struct CompileOptions {
  std::string spec;
  std::string target = "cpu"; ///< for a package, several separated by commas
  std::string emit; ///< a phase, or "package"; empty: the last one of the target that is text
  std::string output = "-";
  std::string kernel;                      ///< empty: every kernel of the spec
  std::vector<int64_t> queryTile, keyTile; ///< empty: chosen by the compiler
  std::string gpu;                         ///< for which they are chosen; empty: the target's first
  std::string isa;                         ///< empty: the best of this machine; packages: all
  std::vector<std::string> chips;          ///< cubins of a package, or "none"; empty: chosen
  std::string version;                     ///< of this compiler, for packages
  std::string format = "text";             ///< text or json
  bool timing = false;
};

/// What `emit` may be, in the order of the pipeline, on one target or another.
std::vector<std::string> compilePhases();

/// The verb; returns the exit code. Errors go to the standard error stream.
int compileVerb(const CompileOptions &options);

} // namespace attn::tools
