// Kernels on a CUDA device, through the driver.
#include "runtime/DeviceParts.h"
#include "runtime/LaunchChecks.h"
#include "runtime/cuda/Context.h"
#include "runtime/cuda/Module.h"

#include <cstring>

namespace attn {
namespace {

using namespace cuda;
using Clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

struct CudaCode {
  KernelInfo info;
  std::shared_ptr<const Context> context;
  std::unique_ptr<cuda::Module> module;
  CUfunction main = nullptr, merge = nullptr;
  double loadSeconds = 0;
  int64_t concurrentBlocks = 0;
};

class CudaPlan : public DevicePlan {
public:
  CudaPlan(std::shared_ptr<const CudaCode> code, LaunchPlan plan)
      : code(std::move(code)), launchPlan(std::move(plan)), kernelArgs(launchPlan.args()) {}

  /// The run-time inputs where the device has them, the tables copied there.
  Status prepare(const Bindings &bindings, Clock::time_point begin, Fault &fault) {
    for (size_t i = 0; i < code->info.inputs.size(); ++i)
      kernelArgs.inputs[i] = bindings.inputs.at(code->info.inputs[i].name).data;
    for (const LaunchPlan::Table &table : launchPlan.tables()) {
      Expected<CUdeviceptr> address = allocate(table.field, table.bytes, fault);
      if (!address)
        return address.takeError();
      fault = Fault::Device;
      const Driver &d = code->context->api();
      Status copied = code->context->with([&] {
        return d.check(d.cuMemcpyHtoD(*address, table.data, size_t(table.bytes)), "cuMemcpyHtoD");
      });
      if (!copied)
        return copied;
    }
    for (const LaunchPlan::Scratch &scratch : launchPlan.scratch())
      if (Expected<CUdeviceptr> address = allocate(scratch.field, scratch.bytes, fault); !address)
        return address.takeError();
    planSeconds = secondsSince(begin);
    return {};
  }

  const LaunchPlan &plan() const override { return launchPlan; }

  Status launch(void *stream, Fault &fault) override {
    fault = Fault::Device;
    return code->context->with([&]() -> Status {
      const KernelInfo &info = code->info;
      if (launchPlan.tickets() > 0)
        if (Status status = run(code->main, info.entry, launchPlan.tickets(), info.threadsPerBlock,
                                info.sharedBytes, stream);
            !status)
          return status;
      if (launchPlan.mergeBlocks() > 0)
        return run(code->merge, info.mergeEntry, launchPlan.mergeBlocks(), kMergeThreads, 0,
                   stream);
      return {};
    });
  }

  std::string json() const override {
    return planFacts(launchPlan, code->info, planSeconds).dump(2);
  }

  ~CudaPlan() override {
    (void)code->context->with([&] {
      code->context->api().cuCtxSynchronize();
      return Status();
    });
  }

private:
  Expected<CUdeviceptr> allocate(size_t field, int64_t bytes, Fault &fault) {
    Expected<Buffer> buffer = Buffer::allocate(code->context, bytes, fault);
    if (!buffer)
      return buffer.takeError();
    CUdeviceptr address = buffer->address();
    buffers.push_back(std::move(*buffer));
    std::memcpy(reinterpret_cast<char *>(&kernelArgs) + field, &address, sizeof(address));
    return address;
  }

  Status run(CUfunction function, const std::string &entry, int64_t blocks, int64_t threads,
             int64_t sharedBytes, void *stream) {
    void *parameters[] = {&kernelArgs};
    const Driver &d = code->context->api();
    Status status = d.check(d.cuLaunchKernel(function, unsigned(blocks), 1, 1, unsigned(threads), 1,
                                             1, unsigned(sharedBytes),
                                             static_cast<CUstream>(stream), parameters, nullptr),
                            "cuLaunchKernel");
    if (status)
      return {};
    return status.takeError().withNote(
        "kernel '{}', {} blocks of {} threads, {} bytes of shared memory", entry, blocks, threads,
        sharedBytes);
  }

  std::shared_ptr<const CudaCode> code;
  LaunchPlan launchPlan;
  KernelArgs kernelArgs;
  std::vector<Buffer> buffers;
  double planSeconds = 0;
};

class CudaKernel : public DeviceKernel {
public:
  explicit CudaKernel(std::shared_ptr<const CudaCode> code) : code(std::move(code)) {}

