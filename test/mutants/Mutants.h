//===- Mutants.h - kernels with one fault each ------------------*- C++ -*-===//
//
// Every synchronisation, stage, address, fragment and bound of a kernel, changed one at a time. The
// changes follow from the instructions of the PTX text alone, so that they are those of any kernel
// that a code generator prints.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "test/mutants/PtxText.h"

namespace attn::mutants {

/// A changed kernel. `kind` and `site` name it whatever else the text holds.
struct Mutant {
  std::string kind;
  size_t site = 0, sites = 0; ///< this one, and how many instructions of the kernel the kind is for
  size_t statement = 0;       ///< index of the first changed one
  std::string before, after;
  std::string ptx;
};

/// All mutants of a kernel; of kinds with more than `most` sites, `most` of them, evenly spaced.
/// Waits, barriers and commits are never left out.
std::vector<Mutant> mutantsOf(const std::string &ptx, size_t most);

/// The kernel with a trap in place of a statement: does a run reach it at all?
std::string withTrapAt(const std::string &ptx, size_t statement);

} // namespace attn::mutants
