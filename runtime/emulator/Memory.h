//===- Memory.h - global memory of the PTX machine --------------*- C++ -*-===//
#pragma once

#include "runtime/Error.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace attn::emulator {

/// A range of device addresses with host bytes behind it.
struct Buffer {
  std::string name;   ///< for reports
  uint64_t begin = 0; ///< device address, a multiple of 256
  uint64_t bytes = 0;
  uint8_t *data = nullptr;
  bool readOnly = false; ///< to kernels
  std::unique_ptr<uint8_t[]> owned;

  uint64_t end() const { return begin + bytes; }
};

/// Global memory: buffers far apart in a 64-bit address space, so that an access outside of them is
/// noticed however far it strays. Not thread-safe; unchanged while a launch runs on it.
class Memory {
public:
  Memory();

  /// A new buffer of `bytes` bytes, all 0xff: a NaN in every floating-point format. Returns its
  /// device address. `readOnly`: a store of a kernel into it is reported.
  uint64_t allocate(std::string name, uint64_t bytes, bool readOnly = false);

  /// As allocate, with the caller's bytes behind it, which must outlive the buffer.
  uint64_t map(std::string name, void *data, uint64_t bytes, bool readOnly = false);

  /// Ends the buffer that begins at `address`; an error if none does.
  Status release(uint64_t address);

  /// Copies to and from device addresses; an error if the range is not within one buffer.
  Status write(uint64_t address, const void *source, uint64_t bytes);
  Status read(uint64_t address, void *target, uint64_t bytes) const;

  std::span<const Buffer> buffers() const { return list; }

private:
  friend class Module;
  explicit Memory(uint64_t base) : nextAddress(base) {}
  uint64_t add(Buffer buffer);
  Expected<uint8_t *> locate(uint64_t address, uint64_t bytes) const;

  std::vector<Buffer> list; ///< by ascending address
  uint64_t nextAddress;
};

} // namespace attn::emulator
