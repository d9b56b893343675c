#include "tools/Bench.h"

#include "jit/Engine.h"
#include "runtime/Device.h"
#include "runtime/LaunchChecks.h"
#include "tools/BenchReport.h"
#include "tools/FmaPeak.h"
#include "tools/Progress.h"
#include "tools/Report.h"
#include "tools/RunInputs.h"
#include "tools/RunOnDevice.h"
#include "tools/SpecCompilation.h"

#include "nlohmann/json.hpp"

using namespace mlir;

namespace attn::tools {

namespace {

/// A kernel that is ready to run, with its row of the report.
struct Contender {
  BenchRow row;
  std::shared_ptr<RunTensors> tensors;
  std::function<Expected<double>()> run; ///< seconds
  size_t wanted = 0;                     ///< runs
};

/// What all kernels share.
struct Arena {
  explicit Arena(const BenchOptions &options)
      : options(options), threads(WorkerPool(unsigned(options.threads)).size()),
        engine({parseIsaLevel(options.isa), unsigned(options.threads), {.folder = ""}}) {}

  const BenchOptions &options;
  unsigned threads; ///< that there are, where so many are asked for
  Engine engine;    ///< without the cache on disk: compilations are measured
  std::vector<Contender> contenders;
  bool hasOpen = false, hasOpenKeys = false; ///< layouts, which --tokens and --kv-tokens bind
  std::vector<double> peaks; ///< GFLOP/s of the processor, measured between the runs
};

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

void describe(BenchRow &row, const KernelInfo &info, const RunTensors &tensors,
              const LaunchPlan &plan) {
  row.info = info;
  row.tokens = tensors.tokens;
  row.kvTokens = tensors.kvTokens;
  row.visitedTiles = plan.visitedTiles;
  row.fullTiles = plan.fullTiles;
  row.allTiles = plan.allTiles;
  double perPair = 2.0 * double(info.headDimQk + info.headDimV);
  row.visibleFlops = perPair * plan.visiblePairs();
  row.allFlops = perPair * double(tensors.q.shape()[0]) * double(info.heads) *
                 double(tensors.numQueries) * double(tensors.numKeys);
}

/// The options with lengths for layouts that are open; other kernels have their own.
RunOptions optionsFor(const KernelInfo &info, Arena &arena) {
  RunOptions options = arena.options;
  bool hasOpen = info.bounded ? info.tokenUnit != 0 : llvm::is_contained(info.tokens, -1);
  bool hasOpenKeys = llvm::is_contained(info.kvTokens, -1);
  if (!hasOpen)
    options.tokens.clear();
  if (!hasOpenKeys)
    options.kvTokens.clear();
  arena.hasOpen |= hasOpen;
  arena.hasOpenKeys |= hasOpenKeys;
  return options;
}

Expected<std::shared_ptr<RunTensors>> tensorsFor(const KernelInfo &info, Arena &arena) {
  Expected<RunTensors> tensors = makeTensors(info, optionsFor(info, arena));
  if (!tensors)
    return tensors.takeError();
  if (tensors->numQueries == 0 || tensors->numKeys == 0)
    return makeError("there is nothing to measure: the kernel has {} queries and {} keys",
                     tensors->numQueries, tensors->numKeys);
  return std::make_shared<RunTensors>(std::move(*tensors));
}

/// A kernel of the engine on tensors of its own, or on those that are given.
Expected<Contender> compiled(Arena &arena, Compilation &compilation,
                             std::shared_ptr<RunTensors> tensors = {}) {
  const BenchOptions &options = arena.options;
  Expected<Kernel> kernel =
      arena.engine.compile(compilation, {"", options.queryTile, options.keyTile, "<spec>"});
  if (!kernel)
    return kernel.takeError();
  Contender contender;
  if (!tensors) {
    auto made = tensorsFor(kernel->info(), arena);
    if (!made)
      return made.takeError();
    tensors = std::move(*made);
  }
  Bindings bindings = bindingsOf(*tensors, options);
  std::erase_if(bindings.inputs, [&](const auto &input) {
    return llvm::none_of(kernel->info().inputs,
                         [&](const InputInfo &known) { return known.name == input.first; });
  });
  Expected<LaunchPlan> planned = kernel->plan(bindings);
  if (!planned)
    return planned.takeError();
  auto plan = std::make_shared<LaunchPlan>(std::move(*planned));
  describe(contender.row, kernel->info(), *tensors, *plan);
  contender.row.isa = isaLevelName(parseIsaLevel(options.isa).value_or(fastestIsaLevel()));
  contender.row.compileSeconds = kernel->compileSeconds();
  contender.tensors = std::move(tensors);
  contender.run = [kernel = *kernel, plan]() -> Expected<double> {
    Expected<RunReport> report = kernel.run(*plan);
    if (!report)
      return report.takeError();
    return report->seconds;
  };
  return contender;
}

Expected<Contender> loaded(Arena &arena, const Package &package) {
  const BenchOptions &options = arena.options;
  nlohmann::json json = nlohmann::json::object();
  if (options.threads > 0)
    json["threads"] = options.threads;
  if (!options.isa.empty())
    json["isa"] = options.isa;
  Fault fault = Fault::Invalid;
  auto device = openDevice("cpu", json.dump(), fault);
  if (!device)
    return device.takeError();
  auto kernel = (*device)->load(package, fault);
  if (!kernel)
    return kernel.takeError();
  auto tensors = tensorsFor((*kernel)->info(), arena);
  if (!tensors)
    return tensors.takeError();
  auto planned = (*kernel)->plan(bindingsOf(**tensors, options), 0, fault);
  if (!planned)
    return planned.takeError();
  std::shared_ptr<DevicePlan> plan = std::move(*planned);
  Contender contender;
  describe(contender.row, (*kernel)->info(), **tensors, plan->plan());
  nlohmann::json facts = nlohmann::json::parse((*kernel)->json());
  contender.row.loadSeconds = facts["load_seconds"];
  contender.row.isa = levelOf(facts["from"]);
  contender.tensors = std::move(*tensors);
  contender.run = [device = *device, plan]() -> Expected<double> {
    auto begin = std::chrono::steady_clock::now();
    Fault fault = Fault::Device;
    if (Status status = plan->launch(nullptr, fault); !status)
      return status.takeError();
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    return seconds.count();
  };
  return contender;
}

/// Every head sees every key. Inputs that nothing but masks has read go away.
LogicalResult seeAll(AttentionOp op) {
  MLIRContext *context = op.getContext();
  auto function = op->getParentOfType<func::FuncOp>();
  llvm::BitVector gone(function.getNumArguments());
  SmallVector<Value> inputs;
  SmallVector<Attribute> names;
  for (auto [name, input] : llvm::zip_equal(op.getInputNames(), op.getInputs())) {
    bool isScored = llvm::any_of(input.getUsers(), [&](Operation *user) { return user != op; });
    if (isScored)
      inputs.push_back(input), names.push_back(name);
    else
      gone.set(cast<BlockArgument>(input).getArgNumber());
  }
  op.getInputsMutable().assign(inputs);
  op.setInputNamesAttr(ArrayAttr::get(context, names));
  op.setMaskAttr(AllAttr::get(context));
  op.setHeadMasksAttr(ArrayAttr::get(context, {}));
  return function.eraseArguments(gone);
}

/// Adds a contender, and behind it, where that is wanted, the selected kernel under mask all.
Status add(Arena &arena, Expected<Contender> contender, const std::string &spec,
           Compilation &compilation, ModuleOp whole, const std::string &kernel) {
  if (!contender)
    return contender.takeError();
  contender->row.spec = spec;
  arena.contenders.push_back(std::move(*contender));
  if (!arena.options.dense)
    return {};
  compilation.restart(whole);
  if (failed(compilation.selectKernel(kernel)) || failed(seeAll(compilation.attention())))
    return Error();
  Expected<Contender> dense = compiled(arena, compilation, arena.contenders.back().tensors);
  if (!dense)
    return dense.takeError();
  arena.contenders.push_back(std::move(*dense));
  return {};
}

Status addPackage(Arena &arena, const std::string &path) {
  Expected<Package> package = Package::open(path);
  if (!package)
    return package.takeError();
  SpecCompilation compilation;
  if (arena.options.dense && failed(compilation.loadMlir(package->spec(), "spec of " + path)))
    return Error();
  OwningOpRef<ModuleOp> whole;
  if (arena.options.dense)
    whole = compilation.module().clone();
  return add(arena, loaded(arena, *package), path, compilation, whole.get(), "");
}

/// The kernel that was asked for, or all of the spec.
Status addSpec(Arena &arena, const std::string &spec) {
  SpecCompilation compilation;
  if (failed(compilation.loadFile(spec)))
    return Error();
  OwningOpRef<ModuleOp> whole = compilation.module().clone();
  std::vector<std::string> kernels;
  whole->walk([&](AttentionOp op) {
    kernels.push_back(op->getParentOfType<func::FuncOp>().getName().str());
  });
  if (!arena.options.kernel.empty() || kernels.empty())
    kernels = {arena.options.kernel};
  for (const std::string &kernel : kernels) {
    compilation.restart(*whole);
    if (failed(compilation.selectKernel(kernel)))
      return Error();
    Status added = add(arena, compiled(arena, compilation), spec, compilation, *whole, kernel);
    if (!added)
      return added;
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Measurements
//===----------------------------------------------------------------------===//

/// The first run is cold; the second says how many there are to be.
Status warmUp(Contender &contender, int64_t repeat) {
  constexpr double kSeconds = 1;
  constexpr double kFewest = 5, kMost = 10000;
  double seconds = 0;
  for (int i = 0; i < 2; ++i) {
    Expected<double> run = contender.run();
    if (!run)
      return run.takeError();
    seconds = *run;
  }
  contender.wanted =
      repeat ? size_t(repeat) : size_t(std::clamp(kSeconds / seconds, kFewest, kMost));
  return {};
}

/// Kernels take turns, so that all share the machine's states; those with fewer runs are spread
/// evenly over the rounds.
Status measure(Arena &arena) {
  size_t rounds = 0, all = 0;
  for (const Contender &c : arena.contenders)
    rounds = std::max(rounds, c.wanted), all += c.wanted;
  Progress progress("runs", all);
  constexpr size_t kPeaks = 9;
  for (size_t round = 0, done = 0; round < rounds; ++round) {
    if (round % ((rounds + kPeaks - 1) / kPeaks) == 0)
      arena.peaks.push_back(processorPeak(arena.threads));
    for (Contender &c : arena.contenders) {
      if ((round + 1) * c.wanted / rounds == round * c.wanted / rounds)
        continue;
      Expected<double> seconds = c.run();
      if (!seconds)
        return seconds.takeError();
      c.row.runs.push_back(*seconds);
      progress.show(++done);
    }
  }
  return {};
}

BenchAnswer answerOf(Arena &arena) {
  BenchAnswer answer;
  answer.threads = arena.threads;
  answer.peakGflops = statisticsOf(arena.peaks).median;
  for (Contender &c : arena.contenders)
    c.row.peakGflops = answer.peakGflops * peakFactor(c.row.info.dtype, *parseIsaLevel(c.row.isa));
  for (size_t i = 0; i < arena.contenders.size(); ++i) {
    answer.rows.push_back(std::move(arena.contenders[i].row));
    if (arena.options.dense)
      answer.rows.back().dense = std::make_unique<BenchRow>(std::move(arena.contenders[++i].row));
  }
  return answer;
}

Status prepare(Arena &arena) {
  Progress progress("compiled", arena.options.specs.size());
  for (size_t i = 0; i < arena.options.specs.size(); ++i) {
    progress.show(i);
    const std::string &spec = arena.options.specs[i];
    Status added = isPackage(spec) ? addPackage(arena, spec) : addSpec(arena, spec);
    if (!added && !added.error().message.empty())
      return added.takeError().withNote("this is about '{}'", spec);
    if (!added)
      return added;
  }
  for (auto [option, given, isUsed] :
       {std::tuple("--tokens", &arena.options.tokens, arena.hasOpen),
        std::tuple("--kv-tokens", &arena.options.kvTokens, arena.hasOpenKeys)})
    if (!given->empty() && !isUsed)
      return makeError("'{}' says {}, but no kernel has a '?' there", option, shapeText(*given));
  for (Contender &contender : arena.contenders)
    if (Status status = warmUp(contender, arena.options.repeat); !status)
      return status;
  return {};
}

} // namespace

int benchVerb(const BenchOptions &given) {
  BenchOptions options = given;
  if (!options.inputs.empty() && options.random)
    return fail(makeError("'--inputs' and '--random' exclude each other"));
  if (options.inputs.empty() && !options.random)
    options.random = 0;
  Arena arena(options);
  Status status = prepare(arena);
  if (status)
    status = measure(arena);
  if (!status)
    return status.error().message.empty() ? 1 : fail(status.error());
  BenchAnswer answer = answerOf(arena);
  Status written =
      writeOutput("-", options.format == "json" ? benchJson(answer) : benchText(answer));
  return written ? 0 : fail(written.error());
}

} // namespace attn::tools
