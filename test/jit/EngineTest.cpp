// The C++ API: spec in, callable kernel out.
#include "jit/Engine.h"

#include "runtime/Device.h"
#include "test/jit/Tensors.h"

#include <cmath>
#include <thread>

namespace attn {
namespace {

constexpr const char *kCausal =
    "kernel small { batch 2 heads 4 kv_heads 2 head_dim 32 dtype f32 tokens [?] mask causal }";
constexpr const char *kBf16 =
    "kernel small { heads 2 head_dim 32 dtype bf16 tokens [?] mask causal }";

TEST(Engine, CompilesOnceForManyLengths) {
  Engine engine({{}, 2});
  auto kernel = engine.compile(kCausal);
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->info().name, "small");
  EXPECT_EQ(kernel->info().tokens, (std::vector<int64_t>{-1}));
  EXPECT_EQ(kernel->warnings(), "");
  for (int64_t tokens : {0, 1, 2, 63, 128, 129, 300}) {
    Tensors t(kernel->info(), tokens);
    auto report = kernel->run(t.bindings());
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(mismatch(kernel->info(), t, reference::causal()), "") << tokens << " tokens";
  }
}

TEST(Engine, EveryTypeOnEveryLevel) {
  for (IsaLevel isa : kIsaLevels)
    for (const char *dtype : {"f32", "f16", "bf16"}) {
      if (isa > hostIsaLevel())
        continue;
      Engine engine({isa, 1});
      auto kernel =
          engine.compile(std::string("kernel t { heads 2 head_dim 40 value_dim 24 dtype ") + dtype +
                         " tokens [70] mask window(9) }");
      ASSERT_TRUE(kernel) << kernel.error().message;
      Tensors t(kernel->info(), 70);
      auto report = kernel->run(t.bindings());
      ASSERT_TRUE(report) << report.error().message;
      EXPECT_EQ(mismatch(kernel->info(), t, reference::window(9)), "")
          << dtype << " on " << isaLevelName(isa);
    }
}

// Also code of a level above the fastest one, where a package has no other.
TEST(Engine, DevicesRunPackagesOfAnyLevelOfTheProcessor) {
  for (IsaLevel isa : kIsaLevels) {
    if (isa > hostIsaLevel())
      continue;
    auto package = Engine({isa, 1, {"", 0}}).package(kBf16, {});
    ASSERT_TRUE(package) << package.error().message;
    Fault fault = Fault::Invalid;
    auto device = openDevice("cpu", "", fault);
    ASSERT_TRUE(device) << device.error().message;
    auto kernel = (*device)->load(*package, fault);
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_NE((*kernel)->json().find("\"object " + std::string(isaLevelName(isa)) + "\""),
              std::string::npos);
    Tensors t((*kernel)->info(), 70);
    auto plan = (*kernel)->plan(t.bindings(), 0, fault);
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_TRUE((*plan)->launch(nullptr, fault));
    EXPECT_EQ(mismatch((*kernel)->info(), t, reference::causal()), "") << isaLevelName(isa);
  }
}

TEST(Engine, RefusesALevelThatThisProcessorLacks) {
  if (hostIsaLevel() == IsaLevel::Amx)
    GTEST_SKIP() << "this processor has every level";
  auto kernel = Engine({IsaLevel::Amx, 1}).compile(kCausal);
  ASSERT_FALSE(kernel);
  EXPECT_NE(kernel.error().message.find("this processor cannot run code for 'amx'"),
            std::string::npos);
}

TEST(Engine, TokensBeforeHeads) {
  auto kernel = Engine({{}, 1}).compile(kCausal);
  ASSERT_TRUE(kernel) << kernel.error().message;
  constexpr int64_t kTokens = 150;
  Tensors t(kernel->info(), kTokens);
  // The same numbers as [B,N,H,D]; the views say [B,H,N,D].
  auto turned = [](const Tensor &tensor) {
    return *Tensor::copyOf(tensor.view().permuted({0, 2, 1, 3}), tensor.dtype());
  };
  Tensor q = turned(t.q), k = turned(t.k), v = turned(t.v), o = turned(t.o);
  Bindings bindings = t.bindings();
  bindings.q = q.view().permuted({0, 2, 1, 3});
  bindings.k = k.view().permuted({0, 2, 1, 3});
  bindings.v = v.view().permuted({0, 2, 1, 3});
  bindings.o = o.view().permuted({0, 2, 1, 3});
  auto report = kernel->run(bindings);
  ASSERT_TRUE(report) << report.error().message;
  t.o = *Tensor::copyOf(bindings.o, DType::F32);
  EXPECT_EQ(mismatch(kernel->info(), t, reference::causal()), "");
}

TEST(Engine, LseIsOptional) {
  auto kernel = Engine({{}, 1}).compile(kCausal);
  ASSERT_TRUE(kernel) << kernel.error().message;
  Tensors with(kernel->info(), 90), without(kernel->info(), 90);
  Bindings bindings = without.bindings();
  bindings.lse.reset();
  ASSERT_TRUE(kernel->run(with.bindings()));
  ASSERT_TRUE(kernel->run(bindings));
  EXPECT_EQ(valuesOf<float>(with.o), valuesOf<float>(without.o));
}

TEST(Engine, ANaNIsSeenThroughKeysInParts) {
  for (unsigned threads : {1u, 2u}) {
    auto kernel = Engine({{}, threads}).compile(
        "kernel k { heads 1 head_dim 32 dtype f32 tokens [1] kv_tokens [?] mask all }");
    ASSERT_TRUE(kernel) << kernel.error().message;
    Tensor q = *Tensor::randomNormal({1, 1, 1, 32}, DType::F32, 1),
           k = *Tensor::randomNormal({1, 1, 1000, 32}, DType::F32, 2),
           v = *Tensor::randomNormal({1, 1, 1000, 32}, DType::F32, 3),
           o = *Tensor::zeros({1, 1, 1, 32}, DType::F32), lse = *Tensor::zeros({1, 1, 1}, DType::F32);
    q.view().set({0, 0, 0, 5}, NAN);
    Bindings bindings;
    bindings.q = q.view(), bindings.k = k.view(), bindings.v = v.view(), bindings.o = o.view();
    bindings.lse = lse.view();
    auto plan = kernel->plan(bindings);
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->splits(), threads);
    ASSERT_TRUE(kernel->run(*plan));
    EXPECT_TRUE(std::isnan(o.view().at({0, 0, 0, 0}))) << threads << " threads";
    EXPECT_TRUE(std::isnan(lse.view().at({0, 0, 0}))) << threads << " threads";
  }
}

