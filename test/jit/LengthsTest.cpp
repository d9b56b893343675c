// Lengths that are known only when a kernel runs: each kernel is compiled once, and the one piece
// of code computes every length.
#include "jit/Engine.h"

#include "test/reference/Attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <set>

namespace attn {
namespace {

namespace ref = reference;

constexpr int64_t kHeads = 2, kKvHeads = 1, kHeadDim = 16;

struct Case {
  const char *name, *items;
  /// One for all heads.
  ref::Mask mask;
  ref::Score score = {};
};

/// Documents of all lengths from 1 to 211 tokens.
int32_t documentOf(int64_t token) { return int32_t(std::cbrt(double(token * 40))) - 3; }

/// Sequences of growing lengths, the second and the last of them empty.
std::vector<int32_t> cumulativeLengths(int64_t tokens) {
  std::vector<int32_t> lengths{0};
  for (int64_t at = tokens / 9; at < tokens; at = at * 2 + 1) {
    lengths.push_back(int32_t(at));
    if (lengths.size() == 2)
      lengths.push_back(int32_t(at));
  }
  lengths.push_back(int32_t(tokens));
  lengths.push_back(int32_t(tokens));
  return lengths;
}

double biasOf(int64_t head, int64_t key) { return double((key * 7 + head * 3) % 11) / 8 - 0.5; }

std::vector<Case> cases() {
  using namespace ref;
  Expr q = queryPosition(), k = keyPosition();
  return {
      {"window_and_sink", "mask causal & (window(100) | sink(5))",
       causal() & (window(100) | sink(5))},
      {"block", "mask causal & block(96, offset = 31)", causal() & block({96}, {31})},
      {"global", "mask window(20) | global(first = 7, count = 3)", window(20) | global(7, 3)},
      {"strided", "mask causal & (window(30) | strided(48))",
       causal() & (window(30) | strided(48))},
      {"spans", "mask spans(\"spans.json\", layer = 0)", spans({0, 64}, {0.25, 0.5})},
      {"neighborhood", "mask neighborhood(window = 65, stride = 3, dilation = 2)",
       neighborhood({{65, 3, 2, false}})},
      {"documents", "input doc : i32[tokens] mask causal & same(doc)", causal() & same("doc")},
      {"packed", "input cu : i32[?] packed cu mask causal & window(50)", causal() & window(50)},
      {"predicate", "mask (q, k) => k <= q && (q - k < 64 || (q - k) % 32 == 0)",
       predicate(k <= q && (q - k < 64 || mod(q - k, 32) == 0))},
      {"bias", "input bias : f32[heads, kv_tokens] mask causal score (s, h, k) => s + bias[h, k]",
       causal(),
       [](double s, int64_t, int64_t h, int64_t, int64_t key) { return s + biasOf(h, key); }},
  };
}

class Lengths : public testing::TestWithParam<size_t> {};

/// Inputs under the names of the cases; a launch wants none that its kernel has not.
void bindInputs(const KernelInfo &info, int64_t tokens, std::vector<Tensor> &memory,
                Bindings &bindings) {
  for (const InputInfo &input : info.inputs) {
    std::vector<int32_t> lengths = cumulativeLengths(tokens);
    std::vector<int64_t> shape{input.name == "cu" ? int64_t(lengths.size()) : tokens};
    if (input.name == "bias")
      shape.insert(shape.begin(), kHeads);
    Tensor &tensor = memory.emplace_back(*Tensor::zeros(shape, input.dtype));
    for (int64_t i = 0; i < tensor.numElements(); ++i)
      storeElement(input.dtype, static_cast<char *>(tensor.data()) + i * dtypeSize(input.dtype),
                   input.name == "cu"    ? lengths[size_t(i)]
                   : input.name == "doc" ? documentOf(i)
                                         : biasOf(i / tokens, i % tokens));
    bindings.inputs[input.name] = tensor;
  }
}

ref::Context contextOf(const Case &c, int64_t tokens) {
  ref::Context context = ref::selfContext({tokens});
  for (int64_t i = 0; i < tokens; ++i)
    context.labels["doc"].push_back(documentOf(i));
  if (std::string(c.name) == "packed")
    context.cuQueries = cumulativeLengths(tokens);
  return context;
}

std::vector<double> doubles(const Tensor &tensor) {
  const auto *data = static_cast<const float *>(tensor.data());
  return {data, data + tensor.numElements()};
}
std::span<const float> floats(const Tensor &tensor) {
  return {static_cast<const float *>(tensor.data()), size_t(tensor.numElements())};
}

/// The rows `from`, `from` + `step` and so on of all heads.
template <class T>
std::vector<T> someRows(std::span<const T> all, int64_t tokens, int64_t width, int64_t from,
                        int64_t step) {
  std::vector<T> some;
  for (int64_t h = 0; h < int64_t(all.size()) / (tokens * width); ++h)
    for (int64_t row = from; row < tokens; row += step)
      for (int64_t d = 0; d < width; ++d)
        some.push_back(all[size_t((h * tokens + row) * width + d)]);
  return some;
}

void runAt(const Kernel &kernel, const Case &c, int64_t tokens) {
  Tensor q = *Tensor::randomNormal({1, kHeads, tokens, kHeadDim}, DType::F32, 1);
  Tensor k = *Tensor::randomNormal({1, kKvHeads, tokens, kHeadDim}, DType::F32, 2);
  Tensor v = *Tensor::randomNormal({1, kKvHeads, tokens, kHeadDim}, DType::F32, 3);
  Tensor o = *Tensor::zeros({1, kHeads, tokens, kHeadDim}, DType::F32);
  Tensor lse = *Tensor::zeros({1, kHeads, tokens}, DType::F32);
  Bindings bindings;
  bindings.q = q;
  bindings.k = k;
  bindings.v = v;
  bindings.o = o;
  bindings.lse = lse;
  std::vector<Tensor> memory;
  bindInputs(kernel.info(), tokens, memory, bindings);
  auto report = kernel.run(bindings);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->allTiles % kHeads, 0);

