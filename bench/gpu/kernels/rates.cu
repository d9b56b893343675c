// Instruction rates and latencies of one multiprocessor, in cycles of its own clock.
//
// RATE kernels: every thread runs `n` rounds of kChains independent chains, four rounds to a loop
// turn. With W warps in a block, a sub-partition (four of them) starts a warp instruction every
// cycles / (n * kChains * W / 4) cycles. LATENCY kernels run one chain. Written with inline PTX
// that is volatile, so that the compiler neither drops nor reorders what is measured.
#include <cstdint>

constexpr int kChains = 8;

__device__ inline uint64_t now() {
  uint64_t t;
  asm volatile("mov.u64 %0, %%clock64;" : "=l"(t)::"memory");
  return t;
}

#define LOOP(chains, body)                                                                         \
  __syncthreads();                                                                                 \
  uint64_t begin = now();                                                                          \
  _Pragma("unroll 16") for (int i = 0; i < n; ++i) {                                               \
    _Pragma("unroll") for (int j = 0; j < chains; ++j) { body; }                                   \
  }                                                                                                \
  uint64_t end = now();                                                                            \
  cycles[blockIdx.x * blockDim.x + threadIdx.x] = end - begin;

#define FLOATS(name, chains, body)                                                                 \
  extern "C" __global__ void name(uint64_t *cycles, float *sink, int n) {                          \
    float x[kChains], y = 1.0f + threadIdx.x * 1e-6f, z = 1e-7f * threadIdx.x;                     \
    for (int j = 0; j < kChains; ++j)                                                              \
      x[j] = 0.25f + 0.001f * (threadIdx.x + j);                                                   \
    LOOP(chains, body)                                                                             \
    float sum = y + z;                                                                             \
    for (int j = 0; j < kChains; ++j)                                                              \
      sum += x[j];                                                                                 \
    sink[blockIdx.x * blockDim.x + threadIdx.x] = sum;                                             \
  }
#define WORDS(name, chains, body)                                                                  \
  extern "C" __global__ void name(uint64_t *cycles, float *sink, int n) {                          \
    uint32_t x[kChains], y = 0x3f803f80u + threadIdx.x, z = 0x3c003c00u | threadIdx.x;             \
    for (int j = 0; j < kChains; ++j)                                                              \
      x[j] = 0x3f003f00u + 17u * threadIdx.x + j;                                                  \
    LOOP(chains, body)                                                                             \
    uint32_t sum = y ^ z;                                                                          \
    for (int j = 0; j < kChains; ++j)                                                              \
      sum ^= x[j];                                                                                 \
    sink[blockIdx.x * blockDim.x + threadIdx.x] = __uint_as_float(sum);                            \
  }
#define BOTH(KIND, name, body) KIND(rate_##name, kChains, body) KIND(latency_##name, 1, body)

#define EX2 asm volatile("ex2.approx.ftz.f32 %0, %0;" : "+f"(x[j]))
#define FFMA asm volatile("fma.rn.ftz.f32 %0, %0, %1, %2;" : "+f"(x[j]) : "f"(y), "f"(z))
BOTH(FLOATS, ex2, EX2)
BOTH(FLOATS, ffma, FFMA)
BOTH(FLOATS, fadd, asm volatile("add.ftz.f32 %0, %0, %1;" : "+f"(x[j]) : "f"(z)))
BOTH(FLOATS, fmul, asm volatile("mul.ftz.f32 %0, %0, %1;" : "+f"(x[j]) : "f"(y)))
BOTH(FLOATS, fmnmx, asm volatile("max.ftz.f32 %0, %0, %1;" : "+f"(x[j]) : "f"(y)))
BOTH(WORDS, f2fp,
     asm volatile("{.reg .b32 t; mov.b32 t, %0; cvt.rn.bf16x2.f32 %0, t, %1;}"
                  : "+r"(x[j])
                  : "r"(y)))
BOTH(WORDS, hfma2_bf16, asm volatile("fma.rn.bf16x2 %0, %0, %1, %2;" : "+r"(x[j]) : "r"(y), "r"(z)))
BOTH(WORDS, iadd, asm volatile("add.u32 %0, %0, %1;" : "+r"(x[j]) : "r"(y)))
BOTH(WORDS, imad, asm volatile("mad.lo.u32 %0, %0, %1, %2;" : "+r"(x[j]) : "r"(y), "r"(z)))
BOTH(WORDS, lop3, asm volatile("lop3.b32 %0, %0, %1, %2, 150;" : "+r"(x[j]) : "r"(y), "r"(z)))
BOTH(WORDS, prmt, asm volatile("prmt.b32 %0, %0, %1, %2;" : "+r"(x[j]) : "r"(y), "r"(z)))
BOTH(WORDS, shfl, asm volatile("shfl.sync.bfly.b32 %0, %0, 1, 31, -1;" : "+r"(x[j])))
BOTH(WORDS, select,
     asm volatile("{.reg .pred p; setp.lt.u32 p, %0, %1; selp.b32 %0, %0, %2, p;}"
                  : "+r"(x[j])
                  : "r"(y), "r"(z)))

