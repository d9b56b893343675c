// Where the standard error stream is a terminal, and where it is none or nobody wants to see anything.
#include "tools/Progress.h"
#include "tools/Report.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fcntl.h>
#include <pty.h>
#include <string>
#include <unistd.h>

using namespace attn;
using namespace attn::tools;

namespace {

using Milliseconds = Progress::Milliseconds;

/// Stands in place of the standard error stream as long as it lives.
class StandIn {
public:
  explicit StandIn(bool isTerminal) : kept(dup(STDERR_FILENO)) {
    std::fflush(stderr);
    int ends[2];
    EXPECT_EQ(isTerminal ? openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr) : pipe(ends), 0);
    from = ends[0];
    EXPECT_EQ(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    fcntl(from, F_SETFL, O_NONBLOCK);
  }
  ~StandIn() {
    std::fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(from);
  }

  /// What has been written since the last call.
  std::string read() const {
    std::fflush(stderr);
    std::string text;
    char piece[4096];
    for (ssize_t size; (size = ::read(from, piece, sizeof(piece))) > 0;)
      text.append(piece, size_t(size));
    return text;
  }
  /// Waits until something with `wanted` in it is written; the test fails after a minute.
  std::string readUntil(const std::string &wanted) const {
    std::string text;
    for (int i = 0; i < 6000 && text.find(wanted) == std::string::npos; ++i) {
      text += read();
      std::this_thread::sleep_for(Milliseconds(10));
    }
    EXPECT_NE(text.find(wanted), std::string::npos) << text;
    return text;
  }

private:
  int kept, from = -1;
};

constexpr const char *kErased = "\r\x1b[K";

} // namespace

TEST(Progress, BarMovesAndGoesAway) {
  StandIn terminal(true);
  {
    Progress progress("runs", 10, Milliseconds(0));
    progress.show(5);
    terminal.readUntil("[===============               ] 5 of 10, runs");
    progress.show(10);
    terminal.readUntil("[==============================] 10 of 10, runs");
  }
  EXPECT_TRUE(terminal.read().ends_with(kErased));
}

TEST(Progress, SecondsWhereNothingIsCounted) {
  StandIn terminal(true);
  Progress progress("compiling", 0, Milliseconds(0));
  terminal.readUntil("compiling, 0 s");
  progress.show("compiling: link");
  terminal.readUntil("compiling: link, ");
}

TEST(Progress, ErrorsHaveTheirLine) {
  StandIn terminal(true);
  Progress progress("runs", 10, Milliseconds(0));
  terminal.readUntil("0 of 10");
  EXPECT_EQ(fail(makeError("no")), 1);
  terminal.readUntil(std::string(kErased) + "error: no");
}

TEST(Progress, FirstOfSeveralIsDrawn) {
  StandIn terminal(true);
  {
    Progress outer("kernels", 3, Milliseconds(0));
    Progress inner("runs", 10, Milliseconds(0));
    terminal.readUntil("0 of 3, kernels");
    std::this_thread::sleep_for(Milliseconds(300));
    EXPECT_EQ(terminal.read().find("runs"), std::string::npos);
  }
  Progress next("runs", 10, Milliseconds(0));
  terminal.readUntil("0 of 10, runs");
}

TEST(Progress, NothingBeforeItsTime) {
  StandIn terminal(true);
  { Progress progress("runs", 10, Milliseconds(3600000)); }
  EXPECT_EQ(terminal.read(), "");
}

TEST(Progress, NothingInAFile) {
  StandIn pipe(false);
  {
    Progress progress("runs", 10, Milliseconds(0));
    std::this_thread::sleep_for(Milliseconds(300));
  }
  EXPECT_EQ(pipe.read(), "");
}

TEST(Progress, NothingWithQuiet) {
  StandIn terminal(true);
  setQuiet(true);
  {
    Progress progress("runs", 10, Milliseconds(0));
    std::this_thread::sleep_for(Milliseconds(300));
  }
  warn({makeError("something")});
  note("something");
  setQuiet(false);
  EXPECT_EQ(terminal.read(), "");
}
