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
// header is needed to use it. Whoever asks again gets the same code: an engine keeps its last
// kernels, and a cache on disk (runtime/PackageCache.h, docs/cache.md) those of all processes.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/CpuFeatures.h"
#include "runtime/Launch.h"
#include "runtime/PackageCache.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace attn {

class Compilation;

struct EngineOptions {
  std::optional<IsaLevel> isa; ///< absent: the fastest on this processor
  unsigned threads = 0;        ///< of a run, the calling one included; 0: one per core
  CacheOptions cache;          ///< on disk; as the environment says if nothing else is said
  size_t keptKernels = 256;    ///< of this engine, by text and request; 0: none
};

struct CompileRequest {
  std::string kernel;                      ///< which one; empty: the only one of the spec
  std::vector<int64_t> queryTile, keyTile; ///< extents of the tiles; empty: chosen by the compiler
  std::string name = "<spec>";             ///< what diagnostics call the text
};

struct PackageRequest : CompileRequest {
  std::vector<std::string> targets{"cpu"}; ///< "cpu", which is the level of the engine; "sm_80"
  std::vector<std::string> cubins; ///< chips for which ptxas assembles ("sm_90"); none: PTX alone
  std::string gpu;                 ///< for which tiles are chosen: "a100", "h100"; empty: the first
};

struct RunReport {
  double seconds = 0;                                    ///< wall time of the kernel alone
  int64_t visitedTiles = 0, fullTiles = 0, allTiles = 0; ///< see LaunchPlan
};

/// Machine code, or an interpreter (isGeneric), and what it takes to launch it. Copies share it; it lives
/// as long as the last one. Thread-safe: runs on one engine take turns.
class Kernel {
public:
  const KernelInfo &info() const;
  /// The address of the code, for callers with their own threads. Null of a generic kernel.
  CpuKernel function() const;
  /// Whether it interprets its spec (Engine::genericKernel).
  bool isGeneric() const;
  /// What the compiler warned of, as attnc prints it; empty when there was nothing.
  const std::string &warnings() const { return warningText; }
  Kernel withWarnings(std::string text) const;
  /// Seconds from text to code.
  double compileSeconds() const;
  /// Whether the code came from the cache on disk.
  bool isFromCache() const;

  /// Checks the tensors and builds the launch tables. A plan may be run again while its tensors
  /// stay where they are.
  Expected<LaunchPlan> plan(const Bindings &tensors) const;
  /// An error where another kernel has made the plan.
  Expected<RunReport> run(const LaunchPlan &plan) const;
  Expected<RunReport> run(const Bindings &tensors) const;

  /// What all copies share; the engine makes it.
  struct Code;
  explicit Kernel(std::shared_ptr<const Code> code) : code(std::move(code)) {}

private:
  std::shared_ptr<const Code> code;
  std::string warningText;
};

/// What a compilation that is under way tells and heeds.
struct AsyncOptions {
  /// Runs the work it gets, once, on a thread of the caller's choice. Absent: a thread of the
  /// engine, which takes one after the other.
  std::function<void(std::function<void()> work)> executor;
  /// Called on the compiling thread before each phase: "parse", "simplify", "look up" on disk,
  /// "tile", "lower", "optimise", "emit", "link", "keep" on disk, "load". A kernel that is there
  /// already, and an engine without a cache on disk, have fewer of them.
  std::function<void(std::string_view phase)> progress;
};

/// A kernel to come. Copies are the same one; thread-safe.
class Compiling {
public:
  bool isReady() const;
  /// Whether it was ready before the time was over.
  bool waitFor(std::chrono::nanoseconds time) const;
  /// Waits. An error, besides those of compiling, where it was cancelled or its executor has dropped
  /// the work.
  Expected<Kernel> get() const;
  /// For callers who have work already: the kernel if it is ready, else a generic one
  /// (Engine::genericKernel), which the first call makes on the thread of the caller. Waits like get()
  /// where there can be none, and answers as get() does where the spec is wrong.
  Expected<Kernel> getOrGeneric() const;
  /// The compilation stops before its next phase, unless it is ready by then. Others that have asked
  /// for the same kernel get theirs.
  void cancel() const;

  struct Task;
  explicit Compiling(std::shared_ptr<Task> task) : task(std::move(task)) {}

private:
  std::shared_ptr<Task> task;
};

/// Thread-safe; compilations run side by side, but of several threads that ask for the same one
/// compiles. Copies share everything. Kernels may outlive it.
class Engine {
public:
  explicit Engine(EngineOptions options = {});

  /// An error, too, where an ISA level was asked for that this processor does not have.
  /// The error's message is the whole diagnostic as attnc prints it, with file, line, column and
  /// caret.
  /// A spec that this engine has compiled for the same request is looked up, unless it names a file
  /// of its own (a plan of spans), which is read again.
  Expected<Kernel> compile(std::string_view spec, const CompileRequest &request = {}) const;
  /// A file of `.attn` or MLIR text; "-" is the standard input.
  Expected<Kernel> compileFile(const std::string &path, const CompileRequest &request = {}) const;
  /// The same on another thread. The engine may go away: what its own thread has not finished by
  /// then is cancelled, and the engine waits for the phase that is under way.
  Compiling compileAsync(std::string spec, CompileRequest request = {},
                         AsyncOptions options = {}) const;
  /// Without compiling, in some milliseconds: a kernel that interprets the spec. It takes the same
  /// tensors, is right for the same masks and scores, and is many times slower. Is not kept.
  Expected<Kernel> genericKernel(std::string_view spec, const CompileRequest &request = {}) const;
  /// For callers that have MLIR: a loaded module (jit/Compilation.h), which is consumed.
  /// Diagnostics go where that compilation sends them; the error's message holds what is left to
  /// say, if anything.
  Expected<Kernel> compile(Compilation &loaded, const CompileRequest &request = {}) const;

  /// A package of the spec for devices (runtime/Device.h, runtime/attnc.h): code for GPUs, too, which
  /// runs on streams of the caller. From the cache where it is there.
  Expected<Package> package(std::string_view spec, const PackageRequest &request) const;

  /// What has kept the cache on disk from working since the last call; nothing is said twice, and
  /// kernels are compiled all the same.
  std::vector<Error> takeWarnings() const;

private:
  struct State;
  std::shared_ptr<State> state;
};

} // namespace attn
