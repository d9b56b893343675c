// Hopper alone: mbarrier, the bulk copy engine. Built for sm_90a.
#include <cstdint>

struct alignas(64) TensorMap {
  unsigned char bytes[128];
};

__device__ inline uint64_t now() {
  uint64_t t;
  asm volatile("mov.u64 %0, %%clock64;" : "=l"(t)::"memory");
  return t;
}
__device__ inline uint32_t address(const void *p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}
__device__ inline void init(uint32_t barrier, uint32_t count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}
__device__ inline void arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
__device__ inline void expect(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}
__device__ inline void wait(uint32_t barrier, uint32_t parity) {
  asm volatile("{\n.reg .pred p;\nagain:\nmbarrier.try_wait.parity.shared::cta.b64 p, [%0], "
               "%1;\n@!p bra again;\n}" ::"r"(barrier),
               "r"(parity)
               : "memory");
}
__device__ inline void loadBox(uint32_t to, const TensorMap *map, int x, int y, uint32_t barrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
               "[%0], [%1, {%2, %3}], [%4];" ::"r"(to),
               "l"(map), "r"(x), "r"(y), "r"(barrier)
               : "memory");
}

// Two warps hand a turn over by two mbarriers, there and back.
extern "C" __global__ void mbarriers(uint64_t *cycles, int n) {
  __shared__ alignas(8) uint64_t barriers[2];
  uint32_t there = address(&barriers[0]), back = address(&barriers[1]);
  if (threadIdx.x == 0) {
    init(there, 1);
    init(back, 1);
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  uint64_t begin = now();
  if (threadIdx.x == 0) {
    for (int i = 0; i < n; ++i) {
      arrive(there);
      wait(back, i & 1);
    }
    cycles[0] = now() - begin;
  } else if (threadIdx.x == 32) {
    for (int i = 0; i < n; ++i) {
      wait(there, i & 1);
      arrive(back);
    }
  }
}

// One thread: a box of `bytes`, waited for; the boxes follow one another through `rows` rows of the
// tensor.
extern "C" __global__ void tma_latency(const __grid_constant__ TensorMap map, uint64_t *cycles,
                                       uint32_t bytes, int boxRows, int rows, int n) {
  extern __shared__ __align__(1024) unsigned char tile[];
  __shared__ alignas(8) uint64_t barriers[1];
  uint32_t barrier = address(barriers);
  init(barrier, 1);
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  uint64_t begin = now();
  for (int i = 0; i < n; ++i) {
    expect(barrier, bytes);
    loadBox(address(tile), &map, 0, (i * boxRows) % rows, barrier);
    wait(barrier, i & 1);
  }
  cycles[0] = now() - begin;
}

// Every block keeps four boxes in flight; block b reads boxes b, b + grid, ... of `rows` rows,
// `turns` times.
extern "C" __global__ void tma_read(const __grid_constant__ TensorMap map, uint32_t bytes,
                                    int boxRows, int rows, int turns) {
  extern __shared__ __align__(1024) unsigned char tile[];
  __shared__ alignas(8) uint64_t barriers[4];
  constexpr int kStages = 4;
  for (int s = 0; s < kStages; ++s)
    init(address(&barriers[s]), 1);
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  const int boxes = rows / boxRows,
            mine = (boxes - int(blockIdx.x) + int(gridDim.x) - 1) / int(gridDim.x),
            total = mine * turns;
  auto start = [&](int i) {
    int box = int(blockIdx.x) + (i % mine) * int(gridDim.x), s = i % kStages;
    expect(address(&barriers[s]), bytes);
    loadBox(address(tile) + s * bytes, &map, 0, box * boxRows, address(&barriers[s]));
  };
  if (mine <= 0)
    return;
  for (int i = 0; i < kStages && i < total; ++i)
    start(i);
  for (int i = 0; i < total; ++i) {
    wait(address(&barriers[i % kStages]), (i / kStages) & 1);
    if (i + kStages < total)
      start(i + kStages);
  }
}
