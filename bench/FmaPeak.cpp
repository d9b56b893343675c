#include "bench/FmaPeak.h"

#include <algorithm>
#include <chrono>
#include <latch>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#define ATTN_TARGET(features) __attribute__((target(features)))
#else
#define ATTN_TARGET(features)
#endif

namespace attn::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kChains = 12; ///< more than latency times throughput of any x86-64 processor

// A vector type's operators are compiled for the function's target, so that each function
// multiplies with the registers it is named after. The empty asm keeps the chains apart: equal ones
// would be merged.
#define ATTN_CHAINS(NAME, TARGET, WIDTH)                                                           \
  ATTN_TARGET(TARGET) double NAME(long steps) {                                                    \
    typedef float Vector __attribute__((vector_size(4 * WIDTH)));                                  \
    Vector chain[kChains], factor, summand;                                                        \
    for (int lane = 0; lane < WIDTH; ++lane) {                                                     \
      factor[lane] = 0.5f, summand[lane] = 1.0f;                                                   \
      for (Vector & c : chain)                                                                     \
        c[lane] = float(lane);                                                                     \
    }                                                                                              \
    for (long step = 0; step < steps; ++step)                                                      \
      for (Vector & c : chain) {                                                                   \
        c = c * factor + summand;                                                                  \
        __asm__ volatile("" : ATTN_REGISTER(c));                                                   \
      }                                                                                            \
    double flops = 2.0 * WIDTH * kChains * double(steps);                                          \
    for (Vector & c : chain)                                                                       \
      flops += c[0] == -1.0f;                                                                      \
    return flops;                                                                                  \
  }

#pragma STDC FP_CONTRACT ON
#if defined(__x86_64__)
#define ATTN_REGISTER(c) "+v"(c)
ATTN_CHAINS(chains512, "avx512f,avx512vl", 16)
ATTN_CHAINS(chains256, "avx2,fma", 8)
#undef ATTN_REGISTER
#define ATTN_REGISTER(c) "+x"(c)
ATTN_CHAINS(chains128, "sse2", 4)
#else
#define ATTN_REGISTER(c) "+w"(c)
ATTN_CHAINS(chains128, "", 4)
#endif

double work(IsaLevel isa, long steps) {
#if defined(__x86_64__)
  if (isa >= IsaLevel::Avx512)
    return chains512(steps);
  if (isa >= IsaLevel::Avx2)
    return chains256(steps);
#endif
  return chains128(steps);
}

} // namespace

/// One measurement of about 2 ms. The time runs from the first thread's begin to the last one's
/// end.
static double measureOnce(IsaLevel isa, unsigned threads) {
  constexpr long kSteps = 600000; // a step takes about 12 cycles
  struct Share {
    double flops;
    Clock::time_point begin, end;
  };
  std::latch start(threads);
  std::vector<Share> shares(threads);
  std::vector<std::jthread> workers;
  for (Share &share : shares)
    workers.emplace_back([&] {
      start.arrive_and_wait();
      auto begin = Clock::now();
      double flops = work(isa, kSteps);
      share = {flops, begin, Clock::now()};
    });
  workers.clear();
  double total = 0;
  Share span = shares.front();
  for (const Share &share : shares) {
    total += share.flops;
    span.begin = std::min(span.begin, share.begin);
    span.end = std::max(span.end, share.end);
  }
  return total / std::chrono::duration<double>(span.end - span.begin).count() * 1e-9;
}

double fmaPeak(IsaLevel isa, unsigned threads) {
  double best = 0;
  for (int i = 0; i < 3; ++i)
    best = std::max(best, measureOnce(isa, threads));
  return best;
}

} // namespace attn::bench
