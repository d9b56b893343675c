//===- WarpKernel.h - the kernels of codegen/nvvm, as the time model sees them -*- C++ -*-===//
#pragma once

#include "dialect/WarpPlan.h"
#include "dialect/algebra/Formula.h"
#include "simulator/time/KernelShape.h"

namespace attn {

/// The shape of a kernel for sm_80 on a machine that runs it.
KernelShape warpKernel(const WarpPlan &plan, Precision precision, const Machine &machine);

/// Operations of a score on a partial tile, about: two comparisons and what joins them for each interval, more where
/// it divides or reads a run-time input. Calibrated with the warp constants of the machine (docs/simulator.md).
double maskOps(const Formula &formula);

} // namespace attn
