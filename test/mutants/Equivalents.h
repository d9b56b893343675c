//===- Equivalents.h - mutants that are the same program --------*- C++ -*-===//
#pragma once

#include "test/mutants/Mutants.h"

namespace attn::mutants {

/// Why a mutant of the kernel with these statements computes the same in every run, or an empty
/// text. Rules speak of the instructions around the change, never of their places in the text.
std::string whyEquivalent(const std::vector<PtxStatement> &statements, const Mutant &mutant);

} // namespace attn::mutants
