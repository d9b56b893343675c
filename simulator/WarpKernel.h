//===- WarpKernel.h - the kernels of codegen/nvvm, as the time model sees them -*- C++ -*-===//
#pragma once

#include "dialect/WarpPlan.h"
#include "dialect/algebra/Formula.h"
#include "simulator/Problem.h"
#include "simulator/time/Work.h"
#include "simulator/time/KernelShape.h"

namespace attn {

/// The shape of a kernel for sm_80 on a machine that runs it. `type`: of an element.
KernelShape warpKernel(const WarpPlan &plan, Precision precision, const Machine &machine);

/// Operations of a score on a partial tile, about: two comparisons and what joins them for each interval, more where
/// it divides or reads a run-time input. Calibrated with the warp constants of the machine (docs/simulator.md).
double maskOps(const Formula &formula);

/// What the masks of a mapped problem leave to do. Visible pairs are not counted.
Work workOf(const Problem &problem);

/// Of 16-bit types F16 or BF16, F32 for that; any other type is F8.
Precision precisionOf(mlir::Type type);

} // namespace attn
