//===- Engine.h - a spec in, a callable kernel out ---------------*- C++ -*-===//
//
//   attn::Engine engine;
//   auto kernel = engine.compile("kernel k { heads 8 head_dim 64 dtype f32 tokens [?] mask all }");
//   if (!kernel)
//     return report(kernel.error());
//   attn::Bindings tensors; // q, k, v, o, lse: runtime/Launch.h
//   auto result = kernel->run(tensors);
//
// Compiles for the CPU of this machine. Errors are values; nothing here throws. No MLIR or LLVM
// header is needed to use it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/CpuFeatures.h"
#include "runtime/Launch.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace attn {

class Compilation;

struct EngineOptions {
  std::optional<IsaLevel> isa; ///< absent: the best that this processor has
  unsigned threads = 0;        ///< of a run, the calling one included; 0: one per core
};

struct CompileRequest {
  std::string kernel;                      ///< which one; empty: the only one of the spec
  std::vector<int64_t> queryTile, keyTile; ///< extents of the tiles; empty: chosen by the compiler
  std::string name = "<spec>";             ///< what diagnostics call the text
};

struct RunReport {
  double seconds = 0;                                    ///< wall time of the kernel alone
  int64_t visitedTiles = 0, fullTiles = 0, allTiles = 0; ///< see LaunchPlan
};

/// Machine code and what it takes to launch it. Copies share the code; it lives as long as the last
/// one. Thread-safe: runs on one engine take turns.
class Kernel {
public:
  const KernelInfo &info() const;
  /// The address of the code, for callers with their own threads.
  CpuKernel function() const;
  /// What the compiler warned of, as attnc prints it; empty when there was nothing.
  const std::string &warnings() const { return warningText; }
  Kernel withWarnings(std::string text) const;
  /// Seconds from text to code.
  double compileSeconds() const;

  /// Checks the tensors and builds the launch tables. A plan may be run again while its tensors
  /// stay where they are.
  Expected<LaunchPlan> plan(const Bindings &tensors) const;
  Expected<RunReport> run(const LaunchPlan &plan) const;
  Expected<RunReport> run(const Bindings &tensors) const;

  /// What all copies share; the engine makes it.
  struct Code;
  explicit Kernel(std::shared_ptr<const Code> code) : code(std::move(code)) {}

private:
  std::shared_ptr<const Code> code;
  std::string warningText;
};

/// Thread-safe; compilations run side by side. Kernels may outlive it.
class Engine {
public:
  explicit Engine(EngineOptions options = {});

  /// An error, too, where an ISA level was asked for that this processor does not have.
  /// The error's message is the whole diagnostic as attnc prints it, with file, line, column and
  /// caret.
  Expected<Kernel> compile(std::string_view spec, const CompileRequest &request = {}) const;
  /// A file of `.attn` or MLIR text; "-" is the standard input.
  Expected<Kernel> compileFile(const std::string &path, const CompileRequest &request = {}) const;
  /// For callers that have MLIR: a loaded module (jit/Compilation.h), which is consumed.
  /// Diagnostics go where that compilation sends them; the error's message holds what is left to
  /// say, if anything.
  Expected<Kernel> compile(Compilation &loaded, const CompileRequest &request = {}) const;

private:
  EngineOptions options;
  std::shared_ptr<WorkerPool> pool;
};

} // namespace attn
