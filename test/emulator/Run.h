//===- Run.h - small kernels for the tests of the emulator ------*- C++ -*-===//
#pragma once

#include "runtime/emulator/Emulator.h"

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attn::emulator {

inline uint32_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }
inline uint64_t bitsOf(double value) { return std::bit_cast<uint64_t>(value); }

/// What a test looks at after a launch.
struct Outcome {
  std::string fault; ///< message and notes, or empty
  std::vector<uint32_t> out;
  Counters counters;
};

/// Wraps `body` into a kernel `k(u64 in, u64 out)`. It may use %in and %out (addresses of buffers
/// of words in global memory), %lane (32 bits), %lane4 (64 bits: four times the lane), and the
/// registers %p0..%p9, %h0..%h9 (16 bits), %r0..%r39, %d0..%d19 (64 bits), none of them written.
/// `declarations` goes before the kernel.
std::string kernelText(const std::string &body, const std::string &declarations = "");

/// Runs kernelText(body) with one block of `threads` threads. `out` begins as `outWords` times
/// 0xcccccccc.
Outcome runBody(const std::string &body, const std::vector<uint32_t> &in, size_t outWords,
                const LaunchOptions &options = {}, uint32_t threads = 32,
                const std::string &declarations = "", uint64_t dynamicSharedBytes = 0);

/// One instruction: `text` writes register d and reads a, b, c, e. `widths` holds the bits of d,
/// then of the sources: 1 (a predicate), 16, 32 or 64.
struct OneInstruction {
  std::string text;
  std::vector<unsigned> widths;
  std::vector<uint64_t> sources;
};
/// The value of d; `fault` is empty or why there is none.
uint64_t evaluate(const OneInstruction &instruction, std::string &fault);

/// What ptxas says about a module with a kernel for each instruction: empty if it takes them all,
/// and nullopt if there is no ptxas.
std::optional<std::string> assemble(const std::vector<OneInstruction> &instructions);

/// `%<base><first>, ..` joined, `count` of them.
std::string registerList(const std::string &base, unsigned first, unsigned count);

} // namespace attn::emulator
