// Global memory: streams, pointer chases, cp.async. Timed from outside by events, but for the
// chase.
#include <cstdint>

__device__ inline uint64_t now() {
  uint64_t t;
  asm volatile("mov.u64 %0, %%clock64;" : "=l"(t)::"memory");
  return t;
}

__device__ inline uint4 load(const uint4 *p) {
  uint4 v;
  asm volatile("ld.global.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p));
  return v;
}

// What is not used is not loaded.
__device__ inline uint32_t all(uint4 v) { return v.x ^ v.y ^ v.z ^ v.w; }

// Reads `count` 16-byte words `turns` times, four in flight a thread.
extern "C" __global__ void stream_read(const uint4 *from, uint32_t *sink, uint64_t count,
                                       int turns) {
  uint32_t sum = 0;
  const uint64_t step = uint64_t(gridDim.x) * blockDim.x;
  for (int turn = 0; turn < turns; ++turn)
    for (uint64_t i = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x; i + 3 * step < count;
         i += 4 * step) {
      uint4 a = load(from + i), b = load(from + i + step), c = load(from + i + 2 * step),
            d = load(from + i + 3 * step);
      sum += all(a) ^ all(b) ^ all(c) ^ all(d);
    }
  if (sum == 0x12345678)
    *sink = sum;
}

extern "C" __global__ void stream_copy(const uint4 *from, uint4 *to, uint64_t count) {
  const uint64_t step = uint64_t(gridDim.x) * blockDim.x;
  for (uint64_t i = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x; i + 3 * step < count;
       i += 4 * step) {
    uint4 a = load(from + i), b = load(from + i + step), c = load(from + i + 2 * step),
          d = load(from + i + 3 * step);
    to[i] = a, to[i + step] = b, to[i + 2 * step] = c, to[i + 3 * step] = d;
  }
}

// One thread follows a list of addresses: cycles of a dependent load.
extern "C" __global__ void chase(const uint64_t *start, uint64_t *cycles, int n) {
  uint64_t at = reinterpret_cast<uint64_t>(start);
  uint64_t begin = now();
  for (int i = 0; i < n; ++i)
    asm volatile("ld.global.cg.u64 %0, [%0];" : "+l"(at)::"memory");
  cycles[0] = now() - begin;
  cycles[1] = at;
}

// cp.async of 16 bytes a thread in eight stages: `turns` passes over `count` words that fit the L2
// cache.
extern __shared__ uint4 stages[];
extern "C" __global__ void async_copies(const uint4 *from, uint32_t *sink, uint64_t count,
                                        int turns) {
  uint32_t base = static_cast<uint32_t>(__cvta_generic_to_shared(stages)) + 16 * threadIdx.x;
  const uint64_t step = uint64_t(gridDim.x) * blockDim.x;
  uint32_t stage = 0;
  for (int turn = 0; turn < turns; ++turn)
    for (uint64_t i = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n\tcp.async.commit_group;" ::"r"(
                       base + stage * 16 * blockDim.x),
                   "l"(from + i)
                   : "memory");
      asm volatile("cp.async.wait_group 7;" ::: "memory");
      stage = (stage + 1) & 7;
    }
  asm volatile("cp.async.wait_all;" ::: "memory");
  __syncthreads();
  if (stages[threadIdx.x].x == 0x12345678)
    *sink = 1;
}

// One thread: a copy of 16 bytes, waited for.
extern "C" __global__ void async_latency(const uint4 *from, uint64_t *cycles, int n) {
  uint32_t base = static_cast<uint32_t>(__cvta_generic_to_shared(stages));
  uint64_t begin = now();
  for (int i = 0; i < n; ++i)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n\tcp.async.wait_all;" ::"r"(base),
                 "l"(from + 8 * (i % 64))
                 : "memory");
  cycles[0] = now() - begin;
}
