//===- Progress.h - how far a long verb has come -----------------*- C++ -*-===//
#pragma once

#include <chrono>
#include <cstddef>

namespace attn::tools {

/// A bar on the standard error stream, where that is a terminal and the work takes longer than a
/// second; the destructor takes it away. One thread.
class Progress {
public:
  explicit Progress(size_t total);
  ~Progress();
  void show(size_t done);

private:
  using Clock = std::chrono::steady_clock;
  size_t total;
  bool isTerminal, isDrawn = false;
  Clock::time_point begun = Clock::now(), drawn = begun;
};

} // namespace attn::tools
