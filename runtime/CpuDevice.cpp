// Kernels on this machine's processor.
#include "runtime/CodeObject.h"
#include "runtime/CpuFeatures.h"
#include "runtime/DeviceParts.h"

namespace attn {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

struct CpuCode {
  KernelInfo info;
  CodeObject object;
  CpuKernel function;
  std::string from;
  double loadSeconds;
  std::shared_ptr<WorkerPool> pool;
};

class CpuPlan : public DevicePlan {
public:
  CpuPlan(std::shared_ptr<const CpuCode> code, LaunchPlan plan, double planSeconds)
      : code(std::move(code)), launchPlan(std::move(plan)), planSeconds(planSeconds) {}

  const LaunchPlan &plan() const override { return launchPlan; }
  Status launch(void *stream, Fault &fault) override {
    fault = Fault::Invalid;
    if (Status status = checkNoStream(stream, "cpu"); !status)
      return status;
    fault = Fault::Memory;
    auto begin = Clock::now();
    Status status = runOnCpu(launchPlan, code->info, code->function, *code->pool);
    runSeconds = secondsSince(begin);
    return status;
  }
  std::string json() const override {
    ordered_json json = planFacts(launchPlan, code->info, planSeconds);
    if (runSeconds)
      json["run_seconds"] = *runSeconds;
    return json.dump(2);
  }

private:
  std::shared_ptr<const CpuCode> code;
  LaunchPlan launchPlan;
  double planSeconds;
  std::optional<double> runSeconds;
};

class CpuKernelOnDevice : public DeviceKernel {
public:
  explicit CpuKernelOnDevice(std::shared_ptr<const CpuCode> code) : code(std::move(code)) {}

  const KernelInfo &info() const override { return code->info; }
  std::string json() const override {
    ordered_json json{{"kernel", code->info.name},
                      {"device", "cpu"},
                      {"from", code->from},
                      {"load_seconds", code->loadSeconds},
                      {"scratch_bytes", code->info.scratchBytes}};
    return json.dump(2);
  }
  Expected<std::unique_ptr<DevicePlan>> plan(const Bindings &bindings, int64_t splits,
                                             Fault &fault) override {
    fault = Fault::Invalid;
    auto begin = Clock::now();
    Expected<LaunchPlan> plan = planLaunch(code->info, bindings, code->pool.get(), {code->pool->size(), splits});
    if (!plan)
      return plan.takeError();
    return std::unique_ptr<DevicePlan>(
        std::make_unique<CpuPlan>(code, std::move(*plan), secondsSince(begin)));
  }

private:
  std::shared_ptr<const CpuCode> code;
};

class CpuDevice : public HostDevice {
public:
  CpuDevice(IsaLevel isa, IsaLevel highest, unsigned threads)
      : isa(isa), highest(highest), pool(std::make_shared<WorkerPool>(threads)) {}

  std::string json() const override {
    return ordered_json{{"name", "cpu"}, {"isa", isaLevelName(isa)}, {"threads", pool->size()}}
        .dump(2);
  }

  Expected<std::shared_ptr<DeviceKernel>> load(const Package &package, Fault &fault) override {
    auto begin = Clock::now();
    fault = Fault::Unsupported;
    const Section *section = bestCode(package);
    if (!section)
      return noCode(package);
    fault = Fault::Device;
    Expected<CodeObject> object = CodeObject::load(section->bytes);
    if (!object)
      return object.takeError();
    const KernelInfo &info = package.units().at(section->unit);
    Expected<void *> address = object->lookup(info.entry);
    if (!address)
      return address.takeError();
    auto function = reinterpret_cast<CpuKernel>(*address);
    auto code = std::make_shared<CpuCode>(
        CpuCode{info, std::move(*object), function, "object " + section->target, 0, pool});
    code->loadSeconds = secondsSince(begin);
    return std::shared_ptr<DeviceKernel>(std::make_shared<CpuKernelOnDevice>(std::move(code)));
  }

private:
  /// Of levels that are higher than the fastest one, code is taken where there is no other.
  const Section *bestCode(const Package &package) const {
#if defined(__x86_64__) && defined(__linux__)
    std::vector<IsaLevel> order;
    for (int level = int(isa); level >= 0; --level)
      order.push_back(IsaLevel(level));
    for (int level = int(isa) + 1; level <= int(highest); ++level)
      order.push_back(IsaLevel(level));
    for (IsaLevel level : order)
      if (const Section *section = package.find("object", isaLevelName(level)))
        return section;
#endif
    return nullptr;
  }

  Error noCode(const Package &package) const {
    std::string list;
    for (const Section &section : package.sections())
      if (section.kind == "object")
        list += (list.empty() ? "'" : ", '") + section.target + "'";
#if !(defined(__x86_64__) && defined(__linux__))
    return makeError("the code for processors in packages is for x86-64 and Linux, which this "
                     "machine is not");
#endif
    if (list.empty())
      return makeError("the package has no code for processors")
          .withNote("compile it with '--target=cpu'");
    return makeError("the package has code for {}, but this machine goes as far as '{}'", list,
                     isaLevelName(highest))
        .withNote("leave out '--isa' where the package is compiled, so that it has all levels");
  }

  IsaLevel isa, highest;
  std::shared_ptr<WorkerPool> pool;
};

} // namespace

Expected<std::shared_ptr<Device>> openCpu(std::string_view text, Fault &fault) {
  DeviceOptions options(text);
  int64_t threads = 0;
  std::string isa;
  options.take("threads", threads, 0, WorkerPool::kMaxWorkers);
  options.take("isa", isa, {"baseline", "avx2", "avx512", "avx512bf16", "amx"});
  fault = Fault::Invalid;
  if (Status status = options.finish("cpu"); !status)
    return status.takeError();
  IsaLevel highest = std::min(parseIsaLevel(isa).value_or(hostIsaLevel()), hostIsaLevel());
  IsaLevel chosen = isa.empty() ? fastestIsaLevel() : highest;
  return std::shared_ptr<Device>(std::make_shared<CpuDevice>(chosen, highest, unsigned(threads)));
}

} // namespace attn
