//===- Context.h - a CUDA device and the context it is used through -*- C++ -*-===//
#pragma once

#include "runtime/Device.h"
#include "runtime/cuda/Driver.h"

#include <optional>

namespace attn::cuda {

/// What is asked of a device once.
struct DeviceFacts {
  int index = 0;
  std::string model;
  int driverVersion = 0, major = 0, minor = 0, multiprocessors = 0;
  int maxSharedBytes = 0, sharedBytesOfMultiprocessor = 0, threadsOfMultiprocessor = 0;
  int clockKhz = 0, memoryClockKhz = 0, l2Bytes = 0;
  size_t memoryBytes = 0;
};

/// A context of one device: the caller's current one, or the primary one, which is released at the
/// end. Immutable.
class Context {
public:
  /// `index` absent: the device of the current context, else 0.
  static Expected<std::shared_ptr<const Context>> open(std::shared_ptr<const Driver> driver,
                                                       std::optional<int> index, Fault &fault);
  Context(const Context &) = delete;
  ~Context();

  const Driver &api() const { return *driver; }
  const DeviceFacts &facts() const { return deviceFacts; }

  /// Runs `work`, which returns a Status, with this context current, and leaves the caller's as it
  /// was.
  template <class Work> Status with(Work &&work) const {
    if (Status status = api().check(api().cuCtxPushCurrent(context), "cuCtxPushCurrent"); !status)
      return status;
    Status status = work();
    CUcontext popped;
    Status restored = api().check(api().cuCtxPopCurrent(&popped), "cuCtxPopCurrent");
    return status ? std::move(restored) : std::move(status);
  }

private:
  Context(std::shared_ptr<const Driver> driver) : driver(std::move(driver)) {}
  Status choose(std::optional<int> index);
  Status ask();

  std::shared_ptr<const Driver> driver;
  CUcontext context = nullptr;
  bool isPrimary = false;
  DeviceFacts deviceFacts;
};

/// Memory of a context. Move-only.
class Buffer {
public:
  Buffer() = default;
  static Expected<Buffer> allocate(std::shared_ptr<const Context> context, int64_t bytes,
                                   Fault &fault);
  Buffer(Buffer &&other) noexcept;
  Buffer &operator=(Buffer &&other) noexcept;
  ~Buffer();

  CUdeviceptr address() const { return pointer; }
  /// Gives the memory away; the caller frees it.
  CUdeviceptr release();

private:
  std::shared_ptr<const Context> context;
  CUdeviceptr pointer = 0;
};

/// Invalid memory is a fault of the device, too little of it one of memory.
Fault faultOf(CUresult code);

} // namespace attn::cuda
