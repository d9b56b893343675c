//===- Shadow.h - bytes that know whether they were written -----*- C++ -*-===//
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace attn::emulator {

/// Bytes of one thread's local memory, each with a state.
class ShadowedBytes {
public:
  enum State : uint8_t { Written = 0, Unwritten = 1 };

  /// Without `checked` all count as written.
  void reset(uint64_t bytes, bool checked) {
    data.assign(bytes, 0xff); // a NaN in every floating-point format
    states.assign(bytes, checked ? Unwritten : Written);
  }
  uint64_t size() const { return data.size(); }
  uint8_t *at(uint64_t offset) { return data.data() + offset; }

  /// Index of the first byte of a range that is not in state Written, or `count`.
  uint64_t firstNotWritten(uint64_t offset, uint64_t count) const {
    const uint8_t *begin = states.data() + offset;
    return std::find_if(begin, begin + count, [](uint8_t s) { return s != Written; }) - begin;
  }
  void mark(uint64_t offset, uint64_t count, State state) {
    std::fill_n(states.begin() + static_cast<int64_t>(offset), count, state);
  }

private:
  std::vector<uint8_t> data, states;
};

} // namespace attn::emulator
