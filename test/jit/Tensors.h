// Tensors for the kernels of the engine, and what is right of them.
#pragma once

#include "jit/Engine.h"
#include "test/reference/Attention.h"
#include "test/runtime/TemporaryFolder.h"

namespace attn {

/// Tensors of a kernel whose one `?` is bound to `tokens`.
struct Tensors {
  Tensor q, k, v, o, lse;

  Tensors(const KernelInfo &info, int64_t tokens, uint64_t seed = 1) {
    auto random = [&](int64_t heads, int64_t width) {
      return *Tensor::randomNormal({info.batch, heads, tokens, width}, info.dtype, seed++);
    };
    q = random(info.heads, info.headDimQk);
    k = random(info.kvHeads, info.headDimQk);
    v = random(info.kvHeads, info.headDimV);
    o = *Tensor::zeros({info.batch, info.heads, tokens, info.headDimV}, info.dtype);
    lse = *Tensor::zeros({info.batch, info.heads, tokens}, DType::F32);
  }
  Bindings bindings() const {
    Bindings b;
    b.q = q;
    b.k = k;
    b.v = v;
    b.o = o;
    b.lse = lse;
    return b;
  }
};

template <class T> inline std::vector<T> valuesOf(const TensorView &view) {
  std::vector<T> values;
  for (int64_t i = 0; i < view.numElements(); ++i)
    values.push_back(
        T(loadElement(view.dtype, static_cast<char *>(view.data) + i * dtypeSize(view.dtype))));
  return values;
}

/// Compares with the f64 reference within the project's tolerances; empty when all is well.
inline std::string mismatch(const KernelInfo &info, const Tensors &t, reference::Mask mask) {
  int64_t n = t.q.shape()[2];
  reference::Problem problem{info.batch, info.heads,     info.kvHeads,  n,
                             n,          info.headDimQk, info.headDimV, 0};
  auto q = valuesOf<double>(t.q), k = valuesOf<double>(t.k), v = valuesOf<double>(t.v);
  auto sees = reference::seesOf(std::move(mask), reference::selfContext({n}));
  auto exact = reference::attention(problem, q, k, v, sees);
  auto o = valuesOf<float>(t.o), lse = valuesOf<float>(t.lse);
  if (info.dtype == DType::F32)
    return reference::compareF32(o, lse, exact).message;
  auto type = info.dtype == DType::F16 ? reference::Type::F16 : reference::Type::BF16;
  auto yardstick = reference::denseRounded(type, problem, q, k, v, sees);
  return reference::compareRounded(type, o, lse, exact, yardstick).message;
}

} // namespace attn
