#include "tools/Progress.h"

#include "tools/Report.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <unistd.h>

namespace attn::tools {

using namespace std::chrono_literals;

/// Whether the stream's last line is one of ours.
static std::mutex lineMutex;
static bool isDrawn = false;
/// Whether somebody draws.
static std::atomic<bool> isTaken = false;

Progress::Progress(std::string what, size_t total, Milliseconds delay)
    : what(std::move(what)), total(total) {
  if (isQuiet() || !isatty(STDERR_FILENO) || isTaken.exchange(true))
    return;
  drawer = std::jthread([this, delay](std::stop_token stop) {
    std::unique_lock lock(mutex);
    for (Milliseconds pause = delay; !stop.stop_requested(); pause = 100ms)
      if (!woken.wait_for(lock, stop, pause, [] { return false; }) && !stop.stop_requested())
        draw();
  });
}

Progress::~Progress() {
  if (!drawer.joinable())
    return;
  drawer.request_stop();
  drawer.join();
  clear();
  isTaken = false;
}

void Progress::show(size_t value) {
  std::lock_guard lock(mutex);
  done = value;
}

void Progress::show(std::string value) {
  std::lock_guard lock(mutex);
  what = std::move(value);
}

void Progress::clear() {
  std::lock_guard lock(lineMutex);
  if (!isDrawn)
    return;
  isDrawn = false;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
}

void Progress::draw() const {
  constexpr size_t kWidth = 30;
  std::string line;
  if (total > 1) {
    size_t filled = kWidth * std::min(done, total) / total;
    line = fmt::format("[{}{}] {} of {}, {}", std::string(filled, '='),
                       std::string(kWidth - filled, ' '), done, total, what);
  } else {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begun);
    line = fmt::format("{}, {} s", what, seconds.count());
  }
  std::lock_guard lock(lineMutex);
  isDrawn = true;
  fmt::print(stderr, "\r\x1b[K{}", line);
  std::fflush(stderr);
}

} // namespace attn::tools