  const KernelInfo &info() const override { return code->info; }
  std::string json() const override {
    const ModuleFacts &facts = code->module->facts();
    ordered_json json{{"kernel", code->info.name},
                      {"device", fmt::format("cuda:{}", code->context->facts().index)},
                      {"from", facts.from},
                      {"load_seconds", code->loadSeconds},
                      {"threads_per_block", code->info.threadsPerBlock},
                      {"shared_bytes", code->info.sharedBytes},
                      {"registers", facts.registers},
                      {"local_bytes", facts.localBytes},
                      {"static_shared_bytes", facts.staticSharedBytes},
                      {"max_threads_per_block", facts.maxThreadsPerBlock},
                      {"concurrent_blocks", code->concurrentBlocks}};
    if (!facts.log.empty())
      json["log"] = facts.log;
    return json.dump(2, ' ', false, ordered_json::error_handler_t::replace);
  }

  Expected<std::unique_ptr<DevicePlan>> plan(const Bindings &bindings, int64_t splits,
                                             Fault &fault) override {
    auto begin = Clock::now();
    std::vector<std::vector<char>> copies;
    Bindings onHost = bindings;
    for (auto &[name, view] : onHost.inputs)
      if (Status status = copyToHost(name, view, copies.emplace_back(), fault); !status)
        return status.takeError();
    fault = Fault::Invalid;
    Expected<LaunchPlan> plan =
        planLaunch(code->info, onHost, nullptr, {code->concurrentBlocks, splits});
    if (!plan)
      return plan.takeError();
    if (Status status = checkRows(code->info, bindings); !status)
      return status.takeError();
    if (plan->tickets() > INT32_MAX || plan->mergeBlocks() > INT32_MAX)
      return makeError("{} thread blocks are more than a launch takes, 2^31 - 1", plan->tickets());
    auto made = std::make_unique<CudaPlan>(code, std::move(*plan));
    if (Status status = made->prepare(bindings, begin, fault); !status)
      return status.takeError();
    return std::unique_ptr<DevicePlan>(std::move(made));
  }

private:
  /// Moves the view to a copy of the bytes that it covers, strides and all.
  Status copyToHost(const std::string &name, TensorView &view, std::vector<char> &copy,
                    Fault &fault) const {
    fault = Fault::Invalid;
    if (view.strides.size() != view.shape.size())
      return {}; // told by planLaunch
    Expected<ByteRange> range = byteRange(view, name);
    if (!range)
      return range.takeError();
    size_t bytes = size_t(range->end - range->begin);
    if (bytes == 0 || !view.data)
      return {};
    if (reinterpret_cast<uintptr_t>(view.data) % size_t(dtypeSize(view.dtype)))
      return {};
    if (int64_t most = physicalMemoryBytes(); int64_t(bytes) > most)
      return makeError("'{}' covers {} bytes, but this machine has {} for its copy", name, bytes,
                       most);
    copy.resize(bytes + 64);
    char *start = copy.data() + (64 - reinterpret_cast<uintptr_t>(copy.data()) % 64) % 64;
    fault = Fault::Device;
    CUdeviceptr from = reinterpret_cast<uintptr_t>(view.data) + uint64_t(range->begin);
    const Driver &d = code->context->api();
    Status status = code->context->with([&]() -> Status {
      if (Status done = d.check(d.cuCtxSynchronize(), "cuCtxSynchronize"); !done)
        return done;
      return d.check(d.cuMemcpyDtoH(start, from, bytes), "cuMemcpyDtoH");
    });
    view.data = start - range->begin;
    return status;
  }

  std::shared_ptr<const CudaCode> code;
};

class CudaDevice : public Device {
public:
  CudaDevice(std::shared_ptr<const Context> context, bool preferPtx)
      : context(std::move(context)), preferPtx(preferPtx) {}

  std::string json() const override {
    const DeviceFacts &facts = context->facts();
    ordered_json json{{"name", fmt::format("cuda:{}", facts.index)},
                      {"index", facts.index},
                      {"model", facts.model},
                      {"driver", facts.driverVersion},
                      {"compute_capability", {facts.major, facts.minor}},
                      {"multiprocessors", facts.multiprocessors},
                      {"memory_bytes", facts.memoryBytes},
                      {"max_shared_bytes", facts.maxSharedBytes},
                      {"clock_khz", facts.clockKhz},
                      {"memory_clock_khz", facts.memoryClockKhz},
                      {"l2_bytes", facts.l2Bytes}};
    return json.dump(2, ' ', false, ordered_json::error_handler_t::replace);
  }

