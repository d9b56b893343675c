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

/// What kernels of that type and code can do at most, by processorPeak: 2 for bf16 where the code
/// has dot products and they do twice as much as multiply-adds here, else 1.
double peakFactor(DType dtype, IsaLevel code);

} // namespace attn::tools
