//===- ExplainFacts.h - what is computed when, and what never ----*- C++ -*-===//
#pragma once

#include "tools/ExplainNames.h"
#include "tools/Explanation.h"

namespace attn::tools {

/// How often the formulas of a kernel read what is known only at a launch.
struct FormulaUse {
  llvm::ArrayRef<Formula> formulas; ///< of the distinct masks
  MaskInputs inputs;

  /// "'rows', 'columns'": the inputs of atoms of a kind.
  std::string inputsOf(AtomKind kind) const;
  std::string inputsOf(SymbolKind kind) const;
  std::string inputsOfTables(bool packed) const;
  bool has(AtomKind kind) const;
  bool has(SymbolKind kind) const;
};

std::vector<Fact> launchFacts(const FormulaUse &use, const Naming &naming,
                              const Explanation &explanation);
std::vector<Fact> kernelFacts(const FormulaUse &use, const Explanation &explanation, bool hasScore);
std::vector<Fact> neverFacts(const FormulaUse &use, const Explanation &explanation);

/// Why tiles of a mask may be partial without need. `dataAtoms`: bits of the atoms without bounds;
/// `isKnown`: the run-time inputs are given.
std::vector<Fact> gapFacts(const Formula &formula, Signature dataAtoms, bool isKnown);

/// What the names in the kernel's formulas mean.
std::vector<Fact> wordFacts(const FormulaUse &use, const Naming &naming,
                            const Explanation &explanation);

} // namespace attn::tools
