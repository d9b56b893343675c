//===- RunVerb.cpp - compiles a kernel, or opens one, and runs it ---------===//
#include "tools/Run.h"

#include "jit/Engine.h"
#include "runtime/Safetensors.h"
#include "tools/Check.h"
#include "tools/FmaPeak.h"
#include "tools/Progress.h"
#include "tools/Report.h"
#include "tools/RunInputs.h"
#include "tools/RunOnDevice.h"
#include "tools/RunReport.h"
#include "tools/SpecCompilation.h"

namespace attn::tools {

Bindings bindingsOf(const RunTensors &tensors, const RunOptions &options) {
  Bindings bindings;
  bindings.q = tensors.q;
  bindings.k = tensors.k;
  bindings.v = tensors.v;
  bindings.o = tensors.o;
  bindings.lse = tensors.lse;
  for (const auto &[name, tensor] : tensors.inputs)
    bindings.inputs[name] = tensor;
  bindings.tokens = tensors.tokens;
  bindings.kvTokens = tensors.kvTokens;
  bindings.queryOffset = options.queryOffset;
  return bindings;
}

/// The fastest of `options.repeat` runs.
static Status runKernel(const Kernel &kernel, const Bindings &bindings, const RunOptions &options,
                        Outcome &out) {
  auto begin = std::chrono::steady_clock::now();
  Expected<LaunchPlan> plan = kernel.plan(bindings);
  if (!plan)
    return plan.takeError();
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  out.planSeconds = seconds.count();
  Progress progress("runs", size_t(options.repeat));
  for (int64_t i = 0; i < options.repeat; ++i) {
    progress.show(size_t(i));
    Expected<RunReport> report = kernel.run(*plan);
    if (!report)
      return report.takeError();
    if (i == 0 || report->seconds < out.run.seconds)
      out.run = *report;
  }
  out.visiblePairs = plan->visiblePairs();
  out.blindHeads = plan->blindHeads();
  out.splits = plan->splits();
  return {};
}

static CheckSizes checkSizes(const KernelInfo &info, const Bindings &bindings) {
  CheckSizes sizes;
  sizes.batch = info.batch;
  sizes.heads = info.heads;
  sizes.kvHeads = info.kvHeads;
  sizes.numQueries = bindings.q.shape[2];
  sizes.numKeys = bindings.k.shape[2];
  int64_t offset = info.queryOffset.value_or(sizes.numKeys - sizes.numQueries);
  sizes.queryOffset = bindings.queryOffset.value_or(offset);
  sizes.tokens = bindings.tokens;
  sizes.kvTokens = bindings.kvTokens;
  return sizes;
}

static Status writeTensors(const RunTensors &tensors, const std::string &path) {
  return writeSafetensors(path, {{"o", tensors.o}, {"lse", tensors.lse}});
}

int finishRun(Outcome &out, RunTensors &tensors, const std::optional<Checker> &checker,
              const RunOptions &options, WorkerPool &pool) {
  Bindings bindings = bindingsOf(tensors, options);
  CheckSizes sizes = checkSizes(out.info, bindings);
  if (checker)
    out.check = checker->check(bindings, sizes, pool);
  if (tensors.expected)
    out.expected = checker->check(bindings, sizes, pool, &tensors.expected->view());
  if (!options.output.empty())
    if (Status status = writeTensors(tensors, options.output); !status)
      return fail(status.error());
  // A comparison or a file was wanted, and with --quiet nothing is said of either.
  bool hasOtherWork = checker || !options.output.empty();
  if (isQuiet() && hasOtherWork && options.format != "json")
    return out.ok() ? 0 : fail(comparisonError(out));
  if (std::optional<IsaLevel> isa = parseIsaLevel(out.isa); isa && out.device == "cpu")
    out.peakGflops = processorPeak(out.threads) * peakFactor(out.info.dtype, *isa);
  options.format == "json" ? printJson(out) : printText(out);
  return out.ok() ? 0 : 1;
}

/// Everything after compilation. Outputs are written only when all has gone well.
static int runCompiled(const Kernel &kernel, const std::optional<Checker> &checker,
                       const RunOptions &options, IsaLevel isa) {
  Expected<RunTensors> tensors = makeTensors(kernel.info(), options);
  if (!tensors)
    return fail(tensors.error());
  Bindings bindings = bindingsOf(*tensors, options);
  WorkerPool pool(unsigned(options.threads));
  Outcome out(kernel.info(), *tensors);
  out.device = "cpu";
  out.isa = isaLevelName(isa);
  out.threads = pool.size();
  out.compileSeconds = kernel.compileSeconds();
  out.isFromCache = kernel.isFromCache();
  if (Status status = runKernel(kernel, bindings, options, out); !status)
    return fail(status.error());
  return finishRun(out, *tensors, checker, options, pool);
}

static Expected<Kernel> compile(const Engine &engine, Compilation &compilation,
                                const RunOptions &options) {
  Progress progress("compiling");
  return engine.compile(compilation,
                        {options.kernel, options.queryTile, options.keyTile, options.spec});
}

static int runSpec(const RunOptions &options) {
  SpecCompilation compilation;
  if (failed(compilation.loadFile(options.spec)) ||
      failed(compilation.selectKernel(options.kernel)))
    return 1;
  std::optional<Checker> checker;
  if (options.check || options.expect) {
    Expected<Checker> made = Checker::of(compilation.attention());
    if (!made)
      return fail(made.error());
    checker = std::move(*made);
  }
  std::optional<IsaLevel> isa = parseIsaLevel(options.isa);
  Engine engine({isa, unsigned(options.threads), {}});
  Expected<Kernel> kernel = compile(engine, compilation, options);
  warn(engine.takeWarnings());
  if (!kernel)
    return kernel.error().message.empty() ? 1 : fail(kernel.error());
  return runCompiled(*kernel, checker, options, isa.value_or(fastestIsaLevel()));
}

/// Options that only some devices have.
static Status checkDeviceOptions(const RunOptions &options) {
  bool isEmulator = options.device == "emulator", isCuda = options.device.starts_with("cuda");
  for (auto [name, given] :
       {std::pair("--mode", !options.mode.empty()), std::pair("--seed", options.seed.has_value()),
        std::pair("--profile", options.profile)})
    if (given && !isEmulator)
      return makeError("'{}' belongs to '--device=emulator'", name);
  if (!options.driver.empty() && !isCuda)
    return makeError("'--driver' belongs to '--device=cuda'");
  if (options.splits > 0 && !isCuda && !isEmulator)
    return makeError("'--splits' belongs to '--device=emulator' and '--device=cuda'");
  return {};
}

int runVerb(const RunOptions &options) {
  if (Status status = checkDeviceOptions(options); !status)
    return fail(status.error());
  if (options.inputs.empty() && !options.random)
    return fail(makeError("there is nothing to run on")
                    .withNote("give tensors with '--inputs=', or '--random' for random ones"));
  if (!options.inputs.empty() && options.random)
    return fail(makeError("'--inputs' and '--random' exclude each other"));
  if (options.expect && options.random)
    return fail(makeError("'--expect' compares with tensor 'o' of '--inputs', and there is none"));
  if (options.device.empty() && !isPackage(options.spec))
    return runSpec(options);
  return runOnDevice(options);
}

} // namespace attn::tools
