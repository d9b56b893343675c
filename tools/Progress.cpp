#include "tools/Progress.h"

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <unistd.h>

namespace attn::tools {

using namespace std::chrono_literals;

Progress::Progress(size_t total) : total(total), isTerminal(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (!isDrawn)
    return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
}

void Progress::show(size_t done) {
  Clock::time_point now = Clock::now();
  if (!isTerminal || now - begun < 1s || now - drawn < 100ms)
    return;
  drawn = now;
  isDrawn = true;
  constexpr size_t kWidth = 30;
  size_t filled = total ? kWidth * done / total : kWidth;
  fmt::print(stderr, "\r[{}{}] {} of {}", std::string(filled, '='), std::string(kWidth - filled, ' '),
             done, total);
  std::fflush(stderr);
}

} // namespace attn::tools
