// Kernels on the emulator: the PTX of a package, executed and checked on the processor.
#include "runtime/DeviceParts.h"
#include "runtime/LaunchChecks.h"
#include "runtime/emulator/Emulator.h"
#include "runtime/emulator/Profile.h"

#include <cstring>

namespace attn {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

struct EmulatorSettings {
  std::string mode = "late";
  int64_t seed = 0, threads = 0, concurrentBlocks = 0;
  bool checks = true, profile = false;

  emulator::LaunchOptions launchOptions(emulator::Profile *where) const {
    emulator::LaunchOptions options;
    options.mode = mode == "late"    ? emulator::AsyncMode::Late
                   : mode == "early" ? emulator::AsyncMode::Early
                                     : emulator::AsyncMode::Random;
    options.seed = uint64_t(seed);
    options.threads = unsigned(threads);
    options.checks = checks;
    options.profile = where;
    return options;
  }
};

struct EmulatedCode {
  KernelInfo info;
  emulator::Module module;
  std::string from;
  double loadSeconds;
  EmulatorSettings settings;
};

/// The argument of a launch with the addresses that its memory has on the device.
class MappedArguments {
public:
  MappedArguments(const KernelInfo &info, const Bindings &bindings, const LaunchPlan &plan)
      : kernelArgs(plan.args()) {
    mapView(kernelArgs.q, "q", bindings.q, true);
    mapView(kernelArgs.k, "k", bindings.k, true);
    mapView(kernelArgs.v, "v", bindings.v, true);
    mapView(kernelArgs.o, "o", bindings.o, false);
    if (bindings.lse)
      mapView(kernelArgs.lse, "lse", *bindings.lse, false);
    for (size_t i = 0; i < info.inputs.size(); ++i)
      mapView(kernelArgs.inputs[i], info.inputs[i].name, bindings.inputs.at(info.inputs[i].name),
              true);
    for (const LaunchPlan::Table &table : plan.tables())
      put(table.field, memory.map(table.name, const_cast<void *>(table.data), uint64_t(table.bytes),
                                  /*readOnly=*/true));
    for (const LaunchPlan::Scratch &scratch : plan.scratch())
      put(scratch.field, memory.allocate(scratch.name, uint64_t(scratch.bytes)));
  }

  std::vector<std::vector<uint8_t>> parameters() const {
    return {emulator::parameterOf(kernelArgs)};
  }
  emulator::Memory memory;

private:
  void put(size_t field, uint64_t address) {
    std::memcpy(reinterpret_cast<char *>(&kernelArgs) + field, &address, sizeof(address));
  }

  /// Of a view exactly the bytes between its first and its last element, so that a step beyond
  /// shows.
  template <class Pointer>
  void mapView(Pointer &pointer, const std::string &name, const TensorView &view, bool readOnly) {
    ByteRange range = *byteRange(view, name);
    if (range.begin == range.end)
      return;
    uint64_t bytes = uint64_t(range.end - range.begin);
    uint64_t begin =
        memory.map(name, static_cast<char *>(view.data) + range.begin, bytes, readOnly);
    uint64_t address = begin + uint64_t(-range.begin);
    std::memcpy(&pointer, &address, sizeof(address));
  }

  KernelArgs kernelArgs;
};

class EmulatedPlan : public DevicePlan {
public:
  EmulatedPlan(std::shared_ptr<const EmulatedCode> code, const Bindings &bindings, LaunchPlan plan,
               Clock::time_point begin)
      : code(std::move(code)), launchPlan(std::move(plan)),
        arguments(this->code->info, bindings, launchPlan), planSeconds(secondsSince(begin)) {}

  const LaunchPlan &plan() const override { return launchPlan; }

  Status launch(void *stream, Fault &fault) override {
    fault = Fault::Invalid;
    if (Status status = checkNoStream(stream, "emulator"); !status)
      return status;
    fault = Fault::Device;
    auto begin = Clock::now();
    const KernelInfo &info = code->info;
    profiles.clear();
    if (launchPlan.tickets() > 0)
      if (Status status =
              run(info.entry, launchPlan.tickets(), info.threadsPerBlock, info.sharedBytes);
          !status)
        return status;
    if (launchPlan.mergeBlocks() > 0)
      if (Status status = run(info.mergeEntry, launchPlan.mergeBlocks(), kMergeThreads, 0); !status)
        return status;
    runSeconds = secondsSince(begin);
    return {};
  }

