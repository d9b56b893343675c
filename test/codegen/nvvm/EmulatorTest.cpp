// The final PTX of sm_80 kernels, executed by the emulator, against the f64 reference: mask kinds, both
// types, head groups, ragged lengths, layouts of several dimensions; copies as late as the program allows
// and at once, warps in order and at random.
#include "codegen/nvvm/EmitPTX.h"
#include "jit/Compilation.h"
#include "runtime/Launch.h"
#include "runtime/emulator/Emulator.h"
#include "test/codegen/DrawnKernel.h"

#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

using namespace attn;
namespace ref = attn::reference;

namespace {

/// A compiled kernel, or a failure with its diagnostics.
struct Compiled {
  explicit Compiled(const std::string &spec) : stream(diagnostics) {
    const Target &target = *findTarget("sm_80");
    Compilation compilation(stream);
    if (failed(compilation.loadText(spec, "spec")) || failed(compilation.selectKernel("")) ||
        failed(compilation.tile(target, {})))
      return;
    if (auto result = nvvm::compileToPTX(compilation.module(), target); succeeded(result))
      kernel = std::move(*result);
  }
  std::string diagnostics;
  llvm::raw_string_ostream stream;
  std::optional<nvvm::PtxKernel> kernel;
};

/// Values rounded to 16 bits, as the kernel reads them.
std::vector<uint16_t> encode(ref::Type type, const std::vector<double> &values) {
  std::vector<uint16_t> bits;
  for (double value : values)
    bits.push_back(ref::encode16(type, value));
  return bits;
}

struct Tensors {
  std::vector<uint16_t> q, k, v, o;
  std::vector<float> lse;
};

/// The launch's tables, tensors and scratch memory as buffers of the emulator, and the arguments that point
/// to them.
KernelArgs mapArguments(const KernelInfo &info, const LaunchPlan &plan, const Bindings &bindings,
                        emulator::Memory &memory) {
  KernelArgs args = plan.args();
  auto setField = [&](size_t field, uint64_t device) {
    std::memcpy(reinterpret_cast<char *>(&args) + field, &device, sizeof(device));
  };
  auto map = [&](size_t field, const char *name, const void *host, int64_t bytes,
                 bool readOnly = true) {
    if (bytes > 0)
      setField(field, memory.map(name, const_cast<void *>(host), uint64_t(bytes), readOnly));
  };
  for (const LaunchPlan::Table &table : plan.tables())
    map(table.field, table.name, table.data, table.bytes);
  for (const LaunchPlan::Scratch &scratch : plan.scratch())
    setField(scratch.field, memory.allocate(scratch.name, uint64_t(scratch.bytes)));
  auto tensor = [&](size_t field, const char *name, const TensorView &view, bool readOnly) {
    map(field, name, view.data, view.byteSize(), readOnly);
  };
  tensor(offsetof(KernelArgs, q), "q", bindings.q, true);
  tensor(offsetof(KernelArgs, k), "k", bindings.k, true);
  tensor(offsetof(KernelArgs, v), "v", bindings.v, true);
  tensor(offsetof(KernelArgs, o), "o", bindings.o, false);
  tensor(offsetof(KernelArgs, lse), "lse", *bindings.lse, false);
  for (size_t i = 0; i < info.inputs.size(); ++i)
    tensor(offsetof(KernelArgs, inputs) + i * sizeof(void *), "input",
           bindings.inputs.at(info.inputs[i].name), true);
  return args;
}

struct Case {
  ref::Kernel kernel;
  ref::Context context;
  test::DrawnInputs inputs;
  std::string spec;
  ref::Score score = {};
  int64_t splits = 1;
};

void run(const nvvm::PtxKernel &kernel, const emulator::Module &module, const Bindings &bindings,
         emulator::LaunchOptions options, int64_t splits) {
  Expected<LaunchPlan> plan = planLaunch(kernel.info, bindings, nullptr, {.splits = splits});
  ASSERT_TRUE(plan) << plan.error().message;
  emulator::Memory memory;
  KernelArgs args = mapArguments(kernel.info, *plan, bindings, memory);
  const std::vector<std::vector<uint8_t>> parameters{emulator::parameterOf(args)};
  auto counters = emulator::launch(module, kernel.info.entry, {uint32_t(plan->tickets())},
                                   {uint32_t(kernel.info.threadsPerBlock)},
                                   uint64_t(kernel.info.sharedBytes),
                                   parameters, memory, options);
  ASSERT_TRUE(counters) << counters.error().message << testing::PrintToString(counters.error().notes);
  if (plan->splits() == 1)
    return;
  counters = emulator::launch(module, kernel.info.mergeEntry, {uint32_t(plan->mergeBlocks())},
                              {uint32_t(kMergeThreads)}, 0, parameters, memory, options);
  ASSERT_TRUE(counters) << counters.error().message << testing::PrintToString(counters.error().notes);
}

/// A change of the PTX text before it is parsed; none, or a planted fault.
using Change = std::function<void(std::string &)>;

/// Counts in `ran` unless the compiler refuses the mask.
void check(const Case &c, ref::Draw &draw, const Change &change = {}, int *ran = nullptr) {
  ref::Type type = c.kernel.shape.dtype;
  Compiled compiled(c.spec);
  if (test::isRefused(compiled.diagnostics))
    return;
  if (ran)
    ++*ran;
  ASSERT_TRUE(compiled.kernel) << compiled.diagnostics << c.spec;
  if (change)
    change(compiled.kernel->ptx);
  Expected<emulator::Module> module = emulator::Module::parse(compiled.kernel->ptx);
  ASSERT_TRUE(module) << module.error().message;

  ref::Problem p = c.kernel.shape.problem();
  std::vector<double> q = draw.normals(p.qSize(), type), k = draw.normals(p.kSize(), type),
                      v = draw.normals(p.vSize(), type);
  ref::Sees sees = ref::seesOf(c.kernel, c.context);
  ref::ZeroKeys zeroKeys = ref::zeroKeysOf(c.kernel, c.context);
  ref::Result expected = ref::attention(p, q, k, v, sees, c.score, zeroKeys);
  ref::Result yardstick = ref::denseRounded(type, p, q, k, v, sees, c.score, zeroKeys);
  DType dtype = type == ref::Type::F16 ? DType::F16 : DType::BF16;
  Tensors t{encode(type, q), encode(type, k), encode(type, v), {}, {}};
  for (uint64_t seed : {0, 1})
    for (emulator::AsyncMode mode : {emulator::AsyncMode::Late, emulator::AsyncMode::Early}) {
      t.o.assign(p.oSize(), 0xffff);
      t.lse.assign(p.lseSize(), NAN);
      Bindings bindings;
      bindings.q = TensorView(t.q.data(), dtype, {p.batch, p.heads, p.nq, p.qkDim});
      bindings.k = TensorView(t.k.data(), dtype, {p.batch, p.kvHeads, p.nk, p.qkDim});
      bindings.v = TensorView(t.v.data(), dtype, {p.batch, p.kvHeads, p.nk, p.vDim});
      bindings.o = TensorView(t.o.data(), dtype, {p.batch, p.heads, p.nq, p.vDim});
      bindings.lse = TensorView(t.lse.data(), DType::F32, {p.batch, p.heads, p.nq});
      c.inputs.bind(bindings);
      run(*compiled.kernel, *module, bindings, {mode, seed}, c.splits);
      if (testing::Test::HasFatalFailure())
        return;
      std::vector<float> o;
      for (uint16_t bits : t.o)
        o.push_back(float(ref::decode16(type, bits)));
      ref::Report report = ref::compareRounded(type, o, t.lse, expected, yardstick);
      ASSERT_TRUE(report.ok) << report.message << "\n" << c.spec;
    }
}

Case caseOf(ref::Draw &draw, const ref::Kernel &kernel, const ref::MaskOptions &masks = {}) {
  ref::Context context = ref::drawContext(draw, kernel.shape, kernel.everyMask(), masks);
  return {kernel, context, test::DrawnInputs(kernel, context), ref::toSpec("k", kernel)};
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
    check(caseOf(draw, kernel), draw, {}, &ran);
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
    Case c = caseOf(draw, kernel, masks);
    c.splits = draw.chance(40) ? draw.between(2, 5) : 1;
    check(c, draw, {}, &ran);
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
    Case c = caseOf(draw, {shape, ref::causal(), {}});
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
      Case c = caseOf(draw, {shape, ref::causal() & (ref::window(600) | ref::sink(4)), {}});
      c.splits = splits;
      check(c, draw);
      if (HasFailure())
        return;
    }
}

