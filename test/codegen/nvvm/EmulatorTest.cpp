// The final PTX of sm_80 kernels, executed by the emulator, against the f64 reference: mask kinds, both
// types, head groups, ragged lengths, layouts of several dimensions; copies as late as the program allows
// and at once, warps in order and at random. That this notices faults is test/mutants/.
#include "test/codegen/PtxExperiment.h"

#include "gtest/gtest.h"

using namespace attn;
namespace ref = attn::reference;
using test::caseOf;

namespace {

/// Counts in `ran` unless the compiler refuses the mask.
void check(const test::KernelCase &c, ref::Draw &draw, int *ran = nullptr) {
  test::PtxCompilation compiled = test::compileToPtx(c.spec);
  if (test::isRefused(compiled.diagnostics))
    return;
  if (ran)
    ++*ran;
  ASSERT_TRUE(compiled.kernel) << compiled.diagnostics << c.spec;
  Expected<emulator::Module> module = emulator::Module::parse(compiled.kernel->ptx);
  ASSERT_TRUE(module) << module.error().message;
  test::PtxExperiment experiment(c, draw);
  for (uint64_t seed : {0, 1})
    for (emulator::AsyncMode mode : {emulator::AsyncMode::Late, emulator::AsyncMode::Early,
                                     emulator::AsyncMode::Random}) {
      test::PtxVerdict verdict =
          experiment.run(compiled.kernel->info, *module, {.mode = mode, .seed = seed});
      ASSERT_TRUE(verdict.ok()) << verdict.fault << verdict.wrong << "\n" << c.spec;
    }
}

TEST(Sm80OnEmulator, MaskKinds) {
  ref::Mask causal = ref::causal();
  const std::pair<std::vector<int64_t>, ref::Mask> kinds[] = {
      {{200}, ref::all()},
      {{200}, causal},
      {{200}, ref::causalTopLeft()},
      {{333}, causal & (ref::window(60) | ref::sink(4))},
      {{200}, ref::prefix("len") | causal},
      {{200}, causal & ref::same("doc")},
      {{150}, ref::sink(3) & !ref::sink(3)},
      {{260}, ref::neighborhood({{31, 3, 2, false}})},
      {{20, 30}, ref::neighborhood({{5, 2, 1, true}, {6, 1, 2, false}})},
      {{5, 10, 11}, ref::neighborhood({{3, 1, 1, false}, {4, 2, 1, false}, {5, 1, 1, false}})},
  };
  ref::Draw draw(1);
  for (ref::Type type : {ref::Type::BF16, ref::Type::F16})
    for (int64_t headDim : {64, 128})
      for (const auto &[tokens, mask] : kinds) {
        ref::Shape shape;
        shape.heads = 2;
        shape.kvHeads = 1;
        shape.headDim = headDim;
        shape.dtype = type;
        shape.tokens = tokens;
        check(caseOf(draw, {shape, mask, {}}), draw);
        if (HasFailure())
          return;
      }
}

TEST(Sm80OnEmulator, UnusualKernels) {
  ref::Draw draw(5);
  std::string plan = testing::TempDir() + "attn-emulator-unusual.json";
  for (ref::Kernel &kernel : test::unusualKernels(plan)) {
    kernel.shape.dtype = draw.chance(50) ? ref::Type::BF16 : ref::Type::F16;
    test::writePlan(kernel, plan);
    int ran = 0;
    check(caseOf(draw, kernel), draw, &ran);
    ASSERT_EQ(ran, 1) << ref::toSpec("k", kernel);
    if (HasFailure())
      return;
  }
}

TEST(Sm80OnEmulator, Drawn) {
  int ran = 0, wanted = ref::draws(80);
  for (int seed = 0; seed < wanted; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    ref::Draw draw(seed);
    ref::ShapeOptions options = ref::ShapeOptions::everything();
    options.dtype = seed % 2 ? ref::Type::BF16 : ref::Type::F16;
    options.tileQ = options.tileK = 128;
    options.headDims = {16, 32, 48, 64, 80, 96, 128, 160, 208, 256};
    std::string plan = testing::TempDir() + "attn-emulator-plan.json";
    ref::MaskOptions masks = ref::MaskOptions::everything(plan);
    masks.blockSizes = {16, 48, 64}; // tiles divide them, and have a multiple of 16 rows
    ref::Kernel kernel = ref::drawKernel(draw, options, masks);
    test::writePlan(kernel, plan);
    test::KernelCase c = caseOf(draw, kernel, masks);
    c.splits = draw.chance(40) ? draw.between(2, 5) : 1;
    check(c, draw, &ran);
    if (HasFailure())
      return;
  }
  EXPECT_GE(3 * ran, wanted) << "many drawn masks are compiled";
}

TEST(Sm80OnEmulator, ScoresReadInputs) {
  ref::Draw draw(7);
  for (test::ScoreCase &score : test::scoreCases(draw, 50, 90)) {
    ref::Shape shape;
    shape.heads = 4;
    shape.kvHeads = 2;
    shape.headDim = 64;
    shape.dtype = ref::Type::BF16;
    shape.tokens = {50};
    shape.kvTokens = {90};
    test::KernelCase c = caseOf(draw, {shape, ref::causal(), {}});
    c.inputs = std::move(score.inputs);
    c.score = score.expected;
    c.spec = "kernel k { heads 4 kv_heads 2 head_dim 64 dtype bf16 tokens [?] kv_tokens [?] " +
             score.declarations + "\n mask causal score (s, b, h, q, k) => " + score.expression +
             " }";
    check(c, draw);
    if (HasFailure())
      return;
  }
}

/// All widths of rows, also where those of queries and values differ.
TEST(Sm80OnEmulator, HeadDims) {
  ref::Draw draw(11);
  for (int64_t dim = 16; dim <= 256; dim += 16) {
    SCOPED_TRACE(testing::Message() << "head_dim " << dim);
    ref::Shape shape;
    shape.headDim = dim;
    shape.valueDim = draw.chance(50) ? dim : 16 * draw.between(1, 16);
    shape.dtype = draw.chance(50) ? ref::Type::BF16 : ref::Type::F16;
    shape.tokens = {150};
    check(caseOf(draw, {shape, ref::causal() & ref::window(70), {}}), draw);
    if (HasFailure())
      return;
  }
}

/// Few queries: the heads of a group share the rows of a tile, and keys are split.
TEST(Sm80OnEmulator, FewQueries) {
  ref::Draw draw(13);
  for (auto [heads, kvHeads, queries] :
       {std::array<int64_t, 3>{8, 1, 1}, {6, 2, 1}, {5, 1, 9}, {4, 4, 1}, {12, 4, 40}, {8, 2, 17}})
    for (int64_t splits : {1, 3}) {
      SCOPED_TRACE(testing::Message() << heads << " heads, " << queries << " queries, " << splits);
      ref::Shape shape;
      shape.batch = 2;
      shape.heads = heads;
      shape.kvHeads = kvHeads;
      shape.headDim = 64;
      shape.dtype = ref::Type::BF16;
      shape.tokens = {queries};
      shape.kvTokens = {1000};
      test::KernelCase c = caseOf(draw, {shape, ref::causal() & (ref::window(600) | ref::sink(4)), {}});
      c.splits = splits;
      check(c, draw);
      if (HasFailure())
        return;
    }
}

} // namespace
