#include "tools/FmaPeak.h"

#include <algorithm>
#include <ctime>
#include <latch>
#include <numeric>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#define ATTN_TARGET(features) __attribute__((target(features)))
#else
#define ATTN_TARGET(features)
#endif

namespace attn::tools {
namespace {

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

static double threadSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

/// One measurement of about 2 ms. Each thread's rate is by its processor time, so that another
/// process does not make the machine look slower than it is.
static double measureOnce(IsaLevel isa, unsigned threads) {
  constexpr long kSteps = 600000; // a step takes about 12 cycles
  std::latch start(threads);
  std::vector<double> rates(threads);
  std::vector<std::jthread> workers;
  for (double &rate : rates)
    workers.emplace_back([&] {
      start.arrive_and_wait();
      double begin = threadSeconds();
      double flops = work(isa, kSteps);
      rate = flops / (threadSeconds() - begin);
    });
  workers.clear();
  return std::accumulate(rates.begin(), rates.end(), 0.0) * 1e-9;
}

double fmaPeak(IsaLevel isa, unsigned threads) {
  double best = 0;
  for (int i = 0; i < 3; ++i)
    best = std::max(best, measureOnce(isa, threads));
  return best;
}

double processorPeak(unsigned threads) {
  unsigned processors = std::max(1u, std::thread::hardware_concurrency());
  return fmaPeak(hostIsaLevel(), std::min(threads, processors));
}

double peakFactor(DType dtype, IsaLevel code) {
  if (dtype != DType::BF16)
    return 1;
  if (code == IsaLevel::Amx)
    return 16;
  return code == IsaLevel::Avx512Bf16 && fastestIsaLevel() == code ? 2 : 1;
}

} // namespace attn::tools
