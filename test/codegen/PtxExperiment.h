//===- PtxExperiment.h - kernels of the GPU back end on the emulator -*- C++ -*-===//
//
// From a spec to PTX, from a launch to buffers of the emulator, and from what came out to a verdict
// by the f64 reference. Inputs and answers are made once; then any number of runs, of the kernel or
// of changed texts of it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/nvvm/EmitPTX.h"
#include "passes/Pipeline.h"
#include "runtime/emulator/Emulator.h"
#include "test/codegen/DrawnKernel.h"

namespace attn::test {

/// A kernel in the reference's words, what its masks read, and its spec.
struct KernelCase {
  reference::Kernel kernel;
  reference::Context context;
  DrawnInputs inputs;
  std::string spec;
  reference::Score score = {};
  int64_t splits = 1;                      ///< parts of the keys
  double magnitude = 1;                    ///< of the queries' elements, a power of two
  std::optional<int64_t> queryOffset = {}; ///< of the launch; the context has it too
};
KernelCase caseOf(reference::Draw &draw, const reference::Kernel &kernel,
                  const reference::MaskOptions &masks = {});

/// A compiled spec, or none and why.
struct PtxCompilation {
  std::optional<nvvm::PtxKernel> kernel;
  std::string diagnostics;
};
PtxCompilation compileToPtx(const std::string &spec, const char *target = "sm_80", const TilingOptions &tiling = {});

/// What is wrong with a run; both empty where nothing is.
struct PtxVerdict {
  std::string fault; ///< why it did not start, or what the emulator reports: message and notes
  std::string wrong; ///< how the outputs differ from the reference
  emulator::Counters counters = {}; ///< of the kernel and of the one that merges
  bool ok() const { return fault.empty() && wrong.empty(); }
};

/// Drawn inputs of a case in one of the 16-bit types, and the answers. Immutable: runs may go on in
/// threads at once.
class PtxExperiment {
public:
  PtxExperiment(const KernelCase &c, reference::Draw &draw);

  /// Runs `module`, the kernel's own or that of a changed text. A profile is that of the kernel alone.
  PtxVerdict run(const KernelInfo &info, const emulator::Module &module,
                 const emulator::LaunchOptions &options) const;

private:
  DType dtype() const;

  reference::Type type;
  reference::Problem problem;
  DrawnInputs inputs;
  std::optional<int64_t> queryOffset;
  int64_t splits;
  std::vector<uint16_t> q, k, v; ///< rounded, as the kernel reads them
  reference::Result expected, yardstick;
};

} // namespace attn::test
