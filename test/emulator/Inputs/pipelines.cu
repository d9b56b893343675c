// Kernels of another compiler with copies under way, shuffles and atomics, for the emulator's tests. Made from this file, with CUDA 13.0:
//   nvcc -arch=sm_80 -O3 -std=c++17 -ptx pipelines.cu -o pipelines.ptx
// and pipelines-clang.ptx, with clang 22 and the same headers, by
//   clang++ -x cuda --cuda-device-only --cuda-gpu-arch=sm_80 -O3 -std=c++17 -S pipelines.cu -o pipelines-clang.ptx
#include <cuda_fp16.h>
#include <cuda_pipeline.h>

static __device__ unsigned sharedAddress(const void *pointer) { return (unsigned)__cvta_generic_to_shared(pointer); }
static __device__ void copy16(void *to, const void *from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(sharedAddress(to)), "l"(from));
}

/// C (64 m x 64 n, f32) = A (rows of k) B (rows of 64 n columns), halves. Blocks of 128 threads: 4 warps with 32 x 32
/// each. Three stages of 64 x 32 of A and 32 x 64 of B; B is transposed by ldmatrix. k a multiple of 32.
extern "C" __global__ void multistage(const __half *a, const __half *b, float *c, int k, int columns) {
  constexpr int kStages = 3, kPad = 8;
  __shared__ __align__(16) __half as[kStages][64][32 + kPad], bs[kStages][32][64 + kPad];
  int thread = threadIdx.x, lane = thread % 32, warp = thread / 32, row = blockIdx.y * 64, column = blockIdx.x * 64;
  auto copy = [&](int step) {
    if (step * 32 < k)
      for (int i = thread; i < 256; i += 128) {
        copy16(&as[step % kStages][i / 4][i % 4 * 8], a + (row + i / 4) * k + step * 32 + i % 4 * 8);
        copy16(&bs[step % kStages][i / 8][i % 8 * 8], b + (step * 32 + i / 8) * columns + column + i % 8 * 8);
      }
    asm volatile("cp.async.commit_group;");
  };
  float sum[2][4][4] = {};
  copy(0);
  copy(1);
  for (int step = 0; step * 32 < k; ++step) {
    asm volatile("cp.async.wait_group 1;" ::: "memory");
    __syncthreads();
    copy(step + 2);
    int stage = step % kStages;
    for (int i = 0; i < 32; i += 16) {
      unsigned fa[2][4], fb[2][4];
      for (int m = 0; m < 2; ++m)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(fa[m][0]), "=r"(fa[m][1]), "=r"(fa[m][2]), "=r"(fa[m][3])
                     : "r"(sharedAddress(&as[stage][warp / 2 * 32 + m * 16 + lane % 16][i + lane / 16 * 8])));
      for (int n = 0; n < 2; ++n)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(fb[n][0]), "=r"(fb[n][1]), "=r"(fb[n][2]), "=r"(fb[n][3])
                     : "r"(sharedAddress(&bs[stage][i + lane % 16][warp % 2 * 32 + n * 16 + lane / 16 * 8])));
      for (int m = 0; m < 2; ++m)
        for (int n = 0; n < 4; ++n)
          asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
                       "{%8, %9}, {%0, %1, %2, %3};"
                       : "+f"(sum[m][n][0]), "+f"(sum[m][n][1]), "+f"(sum[m][n][2]), "+f"(sum[m][n][3])
                       : "r"(fa[m][0]), "r"(fa[m][1]), "r"(fa[m][2]), "r"(fa[m][3]), "r"(fb[n / 2][n % 2 * 2]),
                         "r"(fb[n / 2][n % 2 * 2 + 1]));
    }
  }
  for (int m = 0; m < 2; ++m)
    for (int n = 0; n < 4; ++n)
      for (int i = 0; i < 4; ++i)
        c[(row + warp / 2 * 32 + m * 16 + lane / 4 + i / 2 * 8) * columns + column + warp % 2 * 32 + n * 8 +
          lane % 4 * 2 + i % 2] = sum[m][n][i];
}

/// y[i] = x[i - 1] + 2 x[i] + x[i + 1], zeros outside; tiles of 128 by the pipeline primitives, two stages.
extern "C" __global__ void stencil(const float *x, float *y, int n) {
  __shared__ __align__(16) float tile[2][136];
  int tiles = (n + 127) / 128;
  auto copy = [&](int stage, int at) {
    for (int i = threadIdx.x; i < 130; i += blockDim.x) {
      int from = at * 128 + i - 1;
      bool inside = from >= 0 && from < n;
      __pipeline_memcpy_async(&tile[stage][i], inside ? x + from : x, 4, inside ? 0 : 4);
    }
    __pipeline_commit();
  };
  if (blockIdx.x < tiles)
    copy(0, blockIdx.x);
  for (int at = blockIdx.x, stage = 0; at < tiles; at += gridDim.x, stage ^= 1) {
    if (at + gridDim.x < tiles) {
      copy(stage ^ 1, at + gridDim.x);
      __pipeline_wait_prior(1);
    } else {
      __pipeline_wait_prior(0);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < 128 && at * 128 + i < n; i += blockDim.x)
      y[at * 128 + i] = tile[stage][i] + 2 * tile[stage][i + 1] + tile[stage][i + 2];
    __syncthreads();
  }
}

/// Inclusive prefix sums of blocks of 256.
extern "C" __global__ void scan(const int *x, int *y) {
  __shared__ int sums[8];
  int i = blockIdx.x * 256 + threadIdx.x, lane = threadIdx.x % 32, warp = threadIdx.x / 32, value = x[i];
  for (int offset = 1; offset < 32; offset *= 2) {
    int other = __shfl_up_sync(0xffffffff, value, offset);
    if (lane >= offset)
      value += other;
  }
  if (lane == 31)
    sums[warp] = value;
  __syncthreads();
  if (warp == 0) {
    int sum = lane < 8 ? sums[lane] : 0;
    for (int offset = 1; offset < 8; offset *= 2) {
      int other = __shfl_up_sync(0xffffffff, sum, offset);
      if (lane >= offset)
        sum += other;
    }
    if (lane < 8)
      sums[lane] = sum;
  }
  __syncthreads();
  y[i] = value + (warp > 0 ? sums[warp - 1] : 0);
}

/// counts[b] += how many x are b modulo 64; first in shared memory.
extern "C" __global__ void histogram(const unsigned *x, int n, unsigned *counts) {
  __shared__ unsigned local[64];
  for (int i = threadIdx.x; i < 64; i += blockDim.x)
    local[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(&local[x[i] % 64], 1u);
  __syncthreads();
  for (int i = threadIdx.x; i < 64; i += blockDim.x)
    if (local[i] != 0)
      atomicAdd(&counts[i], local[i]);
}