/// In a tile that is partial, a block of queries has to do with the keys from the first to the last one that it sees;
/// with AMX with all.
TEST(Engine, BlocksLeaveOutKeysThatTheyDoNotSee) {
  for (IsaLevel isa : kIsaLevels)
    for (const char *dtype : {"f32", "bf16"}) {
      if (isa > hostIsaLevel() || isa == IsaLevel::Amx)
        continue;
      SCOPED_TRACE(std::string(isaLevelName(isa)) + " " + dtype);
      std::string spec = std::string("kernel k { heads 1 head_dim 32 dtype ") + dtype + " tokens [128] mask causal }";
      Engine engine({isa, 1});
      auto kernel = engine.compile(spec), generic = engine.genericKernel(spec);
      ASSERT_TRUE(kernel) << kernel.error().message;
      ASSERT_TRUE(generic) << generic.error().message;
      ASSERT_EQ(kernel->info().keyTile[0], 128) << "the tile of the first block goes on";
      Tensors t(kernel->info(), 128);
      for (int64_t token = 64; token < 128; ++token)
        for (int64_t d = 0; d < 32; ++d)
          t.v.view().set({0, 0, token, d}, NAN);
      for (const Kernel *tested : {&*kernel, &*generic}) {
        ASSERT_TRUE(tested->run(t.bindings()));
        for (int64_t token = 0; token < 32; ++token)
          EXPECT_TRUE(std::isfinite(t.o.at({0, 0, token, 7}))) << token;
        EXPECT_TRUE(std::isnan(t.o.at({0, 0, 127, 7})));
      }
    }
}

TEST(Engine, RowsWithoutAKey) {
  auto kernel = Engine({{}, 1}).compile(
      "kernel none { heads 1 head_dim 16 dtype f32 tokens [20] mask !causal }");
  ASSERT_TRUE(kernel) << kernel.error().message;
  Tensors t(kernel->info(), 20);
  ASSERT_TRUE(kernel->run(t.bindings()));
  EXPECT_EQ(t.lse.at({0, 0, 19}), -INFINITY);
  EXPECT_EQ(t.o.at({0, 0, 19, 3}), 0);
  EXPECT_EQ(mismatch(kernel->info(), t, !reference::causal()), "");
}

