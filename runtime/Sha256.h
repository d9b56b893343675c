//===- Sha256.h - checksums of packages -------------------------*- C++ -*-===//
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace attn {

using Digest = std::array<uint8_t, 32>;

/// SHA-256 (FIPS 180-4) of bytes that come in pieces. Not thread-safe.
class Sha256 {
public:
  void add(std::span<const uint8_t> bytes);
  /// Of everything added. Once, and nothing is added after it.
  Digest finish();

private:
  void compress(const uint8_t *block);

  std::array<uint32_t, 8> state{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> pending{};
  uint64_t total = 0;
};

Digest sha256(std::span<const uint8_t> bytes);
/// Lower-case hexadecimal digits.
std::string hexText(std::span<const uint8_t> bytes);

} // namespace attn
