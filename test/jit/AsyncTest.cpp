// Compilations on other threads: progress, cancelling, and who is gone before they end.
#include "jit/Engine.h"

#include "test/jit/Tensors.h"

#include <algorithm>
#include <future>
#include <thread>

namespace attn {
namespace {

const EngineOptions kNoDisk{{}, 1, {"", 0}};

std::string specOf(int window) {
  return "kernel k { heads 1 head_dim 16 dtype f32 tokens [40] mask window(" +
         std::to_string(window) + ") }";
}

void expectRight(const Expected<Kernel> &kernel, int window) {
  ASSERT_TRUE(kernel) << kernel.error().message;
  Tensors t(kernel->info(), 40);
  ASSERT_TRUE(kernel->run(t.bindings()));
  EXPECT_EQ(mismatch(kernel->info(), t, reference::window(window)), "");
}

/// Keeps work until it is wanted.
struct Desk {
  std::vector<std::function<void()>> works;
  AsyncOptions options(std::function<void(std::string_view)> progress = {}) {
    return {[this](std::function<void()> work) { works.push_back(std::move(work)); },
            std::move(progress)};
  }
};

TEST(Async, TheKernelOfTheEnginesThread) {
  Engine engine(kNoDisk);
  std::vector<std::string> phases;
  AsyncOptions options;
  options.progress = [&](std::string_view phase) { phases.emplace_back(phase); };
  Compiling compiling = engine.compileAsync(specOf(3), {}, options);
  expectRight(compiling.get(), 3);
  EXPECT_TRUE(compiling.isReady());
  EXPECT_EQ(phases, (std::vector<std::string>{"parse", "tile", "lower", "optimise", "emit", "link"}));
  compiling.cancel(); // too late
  expectRight(compiling.get(), 3);
  EXPECT_EQ(compiling.get()->function(), engine.compile(specOf(3))->function());
}

TEST(Async, SideBySideAndInOrder) {
  Engine engine(kNoDisk);
  std::vector<Compiling> all;
  for (int window = 1; window <= 4; ++window)
    all.push_back(engine.compileAsync(specOf(window)));
  for (int window = 4; window >= 1; --window)
    expectRight(all[size_t(window - 1)].get(), window);
}

TEST(Async, MistakesAreThoseOfCompile) {
  Engine engine(kNoDisk);
  std::string spec = "kernel k { heads 1 head_dim 16 dtype f32 tokens [40] mask windw(3) }";
  auto kernel = engine.compileAsync(spec).get();
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().message, engine.compile(spec).error().message);
}

TEST(Async, OnAThreadOfTheCaller) {
  Engine engine(kNoDisk);
  Desk desk;
  Compiling compiling = engine.compileAsync(specOf(3), {}, desk.options());
  EXPECT_FALSE(compiling.isReady());
  EXPECT_FALSE(compiling.waitFor(std::chrono::milliseconds(1)));
  ASSERT_EQ(desk.works.size(), 1u);
  std::jthread thread(desk.works[0]);
  expectRight(compiling.get(), 3);
  thread.join();
  desk.works[0](); // does nothing
}

TEST(Async, CancelledBeforeItBegins) {
  Engine engine(kNoDisk);
  Desk desk;
  Compiling compiling = engine.compileAsync(specOf(3), {}, desk.options());
  compiling.cancel();
  desk.works[0]();
  ASSERT_FALSE(compiling.get());
  EXPECT_EQ(compiling.get().error().message, "the compilation was cancelled");
  expectRight(engine.compile(specOf(3)), 3);
}

TEST(Async, CancelledBetweenAnyTwoPhases) {
  for (const char *last : {"parse", "tile", "lower", "optimise", "emit", "link"}) {
    Engine engine(kNoDisk);
    Desk desk;
    std::optional<Compiling> compiling;
    std::vector<std::string> phases;
    compiling = engine.compileAsync(specOf(3), {}, desk.options([&](std::string_view phase) {
      phases.emplace_back(phase);
      if (phase == last)
        compiling->cancel();
    }));
    desk.works[0]();
    ASSERT_FALSE(compiling->get()) << last;
    EXPECT_EQ(compiling->get().error().message, "the compilation was cancelled");
    EXPECT_EQ(phases.back(), last);
    expectRight(engine.compile(specOf(3)), 3);
  }
}

TEST(Async, OthersGetTheirKernelAllTheSame) {
  Engine engine(kNoDisk);
  Desk desk;
  std::optional<Compiling> compiling;
  std::jthread other;
  compiling = engine.compileAsync(specOf(3), {}, desk.options([&](std::string_view phase) {
    if (phase != "lower")
      return;
    other = std::jthread([&] { expectRight(engine.compile(specOf(3)), 3); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20)); // so that it mostly waits for us
    compiling->cancel();
  }));
  desk.works[0]();
  EXPECT_FALSE(compiling->get());
}

TEST(Async, AnExecutorThatDropsItsWork) {
  Engine engine(kNoDisk);
  AsyncOptions options;
  options.executor = [](std::function<void()>) {};
  auto kernel = engine.compileAsync(specOf(3), {}, options).get();
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().message,
            "the compilation was cancelled: whoever should have done it is gone");
}

