//===- ShowTerms.h - a mask taken apart, to say what each part does -*- C++ -*-===//
#pragma once

#include "tools/ShowFormats.h"

namespace attn::tools {

/// A node of the tree of connectives and kinds that a mask is, with a tile map of its own.
struct MaskTerm {
  const char *op = "kind"; ///< and, or, not, kind
  std::vector<size_t> operands;
  MaskGroup group;  ///< of the heads of the whole mask
  std::string rule; ///< of a kind: "q - 255 ≤ k ≤ q + 255"; empty where that would be no help
};

/// The terms of a group's mask, the whole mask first and each before its operands.
std::vector<MaskTerm> termsOf(const Picture &picture, const MaskGroup &group);

} // namespace attn::tools