TEST(Engine, PicksAKernelAndTiles) {
  std::string spec = std::string(kCausal) +
                     "\nkernel other { heads 1 head_dim 16 dtype f32 tokens [64] mask all }";
  Engine engine({{}, 1});
  CompileRequest request;
  request.kernel = "other";
  request.queryTile = {16};
  request.keyTile = {32};
  auto kernel = engine.compile(spec, request);
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->info().name, "other");
  EXPECT_EQ(kernel->info().queryTile[0], 16);
  Tensors t(kernel->info(), 64);
  auto report = kernel->run(t.bindings());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->allTiles, 4 * 2);
  EXPECT_EQ(report->fullTiles, 4 * 2);
  EXPECT_EQ(mismatch(kernel->info(), t, reference::all()), "");
}

TEST(Engine, NamesOfLibraryFunctionsAreNamesOfKernels) {
  for (const char *name : {"memset", "logf", "main"}) {
    auto kernel = Engine({IsaLevel::Baseline, 1})
                      .compile(std::string("kernel ") + name +
                               " { heads 1 head_dim 16 dtype f32 tokens [33] mask causal }");
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(kernel->info().name, name);
    Tensors t(kernel->info(), 33);
    ASSERT_TRUE(kernel->run(t.bindings()));
    EXPECT_EQ(mismatch(kernel->info(), t, reference::causal()), "");
  }
}

TEST(Engine, ErrorsAreWhatTheCommandLinePrints) {
  CompileRequest request;
  request.name = "chat.attn";
  auto kernel = Engine({{}, 1}).compile("kernel k {\n  heads 2 head_dim 32 dtype f32 tokens [64]\n"
                                        "  mask causal & windw(8)\n}\n",
                                        request);
  ASSERT_FALSE(kernel);
  const std::string &message = kernel.error().message;
  EXPECT_EQ(message.find("chat.attn:3:17: error: "), 0u) << message;
  EXPECT_NE(message.find("  mask causal & windw(8)\n                ^"), std::string::npos)
      << message;
  EXPECT_NE(message.find("did you mean 'window'?"), std::string::npos) << message;
}

TEST(Engine, OneOfSeveralKernelsMustBeNamed) {
  Engine engine({{}, 1});
  std::string spec = std::string(kCausal) +
                     "\nkernel other { heads 1 head_dim 16 dtype f32 tokens [64] mask all }";
  auto kernel = engine.compile(spec);
  ASSERT_FALSE(kernel);
  EXPECT_NE(kernel.error().message.find("there are 2 kernels in this file, and one is wanted"),
            std::string::npos);
  CompileRequest request;
  request.kernel = "smal";
  kernel = engine.compile(spec, request);
  ASSERT_FALSE(kernel);
  EXPECT_NE(kernel.error().message.find("no kernel is named 'smal'"), std::string::npos);
  EXPECT_NE(kernel.error().message.find("did you mean 'small'?"), std::string::npos);
}

TEST(Engine, MissingFile) {
  auto kernel = Engine({{}, 1}).compileFile("no/such/file.attn");
  ASSERT_FALSE(kernel);
  EXPECT_NE(kernel.error().message.find("cannot read 'no/such/file.attn'"), std::string::npos);
}

TEST(Engine, WrongTensorsAreRefused) {
  auto kernel = Engine({{}, 1}).compile(kCausal);
  ASSERT_TRUE(kernel) << kernel.error().message;
  Tensors t(kernel->info(), 50);
  Bindings bindings = t.bindings();
  bindings.k.shape[1] = 4;
  auto report = kernel->run(bindings);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message, "'k' has shape [2, 4, 50, 32], but [2, 2, 50, 32] is wanted");
}

TEST(Engine, KernelsOutliveTheEngineAndRunFromManyThreads) {
  std::optional<Kernel> kernel;
  {
    Engine engine({{}, 2});
    kernel = *engine.compile(kCausal);
  }
  std::vector<Tensors> tensors;
  for (int64_t i = 0; i < 4; ++i)
    tensors.emplace_back(kernel->info(), 100 + i, uint64_t(i));
  std::vector<std::jthread> threads;
  for (Tensors &t : tensors)
    threads.emplace_back([&, copy = *kernel] { EXPECT_TRUE(copy.run(t.bindings())); });
  threads.clear();
  for (const Tensors &t : tensors)
    EXPECT_EQ(mismatch(kernel->info(), t, reference::causal()), "");
}

TEST(Engine, CompilesInManyThreads) {
  Engine engine({{}, 1});
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      auto kernel =
          engine.compile("kernel k { heads 1 head_dim 16 dtype f32 tokens [40] mask window(" +
                         std::to_string(i + 1) + ") }");
      ASSERT_TRUE(kernel) << kernel.error().message;
      Tensors t(kernel->info(), 40);
      ASSERT_TRUE(kernel->run(t.bindings()));
      EXPECT_EQ(mismatch(kernel->info(), t, reference::window(i + 1)), "");
    });
}

} // namespace
} // namespace attn
