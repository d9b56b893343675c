//===- CommandLine.cpp - the verbs of attnc and their options -------------===//
//
// Every option arrives as text and is converted by Values, so that all mistakes are told in one
// voice. This file includes CLI11, which needs RTTI, and no MLIR header, which must be compiled
// without.
//
//===----------------------------------------------------------------------===//
#include "tools/CommandLine.h"

#include "tools/Cache.h"
#include "tools/Compile.h"
#include "tools/Explain.h"
#include "tools/Fit.h"
#include "tools/HelpFormatter.h"
#include "tools/Inspect.h"
#include "tools/Report.h"
#include "tools/Run.h"
#include "tools/Show.h"
#include "tools/Simulate.h"
#include "tools/Tune.h"
#include "tools/Values.h"

#include "llvm/Config/llvm-config.h"

#include <functional>

namespace attn::tools {

namespace {

/// Positions in kernels stay within this distance.
constexpr int64_t kFarthest = int64_t(1) << 28;

constexpr int64_t kMostBatches = 65535;

/// Tiles that `attnc tune` predicts exactly.
constexpr int64_t kMostTuned = 1000;

/// A verb: its options hold text until `run` converts them.
struct Verb {
  CLI::App *app = nullptr;
  std::function<int()> run;
};

class VerbBuilder {
public:
  VerbBuilder(CLI::App &root, const char *name, const char *description, const char *example,
              const char *subject = "SPEC",
              const char *subjectText = "an .attn or .mlir file, '-' for the standard input") {
    app = root.add_subcommand(name, description);
    app->footer(std::string("example:\n  ") + example);
    app->add_option(subject, spec, subjectText)->required();
  }
  void text(const char *names, std::string &value, const char *type, const char *description) {
    app->add_option(names, value, description)
        ->option_text(type)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  void flag(const char *names, bool &value, const char *description) {
    app->add_flag(names, value, description)->disable_flag_override();
  }
  /// Options that the description of another one names.
  void hide(std::initializer_list<const char *> names) {
    for (const char *name : names)
      app->get_option(name)->group("");
  }
  void tiles() {
    text("--q-tile", queryTile, "2x8x8", "extents of a query tile (default: chosen)");
    text("--k-tile", keyTile, "2x8x8", "extents of a key tile (default: chosen)");
  }
  void candidateTiles() {
    text("--q-tile", queryTile, "LIST", "query tiles to try: '2x8x8|4x4x8' (default: powers of two)");
    text("--k-tile", keyTile, "LIST", "key tiles to try");
  }
  void format(const char *allowedText) {
    text("--format", formatName, allowedText, "how the result is written");
    flag("--json", json, "the same as --format=json");
  }

  CLI::App *app;
  std::string spec, queryTile, keyTile, formatName;
  bool json = false;
};

/// Runs the verb unless an option's text was no value.
template <class Options>
int runUnlessMistaken(const Values &values, const Options &options, int (*verb)(const Options &)) {
  if (values.firstError())
    return fail(*values.firstError());
  return verb(options);
}

Verb addCompile(CLI::App &root) {
  struct Arguments : VerbBuilder {
    using VerbBuilder::VerbBuilder;
    std::string isa, arch;
    CompileOptions options;
  };
  auto a = std::make_shared<Arguments>(
      root, "compile", "compiles a spec for a target and writes any phase on the way",
      "attnc compile chat.attn --target=sm_80 --emit=ptx -o chat.ptx");
  a->text("--target", a->options.target, "cpu|sm_80",
          "what to compile for (default cpu); packages: 'cpu,sm_80'");
  a->text("--emit", a->options.emit, "PHASE",
          "attn, tile, llvm (cpu's default), nvvm, ptx (sm_80's), cubin, package");
  a->text("-o,--output", a->options.output, "FILE", "where to write it (default '-')");
  a->text("--kernel", a->options.kernel, "NAME", "only this kernel of the spec");
  a->tiles();
  a->text("--gpu", a->options.gpu, "NAME", "choose tiles for a100, h100, h200, b200 (default a100)");
  a->text("--isa", a->isa, "LEVEL",
          "baseline, avx2, avx512, avx512bf16 (default: the best; packages: all)");
  a->text("--arch", a->arch, "sm_80,sm_90|none",
          "cubins of a package (default: these, where there is a ptxas)");
  a->flag("--timing", a->options.timing, "print the time of every phase to the standard error");
  a->format("text|json");
  return {a->app, [a] {
            Values values;
            CompileOptions &options = a->options;
            options.spec = a->spec;
            values.extents("--q-tile", a->queryTile, 1, options.queryTile);
            values.extents("--k-tile", a->keyTile, 1, options.keyTile);
            values.choice("--isa", a->isa, {"baseline", "avx2", "avx512", "avx512bf16"}, options.isa);
            values.chips("--arch", a->arch, options.chips);
            values.format(a->formatName, a->json, {"text", "json"}, options.format);
            options.version = "attnc " ATTNC_VERSION;
            return runUnlessMistaken(values, options, compileVerb);
          }};
}

Verb addInspect(CLI::App &root) {
  struct Arguments : VerbBuilder {
    using VerbBuilder::VerbBuilder;
    InspectOptions options;
  };
  auto a = std::make_shared<Arguments>(root, "inspect", "says what is inside a package",
                                       "attnc inspect chat.attnpkg --extract=ptx -o chat.ptx",
                                       "PACKAGE", "what 'attnc compile --emit=package' wrote");
  a->text("--extract", a->options.extract, "KIND[:TARGET]",
          "write this section as it is: spec, info, ptx, cubin:sm_90, object:avx2");
  a->text("-o,--output", a->options.output, "FILE", "where to write it (default '-')");
  a->format("text|json");
  return {a->app, [a] {
            Values values;
            a->options.package = a->spec;
            values.format(a->formatName, a->json, {"text", "json"}, a->options.format);
            return runUnlessMistaken(values, a->options, inspectVerb);
          }};
}

Verb addRun(CLI::App &root) {
  struct Arguments : VerbBuilder {
    using VerbBuilder::VerbBuilder;
    std::string isa, random, tokens, kvTokens, offset, threads, repeat, seed, splits;
    RunOptions options;
  };
  auto a = std::make_shared<Arguments>(
      root, "run", "runs a kernel, on this machine's CPU if nothing else is said, and checks it",
      "attnc run chat.attn --random --tokens=4096 --check", "SPEC",
      "an .attn or .mlir file, '-' for the standard input, or a package");
  a->text("--device", a->options.device, "cpu|emulator|cuda[:N]",
          "what it runs on (default cpu); cuda: --driver=FILE, --splits=N");
  a->text("--mode", a->options.mode, "late|early|random",
          "emulator: when copies arrive; also --seed=N, --splits=N, --profile");
  a->text("--seed", a->seed, "N", "emulator: of the random order of warps and copies (default 0)");
  a->flag("--profile", a->options.profile, "emulator: count instructions, conflicts and sectors");
  a->text("--driver", a->options.driver, "FILE", "cuda: the driver library");
  a->text("--splits", a->splits, "N", "GPU: parts of each query tile's keys (default: chosen)");
  a->hide({"--seed", "--profile", "--driver", "--splits"}); // so that the help fits a screen
  a->text("--inputs", a->options.inputs, "FILE",
          "safetensors with q, k, v and the run-time inputs");
  a->text("--random", a->random, "[=SEED]", "standard-normal tensors instead");
  a->text("-o,--output", a->options.output, "FILE", "write o and lse to this safetensors file");
  a->flag("--check", a->options.check, "compare o and lse with an f64 reference");
  a->flag("--expect", a->options.expect, "compare o with tensor 'o' of the inputs, too");
  a->text("--tokens", a->tokens, "4096|30x48x80", "the token layout, where the spec says '?'");
  a->text("--kv-tokens", a->kvTokens, "4096", "the layout of the keys");
  a->text("--q-offset", a->offset, "N", "position of the first query (default: Nk - Nq)");
  a->text("--kernel", a->options.kernel, "NAME", "which kernel of the spec");
  a->tiles();
  a->text("--isa", a->isa, "LEVEL", "baseline, avx2, avx512 or avx512bf16 (default: the best here)");
  a->text("--threads", a->threads, "N", "workers (default: one per core)");
  a->text("--repeat", a->repeat, "N", "run N times and report the fastest");
  a->format("text|json");
  return {a->app, [a] {
            Values values;
            RunOptions &options = a->options;
            options.spec = a->spec;
            values.seed("--random", a->random, options.random);
            values.extents("--tokens", a->tokens, 0, options.tokens);
            values.extents("--kv-tokens", a->kvTokens, 0, options.kvTokens);
            int64_t offset = 0;
            values.count("--q-offset", a->offset, -kFarthest, kFarthest, offset);
            if (!a->offset.empty())
              options.queryOffset = offset;
            values.extents("--q-tile", a->queryTile, 1, options.queryTile);
            values.extents("--k-tile", a->keyTile, 1, options.keyTile);
            values.choice("--isa", a->isa, {"baseline", "avx2", "avx512", "avx512bf16"}, options.isa);
            values.count("--threads", a->threads, 1, 1024, options.threads);
            values.count("--repeat", a->repeat, 1, 1000000, options.repeat);
            values.count("--splits", a->splits, 1, 256, options.splits);
            values.choice("--mode", a->options.mode, {"late", "early", "random"}, options.mode);
            int64_t seed = 0;
            values.count("--seed", a->seed, 0, INT64_MAX, seed);
            if (!a->seed.empty())
              options.seed = seed;
            options.version = "attnc " ATTNC_VERSION;
            values.format(a->formatName, a->json, {"text", "json"}, options.format);
            return runUnlessMistaken(values, options, runVerb);
          }};
}

/// What show, simulate and explain have in common: lengths, tiles and inputs.
struct BoundArguments : VerbBuilder {
  using VerbBuilder::VerbBuilder;
  std::string tokens, kvTokens, offset, batch;

