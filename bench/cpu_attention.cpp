// The CPU kernel against attention as one writes it first (PlainAttention.h, -O3 for this machine), in
// one run. One thread each; the ratio is what counts.
#include "bench/PlainAttention.h"
#include "jit/Engine.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

using namespace attn;

namespace {

struct Case {
  bench::PlainProblem plain;
  const char *mask;
};

Case caseOf(int64_t which, int64_t headDim) {
  constexpr int64_t far = int64_t(1) << 20;
  switch (which) {
  case 0: return {{2, 2048, headDim, far, far}, "all"};
  case 1: return {{2, 2048, headDim, far, 0}, "causal"};
  default: return {{2, 2048, headDim, 255, 0}, "causal & window(256)"};
  }
}

struct Tensors {
  explicit Tensors(const bench::PlainProblem &p)
      : shape{1, p.heads, p.tokens, p.headDim}, q(random(1)), k(random(2)), v(random(3)),
        o(*Tensor::zeros(shape, DType::F32)) {}
  Tensor random(uint64_t seed) const { return *Tensor::randomNormal(shape, DType::F32, seed); }
  std::vector<int64_t> shape;
  Tensor q, k, v, o;
};

float *floats(const Tensor &tensor) { return static_cast<float *>(tensor.view().data); }

void plain(benchmark::State &state) {
  Case c = caseOf(state.range(0), state.range(1));
  Tensors t(c.plain);
  for (auto _ : state)
    bench::plainAttention(c.plain, floats(t.q), floats(t.k), floats(t.v), floats(t.o));
  state.SetLabel(c.mask);
}

void compiled(benchmark::State &state) {
  Case c = caseOf(state.range(0), state.range(1));
  Tensors t(c.plain);
  EngineOptions options;
  options.threads = 1;
  Expected<Kernel> kernel = Engine(options).compile(
      fmt::format("kernel k {{ heads {} head_dim {} dtype f32 tokens [{}] mask {} }}", c.plain.heads,
                  c.plain.headDim, c.plain.tokens, c.mask));
  if (!kernel)
    return state.SkipWithError(kernel.error().message.c_str());
  Bindings bindings;
  bindings.q = t.q.view();
  bindings.k = t.k.view();
  bindings.v = t.v.view();
  bindings.o = t.o.view();
  Expected<LaunchPlan> plan = kernel->plan(bindings);
  if (!plan)
    return state.SkipWithError(plan.error().message.c_str());
  for (auto _ : state)
    if (Expected<RunReport> run = kernel->run(*plan); !run)
      return state.SkipWithError(run.error().message.c_str());
  state.SetLabel(fmt::format("{}, compiled in {:.0f} ms", c.mask, kernel->compileSeconds() * 1e3));
  state.counters["GFLOP/s"] = benchmark::Counter(4e-9 * plan->visiblePairs() * double(c.plain.headDim),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

} // namespace

BENCHMARK(plain)->ArgsProduct({{0, 1, 2}, {64, 128}})->Unit(benchmark::kMillisecond);
BENCHMARK(compiled)->ArgsProduct({{0, 1, 2}, {64, 128}})->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
