// Kernels of another compiler for the emulator's tests. kernels.ptx was made from this file by
//   nvcc -arch=sm_80 -O3 -std=c++17 -ptx kernels.cu -o kernels.ptx         (CUDA 13.0)
// and kernels-clang.ptx, with clang 22 and the same headers, by
//   clang++ -x cuda --cuda-device-only --cuda-gpu-arch=sm_80 -O3 -std=c++17 -S kernels.cu -o kernels-clang.ptx
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void vectorAdd(const float *a, const float *b, float *c, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    c[i] = a[i] + b[i];
}

/// C = A B, square of side n, in tiles of 16 x 16; a block of 16 x 16 threads each.
extern "C" __global__ void tiledMatmul(const float *a, const float *b, float *c, int n) {
  __shared__ float as[16][16], bs[16][17];
  int row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
  float sum = 0;
  for (int k = 0; k < n; k += 16) {
    as[threadIdx.y][threadIdx.x] = row < n && k + threadIdx.x < n ? a[row * n + k + threadIdx.x] : 0;
    bs[threadIdx.y][threadIdx.x] = column < n && k + threadIdx.y < n ? b[(k + threadIdx.y) * n + column] : 0;
    __syncthreads();
    for (int i = 0; i < 16; ++i)
      sum += as[threadIdx.y][i] * bs[i][threadIdx.x];
    __syncthreads();
  }
  if (row < n && column < n)
    c[row * n + column] = sum;
}

/// *total += the sum of x, *largest = the maximum; any number of blocks of up to 1024 threads.
extern "C" __global__ void reduction(const int *x, int n, int *total, int *largest) {
  __shared__ int sums[32], maxima[32];
  int sum = 0, most = -2147483647 - 1;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    sum += x[i];
    most = max(most, x[i]);
  }
  for (int offset = 16; offset > 0; offset /= 2) {
    sum += __shfl_down_sync(0xffffffff, sum, offset);
    most = max(most, __shfl_xor_sync(0xffffffff, most, offset));
  }
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
  if (lane == 0) {
    sums[warp] = sum;
    maxima[warp] = most;
  }
  __syncthreads();
  if (warp == 0) {
    sum = __reduce_add_sync(0xffffffff, lane < warps ? sums[lane] : 0);
    most = __reduce_max_sync(0xffffffff, lane < warps ? maxima[lane] : -2147483647 - 1);
    if (lane == 0) {
      atomicAdd(total, sum);
      atomicMax(largest, most);
    }
  }
}

/// Row-wise softmax of `columns` halves; a block a row. Uses expf, division and half conversions.
extern "C" __global__ void softmaxRows(const __half *x, __half *y, int columns) {
  __shared__ float partial[4];
  const __half *row = x + (size_t)blockIdx.x * columns;
  float most = -1e30f, sum = 0;
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    most = fmaxf(most, __half2float(row[i]));
  for (int offset = 16; offset > 0; offset /= 2)
    most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, offset));
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = most;
  __syncthreads();
  most = fmaxf(fmaxf(partial[0], partial[1]), fmaxf(partial[2], partial[3]));
  __syncthreads();
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    sum += expf(__half2float(row[i]) - most);
  for (int offset = 16; offset > 0; offset /= 2)
    sum += __shfl_xor_sync(0xffffffff, sum, offset);
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = sum;
  __syncthreads();
  sum = partial[0] + partial[1] + partial[2] + partial[3];
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    y[(size_t)blockIdx.x * columns + i] = __float2half(expf(__half2float(row[i]) - most) / sum);
}

/// C (16 x 8, f32) = A (16 x k, bf16, row-major) B (8 x k, bf16: columns of B contiguous), one warp, two
/// stages of cp.async, ldmatrix and mma. k is a multiple of 16.
extern "C" __global__ void pipelinedMma(const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *c, int k) {
  __shared__ __align__(16) __nv_bfloat16 as[2][16][16], bs[2][8][16];
  int lane = threadIdx.x;
  auto copy = [&](int stage, int at) {
    unsigned to = (unsigned)__cvta_generic_to_shared(&as[stage][lane / 2][lane % 2 * 8]);
    const void *from = a + lane / 2 * k + at + lane % 2 * 8;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from));
    if (lane < 16) {
      to = (unsigned)__cvta_generic_to_shared(&bs[stage][lane / 2][lane % 2 * 8]);
      from = b + lane / 2 * k + at + lane % 2 * 8;
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from));
    }
    asm volatile("cp.async.commit_group;");
  };
  float sum[4] = {0, 0, 0, 0};
  copy(0, 0);
  for (int at = 0, stage = 0; at < k; at += 16, stage ^= 1) {
    if (at + 16 < k) {
      copy(stage ^ 1, at + 16);
      asm volatile("cp.async.wait_group 1;" ::: "memory");
    } else {
      asm volatile("cp.async.wait_group 0;" ::: "memory");
    }
    __syncwarp();
    unsigned fragment[4], other[2];
    unsigned from = (unsigned)__cvta_generic_to_shared(&as[stage][lane % 16][lane / 16 * 8]);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
                 : "r"(from));
    from = (unsigned)__cvta_generic_to_shared(&bs[stage][lane % 8][lane / 8 % 2 * 8]);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(other[0]), "=r"(other[1])
                 : "r"(from));
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
                 "{%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(fragment[0]), "r"(fragment[1]), "r"(fragment[2]), "r"(fragment[3]), "r"(other[0]),
                   "r"(other[1]));
    __syncwarp();
  }
  for (int i = 0; i < 4; ++i)
    c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sum[i];
}

/// Integers as nvcc likes them: 64-bit division, bit tricks, a switch, local memory indexed at run time.
extern "C" __global__ void mixed(const unsigned long long *x, unsigned long long *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  unsigned long long v = x[i], table[8];
  for (int j = 0; j < 8; ++j)
    table[j] = v >> (j * 3);
  unsigned long long r = table[v & 7];
  switch (i % 7) {
  case 0: r += v / 1000003; break;
  case 1: r ^= __brevll(v); break;
  case 2: r += __popcll(v) * 1000 + __clzll(v); break;
  case 3: r = r * v + __umulhi((unsigned)v, 77u); break;
  case 4: r -= v % (r | 1); break;
  case 5: r = (r << 13) | (v >> 51); break;
  default: r = __double2ull_rz((double)(v >> 20) * 1.5); break;
  }
  y[i] = r;
}
