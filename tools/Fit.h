//===- Fit.h - attnc fit: constants of a machine from measurements -*- C++ -*-===//
#pragma once

#include <string>

namespace attn::tools {

struct FitOptions {
  std::string data;            ///< results.json of bench/gpu, or lines "name,value[,error]"
  std::string gpu;             ///< the machine to start from: a name or a file
  std::string output;          ///< machine file to write; empty: none
  bool fitsRows = false;       ///< end-to-end rows too, which else only check
  std::string format = "text"; ///< text or json (docs/simulate-json.md)
};

/// The verb; returns the exit code. Errors go to the standard error stream, and nothing is
/// half-written.
int fitVerb(const FitOptions &options);

} // namespace attn::tools
