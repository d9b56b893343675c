// WMMA kernels of another compiler for the emulator's tests. Made from this file, with CUDA 13.0:
//   nvcc -arch=sm_80 -O3 -std=c++17 -ptx wmma.cu -o wmma.ptx
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;

/// C (16 m x 16 n, f32) = A (rows of k) B (rows of 16 n), a warp for each tile of 16 x 16; k a multiple of 16.
template <class T> __device__ void wmmaTile(const T *a, const T *b, float *c, int k, int columns) {
  wmma::fragment<wmma::matrix_a, 16, 16, 16, T, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, T, wmma::row_major> fb;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum;
  wmma::fill_fragment(sum, 0.0f);
  int row = blockIdx.y * 16, column = blockIdx.x * 16;
  for (int i = 0; i < k; i += 16) {
    wmma::load_matrix_sync(fa, a + row * k + i, k);
    wmma::load_matrix_sync(fb, b + i * columns + column, columns);
    wmma::mma_sync(sum, fa, fb, sum);
  }
  for (int i = 0; i < sum.num_elements; ++i)
    sum.x[i] *= 0.5f;
  wmma::store_matrix_sync(c + row * columns + column, sum, columns, wmma::mem_row_major);
}
extern "C" __global__ void wmmaHalf(const __half *a, const __half *b, float *c, int k, int columns) {
  wmmaTile(a, b, c, k, columns);
}
extern "C" __global__ void wmmaBFloat(const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *c, int k, int columns) {
  wmmaTile(a, b, c, k, columns);
}
