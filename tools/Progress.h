//===- Progress.h - how far a long verb has come -----------------*- C++ -*-===//
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace attn::tools {

/// A line on the standard error stream, where that is a terminal, nobody wants quiet and the work
/// takes longer than a second: a bar where there is something to count, else the seconds. A thread
/// of its own draws it, so that it moves while the work does not report; the destructor takes it
/// away. Of several that live at once the first is drawn. Every member is thread-safe.
class Progress {
public:
  using Milliseconds = std::chrono::milliseconds;
  /// `total` of at most 1 is nothing to count.
  explicit Progress(std::string what, size_t total = 0, Milliseconds delay = Milliseconds(1000));
  ~Progress();
  Progress(const Progress &) = delete;

  void show(size_t done);
  /// Another piece of the work begins.
  void show(std::string what);

  /// Takes the line away until it is drawn again: for whoever else writes to the stream.
  static void clear();

private:
  using Clock = std::chrono::steady_clock;
  void draw() const;

  std::mutex mutex; ///< guards what and done
  std::condition_variable_any woken;
  std::string what;
  size_t done = 0, total;
  Clock::time_point begun = Clock::now();
  std::jthread drawer; ///< last: joined while the rest still lives
};

} // namespace attn::tools
