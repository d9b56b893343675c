#include "tools/RunOnDevice.h"

#include "jit/Packaging.h"
#include "runtime/Device.h"
#include "tools/Progress.h"
#include "tools/Report.h"
#include "tools/SpecCompilation.h"

#include "nlohmann/json.hpp"

#include <filesystem>
#include <fstream>

namespace attn::tools {

bool isPackage(const std::string &path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) // what a pipe gives is gone once it is read
    return false;
  std::ifstream file(path, std::ios::binary);
  char start[8] = {};
  file.read(start, sizeof(start));
  return beginsLikePackage({start, size_t(file.gcount())});
}

std::string levelOf(const std::string &from) { return from.substr(from.find(' ') + 1); }

namespace {

/// Tensors where the device reads and writes them: those of the host, or copies.
class DeviceTensors {
public:
  DeviceTensors(Device &device, bool copies) : device(device), copies(copies) {}
  DeviceTensors(const DeviceTensors &) = delete;
  ~DeviceTensors() {
    for (const Copy &copy : made)
      device.release(copy.memory);
  }

  /// The same bindings in the device's memory. Outputs start as NaN patterns.
  Expected<Bindings> place(Bindings bindings) {
    for (TensorView *view : {&bindings.q, &bindings.k, &bindings.v, &bindings.o, &*bindings.lse})
      if (Status status = move(*view); !status)
        return status.takeError();
    for (auto &[name, view] : bindings.inputs)
      if (Status status = move(view); !status)
        return status.takeError();
    return bindings;
  }

  Status fetch() {
    Fault fault = Fault::Device;
    for (const Copy &copy : made)
      if (Status status = device.copyOut(copy.host, copy.memory, copy.bytes, fault); !status)
        return status;
    return {};
  }

private:
  struct Copy {
    void *host, *memory;
    int64_t bytes;
  };

  /// Tensors of a run are contiguous.
  Status move(TensorView &view) {
    if (!copies)
      return {};
    Fault fault = Fault::Memory;
    int64_t bytes = view.byteSize();
    Expected<void *> memory = device.allocate(bytes, fault);
    if (!memory)
      return memory.takeError();
    made.push_back({view.data, *memory, bytes});
    if (Status status = device.copyIn(*memory, view.data, bytes, fault); !status)
      return status;
    view.data = *memory;
    return {};
  }

