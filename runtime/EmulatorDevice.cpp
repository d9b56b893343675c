// Kernels on the emulator: the PTX of a package, executed and checked on the processor.
#include "runtime/DeviceParts.h"
#include "runtime/EmulatedLaunch.h"

namespace attn {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

struct EmulatorSettings {
  std::string mode = "late";
  int64_t seed = 0, threads = 0, concurrentBlocks = 0;
  bool checks = true, profile = false;

  emulator::LaunchOptions launchOptions() const {
    emulator::LaunchOptions options;
    options.mode = mode == "late"    ? emulator::AsyncMode::Late
                   : mode == "early" ? emulator::AsyncMode::Early
                                     : emulator::AsyncMode::Random;
    options.seed = uint64_t(seed);
    options.threads = unsigned(threads);
    options.checks = checks;
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

class EmulatedPlan : public DevicePlan {
public:
  EmulatedPlan(std::shared_ptr<const EmulatedCode> code, const Bindings &bindings, LaunchPlan plan,
               Clock::time_point begin)
      : code(std::move(code)), launchPlan(std::move(plan)),
        emulated(this->code->info, bindings, launchPlan), planSeconds(secondsSince(begin)) {}

  const LaunchPlan &plan() const override { return launchPlan; }

  Status launch(void *stream, Fault &fault) override {
    fault = Fault::Invalid;
    if (Status status = checkNoStream(stream, "emulator"); !status)
      return status;
    fault = Fault::Device;
    auto begin = Clock::now();
    const EmulatorSettings &settings = code->settings;
    profiles.clear();
    auto counters = emulated.run(code->module, settings.launchOptions(),
                                 settings.profile ? &profiles : nullptr);
    if (!counters)
      return counters.takeError();
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
  std::shared_ptr<const EmulatedCode> code;
  LaunchPlan launchPlan;
  EmulatedLaunch emulated;
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
