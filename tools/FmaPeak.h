//===- FmaPeak.h - what the multipliers of this machine can do ---*- C++ -*-===//
#pragma once

#include "runtime/CpuFeatures.h"
#include "runtime/DType.h"

namespace attn::tools {

/// Fused multiply-adds of f32 between registers alone, counted as two operations, on so many
/// threads at once: GFLOP/s of all together, the best of three tries of 2 ms. With the widest
/// registers of the level; baseline has no fused instruction and multiplies, then adds.
double fmaPeak(IsaLevel isa, unsigned threads);

/// The same with the widest registers that this processor has. More threads than processors make it
/// no faster.
double processorPeak(unsigned threads);

/// What kernels of that type and code can do at most, by processorPeak. For bf16: 16 with AMX, whose
/// TDPBF16PS multiplies and adds 16 x 16 x 32 numbers in 16 cycles (Intel's optimization reference
/// manual, AMX throughput) beside two FMAs of 16 in each; 2 with dot products, where they do twice as
/// much as multiply-adds here. Else 1.
double peakFactor(DType dtype, IsaLevel code);

} // namespace attn::tools
