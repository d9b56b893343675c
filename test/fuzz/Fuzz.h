//===- Fuzz.h - readers of untrusted input, one input at a time -*- C++ -*-===//
//
// Every *Fuzzer.cpp here defines LLVMFuzzerTestOneInput for one reader: it gives the bytes to the
// reader and demands what must hold for any bytes. libFuzzer drives it with inputs that it invents
// (preset `fuzz`); Replay.cpp with the corpus and with mutations of it, in the test command.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace attn::fuzz {

/// Ends the process, which is what libFuzzer and gtest notice, where `holds` is false.
inline void require(bool holds, const char *what) {
  if (holds)
    return;
  std::fprintf(stderr, "fuzz: this must hold for every input: %s\n", what);
  std::abort();
}

} // namespace attn::fuzz
