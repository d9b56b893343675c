#include "runtime/cuda/Context.h"

#include <utility>

namespace attn::cuda {

Fault faultOf(CUresult code) {
  return code == CUDA_ERROR_OUT_OF_MEMORY ? Fault::Memory : Fault::Device;
}

/// The device and the context: the current one where it belongs to the device that is wanted.
Status Context::choose(std::optional<int> index) {
  const Driver &d = *driver;
  CUcontext current = nullptr;
  if (Status status = d.check(d.cuCtxGetCurrent(&current), "cuCtxGetCurrent"); !status)
    return status;
  CUdevice device = 0;
  if (current)
    if (Status status = d.check(d.cuCtxGetDevice(&device), "cuCtxGetDevice"); !status)
      return status;
  if (current && index.value_or(device) == device) {
    context = current;
    deviceFacts.index = device;
    return {};
  }
  int count = 0;
  if (Status status = d.check(d.cuDeviceGetCount(&count), "cuDeviceGetCount"); !status)
    return status;
  deviceFacts.index = index.value_or(0);
  if (deviceFacts.index >= count)
    return makeError("there is no device 'cuda:{}': the driver has {}", deviceFacts.index, count)
        .withNote("the environment variable CUDA_VISIBLE_DEVICES hides devices");
  if (Status status = d.check(d.cuDeviceGet(&device, deviceFacts.index), "cuDeviceGet"); !status)
    return status;
  Status status = d.check(d.cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
  isPrimary = bool(status);
  return status;
}

Status Context::ask() {
  const Driver &d = *driver;
  CUdevice device = deviceFacts.index; // handles of devices are their numbers
  char name[256] = "";
  if (Status status = d.check(d.cuDeviceGetName(name, sizeof(name), device), "cuDeviceGetName");
      !status)
    return status;
  deviceFacts.model = name;
  if (Status status =
          d.check(d.cuDeviceTotalMem(&deviceFacts.memoryBytes, device), "cuDeviceTotalMem");
      !status)
    return status;
  if (Status status =
          d.check(d.cuDriverGetVersion(&deviceFacts.driverVersion), "cuDriverGetVersion");
      !status)
    return status;
  for (auto [attribute, value] :
       {std::pair(ComputeCapabilityMajor, &deviceFacts.major),
        {ComputeCapabilityMinor, &deviceFacts.minor},
        {Multiprocessors, &deviceFacts.multiprocessors},
        {MaxSharedBytesOptIn, &deviceFacts.maxSharedBytes},
        {MaxSharedBytesPerMultiprocessor, &deviceFacts.sharedBytesOfMultiprocessor},
        {MaxThreadsPerMultiprocessor, &deviceFacts.threadsOfMultiprocessor},
        {ClockKhz, &deviceFacts.clockKhz},
        {MemoryClockKhz, &deviceFacts.memoryClockKhz},
        {L2Bytes, &deviceFacts.l2Bytes}})
    if (Status status =
            d.check(d.cuDeviceGetAttribute(value, attribute, device), "cuDeviceGetAttribute");
        !status)
      return status;
  return {};
}

Expected<std::shared_ptr<const Context>> Context::open(std::shared_ptr<const Driver> driver,
                                                       std::optional<int> index, Fault &fault) {
  fault = Fault::NoDevice;
  std::shared_ptr<Context> context(new Context(std::move(driver)));
  const Driver &d = context->api();
  if (Status status = d.check(d.cuInit(0), "cuInit"); !status)
    return status.takeError();
  if (Status status = context->choose(index); !status)
    return status.takeError();
  if (Status status = context->ask(); !status)
    return status.takeError();
  return std::shared_ptr<const Context>(std::move(context));
}

Context::~Context() {
  if (isPrimary)
    driver->cuDevicePrimaryCtxRelease(deviceFacts.index);
}

Expected<Buffer> Buffer::allocate(std::shared_ptr<const Context> context, int64_t bytes,
                                  Fault &fault) {
  Buffer buffer;
  CUresult code = CUDA_SUCCESS;
  Status status = context->with([&] {
    code = context->api().cuMemAlloc(&buffer.pointer, size_t(std::max<int64_t>(bytes, 1)));
    return context->api().check(code, "cuMemAlloc");
  });
  if (status) {
    buffer.context = std::move(context);
    return buffer;
  }
  fault = faultOf(code);
  Error error = status.takeError();
  error.message =
      fmt::format("cannot have {} bytes of the device's memory: {}", bytes, error.message);
  return error;
}

Buffer::Buffer(Buffer &&other) noexcept
    : context(std::move(other.context)), pointer(std::exchange(other.pointer, 0)) {}

Buffer &Buffer::operator=(Buffer &&other) noexcept {
  std::swap(context, other.context);
  std::swap(pointer, other.pointer);
  return *this;
}

CUdeviceptr Buffer::release() { return std::exchange(pointer, 0); }

Buffer::~Buffer() {
  if (pointer)
    (void)context->with([&] {
      context->api().cuMemFree(pointer);
      return Status();
    });
}

} // namespace attn::cuda
