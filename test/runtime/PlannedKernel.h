// Kernels to plan launches of, without code.
#pragma once

#include "dialect/algebra/FormulaBuilder.h"
#include "runtime/Launch.h"

namespace attn::test {

constexpr int64_t kTile = 16;

inline Formula causal() {
  FormulaBuilder builder({-1});
  LinearBound end{true, 1, {{Symbol{SymbolKind::QueryOffset, 0}, 1}}};
  return *builder.finish(builder.interval(std::nullopt, end));
}

/// 2 batch entries, 4 heads on 2, head_dim 8 / 4, f32, tokens [?]: causal.
inline KernelInfo kernelOf(Formula formula) {
  KernelInfo info;
  info.name = "k";
  info.batch = 2;
  info.heads = 4;
  info.kvHeads = 2;
  info.headDimQk = 8;
  info.headDimV = 4;
  info.tokens = info.kvTokens = {-1};
  info.queryTile[0] = info.keyTile[0] = kTile;
  info.formulas = {std::move(formula)};
  info.formulaOfMask = {0};
  info.parametersOfMask = {{}};
  info.maskOfHead = {0, 0, 0, 0};
  return info;
}

/// Tensors of the right shapes, and bindings that look at them.
struct Buffers {
  Tensor q, k, v, o, lse;
  Bindings bindings;

  Buffers(int64_t nq, int64_t nk) {
    auto make = [](std::vector<int64_t> shape) {
      return *Tensor::zeros(std::move(shape), DType::F32);
    };
    q = make({2, 4, nq, 8});
    k = make({2, 2, nk, 8});
    v = make({2, 2, nk, 4});
    o = make({2, 4, nq, 4});
    lse = make({2, 4, nq});
    bindings.q = q;
    bindings.k = k;
    bindings.v = v;
    bindings.o = o;
    bindings.lse = lse;
  }
};

} // namespace attn::test
