//===- RunOnDevice.h - runs of packages, and on other devices ----*- C++ -*-===//
#pragma once

#include "tools/Check.h"
#include "tools/Run.h"
#include "tools/RunInputs.h"
#include "tools/RunReport.h"

namespace attn::tools {

/// Whether the file begins as packages do.
bool isPackage(const std::string &path);

/// The level of code on a processor, which is said to be from "object avx2".
std::string levelOf(const std::string &from);

/// A package, or a spec that is compiled for the device, on `options.device`; returns the exit
/// code.
int runOnDevice(const RunOptions &options);

/// What every run ends with: comparisons, the output file, the report. Returns the exit code.
int finishRun(Outcome &out, RunTensors &tensors, const std::optional<Checker> &checker,
              const RunOptions &options, WorkerPool &pool);

/// The tensors of a run as a launch takes them.
Bindings bindingsOf(const RunTensors &tensors, const RunOptions &options);

} // namespace attn::tools
