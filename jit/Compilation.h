//===- Compilation.h - a spec on its way through the compiler ----*- C++ -*-===//
//
// The phases that the C++ API and the programs share, each a call that says whether it went well.
// Diagnostics are printed where they arise, with a caret where there is text, to one stream.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/Targets.h"
#include "dialect/Tile.h"
#include "passes/Pipeline.h"
#include "runtime/Error.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/SourceMgr.h"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace attn {

struct PhaseTime {
  std::string phase;
  double seconds;
};

/// One module, its context and its text. Not thread-safe; any number may live side by side.
class Compilation {
public:
  /// `diagnostics` must outlive the object.
  explicit Compilation(llvm::raw_ostream &diagnostics);

  /// `.attn` or MLIR text of a file ("-" is the standard input), see frontend/Frontend.h.
  mlir::LogicalResult loadFile(llvm::StringRef path);
  /// `.attn` text; diagnostics call it `name`.
  mlir::LogicalResult loadText(llvm::StringRef text, llvm::StringRef name);
  /// Text of either kind; its name decides, or its first word, as of a file.
  mlir::LogicalResult loadNamed(llvm::StringRef text, llvm::StringRef name);
  /// Whether the text has made us read another file, so that it does not say everything.
  bool readsOtherFiles() const { return sources.getNumBuffers() > 1; }
  /// MLIR text, as packages keep it.
  mlir::LogicalResult loadMlir(llvm::StringRef text, llvm::StringRef name);

  /// Keeps the kernel of that name alone. An empty name keeps the only kernel there is; more than
  /// one is then an error. Checks the form of what it keeps.
  mlir::LogicalResult selectKernel(llvm::StringRef name);
  /// Whether every function with an attention is a kernel: its arguments are q, k, v and the
  /// run-time inputs, and all it does is return what one attention makes of them. MLIR text may say
  /// more, which can be simplified and tiled, but not launched.
  mlir::LogicalResult checkKernels();
  /// The attention of the selected kernel, before `tile`.
  AttentionOp attention();
  /// The tiled attention of the selected kernel, after `tile` and before any lowering.
  tile::AttentionOp tiledAttention();

  /// Canonicalises the masks.
  mlir::LogicalResult simplify();
  /// attn -> tile for `target`, which the module remembers as its attribute `attn.target`.
  mlir::LogicalResult tile(const Target &target, const TilingOptions &tiling);

  mlir::ModuleOp module() { return *owned; }
  /// Starts again from a copy of `module`, which is of this context: a spec for several targets.
  void restart(mlir::ModuleOp module) { owned = module.clone(); }
  mlir::MLIRContext &context() { return mlirContext; }

  /// Called with the name of each phase before it begins; where it returns false the compilation
  /// stops, which is no error that has a diagnostic.
  void watch(std::function<bool(llvm::StringRef phase)> watcher) { mayGoOn = std::move(watcher); }
  bool wasStopped() const { return isStopped; }

  /// Runs `work` and notes its time under `name`; fails instead where the watcher wants no more.
  template <class Work> auto timed(llvm::StringRef name, Work &&work) {
    using Result = decltype(work());
    if (isStopped || (mayGoOn && !mayGoOn(name))) {
      isStopped = true;
      return failureOf<Result>();
    }
    auto begin = std::chrono::steady_clock::now();
    auto result = work();
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    phaseTimes.push_back({name.str(), seconds.count()});
    return result;
  }
  const std::vector<PhaseTime> &times() const { return phaseTimes; }

private:
  mlir::LogicalResult checkLoaded();

  template <class Result> static Result failureOf() {
    if constexpr (std::is_constructible_v<Result, mlir::LogicalResult>)
      return mlir::failure();
    else if constexpr (std::is_constructible_v<Result, Error>)
      return Error();
    else
      return {}; // a null pointer
  }

  mlir::MLIRContext mlirContext;
  llvm::SourceMgr sources;
  mlir::SourceMgrDiagnosticHandler handler;
  mlir::OwningOpRef<mlir::ModuleOp> owned;
  std::vector<PhaseTime> phaseTimes;
  std::function<bool(llvm::StringRef)> mayGoOn;
  bool isStopped = false;
};

/// The candidate that `name` is most likely a misspelling of; empty when none is close.
llvm::StringRef closestName(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates);

} // namespace attn