  Expected<std::shared_ptr<DeviceKernel>> load(const Package &package, Fault &fault) override {
    auto begin = Clock::now();
    auto code = std::make_shared<CudaCode>();
    code->context = context;
    auto module = cuda::Module::load(context, package, preferPtx, fault);
    if (!module)
      return module.takeError();
    code->module = std::move(*module);
    code->info = package.units().at(code->module->unit());
    fault = Fault::Device;
    auto main = code->module->function(code->info.entry, code->info.sharedBytes);
    if (!main)
      return main.takeError();
    code->main = *main;
    if (!code->info.mergeEntry.empty()) {
      auto merge = code->module->function(code->info.mergeEntry, 0);
      if (!merge)
        return merge.takeError();
      code->merge = *merge;
    }
    if (Status status = code->module->ask(code->main); !status)
      return status.takeError();
    code->concurrentBlocks = code->module->concurrentBlocks(code->main, code->info.threadsPerBlock,
                                                            code->info.sharedBytes);
    code->loadSeconds = secondsSince(begin);
    return std::shared_ptr<DeviceKernel>(std::make_shared<CudaKernel>(std::move(code)));
  }

  Status synchronize(Fault &fault) override {
    fault = Fault::Device;
    return context->with([&] {
      return context->api().check(context->api().cuCtxSynchronize(), "cuCtxSynchronize");
    });
  }

  Status checkPlace(std::string_view name, DLDevice place) const override {
    int index = context->facts().index;
    if (place.device_type == kDLCUDAManaged ||
        (place.device_type == kDLCUDA && place.device_id == index))
      return {};
    if (place.device_type == kDLCUDA)
      return makeError("'{}' lies on device 'cuda:{}', but the kernel runs on 'cuda:{}'", name,
                       place.device_id, index);
    return makeError(
               "'{}' lies in memory of DLPack type {}, but the kernel runs on 'cuda:{}' and reads "
               "type {} or {}",
               name, int(place.device_type), index, int(kDLCUDA), int(kDLCUDAManaged))
        .withNote("copy it to the device");
  }

  Expected<void *> allocate(int64_t bytes, Fault &fault) override {
    Expected<Buffer> buffer = Buffer::allocate(context, bytes, fault);
    if (!buffer)
      return buffer.takeError();
    return reinterpret_cast<void *>(uintptr_t(buffer->release()));
  }
  void release(void *memory) override {
    (void)context->with([&] {
      context->api().cuMemFree(reinterpret_cast<uintptr_t>(memory));
      return Status();
    });
  }
  Status copyIn(void *target, const void *host, int64_t bytes, Fault &fault) override {
    fault = Fault::Device;
    const Driver &d = context->api();
    return context->with([&]() -> Status {
      if (bytes == 0)
        return {};
      return d.check(d.cuMemcpyHtoD(reinterpret_cast<uintptr_t>(target), host, size_t(bytes)),
                     "cuMemcpyHtoD");
    });
  }
  Status copyOut(void *host, const void *source, int64_t bytes, Fault &fault) override {
    fault = Fault::Device;
    const Driver &d = context->api();
    return context->with([&]() -> Status {
      if (bytes == 0)
        return {};
      return d.check(d.cuMemcpyDtoH(host, reinterpret_cast<uintptr_t>(source), size_t(bytes)),
                     "cuMemcpyDtoH");
    });
  }

private:
  std::shared_ptr<const Context> context;
  bool preferPtx;
};

} // namespace

Expected<std::shared_ptr<Device>> openCuda(std::optional<int> index, std::string_view text,
                                           Fault &fault) {
  DeviceOptions options(text);
  std::string library = "libcuda.so.1", prefer = "cubin";
  options.take("library", library);
  options.take("prefer", prefer, {"cubin", "ptx"});
  fault = Fault::Invalid;
  if (Status status = options.finish("cuda"); !status)
    return status.takeError();
  fault = Fault::NoDevice;
  auto driver = Driver::load(library);
  if (!driver)
    return driver.takeError();
  auto context = Context::open(std::move(*driver), index, fault);
  if (!context)
    return context.takeError();
  return std::shared_ptr<Device>(
      std::make_shared<CudaDevice>(std::move(*context), prefer == "ptx"));
}

} // namespace attn
