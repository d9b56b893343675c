// CPU kernels against the f64 reference, within the tolerances of the language: the matrix of mask
// kinds, types, head groups, lengths and head dimensions, and drawn kernels on every ISA level that the
// machine has, with other strides.
#include "jit/Engine.h"
#include "runtime/CpuFeatures.h"
#include "test/codegen/DrawnKernel.h"

#include "gtest/gtest.h"

using namespace attn;
namespace ref = attn::reference;

namespace {

DType dtypeOf(ref::Type type) {
  return type == ref::Type::F32 ? DType::F32 : type == ref::Type::F16 ? DType::F16 : DType::BF16;
}

struct Case {
  ref::Problem problem;
  ref::Type type = ref::Type::F32;
  ref::Kernel kernel;
  ref::Context context;
  test::DrawnInputs inputs;
  ref::Score score;
  std::string spec;
  bool tokensBeforeHeads = false; ///< BNHD in memory
  IsaLevel isa = hostIsaLevel();
  std::vector<int64_t> queryTile, keyTile; ///< empty: chosen by the compiler
};

/// A tensor of the case, filled, and its view as [B,H,N,D] whatever the order in memory.
struct Stored {
  Stored(const Case &c, int64_t heads, int64_t tokens, int64_t width, const std::vector<double> *values)
      : tensor(take(Tensor::zeros(c.tokensBeforeHeads
                                      ? std::vector<int64_t>{c.problem.batch, tokens, heads, width}
                                      : std::vector<int64_t>{c.problem.batch, heads, tokens, width},
                                  dtypeOf(c.type)))) {
    view = tensor.view();
    if (c.tokensBeforeHeads)
      view = view.permuted({0, 2, 1, 3});
    forAll([&](std::initializer_list<int64_t> at, size_t i) {
      view.set(at, values ? (*values)[i] : std::nan(""));
    });
  }
  static Tensor take(Expected<Tensor> made) { return std::move(*made); }
  template <class Visit> void forAll(Visit &&visit) const {
    size_t i = 0;
    for (int64_t b = 0; b < view.shape[0]; ++b)
      for (int64_t h = 0; h < view.shape[1]; ++h)
        for (int64_t n = 0; n < view.shape[2]; ++n)
          for (int64_t d = 0; d < view.shape[3]; ++d)
            visit({b, h, n, d}, i++);
  }
  std::vector<float> read() const {
    std::vector<float> values;
    forAll([&](std::initializer_list<int64_t> at, size_t) {
      values.push_back(static_cast<float>(view.at(at)));
    });
    return values;
  }
  Tensor tensor;
  TensorView view;
};

/// Counts in `ran` unless the compiler refuses the mask. What is right of the compiled kernel has to be right
/// of the generic one.
void check(const Case &c, ref::Draw &draw, int *ran = nullptr) {
  EngineOptions options;
  options.isa = c.isa;
  options.threads = 2;
  CompileRequest request;
  request.queryTile = c.queryTile;
  request.keyTile = c.keyTile;
  Engine engine(options);
  Expected<Kernel> kernel = engine.compile(c.spec, request);
  Expected<Kernel> generic = engine.genericKernel(c.spec, request);
  if (!kernel && test::isRefused(kernel.error().message))
    return;
  if (ran)
    ++*ran;
  ASSERT_TRUE(kernel) << kernel.error().message << c.spec;
  ASSERT_TRUE(generic) << generic.error().message << c.spec;
  const ref::Problem &p = c.problem;
  std::vector<double> q = draw.normals(p.qSize(), c.type), k = draw.normals(p.kSize(), c.type),
                      v = draw.normals(p.vSize(), c.type);
  Stored sq(c, p.heads, p.nq, p.qkDim, &q), sk(c, p.kvHeads, p.nk, p.qkDim, &k),
      sv(c, p.kvHeads, p.nk, p.vDim, &v);
  ref::Sees sees = ref::seesOf(c.kernel, c.context);
  ref::ZeroKeys zeroKeys = ref::zeroKeysOf(c.kernel, c.context);
  ref::Result expected = ref::attention(p, q, k, v, sees, c.score, zeroKeys);
  ref::Result yardstick;
  if (c.type != ref::Type::F32)
    yardstick = ref::denseRounded(c.type, p, q, k, v, sees, c.score, zeroKeys);

  for (const Kernel *tested : {&*kernel, &*generic}) {
    Stored so(c, p.heads, p.nq, p.vDim, nullptr);
    std::vector<float> lse(p.lseSize(), NAN);
    Bindings bindings;
    bindings.q = sq.view;
    bindings.k = sk.view;
    bindings.v = sv.view;
    bindings.o = so.view;
    bindings.lse = TensorView(lse.data(), DType::F32, {p.batch, p.heads, p.nq});
    c.inputs.bind(bindings);
    Expected<RunReport> run = tested->run(bindings);
    ASSERT_TRUE(run) << run.error().message << "\n" << c.spec;
    ref::Report report = c.type == ref::Type::F32
                             ? ref::compareF32(so.read(), lse, expected)
                             : ref::compareRounded(c.type, so.read(), lse, expected, yardstick);
    EXPECT_TRUE(report.ok) << report.message << "\n" << c.spec
                           << (tested->isGeneric() ? "generic" : isaLevelName(c.isa));
  }
}

//===----------------------------------------------------------------------===//
// The matrix
//===----------------------------------------------------------------------===//

struct Kind {
  const char *name;
  ref::Mask mask;
  std::vector<int64_t> tokens;
  bool cross; ///< also with other numbers of keys
};

std::vector<Kind> kinds() {
  return {
      {"all", ref::all(), {150}, true},
      {"causal", ref::causal(), {150}, true},
      {"causal_top_left", ref::causalTopLeft(), {150}, true},
      {"window", ref::window(40), {150}, true},
      {"window_sides", ref::window(17, 5), {150}, true},
      {"sink", ref::sink(9), {150}, true},
      {"prefix", ref::prefix(70), {150}, true},
      {"prefix_input", ref::prefix("len"), {150}, true},
      {"key_length", ref::keyLength("kl") & ref::causal(), {150}, true},
      {"same", ref::same("doc"), {150}, false},
      {"neighborhood_1d", ref::neighborhood({{31, 4, 2, false}}), {150}, false},
      {"neighborhood_1d_causal", ref::neighborhood({{30, 3, 1, true}}), {150}, false},
      {"neighborhood_2d", ref::neighborhood({{5, 2, 1, false}, {6, 1, 2, true}}), {10, 15}, false},
      {"neighborhood_3d",
       ref::neighborhood({{3, 1, 1, true}, {4, 4, 1, false}, {3, 2, 2, false}}), {5, 4, 7}, false},
      {"and_or_not", ref::causal() & (ref::window(30) | ref::sink(4)) & !ref::window(3), {150},
       true},
      {"nothing", ref::sink(3) & !ref::sink(3), {150}, true},
  };
}

struct HeadDims {
  int64_t qk, v;
};

class Matrix : public testing::TestWithParam<int> {};

std::string specOf(const Case &c, const std::vector<int64_t> &tokens) {
  ref::Shape shape;
  shape.batch = c.problem.batch;
  shape.heads = c.problem.heads;
  shape.kvHeads = c.problem.kvHeads;
  shape.headDim = c.problem.qkDim;
  shape.dtype = c.type;
  shape.tokens = tokens;
  if (c.problem.nk != c.problem.nq)
    shape.kvTokens = {c.problem.nk};
  std::string text = ref::toSpec("matrix", shape, c.kernel.mask);
  if (c.problem.vDim != c.problem.qkDim)
    text.insert(text.rfind('}'), "  value_dim " + std::to_string(c.problem.vDim) + "\n");
  return text;
}

TEST_P(Matrix, WithinTolerance) {
  Kind kind = kinds()[GetParam()];
  ref::Draw draw(GetParam());
  for (ref::Type type : {ref::Type::F32, ref::Type::BF16, ref::Type::F16})
    for (int64_t group : {1, 4})
      for (int64_t keys : kind.cross ? std::vector<int64_t>{0, 301, 77} : std::vector<int64_t>{0})
        for (HeadDims dims : {HeadDims{32, 32}, {64, 64}, {96, 96}, {128, 128}, {72, 40}}) {
          Case c;
          c.type = type;
          c.kernel.mask = kind.mask;
          ref::Shape &shape = c.kernel.shape;
          shape.heads = group;
          shape.tokens = kind.tokens;
          int64_t tokens = shape.nq();
          c.problem = {1, group, 1, tokens, keys ? keys : tokens, dims.qk, dims.v, 0};
          c.context = keys ? ref::crossContext(tokens, keys) : ref::selfContext(kind.tokens);
          c.context.batchInputs = {{"len", {int32_t(draw.between(0, c.problem.nk))}},
                                   {"kl", {int32_t(draw.between(0, c.problem.nk))}}};
          for (int64_t i = 0; i < tokens; ++i)
            c.context.labels["doc"].push_back(int32_t(draw.between(0, 3)));
          c.inputs = test::DrawnInputs(c.kernel, c.context);
          c.spec = specOf(c, kind.tokens);
          check(c, draw);
          if (HasFailure())
            return;
        }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Matrix, testing::Range(0, int(kinds().size())),
                         [](const auto &info) { return std::string(kinds()[info.param].name); });

//===----------------------------------------------------------------------===//
// Drawn kernels
//===----------------------------------------------------------------------===//

TEST(CpuKernels, DrawnOnEveryIsaLevel) {
  int ran = 0;
  for (int seed = 0; seed < ref::draws(240); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    ref::Draw draw(seed);
    ref::ShapeOptions options = ref::ShapeOptions::everything();
    options.dtype = std::vector{ref::Type::F32, ref::Type::BF16, ref::Type::F16}[seed % 3];
    options.tileQ = options.tileK = 128;
    options.headDims = {8, 20, 32, 64};
    std::string plan = testing::TempDir() + "attn-cpu-plan.json";
    ref::MaskOptions masks = ref::MaskOptions::everything(plan);
    masks.blockSizes = {16, 48, 64};
    Case c;
    c.kernel = ref::drawKernel(draw, options, masks);
    c.problem = c.kernel.shape.problem();
    c.type = c.kernel.shape.dtype;
    c.context = ref::drawContext(draw, c.kernel.shape, c.kernel.everyMask(), masks);
    c.inputs = test::DrawnInputs(c.kernel, c.context);
    c.spec = ref::toSpec("drawn", c.kernel);
    test::writePlan(c.kernel, plan);
    c.tokensBeforeHeads = draw.chance(50);
    c.isa = static_cast<IsaLevel>(draw.between(0, static_cast<int>(hostIsaLevel())));
    check(c, draw, &ran);
    if (HasFailure())
      return;
  }
  EXPECT_GE(3 * ran, ref::draws(240)) << "many drawn masks are compiled";
}

/// Every head dimension leaves other tails to the register blocks, every tile other rows, and pairs of bf16
/// an odd one. Boxes whose rows are no multiple of a block must not reach into the next box.
TEST(CpuKernels, DrawnHeadDimsAndTiles) {
  const std::vector<int64_t> dims{1, 7, 16, 24, 33, 48, 80, 112, 144, 176, 208, 240, 255, 256};
  for (int seed = 0; seed < ref::draws(60); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    ref::Draw draw(1000 + seed);
    auto pick = [&](const auto &list) { return list[size_t(draw.between(0, int(list.size()) - 1))]; };
    Case c;
    c.type = std::vector{ref::Type::F32, ref::Type::BF16, ref::Type::F16}[size_t(seed % 3)];
    std::vector<int64_t> tokens{draw.between(1, 300)};
    c.kernel.mask = ref::causal();
    if (draw.chance(50)) {
      tokens = {draw.between(3, 11), draw.between(5, 13)};
      c.kernel.mask = ref::neighborhood({{3, 1, 1, false}, {5, 2, 1, draw.chance(50)}});
    }
    for (std::vector<int64_t> *tile : {&c.queryTile, &c.keyTile})
      for (size_t d = 0; d < tokens.size(); ++d)
        tile->push_back(pick(std::vector<int64_t>{1, 3, 5, 8, 13}));
    ref::Shape &shape = c.kernel.shape;
    shape.tokens = tokens;
    shape.kvHeads = draw.between(1, 2);
    shape.heads = shape.kvHeads * draw.between(1, 3);
    int64_t count = shape.nq();
    c.problem = {draw.between(1, 2), shape.heads, shape.kvHeads, count, count, pick(dims), pick(dims), 0};
    c.context = ref::selfContext(tokens);
    c.inputs = test::DrawnInputs(c.kernel, c.context);
    c.spec = specOf(c, tokens);
    c.tokensBeforeHeads = draw.chance(50);
    c.isa = static_cast<IsaLevel>(draw.between(0, static_cast<int>(hostIsaLevel())));
    check(c, draw);
    if (HasFailure())
      return;
  }
}

/// Few queries: heads of a group in one tile, narrow blocks, and keys in parts where there are fewer pieces
/// of work than the two threads.
TEST(CpuKernels, Decoding) {
  const std::vector<ref::Mask> masks{ref::causal(), ref::all(), ref::causal() & (ref::window(90) | ref::sink(5)),
                                     ref::keyLength("kl") & ref::causal(), ref::sink(3) & !ref::sink(3)};
  for (int seed = 0; seed < ref::draws(120); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    ref::Draw draw(2000 + seed);
    auto pick = [&](const auto &list) { return list[size_t(draw.between(0, int(list.size()) - 1))]; };
    Case c;
    c.type = std::vector{ref::Type::F32, ref::Type::BF16, ref::Type::F16}[size_t(seed % 3)];
    c.kernel.mask = pick(masks);
    int64_t queries = draw.between(1, 17), keys = draw.between(1, 700);
    ref::Shape &shape = c.kernel.shape;
    shape.tokens = {queries};
    shape.batch = draw.chance(80) ? 1 : 2;
    shape.kvHeads = draw.chance(70) ? 1 : 2;
    shape.heads = shape.kvHeads * pick(std::vector<int64_t>{1, 3, 4, 8, 12});
    const std::vector<int64_t> dims{16, 33, 64, 80, 128};
    c.problem = {shape.batch, shape.heads, shape.kvHeads, queries, keys, pick(dims), pick(dims), 0};
    c.context = ref::crossContext(queries, keys);
    for (int64_t b = 0; b < shape.batch; ++b)
      c.context.batchInputs["kl"].push_back(int32_t(draw.between(0, keys)));
    c.inputs = test::DrawnInputs(c.kernel, c.context);
    c.spec = specOf(c, shape.tokens);
    c.tokensBeforeHeads = draw.chance(50);
    c.isa = static_cast<IsaLevel>(draw.between(0, static_cast<int>(hostIsaLevel())));
    check(c, draw);
    if (HasFailure())
      return;
  }
}

TEST(CpuKernels, UnusualKernels) {
  ref::Draw draw(5);
  std::string plan = testing::TempDir() + "attn-cpu-unusual.json";
  for (ref::Kernel &kernel : test::unusualKernels(plan)) {
    test::writePlan(kernel, plan);
    Case c;
    c.kernel = kernel;
    c.problem = kernel.shape.problem();
    c.context = ref::drawContext(draw, kernel.shape, kernel.everyMask());
    c.inputs = test::DrawnInputs(kernel, c.context);
    c.spec = ref::toSpec("k", kernel);
    int ran = 0;
    check(c, draw, &ran);
    ASSERT_EQ(ran, 1) << c.spec;
    if (HasFailure())
      return;
  }
}

//===----------------------------------------------------------------------===//
// Scores that read inputs
//===----------------------------------------------------------------------===//

TEST(CpuKernels, ScoresReadInputs) {
  ref::Draw draw(7);
  for (ref::Type type : {ref::Type::F32, ref::Type::BF16})
    for (test::ScoreCase &score : test::scoreCases(draw, 70, 150)) {
      Case c;
      c.type = type;
      c.problem = {1, 4, 2, 70, 150, 32, 32, 0};
      c.kernel.mask = ref::causal();
      c.kernel.shape.heads = 4;
      c.context = ref::crossContext(70, 150);
      c.inputs = std::move(score.inputs);
      c.score = score.expected;
      c.spec = "kernel k { heads 4 kv_heads 2 head_dim 32 dtype " + ref::toSpec(type) +
               " tokens [?] kv_tokens [?] " + score.declarations +
               "\n mask causal score (s, b, h, q, k) => " + score.expression + " }";
      check(c, draw);
      if (HasFailure())
        return;
    }
}

} // namespace
