//===- TimedProblem.h - an attention as the model of time sees it -*- C++ -*-===//
#pragma once

#include "dialect/Targets.h"
#include "simulator/Counts.h"
#include "simulator/time/TimeModel.h"

namespace attn {

/// Visits of the query tiles of all heads; visible pairs are not counted.
Work workOf(const Problem &problem);

/// With the visible pairs of `counts`, which follow the problem's groups.
Work workOf(const Problem &problem, llvm::ArrayRef<Counts> counts);

/// The same without groups: lengths and numbers of tiles.
Work workWithoutHeads(const Problem &problem);

/// The kernel that codegen/nvvm makes for `target` with the problem's tiles, on a machine that runs it. An error where it has
/// no code for types or tiles.
Expected<KernelShape> compiledShapeOf(AttentionOp op, const Problem &problem, size_t masks, const Target &target,
                                      const Machine &machine);

/// A kernel of the machine's own kind, as others publish them, with the problem's tiles. A launch packs the query heads of one key head
/// where their queries fit one tile and all heads have one mask (`masks` is 1).
KernelShape shapeOf(AttentionOp op, const Problem &problem, Pass pass, size_t masks);

/// All pairs, in tiles of `shape`.
Work denseWorkOf(const Problem &problem, const KernelShape &shape);

} // namespace attn
