//===- ExplainSamples.h - lengths at which formulas are checked --*- C++ -*-===//
#pragma once

#include "tools/ExplainRanges.h"

namespace attn::tools {

/// The farthest that a bound reaches: past it, nothing new happens.
int64_t farthestConstant(llvm::ArrayRef<Formula> formulas);

/// The sizes of a kernel at some lengths where the spec leaves them open, up to some beyond
/// `farthest`; problems without groups. None where nothing is open, or where queries and keys are
/// bound to different numbers of tokens.
std::vector<Problem> sampleProblems(AttentionOp op, const ProblemRequest &request,
                                    int64_t farthest);

/// Maps of a formula at the sizes that are bound, which come last, and at the sampled ones. Where
/// it reads inputs that are not known, at some values of them.
std::vector<RangeSample> rangeSamples(const Formula &formula, const Naming &naming, int64_t head,
                                      llvm::ArrayRef<Problem> sampled, const Problem *bound);

/// "all 64 query tiles", "all query tiles at 7 lengths from 1 to 5,000".
std::string checkedText(const Formula &formula, llvm::ArrayRef<Problem> sampled,
                        const Problem *bound);

} // namespace attn::tools