/// Replaces every occurrence; there must be at least one.
Change replaced(std::string from, std::string to) {
  return [=](std::string &ptx) {
    size_t count = 0;
    for (size_t at = 0; (at = ptx.find(from, at)) != std::string::npos; at += to.size(), ++count)
      ptx.replace(at, from.size(), to);
    ASSERT_GT(count, 0u) << from;
  };
}

/// What this file checks fails for a kernel that is wrong.
TEST(Sm80OnEmulator, PlantedFaultsAreNoticed) {
  ref::Shape shape;
  shape.headDim = 64;
  shape.dtype = ref::Type::BF16;
  shape.tokens = {300};
  auto fails = [&](const Change &change) {
    testing::TestPartResultArray results;
    {
      testing::ScopedFakeTestPartResultReporter reporter(
          testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
      ref::Draw draw(3);
      check(caseOf(draw, {shape, ref::causal(), {}}), draw, change);
    }
    for (int i = 0; i < results.size(); ++i)
      if (results.GetTestPartResult(i).failed())
        return true;
    return false;
  };
  EXPECT_FALSE(fails({}));
  EXPECT_TRUE(fails(replaced("cp.async.wait_group", "// ")));
  EXPECT_TRUE(fails(replaced("cp.async.commit_group", "// ")));
  EXPECT_TRUE(fails(replaced("ex2.approx.ftz.f32", "neg.ftz.f32")));
  EXPECT_TRUE(fails(replaced("setp.lt.s32", "setp.le.s32")));
}

} // namespace
