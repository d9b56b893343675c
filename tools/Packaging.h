//===- Packaging.h - a spec, compiled for every target of a package -*- C++ -*-===//
#pragma once

#include "jit/Compilation.h"
#include "runtime/CpuFeatures.h"
#include "runtime/Package.h"

namespace attn::tools {

struct PackagingOptions {
  std::vector<const Target *> targets;
  std::string kernel;                      ///< empty: the only one of the spec
  std::vector<int64_t> queryTile, keyTile; ///< empty: chosen by the compiler
  std::string gpu;                         ///< for which they are chosen
  std::vector<IsaLevel> isas;              ///< of the CPU; empty: all that differ
  std::vector<std::string> chips;          ///< for which ptxas makes cubins
  std::string version;                     ///< of the compiler, as the package says it
};

/// The bytes of a package of the loaded spec, which is consumed. Diagnostics go where the
/// compilation sends them; the error's message holds what is left to say, if anything.
Expected<std::string> makePackage(Compilation &c, const PackagingOptions &options);

} // namespace attn::tools
