//===- CommandLineMaps.cpp - verbs that look at tile maps and predict ------===//
#include "simulator/time/Amdahl.h"
#include "simulator/time/Machine.h"
#include "tools/CommandLineVerbs.h"
#include "tools/Explain.h"
#include "tools/Fit.h"
#include "tools/Show.h"
#include "tools/Simulate.h"
#include "tools/Tune.h"

namespace attn::tools {

/// Tiles that `attnc tune` predicts exactly.
constexpr int64_t kMostTuned = 1000;

static void addMachine(VerbBuilder &d, std::string &gpu, const std::string &description) {
  d.text("--gpu", gpu, "NAME|FILE.json", description)
      .suggest(namesIn(builtinMachineNames()))
      .orFile({"json"});
}

static void addPass(VerbBuilder &d, std::string &pass) {
  d.choice("--pass", pass, {"forward", "backward"}, "of which to predict the time");
}

Verb addShow(CLI::App &root) {
  auto d = std::make_shared<Declared<ShowOptions>>(
      root, "show", "draws the tile map of every head",
      "attnc show chat.attn --tokens=8192 --format=html -o chat.html");
  ShowOptions &options = d->options;
  d->subject(specSubject(), options.spec);
  d->bindings(options);
  d->count("--head", options.head, 0, kFarthest, "N", "only the tile map of this head");
  d->choice("--color", options.color, {"auto", "always", "never"}, "colours in the terminal");
  d->flag("--elements", options.elements, "the mask itself, with --format=npy, at small sizes");
  d->format(options.format, {"text", "svg", "html", "json", "npy"});
  return finished(std::move(d), showVerb);
}

Verb addSimulate(CLI::App &root) {
  auto d = std::make_shared<Declared<SimulateOptions>>(
      root, "simulate", "counts tiles, bounds the speed-up over dense attention, predicts times",
      "attnc simulate video.attn --gpu=h100 --q-tile=2x8x8 --k-tile=2x8x8 --json");
  SimulateOptions &options = d->options;
  d->subject(specSubject(), options.spec);
  d->bindings(options);
  addMachine(*d, options.gpu, fmt::format("predict times on {} or this", builtinMachineNames()));
  std::vector<std::string> targets = targetNames(TargetKind::Gpu);
  d->text("--target", options.target, fmt::format("{}", fmt::join(targets, "|")).c_str(),
          "predict what 'compile' makes (default: the GPU's own kind)")
      .suggest(targets);
  addPass(*d, options.pass);
  d->text("--model", options.model, "NAME|FILE.json", builtinModelNames() + ": end to end")
      .suggest(namesIn(builtinModelNames()))
      .orFile({"json"});
  d->count("--dense-steps", options.denseSteps, 0, kFarthest, "N",
           "steps of the model that stay dense");
  d->text("--sweep", options.sweep, "window=LIST,q_tile=LIST,...",
          "try all of '128|256', '1..9:2', '1..9x8x8'; --top=N rows");
  d->count("--top", options.top, 1, kFarthest, "N", "rows of a sweep's table").hide();
  d->text("--html", options.html, "FILE", "also write a page with charts of the prediction")
      .orFile();
  d->format(options.format);
  return finished(std::move(d), simulateVerb);
}

Verb addTune(CLI::App &root) {
  auto d = std::make_shared<Declared<TuneOptions>>(
      root, "tune", "chooses tile shapes by predicted time, and strides that need no mask",
      "attnc tune video.attn --gpu=h100 --q-tile='2x8x8|4x4x8' --json");
  TuneOptions &options = d->options;
  d->subject(specSubject(), options.spec);
  d->bindings(options, [&] {
    d->text("--q-tile", options.queryTiles, "LIST",
            "query tiles to try: '2x8x8|4x4x8' (default: powers of two)");
    d->text("--k-tile", options.keyTiles, "LIST", "key tiles to try");
  });
  addMachine(*d, options.gpu, fmt::format("the machine: {} or this", builtinMachineNames()));
  addPass(*d, options.pass);
  d->count("--top", options.top, 1, kMostTuned, "N", "so many of the best tiles (default 10)");
  d->count("--tolerance", options.tolerancePercent, 0, 100, "PERCENT",
           "visited tiles that may be partial where strides avoid masks (default 0)");
  d->format(options.format);
  return finished(std::move(d), tuneVerb);
}

Verb addFit(CLI::App &root) {
  auto d = std::make_shared<Declared<FitOptions>>(
      root, "fit", "fits a machine's constants to measurements, for simulate and tune",
      "attnc fit results.json --gpu=h200 -o machine.json");
  FitOptions &options = d->options;
  Subject data{{{"DATA"}, "", "results.json of bench/gpu, or lines 'name,value[,error]'"},
               "a file of measurements"};
  data.text.orFile();
  d->subject(data, options.data);
  addMachine(*d, options.gpu, "the machine to start from");
  d->output(options.output, "write the fitted machine");
  d->flag("--fit-rows", options.fitsRows, "fit whole calls too, which else only check");
  d->format(options.format);
  return finished(std::move(d), fitVerb);
}

Verb addExplain(CLI::App &root) {
  auto d = std::make_shared<Declared<ExplainOptions>>(
      root, "explain", "says what the compiler understood, what is computed when, and what never",
      "attnc explain chat.attn --tokens=8192");
  d->subject(specSubject(), d->options.spec);
  d->bindings(d->options);
  d->format(d->options.format);
  return finished(std::move(d), explainVerb);
}

} // namespace attn::tools