// An exponential and k fused multiply-adds: how well the two pipes overlap.
FLOATS(mix_ex2_ffma1, kChains, EX2; FFMA)
FLOATS(mix_ex2_ffma2, kChains, EX2; FFMA; FFMA)
FLOATS(mix_ex2_ffma4, kChains, EX2; FFMA; FFMA; FFMA; FFMA)
FLOATS(mix_ex2_ffma8, kChains, EX2; FFMA; FFMA; FFMA; FFMA; FFMA; FFMA; FFMA; FFMA)

// mma.sync m16n8k16 bf16 with f32 sums: 4096 multiply-adds of a warp.
template <int kAccumulators> __device__ inline void mma(uint64_t *cycles, float *sink, int n) {
  uint32_t a[4], b[2];
  for (int j = 0; j < 4; ++j)
    a[j] = 0x3f003f00u | ((threadIdx.x * 2654435761u + j) & 0x807f807fu);
  for (int j = 0; j < 2; ++j)
    b[j] = 0x3f003f00u | ((threadIdx.x * 40503u + j) & 0x807f807fu);
  float d[kAccumulators][4] = {};
  __syncthreads();
  uint64_t begin = now();
#pragma unroll 8
  for (int i = 0; i < n; ++i)
#pragma unroll
    for (int j = 0; j < kAccumulators; ++j)
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, "
                   "{%4,%5,%6,%7}, {%8,%9}, "
                   "{%0,%1,%2,%3};"
                   : "+f"(d[j][0]), "+f"(d[j][1]), "+f"(d[j][2]), "+f"(d[j][3])
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  uint64_t end = now();
  cycles[blockIdx.x * blockDim.x + threadIdx.x] = end - begin;
  float sum = 0;
  for (int j = 0; j < kAccumulators; ++j)
    sum += d[j][0] + d[j][1] + d[j][2] + d[j][3];
  sink[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
extern "C" __global__ void rate_mma(uint64_t *cycles, float *sink, int n) {
  mma<kChains>(cycles, sink, n);
}
extern "C" __global__ void latency_mma(uint64_t *cycles, float *sink, int n) {
  mma<1>(cycles, sink, n);
}

// Shared memory: 16 bytes a lane without bank conflicts. The address of a chain depends on what was
// read, by nothing.
extern __shared__ uint4 shared[];
__device__ inline uint32_t sharedBase() {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

template <int kAccesses> __device__ inline void loads(uint64_t *cycles, float *sink, int n) {
  for (int i = threadIdx.x; i < 2048; i += blockDim.x)
    shared[i] = uint4{0, 0, 0, 0};
  uint32_t at = sharedBase() + 16 * threadIdx.x % 16384;
  uint32_t r[4] = {}, rest = 0; // what is not used is not loaded
  LOOP(kAccesses, asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
                               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                               : "r"(at + 512 * j)
                               : "memory");
       at += r[0]; rest ^= r[1] ^ r[2] ^ r[3])
  sink[blockIdx.x * blockDim.x + threadIdx.x] = __uint_as_float(rest + at);
}
// `at` waits for every load, so the rate kernel has as many in flight as there are warps.
extern "C" __global__ void rate_lds128(uint64_t *cycles, float *sink, int n) {
  loads<kChains>(cycles, sink, n);
}
extern "C" __global__ void latency_lds128(uint64_t *cycles, float *sink, int n) {
  loads<1>(cycles, sink, n);
}

extern "C" __global__ void rate_sts128(uint64_t *cycles, float *sink, int n) {
  uint32_t at = sharedBase() + 16 * threadIdx.x % 16384, v = threadIdx.x;
  LOOP(kChains, asm volatile("st.shared.v4.b32 [%0], {%1,%1,%1,%1};" ::"r"(at + 512 * j), "r"(v)
                             : "memory"))
  __syncthreads();
  sink[blockIdx.x * blockDim.x + threadIdx.x] = __uint_as_float(shared[threadIdx.x].x);
}

template <int kAccesses> __device__ inline void matrixLoads(uint64_t *cycles, float *sink, int n) {
  for (int i = threadIdx.x; i < 2048; i += blockDim.x)
    shared[i] = uint4{0, 0, 0, 0};
  uint32_t at = sharedBase() + 16 * threadIdx.x % 16384;
  uint32_t r[4] = {}, rest = 0; // what is not used is not loaded
  LOOP(kAccesses, asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                               : "r"(at + 512 * j)
                               : "memory");
       at += r[0]; rest ^= r[1] ^ r[2] ^ r[3])
  sink[blockIdx.x * blockDim.x + threadIdx.x] = __uint_as_float(rest + at);
}
extern "C" __global__ void rate_ldmatrix(uint64_t *cycles, float *sink, int n) {
  matrixLoads<kChains>(cycles, sink, n);
}
extern "C" __global__ void latency_ldmatrix(uint64_t *cycles, float *sink, int n) {
  matrixLoads<1>(cycles, sink, n);
}
