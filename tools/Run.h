//===- Run.h - attnc run -----------------------------------------*- C++ -*-===//
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attn::tools {

struct RunOptions {
  std::string spec;
  std::string inputs;             ///< safetensors with q, k, v and the run-time inputs
  std::optional<uint64_t> random; ///< seed of standard-normal tensors instead of `inputs`
  std::string output;             ///< safetensors for o and lse; empty: none is written
  std::string kernel;             ///< empty: the only one
  std::vector<int64_t> tokens,
      kvTokens;                       ///< layouts at run time; empty: as in the spec or the inputs
  std::optional<int64_t> queryOffset; ///< absent: as in the spec, or Nk - Nq
  std::vector<int64_t> queryTile, keyTile; ///< empty: chosen by the compiler
  std::string isa;                         ///< empty: the best of this machine
  int64_t threads = 0;                     ///< 0: one per core
  int64_t repeat = 1;                      ///< runs; the fastest is reported
  bool check = false;                      ///< compare with the f64 reference
  bool expect = false;                     ///< compare `o` with tensor `o` of the inputs, too
  std::string format = "text"; ///< text or json
  /// What it runs on: "cpu", "emulator", "cuda", "cuda:1". Empty: the processor.
  std::string device;
  std::string mode;             ///< of the emulator: late, early or random; empty: late
  std::optional<int64_t> seed;  ///< of the emulator
  bool profile = false;         ///< of the emulator
  std::string driver;           ///< of cuda: the driver library; empty: the system's
  int64_t splits = 0;           ///< parts of the keys; 0: chosen
  std::string version;          ///< of this compiler, for packages made on the way
};

/// The verb; returns the exit code: 1 after an error and where a comparison fails.
int runVerb(const RunOptions &options);

} // namespace attn::tools