  std::string json() const override {
    ordered_json json = planFacts(launchPlan, code->info, planSeconds);
    if (runSeconds)
      json["run_seconds"] = *runSeconds;
    if (code->settings.profile && runSeconds) {
      json["profile"] = ordered_json::array();
      std::string text;
      for (const emulator::Profile &profile : profiles) {
        json["profile"].push_back(ordered_json::parse(profile.json()));
        text += profile.text();
      }
      json["profile_text"] = text;
    }
    return json.dump(2);
  }

private:
  Status run(const std::string &entry, int64_t blocks, int64_t threads, int64_t sharedBytes) {
    emulator::Profile *profile = code->settings.profile ? &profiles.emplace_back() : nullptr;
    auto counters = emulator::launch(code->module, entry, {uint32_t(blocks)}, {uint32_t(threads)},
                                     uint64_t(sharedBytes), arguments.parameters(),
                                     arguments.memory, code->settings.launchOptions(profile));
    if (counters)
      return {};
    Error error = counters.takeError();
    error.message = fmt::format("kernel '{}' on the emulator: {}", entry, error.message);
    return error;
  }

  std::shared_ptr<const EmulatedCode> code;
  LaunchPlan launchPlan;
  MappedArguments arguments;
  double planSeconds;
  std::optional<double> runSeconds;
  std::vector<emulator::Profile> profiles; ///< of the kernel, and of the merge
};

class EmulatedKernel : public DeviceKernel {
public:
  explicit EmulatedKernel(std::shared_ptr<const EmulatedCode> code) : code(std::move(code)) {}

  const KernelInfo &info() const override { return code->info; }
  std::string json() const override {
    ordered_json json{{"kernel", code->info.name},
                      {"device", "emulator"},
                      {"from", code->from},
                      {"load_seconds", code->loadSeconds},
                      {"threads_per_block", code->info.threadsPerBlock},
                      {"shared_bytes", code->info.sharedBytes}};
    return json.dump(2);
  }
  Expected<std::unique_ptr<DevicePlan>> plan(const Bindings &bindings, int64_t splits,
                                             Fault &fault) override {
    fault = Fault::Invalid;
    auto begin = Clock::now();
    LaunchOptions options{code->settings.concurrentBlocks, splits};
    Expected<LaunchPlan> plan = planLaunch(code->info, bindings, nullptr, options);
    if (!plan)
      return plan.takeError();
    if (Status status = checkRows(code->info, bindings); !status)
      return status.takeError();
    return std::unique_ptr<DevicePlan>(
        std::make_unique<EmulatedPlan>(code, bindings, std::move(*plan), begin));
  }

private:
  std::shared_ptr<const EmulatedCode> code;
};

class EmulatorDevice : public HostDevice {
public:
  explicit EmulatorDevice(EmulatorSettings settings) : settings(std::move(settings)) {}

  std::string json() const override {
    return ordered_json{{"name", "emulator"},
                        {"mode", settings.mode},
                        {"seed", settings.seed},
                        {"checks", settings.checks},
                        {"profile", settings.profile},
                        {"threads", settings.threads},
                        {"concurrent_blocks", settings.concurrentBlocks}}
        .dump(2);
  }

  Expected<std::shared_ptr<DeviceKernel>> load(const Package &package, Fault &fault) override {
    auto begin = Clock::now();
    fault = Fault::Unsupported;
    const Section *ptx = nullptr;
    for (const Section &section : package.sections())
      if (section.kind == "ptx" && (!ptx || section.target > ptx->target))
        ptx = &section;
    if (!ptx)
      return makeError("the package has no PTX, which the emulator executes")
          .withNote("compile it with '--target=sm_80'");
    Expected<emulator::Module> module = emulator::Module::parse(std::string(ptx->text()));
    if (!module)
      return module.takeError();
    auto code = std::make_shared<EmulatedCode>(
        EmulatedCode{package.units().at(ptx->unit), std::move(*module), "ptx " + ptx->target,
                     secondsSince(begin), settings});
    return std::shared_ptr<DeviceKernel>(std::make_shared<EmulatedKernel>(std::move(code)));
  }

private:
  EmulatorSettings settings;
};

} // namespace

Expected<std::shared_ptr<Device>> openEmulator(std::string_view text, Fault &fault) {
  DeviceOptions options(text);
  EmulatorSettings settings;
  options.take("mode", settings.mode, {"late", "early", "random"});
  options.take("seed", settings.seed, 0, INT64_MAX);
  options.take("checks", settings.checks);
  options.take("profile", settings.profile);
  options.take("threads", settings.threads, 0, WorkerPool::kMaxWorkers);
  options.take("concurrent_blocks", settings.concurrentBlocks, 0, INT32_MAX);
  fault = Fault::Invalid;
  if (Status status = options.finish("emulator"); !status)
    return status.takeError();
  return std::shared_ptr<Device>(std::make_shared<EmulatorDevice>(std::move(settings)));
}

} // namespace attn
