//===- RunReport.h - what attnc run tells ------------------------*- C++ -*-===//
#pragma once

#include "jit/Engine.h"
#include "tools/Check.h"
#include "tools/Run.h"
#include "tools/RunInputs.h"

#include "nlohmann/json_fwd.hpp"

namespace attn::tools {

/// What there is to report about a run.
struct Outcome {
  Outcome(const KernelInfo &info, const RunTensors &tensors) : info(info), tensors(tensors) {}

  const KernelInfo &info;
  const RunTensors &tensors;
  std::string isa;      ///< level of the code; empty on other devices than the processor
  unsigned threads = 0; ///< of the processor; 0: on another device
  std::string device;   ///< "cpu", "emulator", "cuda:0"
  std::string from;     ///< of a package: "ptx sm_80"
  bool isFromCache = false; ///< the compiled kernel, on disk
  double compileSeconds = 0, loadSeconds = 0, planSeconds = 0;
  RunReport run;
  double visiblePairs = 0;
  double peakGflops = 0; ///< of this processor (FmaPeak.h), measured; 0: not known
  int64_t splits = 1;
  std::vector<int64_t> blindHeads;
  std::optional<CheckReport> check, expected;
  std::string profileText, profileJson; ///< of the emulator, where they were asked for

  bool ok() const { return (!check || check->ok) && (!expected || expected->ok); }
  /// Two products of every visible pair; rates count no work that a mask saves.
  double gflops() const {
    double flops = 2.0 * visiblePairs * double(info.headDimQk + info.headDimV);
    return run.seconds > 0 ? flops / run.seconds / 1e9 : 0;
  }
  /// What the visited tiles take, seen pairs or not: the same for all pairs, by the visited share.
  double tileGflops() const;
  bool hasPeak() const { return peakGflops > 0 && run.seconds > 0 && run.allTiles > 0; }
  double ofPeak() const { return gflops() / peakGflops; }
  /// The time that the visited tiles need at the peak, of the time that the run took.
  double ofTileBound() const { return tileGflops() / peakGflops; }
};

/// Fields are documented in docs/run-json.md.
void printText(const Outcome &out);
void printJson(const Outcome &out);
/// What a comparison that failed has found.
Error comparisonError(const Outcome &out);

} // namespace attn::tools
