// Barriers, launches and the clock.
#include <cstdint>

__device__ inline uint64_t now() {
  uint64_t t;
  asm volatile("mov.u64 %0, %%clock64;" : "=l"(t)::"memory");
  return t;
}
__device__ inline uint64_t nanoseconds() {
  uint64_t t;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t)::"memory");
  return t;
}

extern "C" __global__ void empty() {}

extern "C" __global__ void barrier(uint64_t *cycles, int n) {
  __syncthreads();
  uint64_t begin = now();
  for (int i = 0; i < n; ++i)
    asm volatile("bar.sync 0;" ::: "memory");
  if (threadIdx.x == 0)
    cycles[0] = now() - begin;
}

// Two warps: one waits at barrier 1 and arrives at 2, the other the other way round. A turn is
// there and back.
extern "C" __global__ void named_barriers(uint64_t *cycles, int n) {
  bool first = threadIdx.x < 32;
  __syncthreads();
  uint64_t begin = now();
  for (int i = 0; i < n; ++i)
    if (first) {
      asm volatile("bar.arrive 1, 64;" ::: "memory");
      asm volatile("bar.sync 2, 64;" ::: "memory");
    } else {
      asm volatile("bar.sync 1, 64;" ::: "memory");
      asm volatile("bar.arrive 2, 64;" ::: "memory");
    }
  if (threadIdx.x == 0)
    cycles[0] = now() - begin;
}

// Cycles and nanoseconds of the same stretch, about `spin` cycles long: the clock of an idle
// machine.
extern "C" __global__ void clocks(uint64_t *out, uint64_t spin) {
  uint64_t t = nanoseconds();
  while (nanoseconds() == t) { // begin at a tick
  }
  uint64_t ns = nanoseconds(), begin = now();
  while (now() - begin < spin) {
  }
  t = nanoseconds();
  while (nanoseconds() == t) {
  }
  out[1] = nanoseconds() - ns;
  out[0] = now() - begin;
}
