// The machines that tests predict for.
#pragma once

#include "simulator/time/Machine.h"

#include <gtest/gtest.h>

namespace attn::test {

/// One that is built in.
inline Machine machineNamed(const char *name) {
  Expected<Machine> machine = builtinMachine(name);
  EXPECT_TRUE(machine);
  return *machine;
}

} // namespace attn::test
