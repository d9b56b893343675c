// Kernels that are there already: in the engine, and in the cache on disk.
#include "jit/Engine.h"

#include "test/jit/Tensors.h"

#include <filesystem>
#include <thread>

namespace attn {
namespace {

constexpr const char *kSpec =
    "kernel small { batch 1 heads 2 head_dim 32 dtype f32 tokens [?] mask causal & window(20) }";

class Cached : public TemporaryFolder {
protected:
  Engine engine(size_t keptKernels = 256) const {
    return Engine({{}, 1, {path("cache"), 0}, keptKernels});
  }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> paths;
    for (const auto &entry : std::filesystem::directory_iterator(folder / "cache"))
      paths.push_back(entry.path());
    return paths;
  }
  static void expectRight(const Kernel &kernel) {
    Tensors t(kernel.info(), 90);
    auto report = kernel.run(t.bindings());
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(mismatch(kernel.info(), t, reference::causal() & reference::window(20)), "");
  }
};

TEST_F(Cached, AnotherEngineTakesTheKernelFromDisk) {
  for (bool second : {false, true}) {
    auto kernel = engine().compile(kSpec);
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(kernel->isFromCache(), second);
    expectRight(*kernel);
  }
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(Cached, EveryTypeAndLevelComesBackAsItself) {
  for (int round = 0; round < 2; ++round)
    for (IsaLevel isa : {IsaLevel::Baseline, IsaLevel::Avx2, IsaLevel::Avx512})
      for (const char *dtype : {"f32", "f16", "bf16"}) {
        if (isa > hostIsaLevel())
          continue;
        Engine engine({isa, 1, {path("cache"), 0}});
        auto kernel = engine.compile(std::string("kernel t { heads 1 head_dim 24 dtype ") + dtype +
                                     " tokens [50] mask window(9) }");
        ASSERT_TRUE(kernel) << kernel.error().message;
        EXPECT_EQ(kernel->isFromCache(), round == 1);
        EXPECT_TRUE(engine.takeWarnings().empty());
        Tensors t(kernel->info(), 50);
        ASSERT_TRUE(kernel->run(t.bindings()));
        EXPECT_EQ(mismatch(kernel->info(), t, reference::window(9)), "")
            << dtype << " on " << isaLevelName(isa);
      }
}

TEST_F(Cached, DamageMeansCompilingAgain) {
  ASSERT_TRUE(engine().compile(kSpec));
  std::filesystem::path file = files().at(0);
  std::string whole = bytesOf(file);
  for (size_t at : {size_t(0), whole.size() / 3, whole.size() / 2, whole.size() - 1}) {
    std::string damaged = whole;
    damaged[at] ^= 16;
    put("cache/" + file.filename().string(), damaged);
    Engine fresh = engine();
    auto kernel = fresh.compile(kSpec);
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_FALSE(kernel->isFromCache());
    expectRight(*kernel);
    std::vector<Error> warnings = fresh.takeWarnings();
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings[0].message.find("is not used, but made anew"), std::string::npos);
    EXPECT_EQ(bytesOf(file), whole); // equal requests make equal packages
  }
}

TEST_F(Cached, AFolderThatCannotBeUsedIsAWarning) {
  put("cache", "a file");
  Engine fresh = engine();
  for (size_t warnings : {1, 0}) {
    auto kernel = fresh.compile(kSpec);
    ASSERT_TRUE(kernel) << kernel.error().message;
    expectRight(*kernel);
    EXPECT_EQ(kernel->warnings(), "");
    EXPECT_EQ(fresh.takeWarnings().size(), warnings);
  }
}

TEST_F(Cached, TheSameTextIsLookedUp) {
  Engine fresh = engine();
  auto first = fresh.compile(kSpec), again = fresh.compile(kSpec);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->function(), again->function());
  EXPECT_FALSE(again->isFromCache());
  CompileRequest request;
  request.queryTile = {16};
  auto other = fresh.compile(kSpec, request);
  ASSERT_TRUE(other);
  EXPECT_NE(first->function(), other->function());
  EXPECT_EQ(other->info().queryTile[0], 16);
}

TEST_F(Cached, AnEngineKeepsTheKernelsUsedLast) {
  Engine fresh = engine(1);
  std::string other = std::string(kSpec) + " ";
  auto first = fresh.compile(kSpec);
  ASSERT_TRUE(first);
  EXPECT_EQ(fresh.compile(kSpec)->function(), first->function());
  ASSERT_TRUE(fresh.compile(other));
  EXPECT_TRUE(fresh.compile(kSpec)->isFromCache()); // and the first one still runs
  expectRight(*first);
  Engine none = engine(0);
  EXPECT_NE(none.compile(kSpec)->function(), first->function());
}

TEST_F(Cached, ThreadsThatAskForTheSameCompileOnce) {
  Engine fresh({{}, 1, {"", 0}});
  std::vector<CpuKernel> functions(8);
  std::vector<std::jthread> threads;
  for (CpuKernel &function : functions)
    threads.emplace_back([&] {
      auto kernel = fresh.compile(kSpec);
      ASSERT_TRUE(kernel) << kernel.error().message;
      function = kernel->function();
    });
  threads.clear();
  for (CpuKernel function : functions)
    EXPECT_EQ(function, functions[0]);
}

TEST_F(Cached, AMistakeIsToldToEverybody) {
  Engine fresh = engine();
  for (int i = 0; i < 2; ++i) {
    auto kernel = fresh.compile("kernel k { heads 1 head_dim 32 dtype f32 tokens [8] mask all ");
    ASSERT_FALSE(kernel);
    EXPECT_EQ(kernel.error().message.find("<spec>:1:"), 0u) << kernel.error().message;
  }
}

TEST_F(Cached, APlanIsReadAgain) {
  std::string spec = put("spans.attn", "kernel k { heads 1 head_dim 16 dtype f32 tokens [400]\n"
                                       "  mask spans(\"plan.json\", layer = 0) }");
  Engine fresh = engine();
  std::vector<double> visible;
  for (const char *plan : {R"({"alphas": [[128]], "betas": [[0]]})",
                           R"({"alphas": [[256]], "betas": [[0]]})"}) {
    put("plan.json", plan);
    auto kernel = fresh.compileFile(spec);
    ASSERT_TRUE(kernel) << kernel.error().message;
    Tensors t(kernel->info(), 400);
    auto launch = kernel->plan(t.bindings());
    ASSERT_TRUE(launch) << launch.error().message;
    visible.push_back(launch->visiblePairs());
  }
  EXPECT_LT(visible.at(0), visible.at(1));
}

} // namespace
} // namespace attn
