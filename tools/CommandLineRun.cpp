//===- CommandLineRun.cpp - verbs that run kernels -------------------------===//
#include "tools/Bench.h"
#include "tools/CommandLineVerbs.h"
#include "tools/Run.h"

namespace attn::tools {

constexpr int64_t kMostThreads = 1024, kMostRepeats = 1000000;

/// Tensors, and what run and bench do with a kernel.
static void addInputs(VerbBuilder &d, RunOptions &options, const char *randomDescription) {
  d.text("--inputs", options.inputs, "FILE", "safetensors with q, k, v and the run-time inputs")
      .orFile({"safetensors"});
  d.seed("--random", options.random, randomDescription);
}

static void addKernelChoice(VerbBuilder &d, RunOptions &options, const char *kernelDescription) {
  d.lengths(options.tokens, options.kvTokens, options.queryOffset);
  d.kernel(options.kernel, kernelDescription);
  d.tiles(options.queryTile, options.keyTile);
  d.isa(options.isa, "{} (default: the best here)");
  d.count("--threads", options.threads, 1, kMostThreads, "N", "workers (default: one per core)");
}

Verb addRun(CLI::App &root) {
  auto d = std::make_shared<Declared<RunOptions>>(
      root, "run", "runs a kernel, on this machine's CPU if nothing else is said, and checks it",
      "attnc run chat.attn --random --tokens=4096 --check");
  RunOptions &options = d->options;
  options.version = "attnc " ATTNC_VERSION;
  d->subject(specOrPackageSubject(), options.spec);
  d->text("--device", options.device, "cpu|emulator|cuda[:N]",
          "what it runs on (default cpu); cuda: --driver=FILE, --splits=N")
      .suggest({"cpu", "emulator", "cuda"});
  d->choice("--mode", options.mode, {"late", "early", "random"},
            "emulator: when copies arrive; also --seed=N, --splits=N, --profile");
  // Hidden, so that the help fits a screen.
  d->count("--seed", options.seed, 0, INT64_MAX, "N",
           "emulator: of the random order of warps and copies (default 0)")
      .hide();
  d->flag("--profile", options.profile, "emulator: count instructions, conflicts and sectors")
      .hide();
  d->text("--driver", options.driver, "FILE", "cuda: the driver library").orFile().hide();
  d->count("--splits", options.splits, 1, 256, "N",
           "GPU: parts of each query tile's keys (default: chosen)")
      .hide();
  addInputs(*d, options, "standard-normal tensors instead");
  d->output(options.output, "write o and lse to this safetensors file");
  d->flag("--check", options.check, "compare o and lse with an f64 reference");
  d->flag("--expect", options.expect, "compare o with tensor 'o' of the inputs, too");
  addKernelChoice(*d, options, "which kernel of the spec");
  d->count("--repeat", options.repeat, 1, kMostRepeats, "N", "run N times and report the fastest");
  d->format(options.format);
  return finished(std::move(d), runVerb);
}

Verb addBench(CLI::App &root) {
  auto d = std::make_shared<Declared<BenchOptions>>(
      root, "bench", "measures kernels on this machine's CPU, side by side, and their bounds",
      "attnc bench chat.attn --tokens=4096 --dense");
  BenchOptions &options = d->options;
  d->subjects(specOrPackageSubject(), options.specs);
  addInputs(*d, options, "standard-normal tensors, if no inputs are given (default: seed 0)");
  addKernelChoice(*d, options, "only this kernel of the specs (default: all)");
  d->count("--repeat", options.repeat, 1, kMostRepeats, "N",
           "runs of each kernel, in turns (default: about a second each)");
  d->flag("--dense", options.dense, "compare with the same kernels under 'mask all'");
  d->format(options.format);
  return finished(std::move(d), benchVerb);
}

} // namespace attn::tools
