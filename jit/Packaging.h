//===- Packaging.h - a spec, compiled for every target of a package -*- C++ -*-===//
#pragma once

#include "jit/Compilation.h"
#include "runtime/CpuFeatures.h"
#include "runtime/PackageCache.h"

namespace attn {

struct PackagingOptions {
  std::vector<const Target *> targets;
  std::string kernel;                      ///< empty: the only one of the spec
  std::vector<int64_t> queryTile, keyTile; ///< empty: chosen by the compiler
  std::string gpu;                         ///< for which they are chosen
  std::vector<IsaLevel> isas;              ///< of the CPU; empty: all that differ
  std::vector<std::string> chips;          ///< for which ptxas makes cubins
  std::string version;                     ///< of the compiler, as the package says it
};

/// A package on its way: the loaded spec, which is consumed, and what is asked of it. Diagnostics
/// go where the compilation sends them; the message of an error holds what is left to say, if
/// anything. Used once, in the order of its functions.
class Packaging {
public:
  Packaging(Compilation &c, PackagingOptions options) : c(c), options(std::move(options)) {}

  /// Selects the kernel, canonicalises it, and says what is asked for: the compiler, the options,
  /// the canonical spec, and of this machine whatever decides about the code. Equal requests have
  /// equal packages.
  Expected<std::string> request();
  /// Compiles.
  Expected<PackageWriter> make();
  Compilation &compilation() { return c; }
  /// Puts the selected spec back, for a compilation of another kind.
  void restart() { c.restart(*selected); }

private:
  Compilation &c;
  PackagingOptions options;
  mlir::OwningOpRef<mlir::ModuleOp> selected;
  std::string canonical;
};

/// The package, with its request; from the cache where it has it, else compiled and kept there.
struct PackageMade {
  Package package;
  bool fromCache = false;
};
Expected<PackageMade> makePackage(Compilation &c, const PackagingOptions &options,
                                  PackageCache &cache);
/// The same as a file for others: without the request.
std::string fileOf(const Package &package);

/// Compiles what `packaging` is about and keeps the answer to `request`.
Expected<Package> compilePackage(Packaging &packaging, const std::string &request,
                                 PackageCache &cache);

} // namespace attn
