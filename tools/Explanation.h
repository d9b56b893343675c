//===- Explanation.h - what the compiler understood of a kernel --*- C++ -*-===//
//
// Facts in words, collected from formulas, tile maps and the mask interface; the verb prints them
// as text for people or as JSON (docs/explain-json.md).
//
//===----------------------------------------------------------------------===//
#pragma once

#include "simulator/Counts.h"

namespace attn::tools {

/// A part of a mask that is true or false of a query and a key.
struct AtomFact {
  std::string name;  ///< "A"; what `GroupFact::truth` calls it
  std::string kind;  ///< interval, labels, classes, mask, blocks, predicate
  std::string rule;  ///< "q - 4095 ≤ k ≤ q"
  std::string words; ///< "at most 4,095 keys before the query, none after it"; may be empty
  /// Of an interval: its rule in each dimension that has one, and keys lo <= k < hi in each.
  std::vector<std::string> rules;
  std::vector<std::pair<std::string, std::string>> bounds;
  bool operator==(const AtomFact &) const = default;
};

/// Key tiles begin <= t < end of one dimension, and the keys among them that some query sees.
struct RangeFact {
  std::string begin, end, last; ///< in tiles; last is end - 1
  std::string keyBegin, keyEnd, keyLast;
  bool isEverything = false;
  bool operator==(const RangeFact &) const = default;
};

/// Which key tiles a query tile visits, as formulas of its number.
struct VisitFact {
  /// One after the other, each a range for each dimension.
  std::vector<std::vector<RangeFact>> ranges;
  std::string why;     ///< no formulas suffice; empty where they do
  std::string checked; ///< "all 64 query tiles"
  bool operator==(const VisitFact &) const = default;
};

/// The lists of ranges that a launch makes of one map.
struct ListFact {
  int64_t least = 0, most = 0; ///< ranges of a query tile
  int64_t ranges = 0, bytes = 0;
};

/// A sentence, and a name for programs.
struct Fact {
  std::string id, text;
};

struct GroupFact {
  llvm::SmallVector<int64_t> heads;
  std::string mask;
  std::string truth; ///< "A and (B or C)"
  bool seesNothing = false;
  std::vector<AtomFact> atoms;
  VisitFact visits;
  std::optional<Counts> counts; ///< absent where a length is not bound
  std::optional<ListFact> list;
  std::vector<Fact> notes; ///< of the mask: what its words do not say
  std::vector<Fact> gaps;  ///< why the counts are not exact
};

/// Masks that share their code.
struct CodeFact {
  std::vector<std::string> heads;     ///< of each mask: "0..3"
  std::vector<std::string> constants; ///< of each mask, where they differ: "1023, 64"
};

struct Explanation {
  std::string kernel;
  llvm::SmallVector<int64_t> tokens, kvTokens; ///< ShapedType::kDynamic where not bound
  llvm::SmallVector<int64_t> queryTile, keyTile;
  llvm::SmallVector<int64_t>
      steps; ///< of each dimension of tokens that are tiled by residue, else empty
  int64_t heads = 1, kvHeads = 1;
  std::optional<int64_t> queryOffset, batchEntry;
  std::vector<Fact> words; ///< what the names in formulas mean
  std::string binding;     ///< the option that would bind the lengths; empty where they are
  std::vector<GroupFact> groups;
  std::optional<Counts> total;
  std::vector<CodeFact> code;
  std::vector<Fact> atLaunch, inKernel, never;
};

/// docs/explain-json.md
std::string explanationJson(const Explanation &explanation);
std::string explanationText(const Explanation &explanation);

} // namespace attn::tools
