#include "jit/Engine.h"

#include "codegen/cpu/EmitCpu.h"
#include "jit/CodeMemory.h"
#include "jit/LaunchForm.h"

using namespace mlir;

namespace attn {

struct Kernel::Code {
  KernelInfo info;
  CodeMemory memory;
  CpuKernel function;
  double compileSeconds;
  std::shared_ptr<WorkerPool> pool;
};

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

} // namespace

Engine::Engine(EngineOptions options)
    : options(options), pool(std::make_shared<WorkerPool>(options.threads)) {}

Expected<Kernel> Engine::compile(Compilation &c, const CompileRequest &request) const {
  auto begin = Clock::now();
  IsaLevel isa = options.isa.value_or(hostIsaLevel());
  if (isa > hostIsaLevel())
    return makeError("this processor cannot run code for '{}'; its best level is '{}'",
                     isaLevelName(isa), isaLevelName(hostIsaLevel()));
  TilingOptions tiling;
  tiling.queryTile.assign(request.queryTile.begin(), request.queryTile.end());
  tiling.keyTile.assign(request.keyTile.begin(), request.keyTile.end());
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
  auto memory = CodeMemory::link(std::move(*object));
  if (!memory)
    return memory.takeError();
  auto address = memory->lookup(info->entry);
  if (!address)
    return address.takeError();
  return Kernel(std::make_shared<Kernel::Code>(Kernel::Code{*info, std::move(*memory),
                                                            reinterpret_cast<CpuKernel>(*address),
                                                            secondsSince(begin), pool}));
}

/// Compiles what `load` brings, with all diagnostics in one text.
static Expected<Kernel> compileWith(const Engine &engine, const CompileRequest &request,
                                    llvm::function_ref<LogicalResult(Compilation &)> load) {
  std::string text;
  llvm::raw_string_ostream os(text);
  Compilation c(os);
  Expected<Kernel> kernel =
      succeeded(load(c)) ? engine.compile(c, request) : Expected<Kernel>(attn::Error());
  if (kernel)
    return kernel->withWarnings(text);
  if (const attn::Error &rest = kernel.error(); !rest.message.empty()) {
    os << "error: " << rest.message << "\n";
    for (const std::string &note : rest.notes)
      os << "note: " << note << "\n";
  }
  return attn::Error{StringRef(text).rtrim('\n').str(), {}};
}

Expected<Kernel> Engine::compile(std::string_view spec, const CompileRequest &request) const {
  return compileWith(*this, request,
                     [&](Compilation &c) { return c.loadText(spec, request.name); });
}

Expected<Kernel> Engine::compileFile(const std::string &path, const CompileRequest &request) const {
  return compileWith(*this, request, [&](Compilation &c) { return c.loadFile(path); });
}

Kernel Kernel::withWarnings(std::string text) const {
  Kernel kernel = *this;
  kernel.warningText = std::move(text);
  return kernel;
}
const KernelInfo &Kernel::info() const { return code->info; }
CpuKernel Kernel::function() const { return code->function; }
double Kernel::compileSeconds() const { return code->compileSeconds; }

Expected<LaunchPlan> Kernel::plan(const Bindings &tensors) const {
  return planLaunch(code->info, tensors, code->pool.get());
}

Expected<RunReport> Kernel::run(const LaunchPlan &plan) const {
  auto begin = Clock::now();
  if (Status status = runOnCpu(plan, code->info, code->function, *code->pool); !status)
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
