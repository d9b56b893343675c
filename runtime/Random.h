//===- Random.h - the same random numbers on every machine ------*- C++ -*-===//
//
// splitmix64 and the Box-Muller transform. Logarithm, sine and cosine are written out in additions,
// multiplications and divisions, which IEEE 754 rounds alike everywhere: the mathematics libraries
// differ in the last bit, and so do the paths of one library with and without fused multiply-add.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstdint>

namespace attn {

/// Standard normal numbers. One object per thread; equal seeds give equal sequences.
class NormalSource {
public:
  explicit NormalSource(uint64_t seed);
  double next();

private:
  uint64_t nextBits();

  uint64_t state;
  double second = 0; ///< Box-Muller makes two at a time
  bool hasSecond = false;
};

} // namespace attn
