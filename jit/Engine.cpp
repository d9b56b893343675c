#include "jit/Engine.h"

#include "codegen/cpu/EmitCpu.h"
#include "codegen/generic/EmitGeneric.h"
#include "jit/AsyncWork.h"
#include "jit/CodeMemory.h"
#include "jit/CompilerIdentity.h"
#include "jit/KernelMemo.h"
#include "jit/LaunchForm.h"
#include "jit/Packaging.h"
#include "jit/SharedObject.h"
#include "runtime/CodeObject.h"
#include "simulator/time/Machine.h"

#include <fmt/ranges.h>

using namespace mlir;

namespace attn {

struct Kernel::Code {
  KernelInfo info;
  std::shared_ptr<const void> memory; ///< what the function lies in
  CpuKernel function; ///< null where something else does the work
  CpuWork work;
  double compileSeconds;
  bool isFromCache;
  std::shared_ptr<WorkerPool> pool;
};

/// Told of the phases of a compilation (jit/Compilation.h). Empty where nobody watches.
using Watcher = std::function<bool(StringRef phase)>;

struct Engine::State {
  explicit State(const EngineOptions &options)
      : isa(options.isa.value_or(fastestIsaLevel())),
        pool(std::make_shared<WorkerPool>(options.threads)), cache(options.cache),
        memo(options.keptKernels) {}
  ~State() { isClosing = true; }

  Expected<Kernel> compile(Compilation &c, const CompileRequest &request);
  using Load = llvm::function_ref<LogicalResult(Compilation &)>;
  /// Compiles what `load` brings, with all diagnostics in one text.
  KernelMemo::Made compileText(const CompileRequest &request, const Watcher &watcher, Load load);
  Expected<Kernel> compileText(std::string_view spec, const CompileRequest &request,
                               const Watcher &watcher);

  const IsaLevel isa;
  const std::shared_ptr<WorkerPool> pool;
  PackageCache cache;
  KernelMemo memo;
  std::atomic<bool> isClosing = false;
  WorkQueue queue; ///< last: its work uses the rest

private:
  Expected<std::shared_ptr<Kernel::Code>> codeFor(Compilation &c, const CompileRequest &request);
  Expected<std::shared_ptr<Kernel::Code>> codeOf(const Package &package, bool isFromCache);
  Expected<std::shared_ptr<Kernel::Code>> compileInProcess(Compilation &c,
                                                           const CompileRequest &request);
};

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// What a kernel of this engine depends on besides the engine.
std::string keyOf(const char *origin, std::string_view text, const CompileRequest &request) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", origin, request.name, request.kernel,
                     fmt::join(request.queryTile, "x"), fmt::join(request.keyTile, "x"), text);
}

TilingOptions tilingFor(const CompileRequest &request, std::string_view machine) {
  TilingOptions tiling;
  tiling.queryTile.assign(request.queryTile.begin(), request.queryTile.end());
  tiling.keyTile.assign(request.keyTile.begin(), request.keyTile.end());
  tiling.machine = machine;
  return tiling;
}

attn::Error unknownTarget(const std::string &name) {
  std::string known;
  for (const Target &target : allTargets())
    known += (known.empty() ? "'" : ", '") + target.name.str() + "'";
  return makeError("unknown target '{}'", name).withNote("known are {}", known);
}

} // namespace

//===----------------------------------------------------------------------===//
// From a loaded spec to code
//===----------------------------------------------------------------------===//

Expected<std::shared_ptr<Kernel::Code>> Engine::State::codeOf(const Package &package,
                                                              bool isFromCache) {
  auto object = CodeObject::load(package.find("object")->bytes);
  if (!object)
    return object.takeError();
  auto address = object->lookup(package.kernel().entry);
  if (!address)
    return address.takeError();
  auto function = reinterpret_cast<CpuKernel>(*address);
  return std::make_shared<Kernel::Code>(
      Kernel::Code{package.kernel(), std::make_shared<CodeObject>(std::move(*object)), function,
                   function, 0, isFromCache, pool});
}

/// Without a linker's help, and without a trace.
Expected<std::shared_ptr<Kernel::Code>>
Engine::State::compileInProcess(Compilation &c, const CompileRequest &request) {
  TilingOptions tiling = tilingFor(request, isaLevelName(isa));
  FailureOr<KernelInfo> info =
      tileForLaunch(c, request.kernel, *findTarget("cpu"), tiling,
                    [&](tile::AttentionOp op) { return cpu::kernelInfo(op, isa); });
  if (failed(info))
    return attn::Error();
  auto object = objectOf(c, isa);
  if (!object)
    return object.takeError();
  if (!*object)
    return attn::Error();
  using Code = Expected<std::shared_ptr<Kernel::Code>>;
  return c.timed("link", [&]() -> Code {
    auto memory = CodeMemory::link(std::move(*object));
    if (!memory)
      return memory.takeError();
    auto address = memory->lookup(info->entry);
    if (!address)
      return address.takeError();
    auto function = reinterpret_cast<CpuKernel>(*address);
    auto owner = std::make_shared<CodeMemory>(std::move(*memory));
    return std::make_shared<Kernel::Code>(
        Kernel::Code{std::move(*info), std::move(owner), function, function, 0, false, pool});
  });
}