  // Every row up to 1,000 tokens; beyond, 1 of 17, which meets every place in a tile.
  int64_t step = tokens > 1000 ? 17 : 1, from = (tokens - 1) % step;
  ref::Context context = contextOf(c, tokens);
  ref::Problem problem{1,      kHeads,   kKvHeads, (tokens - from + step - 1) / step,
                       tokens, kHeadDim, kHeadDim, 0};
  auto sees = [&](int64_t b, int64_t h, int64_t row, int64_t key) {
    return ref::sees(c.mask, context, b, h, from + row * step, key);
  };
  std::vector<double> allQ = doubles(q);
  ref::Result exact = ref::attention(problem, someRows<double>(allQ, tokens, kHeadDim, from, step),
                                     doubles(k), doubles(v), sees, c.score);
  ref::Report compared =
      ref::compareF32(someRows<float>(floats(o), tokens, kHeadDim, from, step),
                      someRows<float>(floats(lse), tokens, 1, from, step), exact);
  EXPECT_TRUE(compared.ok) << c.name << " at " << tokens << " tokens: " << compared.message;
}

TEST_P(Lengths, OneCompiledKernelServesAll) {
  Case c = cases()[GetParam()];
  CompileRequest request;
  request.name = ATTNC_TEST_INPUTS "/lengths.attn"; // where plans lie
  Expected<Kernel> kernel =
      Engine({{}, 2}).compile(std::string("kernel k { heads 2 kv_heads 1 head_dim 16 dtype f32 "
                                          "tokens [?] ") +
                                  c.items + " }",
                              request);
  ASSERT_TRUE(kernel) << kernel.error().message;
  CpuKernel code = kernel->function();
  double compileSeconds = kernel->compileSeconds();
  for (int64_t tokens : {1, 63, 64, 65, 1000, 4096}) {
    runAt(*kernel, c, tokens);
    EXPECT_EQ(kernel->function(), code) << "after " << tokens << " tokens";
  }
  EXPECT_EQ(kernel->compileSeconds(), compileSeconds) << "compiled again";
  EXPECT_EQ(kernel->info().tokens, std::vector<int64_t>{-1}) << "the length is bound in the code";
}

INSTANTIATE_TEST_SUITE_P(Masks, Lengths, testing::Range(size_t(0), cases().size()),
                         [](const auto &info) { return std::string(cases()[info.param].name); });

} // namespace
} // namespace attn
