//===- CpuFeatures.h - what this processor can execute ----------*- C++ -*-===//
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace attn {

/// Each level contains the ones before it. CPU kernels are compiled once per level.
enum class IsaLevel : uint8_t {
  Baseline,  ///< x86-64 without extensions, and every other processor
  Avx2,      ///< AVX2, FMA, F16C, BMI2
  Avx512,    ///< AVX-512 F, BW, DQ, VL, CD
  Avx512Bf16, ///< AVX-512 BF16: dot products of pairs of bf16
  Amx         ///< AMX-TILE and AMX-BF16: products of matrices of bf16
};

constexpr IsaLevel kIsaLevels[] = {IsaLevel::Baseline, IsaLevel::Avx2, IsaLevel::Avx512,
                                   IsaLevel::Avx512Bf16, IsaLevel::Amx};
/// "baseline", "avx2", "avx512", "avx512bf16", "amx".
std::string_view isaLevelName(IsaLevel level);
std::optional<IsaLevel> parseIsaLevel(std::string_view name);
/// The highest level that this processor has and whose registers the operating system saves.
/// Thread-safe; asks the processor once, and Linux for leave to use the registers of AMX, which then
/// holds for the whole process.
IsaLevel hostIsaLevel();
/// The level whose kernels are fastest here, which is taken where nobody names one.
IsaLevel fastestIsaLevel();

} // namespace attn