  void addBindings(BoundOptions &options, bool triesTiles = false) {
    text("--tokens", tokens, "4096|30x48x80", "the token layout, where the spec says '?'");
    text("--kv-tokens", kvTokens, "4096", "the layout of the keys");
    text("--q-offset", offset, "N", "position of the first query (default: Nk - Nq)");
    text("--kernel", options.kernel, "NAME", "which kernel of the spec");
    triesTiles ? candidateTiles() : tiles();
    text("--inputs", options.inputs, "FILE", "safetensors with the run-time inputs of the masks");
    text("--batch", batch, "N", "the batch entry of the inputs (default 0)");
    text("-o,--output", options.output, "FILE", "where to write it (default '-')");
  }
  void convert(Values &values, BoundOptions &options) {
    options.spec = spec;
    values.extents("--tokens", tokens, 0, options.tokens);
    values.extents("--kv-tokens", kvTokens, 0, options.kvTokens);
    int64_t number = 0;
    values.count("--q-offset", offset, -kFarthest, kFarthest, number);
    if (!offset.empty())
      options.queryOffset = number;
    values.extents("--q-tile", queryTile, 1, options.queryTile);
    values.extents("--k-tile", keyTile, 1, options.keyTile);
    values.count("--batch", batch, 0, kMostBatches - 1, number);
    if (!batch.empty())
      options.batch = number;
  }
};

Verb addShow(CLI::App &root) {
  struct Arguments : BoundArguments {
    using BoundArguments::BoundArguments;
    std::string head;
    ShowOptions options;
  };
  auto a =
      std::make_shared<Arguments>(root, "show", "draws the tile map of every head",
                                  "attnc show chat.attn --tokens=8192 --format=html -o chat.html");
  a->addBindings(a->options);
  a->text("--head", a->head, "N", "only the tile map of this head");
  a->text("--color", a->options.color, "auto|always|never", "colours in the terminal");
  a->flag("--elements", a->options.elements, "the mask itself, with --format=npy, at small sizes");
  a->format("text|svg|html|json|npy");
  return {
      a->app, [a] {
        Values values;
        a->convert(values, a->options);
        int64_t head = 0;
        values.count("--head", a->head, 0, kFarthest, head);
        if (!a->head.empty())
          a->options.head = head;
        values.choice("--color", a->options.color, {"auto", "always", "never"}, a->options.color);
        values.format(a->formatName, a->json, {"text", "svg", "html", "json", "npy"},
                      a->options.format);
        return runUnlessMistaken(values, a->options, showVerb);
      }};
}

/// A verb that writes text or JSON about a bound kernel.
template <class Options>
Verb addReport(CLI::App &root, int (*verb)(const Options &), const char *name, const char *help,
               const char *example) {
  struct Arguments : BoundArguments {
    using BoundArguments::BoundArguments;
    Options options;
  };
  auto a = std::make_shared<Arguments>(root, name, help, example);
  a->addBindings(a->options);
  a->format("text|json");
  return {a->app, [a, verb] {
            Values values;
            a->convert(values, a->options);
            values.format(a->formatName, a->json, {"text", "json"}, a->options.format);
            return runUnlessMistaken(values, a->options, verb);
          }};
}

Verb addSimulate(CLI::App &root) {
  struct Arguments : BoundArguments {
    using BoundArguments::BoundArguments;
    std::string denseSteps, top;
    SimulateOptions options;
  };
  auto a = std::make_shared<Arguments>(
      root, "simulate", "counts tiles, bounds the speed-up over dense attention, predicts times",
      "attnc simulate video.attn --gpu=h100 --q-tile=2x8x8 --k-tile=2x8x8 --json");
  a->addBindings(a->options);
  a->text("--gpu", a->options.gpu, "NAME|FILE.json", "predict times on a100, h100, h200, b200 or this");
  a->text("--target", a->options.target, "sm_80",
          "predict what 'compile' makes (default: the GPU's own kind)");
  a->text("--pass", a->options.pass, "forward|backward", "of which to predict the time");
  a->text("--model", a->options.model, "NAME|FILE.json", "cosmos-7b, hunyuan-video, llm-8b-moa: end to end");
  a->text("--dense-steps", a->denseSteps, "N", "steps of the model that stay dense");
  a->text("--sweep", a->options.sweep, "window=LIST,q_tile=LIST,...",
          "try all of '128|256', '1..9:2', '1..9x8x8'; --top=N rows");
  a->text("--top", a->top, "N", "rows of a sweep's table");
  a->hide({"--top"});
  a->text("--html", a->options.html, "FILE", "also write a page with charts of the prediction");
  a->format("text|json");
  return {a->app, [a] {
            Values values;
            SimulateOptions &options = a->options;
            a->convert(values, options);
            values.choice("--pass", options.pass, {"forward", "backward"}, options.pass);
            int64_t steps = 0;
            values.count("--dense-steps", a->denseSteps, 0, kFarthest, steps);
            if (!a->denseSteps.empty())
              options.denseSteps = steps;
            values.count("--top", a->top, 1, kFarthest, options.top);
            values.format(a->formatName, a->json, {"text", "json"}, options.format);
            return runUnlessMistaken(values, options, simulateVerb);
          }};
}

Verb addTune(CLI::App &root) {
  struct Arguments : BoundArguments {
    using BoundArguments::BoundArguments;
    std::string top, tolerance;
    TuneOptions options;
  };
  auto a = std::make_shared<Arguments>(
      root, "tune", "chooses tile shapes by predicted time, and strides that need no mask",
      "attnc tune video.attn --gpu=h100 --q-tile='2x8x8|4x4x8' --json");
  a->addBindings(a->options, /*triesTiles=*/true);
  a->text("--gpu", a->options.gpu, "NAME|FILE.json", "the machine: a100, h100, h200, b200 or this");
  a->text("--pass", a->options.pass, "forward|backward", "of which to predict the time");
  a->text("--top", a->top, "N", "so many of the best tiles (default 10)");
  a->text("--tolerance", a->tolerance, "PERCENT",
          "visited tiles that may be partial where strides avoid masks (default 0)");
  a->format("text|json");
  return {a->app, [a] {
            Values values;
            TuneOptions &options = a->options;
            options.queryTiles = std::exchange(a->queryTile, "");
            options.keyTiles = std::exchange(a->keyTile, "");
            a->convert(values, options);
            values.choice("--pass", options.pass, {"forward", "backward"}, options.pass);
            values.count("--top", a->top, 1, kMostTuned, options.top);
            int64_t percent = 0;
            values.count("--tolerance", a->tolerance, 0, 100, percent);
            options.tolerance = double(percent) / 100;
            values.format(a->formatName, a->json, {"text", "json"}, options.format);
            return runUnlessMistaken(values, options, tuneVerb);
          }};
}

Verb addFit(CLI::App &root) {
  struct Arguments : VerbBuilder {
    using VerbBuilder::VerbBuilder;
    FitOptions options;
  };
  auto a = std::make_shared<Arguments>(
      root, "fit", "fits a machine's constants to measurements, for simulate and tune",
      "attnc fit results.json --gpu=h200 -o machine.json", "DATA",
      "results.json of bench/gpu, or lines 'name,value[,error]'");
  a->text("--gpu", a->options.gpu, "NAME|FILE.json", "the machine to start from");
  a->text("-o,--output", a->options.output, "FILE", "write the fitted machine");
  a->flag("--fit-rows", a->options.fitsRows, "fit whole calls too, which else only check");
  a->format("text|json");
  return {a->app, [a] {
            Values values;
            a->options.data = a->spec;
            values.format(a->formatName, a->json, {"text", "json"}, a->options.format);
            return runUnlessMistaken(values, a->options, fitVerb);
          }};
}

Verb addExplain(CLI::App &root) {
  return addReport(root, explainVerb, "explain",
                   "says what the compiler understood, what is computed when, and what never",
                   "attnc explain chat.attn --tokens=8192");
}

Verb addCache(CLI::App &root) {
  struct Arguments : VerbBuilder {
    using VerbBuilder::VerbBuilder;
    CacheVerbOptions options;
  };
  auto a = std::make_shared<Arguments>(
      root, "cache", "lists, removes or checks the compiled kernels that are kept on disk",
      "attnc cache ls", "ACTION", "ls, clear, or verify, which removes what is damaged");
  a->format("text|json");
  return {a->app, [a] {
            Values values;
            values.choice("ACTION", a->spec, {"ls", "clear", "verify"}, a->options.action);
            values.format(a->formatName, a->json, {"text", "json"}, a->options.format);
            return runUnlessMistaken(values, a->options, cacheVerb);
          }};
}

std::vector<Verb> addVerbs(CLI::App &root) {
  return {addCompile(root),  addInspect(root), addRun(root),    addShow(root),
          addSimulate(root), addTune(root),    addFit(root),    addExplain(root),
          addCache(root)};
}

std::vector<std::string> optionNames(const CLI::App &app) {
  std::vector<std::string> names;
  for (const CLI::Option *option : app.get_options())
    for (const std::string &name : option->get_lnames())
      names.push_back("--" + name);
  return names;
}

std::string helpOf(const CLI::App &app) {
  return (app.get_parent() ? "attnc " + app.get_name() : app.get_name()) + " --help";
}

Error unexpectedArgument(const CLI::App &app) {
  std::vector<std::string> rest = app.remaining();
  assert(!rest.empty() && "CLI11 complains of words that it then holds");
  const std::string &word = rest.front();
  if (word.size() < 2 || word[0] != '-')
    return makeError("unexpected argument '{}'", word)
        .withNote("'{}' lists what may be given", helpOf(app));
  return unknownName("option", word.substr(0, word.find('=')), optionNames(app));
}

Error commandLineError(const CLI::ParseError &error, const CLI::App &app) {
  if (dynamic_cast<const CLI::ExtrasError *>(&error))
    return unexpectedArgument(app);
  std::string help = helpOf(app);
  if (dynamic_cast<const CLI::RequiredError *>(&error) && app.get_parent())
    return makeError("{} is missing", app.get_name() == "inspect" ? "a package"
                                      : app.get_name() == "fit"   ? "a file of measurements"
                                      : app.get_name() == "cache" ? "an action"
                                                                  : "a spec")
        .withNote("'{}' shows an example", help);
  if (dynamic_cast<const CLI::RequiredError *>(&error))
    return unexpectedArgument(app);
  std::string message = error.what();
  std::string option = message.substr(0, message.find_first_of(": "));
  if (dynamic_cast<const CLI::ArgumentMismatch *>(&error))
    message = message.find("flag override") == std::string::npos
                  ? fmt::format("option '{}' needs a value", option)
                  : fmt::format("option '--{}' takes no value", option);
  return Error{message, {fmt::format("'{}' lists the options", help)}};
}

/// `--random` may stand alone; CLI11 would then take the next word for its value.
std::vector<std::string> wordsOf(int argc, char **argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  for (std::string &word : words)
    if (word == "--random")
      word = "--random=0";
  return words;
}

int parseAndRun(CLI::App &root, const std::vector<Verb> &verbs, std::vector<std::string> words) {
  std::reverse(words.begin(), words.end()); // CLI11 takes them from the back
  try {
    root.parse(words);
  } catch (const CLI::Success &request) {
    return root.exit(request); // --help, --version
  } catch (const CLI::ParseError &error) {
    for (const Verb &verb : verbs)
      if (verb.app->count() > 0 || verb.app->get_name() == words.back())
        return fail(commandLineError(error, *verb.app));
    return fail(commandLineError(error, root));
  }
  for (const Verb &verb : verbs)
    if (verb.app->parsed())
      return verb.run();
  return 1;
}

} // namespace

int runCommandLine(int argc, char **argv) {
  CLI::App root("attnc: a compiler for sparse attention", "attnc");
  root.formatter(std::make_shared<HelpFormatter>());
  root.set_help_flag("-h,--help", "show this text; 'attnc VERB --help' shows a verb's options");
  root.set_version_flag("--version", "attnc " ATTNC_VERSION " (LLVM " LLVM_VERSION_STRING ")",
                        "show the version");
  root.require_subcommand(1);
  root.footer("example:\n  attnc run examples/minilm/dense.attn --random --check");
  std::vector<Verb> verbs = addVerbs(root);
  std::vector<std::string> words = wordsOf(argc, argv), names;
  for (const Verb &verb : verbs) {
    verb.app->set_help_flag("-h,--help", "show this text");
    names.push_back(verb.app->get_name());
  }
  if (words.empty()) {
    fmt::print(stderr, "{}", root.help());
    return 1;
  }
  if (words[0][0] != '-' && std::find(names.begin(), names.end(), words[0]) == names.end())
    return fail(unknownName("verb", words[0], names));
  return parseAndRun(root, verbs, words);
}

} // namespace attn::tools