Expected<std::shared_ptr<Kernel::Code>> Engine::State::codeFor(Compilation &c,
                                                               const CompileRequest &request) {
  if (!cache.isOn())
    return compileInProcess(c, request);
  Packaging packaging(c, {{findTarget("cpu")},
                          request.kernel,
                          request.queryTile,
                          request.keyTile,
                          "",
                          {isa},
                          {},
                          compilerVersion()});
  Expected<std::string> wanted = packaging.request();
  if (!wanted)
    return wanted.takeError();
  if (auto package = c.timed("look up", [&] { return cache.find(*wanted); })) {
    auto code = c.timed("load", [&] { return codeOf(*package, true); });
    if (code || c.wasStopped())
      return code;
    cache.warn(code.takeError());
  } else if (std::string linker = findLinker(); !linker.empty()) {
    Expected<Package> made = compilePackage(packaging, *wanted, cache);
    auto code = made ? c.timed("load", [&] { return codeOf(*made, false); }) : made.takeError();
    if (code || !made || c.wasStopped())
      return code;
    cache.warn(code.takeError());
  } else {
    cache.warn(makeError("kernels are not kept, which takes 'ld.lld'")
                   .withNote("ATTNC_CACHE=off keeps none and says nothing"));
  }
  packaging.restart();
  return compileInProcess(c, request);
}

Expected<Kernel> Engine::State::compile(Compilation &c, const CompileRequest &request) {
  auto begin = Clock::now();
  if (isa > hostIsaLevel())
    return makeError("this processor cannot run code for '{}'; its best level is '{}'",
                     isaLevelName(isa), isaLevelName(hostIsaLevel()));
  auto code = codeFor(c, request);
  if (!code)
    return code.takeError();
  (*code)->compileSeconds = secondsSince(begin);
  return Kernel(std::move(*code));
}

/// What has gone wrong, as the command line prints it: the diagnostics in `text`, and the rest.
static attn::Error wholeError(std::string text, const attn::Error &rest) {
  if (!rest.message.empty())
    text += "error: " + rest.message + "\n";
  for (const std::string &note : rest.notes)
    text += "note: " + note + "\n";
  return attn::Error{StringRef(text).rtrim('\n').str(), {}};
}

/// A loaded spec as a kernel that interprets it; an error has nothing to say beyond the diagnostics.
static Expected<std::shared_ptr<Kernel::Code>>
interpreted(Compilation &c, const CompileRequest &request, std::shared_ptr<WorkerPool> pool) {
  // No level, for which tiles would be chosen.
  TilingOptions tiling = tilingFor(request, "generic");
  auto kernel = std::make_shared<generic::GenericKernel>();
  FailureOr<KernelInfo> info = tileForLaunch(
      c, request.kernel, *findTarget("cpu"), tiling,
      [&](tile::AttentionOp op) -> FailureOr<KernelInfo> {
        FailureOr<generic::GenericKernel> made = generic::genericKernel(op);
        if (failed(made))
          return failure();
        *kernel = std::move(*made);
        return kernel->info;
      });
  if (failed(info))
    return attn::Error();
  CpuWork work = [kernel](const KernelArgs *args, int64_t ticket, void *scratch) {
    kernel->run(*args, ticket, scratch);
  };
  return std::make_shared<Kernel::Code>(
      Kernel::Code{std::move(*info), kernel, nullptr, std::move(work), 0, false, std::move(pool)});
}

static Expected<Kernel> genericKernelOf(std::string_view spec, const CompileRequest &request,
                                        std::shared_ptr<WorkerPool> pool) {
  auto begin = Clock::now();
  std::string text;
  llvm::raw_string_ostream os(text);
  Compilation c(os);
  if (failed(c.loadText(spec, request.name)))
    return wholeError(text, {});
  auto code = interpreted(c, request, std::move(pool));
  if (!code)
    return wholeError(text, code.error());
  (*code)->compileSeconds = secondsSince(begin);
  return Kernel(std::move(*code)).withWarnings(text);
}

KernelMemo::Made Engine::State::compileText(const CompileRequest &request, const Watcher &watcher,
                                            Load load) {
  std::string text;
  llvm::raw_string_ostream os(text);
  Compilation c(os);
  if (watcher)
    c.watch(watcher);
  Expected<Kernel> kernel =
      succeeded(load(c)) ? compile(c, request) : Expected<Kernel>(attn::Error());
  if (kernel)
    return {kernel->withWarnings(text), !c.readsOtherFiles()};
  if (c.wasStopped())
    return {makeError("the compilation was cancelled"), false, true};
  return {wholeError(text, kernel.error())};
}

