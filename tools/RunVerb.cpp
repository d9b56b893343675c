//===- RunVerb.cpp - compiles a kernel for this machine and runs it -------===//
#include "tools/Run.h"

#include "jit/Compilation.h"
#include "jit/Engine.h"
#include "runtime/LaunchChecks.h"
#include "runtime/Safetensors.h"
#include "tools/BoundSpec.h"
#include "tools/Check.h"
#include "tools/Report.h"
#include "tools/RunInputs.h"

#include "nlohmann/json.hpp"

#include <cstdio>

namespace attn::tools {

namespace {

/// What there is to report about a run.
struct Outcome {
  const KernelInfo &info;
  const RunTensors &tensors;
  IsaLevel isa;
  unsigned threads;
  double compileSeconds, planSeconds = 0;
  RunReport run;
  double visiblePairs = 0;
  std::vector<int64_t> blindHeads;
  std::optional<CheckReport> check, expected;

  bool ok() const { return (!check || check->ok) && (!expected || expected->ok); }
  /// Two products of every visible pair; rates count no work that a mask saves.
  double gflops() const {
    double flops = 2.0 * visiblePairs * double(info.headDimQk + info.headDimV);
    return run.seconds > 0 ? flops / run.seconds / 1e9 : 0;
  }
};

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

void printError(const char *name, const TensorError &error) {
  fmt::print("  {:<4} max error {:.2e}, {:.3f} of what is allowed\n", name, error.maxError,
             error.ratio);
  if (error.ratio > 1)
    fmt::print("       worst at {}[{}]: {} instead of {}\n", name, fmt::join(error.at, ", "),
               error.value, error.expected);
}

void printCheck(const char *what, const CheckReport &check, bool withLse) {
  fmt::print("{:<9}{}, {} of {} rows\n", what, check.ok ? "ok" : "FAILED", check.rows,
             check.allRows);
  printError("o", check.o);
  if (withLse)
    printError("lse", check.lse);
  // An RMS error is nobody's worst element.
  if (!check.ok && check.o.ratio <= 1 && check.lse.ratio <= 1)
    fmt::print("  {}\n", check.message);
}

void printText(const Outcome &out) {
  const KernelInfo &info = out.info;
  fmt::print("kernel   {}: {}, batch {}, heads {}, kv_heads {}, head_dim {}", info.name,
             dtypeName(info.dtype), info.batch, info.heads, info.kvHeads, info.headDimQk);
  if (info.headDimV != info.headDimQk)
    fmt::print(", value_dim {}", info.headDimV);
  fmt::print("\ntokens   {}", shapeText(out.tensors.tokens));
  if (info.bounded)
    fmt::print(", {} of them in token groups", out.tensors.numQueries);
  if (out.tensors.kvTokens != out.tensors.tokens)
    fmt::print(", kv_tokens {}", shapeText(out.tensors.kvTokens));
  fmt::print("\ntiles    {} of {} visited, {} of them full\n", out.run.visitedTiles,
             out.run.allTiles, out.run.fullTiles);
  if (!out.blindHeads.empty())
    fmt::print("blind    {} {} see{} no key: the output is 0 there\n",
               out.blindHeads.size() == 1 ? "head" : "heads", headsText(out.blindHeads),
               out.blindHeads.size() == 1 ? "s" : "");
  fmt::print("compile  {:.1f} ms for {}\n", out.compileSeconds * 1e3, isaLevelName(out.isa));
  fmt::print("run      {:.3f} ms on {} threads, {:.1f} GFLOP/s\n", out.run.seconds * 1e3,
             out.threads, out.gflops());
  if (out.check)
    printCheck("check", *out.check, true);
  if (out.expected)
    printCheck("expected", *out.expected, false);
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

nlohmann::json toJson(const TensorError &error) {
  return {{"max_error", error.maxError}, {"ratio", error.ratio}, {"at", error.at}};
}

nlohmann::json toJson(const CheckReport &check, bool withLse) {
  nlohmann::json json{{"ok", check.ok}, {"rows", check.rows}, {"all_rows", check.allRows}};
  json["o"] = toJson(check.o);
  if (withLse)
    json["lse"] = toJson(check.lse);
  return json;
}

void printJson(const Outcome &out) {
  const KernelInfo &info = out.info;
  nlohmann::ordered_json json;
  json["kernel"] = info.name;
  json["dtype"] = dtypeName(info.dtype);
  json["batch"] = info.batch;
  json["heads"] = info.heads;
  json["kv_heads"] = info.kvHeads;
  json["head_dim"] = info.headDimQk;
  json["value_dim"] = info.headDimV;
  json["tokens"] = out.tensors.tokens;
  json["kv_tokens"] = out.tensors.kvTokens;
  json["tiles"] = {
      {"visited", out.run.visitedTiles}, {"full", out.run.fullTiles}, {"all", out.run.allTiles}};
  json["blind_heads"] = out.blindHeads;
  json["isa"] = isaLevelName(out.isa);
  json["threads"] = out.threads;
  json["seconds"] = {
      {"compile", out.compileSeconds}, {"plan", out.planSeconds}, {"run", out.run.seconds}};
  json["gflops"] = out.gflops();
  if (out.check)
    json["check"] = toJson(*out.check, true);
  if (out.expected)
    json["expected"] = toJson(*out.expected, false);
  fmt::print("{}\n", json.dump(2));
}

//===----------------------------------------------------------------------===//
// The run
//===----------------------------------------------------------------------===//

Bindings bindingsOf(RunTensors &tensors, const RunOptions &options) {
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
Status runKernel(const Kernel &kernel, const Bindings &bindings, const RunOptions &options,
                 Outcome &out) {
  auto begin = std::chrono::steady_clock::now();
  Expected<LaunchPlan> plan = kernel.plan(bindings);
  if (!plan)
    return plan.takeError();
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  out.planSeconds = seconds.count();
  for (int64_t i = 0; i < options.repeat; ++i) {
    Expected<RunReport> report = kernel.run(*plan);
    if (!report)
      return report.takeError();
    if (i == 0 || report->seconds < out.run.seconds)
      out.run = *report;
  }
  out.visiblePairs = plan->visiblePairs();
  out.blindHeads = plan->blindHeads();
  return {};
}

CheckSizes checkSizes(const KernelInfo &info, const Bindings &bindings) {
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

Status writeTensors(const RunTensors &tensors, const std::string &path) {
  return writeSafetensors(path, {{"o", tensors.o}, {"lse", tensors.lse}});
}

/// Everything after compilation. Outputs are written only when all has gone well.
int runCompiled(const Kernel &kernel, const std::optional<Checker> &checker,
                const RunOptions &options, IsaLevel isa) {
  Expected<RunTensors> tensors = makeTensors(kernel.info(), options);
  if (!tensors)
    return fail(tensors.error());
  Bindings bindings = bindingsOf(*tensors, options);
  WorkerPool pool(unsigned(options.threads));
  Outcome out{
      kernel.info(), *tensors, isa, pool.size(), kernel.compileSeconds(), 0, {}, 0, {}, {}, {}};
  if (Status status = runKernel(kernel, bindings, options, out); !status)
    return fail(status.error());
  CheckSizes sizes = checkSizes(kernel.info(), bindings);
  if (checker)
    out.check = checker->check(bindings, sizes, pool);
  if (tensors->expected)
    out.expected = checker->check(bindings, sizes, pool, &tensors->expected->view());
  if (!options.output.empty())
    if (Status status = writeTensors(*tensors, options.output); !status)
      return fail(status.error());
  options.format == "json" ? printJson(out) : printText(out);
  return out.ok() ? 0 : 1;
}

} // namespace

int runVerb(const RunOptions &options) {
  if (options.inputs.empty() && !options.random)
    return fail(makeError("there is nothing to run on")
                    .withNote("give tensors with '--inputs=', or '--random' for random ones"));
  if (!options.inputs.empty() && options.random)
    return fail(makeError("'--inputs' and '--random' exclude each other"));
  if (options.expect && options.random)
    return fail(makeError("'--expect' compares with tensor 'o' of '--inputs', and there is none"));
  Compilation compilation(llvm::errs());
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
  Engine engine({isa, unsigned(options.threads)});
  Expected<Kernel> kernel = engine.compile(
      compilation, {options.kernel, options.queryTile, options.keyTile, options.spec});
  if (!kernel)
    return kernel.error().message.empty() ? 1 : fail(kernel.error());
  return runCompiled(*kernel, checker, options, isa.value_or(hostIsaLevel()));
}

} // namespace attn::tools