  Device &device;
  bool copies;
  std::vector<Copy> made;
};

/// The options of the device as it takes them.
std::string deviceOptions(const RunOptions &options) {
  nlohmann::json json = nlohmann::json::object();
  bool isCuda = options.device.starts_with("cuda");
  if (options.threads > 0 && !isCuda)
    json["threads"] = options.threads;
  if (options.device.empty() || options.device == "cpu") {
    if (!options.isa.empty())
      json["isa"] = options.isa;
  } else if (options.device == "emulator") {
    if (!options.mode.empty())
      json["mode"] = options.mode;
    json["seed"] = options.seed.value_or(0);
    json["profile"] = options.profile;
  } else if (!options.driver.empty()) {
    json["library"] = options.driver;
  }
  return json.dump();
}

/// A run's package and what came with it.
struct Subject {
  Package package;
  std::optional<Checker> checker;
  double compileSeconds = 0;
  bool isFromCache = false;
};

/// Nothing where no comparison is asked for.
Expected<std::optional<Checker>> checkerOf(Compilation &compilation, const RunOptions &options) {
  if (!options.check && !options.expect)
    return std::optional<Checker>();
  Expected<Checker> checker = Checker::of(compilation.attention());
  if (!checker)
    return checker.takeError();
  return std::optional(std::move(*checker));
}

/// An error without a message has been told.
Expected<Subject> openPackage(const RunOptions &options) {
  for (auto [name, given] :
       {std::pair("--q-tile", !options.queryTile.empty()), {"--k-tile", !options.keyTile.empty()}})
    if (given)
      return makeError("'{}' cannot change a package, whose tiles are compiled", name);
  Expected<Package> package = Package::open(options.spec);
  if (!package)
    return package.takeError();
  if (!options.kernel.empty() && options.kernel != package->kernel().name)
    return makeError("no kernel is named '{}'", options.kernel)
        .withNote("the package holds '{}'", package->kernel().name);
  Subject subject{std::move(*package), {}};
  if (!options.check && !options.expect)
    return subject;
  // The reference knows masks by their kinds, which are in the spec that the package keeps.
  SpecCompilation compilation;
  if (failed(compilation.loadMlir(subject.package.spec(), "spec of " + options.spec)) ||
      failed(compilation.selectKernel("")))
    return makeError("the spec in the package cannot be read, so that nothing can be compared");
  auto checker = checkerOf(compilation, options);
  if (!checker)
    return checker.takeError();
  subject.checker = std::move(*checker);
  return subject;
}

Expected<Subject> compileSpec(const RunOptions &options) {
  auto begin = std::chrono::steady_clock::now();
  SpecCompilation compilation;
  if (failed(compilation.loadFile(options.spec)) ||
      failed(compilation.selectKernel(options.kernel)))
    return Error();
  auto checker = checkerOf(compilation, options);
  if (!checker)
    return checker.takeError();
  PackagingOptions packaging;
  bool onCpu = options.device == "cpu";
  packaging.targets = {findTarget(onCpu ? "cpu" : "sm_80")};
  packaging.isas = {parseIsaLevel(options.isa).value_or(fastestIsaLevel())};
  packaging.queryTile = options.queryTile;
  packaging.keyTile = options.keyTile;
  packaging.version = options.version;
  PackageCache cache;
  Progress progress("compiling");
  Expected<PackageMade> made = makePackage(compilation, packaging, cache);
  warn(cache.takeWarnings());
  if (!made)
    return made.takeError();
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  return Subject{std::move(made->package), std::move(*checker), seconds.count(), made->fromCache};
}

/// The fastest of `options.repeat` runs.
Status repeat(Device &device, DevicePlan &plan, const RunOptions &options, Outcome &out) {
  Fault fault = Fault::Device;
  Progress progress("runs", size_t(options.repeat));
  for (int64_t i = 0; i < options.repeat; ++i) {
    progress.show(size_t(i));
    auto begin = std::chrono::steady_clock::now();
    if (Status status = plan.launch(nullptr, fault); !status)
      return status;
    if (Status status = device.synchronize(fault); !status)
      return status;
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    if (i == 0 || seconds.count() < out.run.seconds)
      out.run.seconds = seconds.count();
  }
  return {};
}

void describePlan(const DevicePlan &plan, const RunOptions &options, Outcome &out) {
  const LaunchPlan &launch = plan.plan();
  out.run.visitedTiles = launch.visitedTiles;
  out.run.fullTiles = launch.fullTiles;
  out.run.allTiles = launch.allTiles;
  out.visiblePairs = launch.visiblePairs();
  out.blindHeads = launch.blindHeads();
  out.splits = launch.splits();
  nlohmann::ordered_json facts = nlohmann::ordered_json::parse(plan.json());
  out.planSeconds = facts["plan_seconds"];
  if (options.profile) {
    out.profileText = facts.value("profile_text", "");
    out.profileJson = facts["profile"].dump();
  }
}

Status runPlanned(Device &device, DeviceKernel &kernel, RunTensors &tensors,
                  const RunOptions &options, Outcome &out) {
  DeviceTensors placed(device, options.device.starts_with("cuda"));
  Expected<Bindings> bindings = placed.place(bindingsOf(tensors, options));
  if (!bindings)
    return bindings.takeError();
  Fault fault = Fault::Invalid;
  auto plan = kernel.plan(*bindings, options.splits, fault);
  if (!plan)
    return plan.takeError();
  if (Status status = repeat(device, **plan, options, out); !status)
    return status;
  describePlan(**plan, options, out);
  return placed.fetch();
}

} // namespace

int runOnDevice(const RunOptions &options) {
  Fault fault = Fault::Invalid;
  auto device =
      openDevice(options.device.empty() ? "cpu" : options.device, deviceOptions(options), fault);
  if (!device)
    return fail(device.error());
  Expected<Subject> subject = isPackage(options.spec) ? openPackage(options) : compileSpec(options);
  if (!subject)
    return subject.error().message.empty() ? 1 : fail(subject.error());
  auto kernel = (*device)->load(subject->package, fault);
  if (!kernel)
    return fail(kernel.error());
  Expected<RunTensors> tensors = makeTensors((*kernel)->info(), options);
  if (!tensors)
    return fail(tensors.error());
  Outcome out((*kernel)->info(), *tensors);
  nlohmann::json deviceFacts = nlohmann::json::parse((*device)->json());
  nlohmann::json kernelFacts = nlohmann::json::parse((*kernel)->json());
  out.device = deviceFacts["name"];
  out.from = kernelFacts["from"];
  out.loadSeconds = kernelFacts["load_seconds"];
  out.compileSeconds = subject->compileSeconds;
  out.isFromCache = subject->isFromCache;
  if (out.device == "cpu") {
    out.threads = deviceFacts["threads"];
    out.isa = levelOf(out.from);
  }
  if (Status status = runPlanned(**device, **kernel, *tensors, options, out); !status)
    return fail(status.error());
  WorkerPool pool(unsigned(options.threads));
  return finishRun(out, *tensors, subject->checker, options, pool);
}

} // namespace attn::tools
