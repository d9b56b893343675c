//===- TimedProblem.h - an attention as the model of time sees it -*- C++ -*-===//
#pragma once

#include "simulator/Counts.h"
#include "simulator/time/TimeModel.h"

namespace attn {

/// Visits of the query tiles of all heads. `counts` follow the problem's groups.
Work workOf(const Problem &problem, llvm::ArrayRef<Counts> counts);

/// The same without groups: lengths and numbers of tiles.
Work workWithoutHeads(const Problem &problem);

/// A kernel of this compiler with the problem's tiles. A launch packs the query heads of one key head
/// where their queries fit one tile and all heads have one mask (`masks` is 1).
KernelShape shapeOf(AttentionOp op, const Problem &problem, Pass pass, size_t masks);

/// All pairs, in tiles of `shape`.
Work denseWorkOf(const Problem &problem, const KernelShape &shape);

} // namespace attn