Expected<Kernel> Engine::State::compileText(std::string_view spec, const CompileRequest &request,
                                            const Watcher &watcher) {
  return memo.get(keyOf("text", spec, request), [&] {
    return compileText(request, watcher,
                       [&](Compilation &c) { return c.loadText(spec, request.name); });
  });
}

//===----------------------------------------------------------------------===//
// Engine
//===----------------------------------------------------------------------===//

Engine::Engine(EngineOptions options) : state(std::make_shared<State>(options)) {}

Expected<Kernel> Engine::compile(Compilation &c, const CompileRequest &request) const {
  return state->compile(c, request);
}

Expected<Kernel> Engine::compile(std::string_view spec, const CompileRequest &request) const {
  return state->compileText(spec, request, {});
}

Compiling Engine::compileAsync(std::string spec, CompileRequest request,
                               AsyncOptions options) const {
  auto task = std::make_shared<Compiling::Task>();
  task->makeGeneric = [spec, request, pool = state->pool] {
    return genericKernelOf(spec, request, pool);
  };
  // Work of the engine's own thread must not keep the engine alive: that thread would end itself.
  std::shared_ptr<State> kept = options.executor ? state : nullptr;
  auto compile = [task, kept, state = state.get(), spec = std::move(spec),
                  request = std::move(request), progress = std::move(options.progress)] {
    return state->compileText(spec, request, [&](StringRef phase) {
      if (progress)
        progress(std::string_view(phase));
      return !task->isCancelled && !state->isClosing;
    });
  };
  auto work = std::make_shared<AsyncWork>(task, std::move(compile));
  if (options.executor)
    options.executor([work = std::move(work)] { work->run(); });
  else
    state->queue.add(std::move(work));
  return Compiling(std::move(task));
}

Expected<Kernel> Engine::genericKernel(std::string_view spec, const CompileRequest &request) const {
  return genericKernelOf(spec, request, state->pool);
}

Expected<Package> Engine::package(std::string_view spec, const PackageRequest &request) const {
  PackagingOptions options{{},          request.kernel,  request.queryTile, request.keyTile,
                           request.gpu, {state->isa}, request.cubins,    compilerVersion()};
  for (const std::string &name : request.targets) {
    options.targets.push_back(findTarget(name));
    if (!options.targets.back())
      return wholeError("", unknownTarget(name));
  }
  if (!request.gpu.empty() && !builtinMachine(request.gpu))
    return wholeError("", makeError("unknown GPU '{}'", request.gpu)
                              .withNote("known are {}", builtinMachineNames()));
  std::string text;
  llvm::raw_string_ostream os(text);
  Compilation c(os);
  if (failed(c.loadText(spec, request.name)))
    return wholeError(text, {});
  Expected<PackageMade> made = makePackage(c, options, state->cache);
  if (!made)
    return wholeError(text, made.error());
  return std::move(made->package);
}

Expected<Kernel> Engine::compileFile(const std::string &path, const CompileRequest &request) const {
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(path);
  if (!buffer) // said in the words, and at the place, of the front end
    return state->compileText(request, {}, [&](Compilation &c) { return c.loadFile(path); })
        .kernel;
  StringRef text = (*buffer)->getBuffer();
  return state->memo.get(keyOf(path.c_str(), std::string_view(text), request), [&] {
    return state->compileText(request, {}, [&](Compilation &c) { return c.loadNamed(text, path); });
  });
}

std::vector<attn::Error> Engine::takeWarnings() const { return state->cache.takeWarnings(); }

//===----------------------------------------------------------------------===//
// Kernel
//===----------------------------------------------------------------------===//

Kernel Kernel::withWarnings(std::string text) const {
  Kernel kernel = *this;
  kernel.warningText = std::move(text);
  return kernel;
}
const KernelInfo &Kernel::info() const { return code->info; }
CpuKernel Kernel::function() const { return code->function; }
bool Kernel::isGeneric() const { return !code->function; }
double Kernel::compileSeconds() const { return code->compileSeconds; }
bool Kernel::isFromCache() const { return code->isFromCache; }

Expected<LaunchPlan> Kernel::plan(const Bindings &tensors) const {
  return planLaunch(code->info, tensors, code->pool.get(), {code->pool->size(), 0});
}

Expected<RunReport> Kernel::run(const LaunchPlan &plan) const {
  if (!plan.isFor(code->info))
    return makeError("the plan was made for another kernel than '{}'", code->info.name);
  auto begin = Clock::now();
  if (Status status = runOnCpu(plan, code->info, code->work, *code->pool); !status)
    return status.error();
  return RunReport{secondsSince(begin), plan.visitedTiles, plan.fullTiles, plan.allTiles};
}

Expected<RunReport> Kernel::run(const Bindings &tensors) const {
  Expected<LaunchPlan> launch = plan(tensors);
  if (!launch)
    return launch.takeError();
  return run(*launch);
}

} // namespace attn
