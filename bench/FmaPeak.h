//===- FmaPeak.h - what the multipliers of this machine can do ---*- C++ -*-===//
#pragma once

#include "runtime/CpuFeatures.h"

namespace attn::bench {

/// Fused multiply-adds of f32 between registers alone, counted as two operations, on so many
/// threads at once: GFLOP/s of all together, the best of three tries of 2 ms. With the widest
/// registers of the level; baseline has no fused instruction and multiplies, then adds.
double fmaPeak(IsaLevel isa, unsigned threads);

} // namespace attn::bench