TEST(Async, TheEngineGoesAwayBefore) {
  std::vector<Compiling> all;
  {
    Engine engine(kNoDisk);
    for (int window = 1; window <= 8; ++window)
      all.push_back(engine.compileAsync(specOf(window)));
  }
  int cancelled = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(all[i].isReady());
    Expected<Kernel> kernel = all[i].get();
    if (kernel)
      expectRight(kernel, int(i) + 1);
    else
      cancelled += kernel.error().message.starts_with("the compilation was cancelled");
  }
  EXPECT_GT(cancelled, 0);
}

TEST(Async, AnExecutorKeepsItsEngine) {
  Desk desk;
  std::optional<Compiling> compiling;
  {
    Engine engine(kNoDisk);
    compiling = engine.compileAsync(specOf(3), {}, desk.options());
  }
  desk.works[0]();
  expectRight(compiling->get(), 3);
}

TEST(Async, AGenericKernelInTheMeantime) {
  Engine engine(kNoDisk);
  Desk desk;
  Compiling compiling = engine.compileAsync(specOf(3), {}, desk.options());
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      Expected<Kernel> kernel = compiling.getOrGeneric();
      expectRight(kernel, 3);
      EXPECT_TRUE(kernel->isGeneric());
      EXPECT_EQ(kernel->function(), nullptr);
    });
  threads.clear();
  EXPECT_FALSE(compiling.isReady());
  EXPECT_EQ(&compiling.getOrGeneric()->info(), &compiling.getOrGeneric()->info()) << "made once";
  desk.works[0]();
  Expected<Kernel> kernel = compiling.getOrGeneric();
  expectRight(kernel, 3);
  EXPECT_FALSE(kernel->isGeneric());
  EXPECT_NE(kernel->function(), nullptr);
}

/// The engine's own thread has it in hand, so that nothing keeps the engine.
TEST(Async, AGenericKernelOfAnEngineThatIsGone) {
  std::optional<Compiling> taken, untaken;
  std::optional<Expected<Kernel>> kernel;
  {
    std::promise<void> goOn;
    std::shared_future<void> mayGoOn = goOn.get_future().share();
    Engine engine(kNoDisk);
    AsyncOptions options;
    options.progress = [mayGoOn](std::string_view) { mayGoOn.wait(); };
    taken = engine.compileAsync(specOf(3), {}, options);
    untaken = engine.compileAsync(specOf(4), {}, options);
    kernel = taken->getOrGeneric();
    ASSERT_TRUE(*kernel) << kernel->error().message;
    EXPECT_TRUE((*kernel)->isGeneric());
    taken->cancel();
    untaken->cancel();
    goOn.set_value();
  }
  expectRight(*kernel, 3);
  EXPECT_FALSE(taken->getOrGeneric()) << "cancelled, which is an answer";
  EXPECT_FALSE(untaken->getOrGeneric());
}

TEST(Async, MistakesAreSaidOnceToWhoTakesAGenericKernel) {
  Engine engine(kNoDisk);
  std::string spec = "kernel k { heads 1 head_dim 16 dtype f32 tokens [40] mask windw(3) }";
  auto kernel = engine.compileAsync(spec).getOrGeneric();
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().message, engine.compile(spec).error().message);
  EXPECT_EQ(engine.genericKernel(spec).error().message, kernel.error().message);
}

} // namespace
} // namespace attn
