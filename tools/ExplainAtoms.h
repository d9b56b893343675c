//===- ExplainAtoms.h - the parts of a mask in words -------------*- C++ -*-===//
#pragma once

#include "tools/ExplainNames.h"
#include "tools/Explanation.h"

namespace attn::tools {

std::vector<AtomFact> atomFacts(const Formula &formula, const Naming &naming);

/// "A and (B or C)"; "every key" and "no key" where nothing depends on atoms.
std::string truthText(const Formula &formula);

/// The atoms in the order in which the truth names them, and the name of each: A to Z, then A1, B1,
/// ..
std::vector<int32_t> atomOrder(const Formula &formula);
std::vector<std::string> atomNames(const Formula &formula);

} // namespace attn::tools
