//===- Device.h - what kernels of packages run on ----------------*- C++ -*-===//
//
//   device -> load(package) -> kernel -> plan(tensors) -> plan -> launch(stream)
//
// runtime/attnc.h is this interface for everybody else, and says what devices, options and
// descriptions there are. A kernel keeps its device, a plan its kernel. Devices and kernels are
// thread-safe, a plan is used by one thread at a time.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Launch.h"
#include "runtime/Package.h"

#include <dlpack/dlpack.h>

#include <memory>
#include <string>
#include <string_view>

namespace attn {

/// What kind of mistake an error is. Calls set it where they fail and leave it alone otherwise.
enum class Fault : uint8_t {
  Invalid,     ///< of the caller: names, options, tensors
  NoDevice,    ///< no driver, no such device
  Unsupported, ///< the package has no code for the device
  Device,      ///< reported by the driver or the emulator
  Memory       ///< too little of it
};

/// A launch on a device: checked, its tables in the device's memory.
class DevicePlan {
public:
  virtual ~DevicePlan() = default;
  virtual const LaunchPlan &plan() const = 0;
  /// `stream`: a CUstream on cuda, which then returns at once; else null.
  virtual Status launch(void *stream, Fault &fault) = 0;
  virtual std::string json() const = 0;
};

class DeviceKernel {
public:
  virtual ~DeviceKernel() = default;
  virtual const KernelInfo &info() const = 0;
  virtual std::string json() const = 0;
  /// The tensors lie where the device can read them. `splits`: see LaunchOptions.
  virtual Expected<std::unique_ptr<DevicePlan>> plan(const Bindings &bindings, int64_t splits,
                                                     Fault &fault) = 0;
};

class Device {
public:
  virtual ~Device() = default;
  virtual std::string json() const = 0;
  virtual Expected<std::shared_ptr<DeviceKernel>> load(const Package &package, Fault &fault) = 0;
  virtual Status synchronize(Fault &fault) = 0;

  /// Whether kernels may use memory of this place for the tensor `name`.
  virtual Status checkPlace(std::string_view name, DLDevice place) const = 0;
  /// Memory for tensors, aligned to 256 bytes.
  virtual Expected<void *> allocate(int64_t bytes, Fault &fault) = 0;
  virtual void release(void *memory) = 0;
  virtual Status copyIn(void *target, const void *host, int64_t bytes, Fault &fault) = 0;
  virtual Status copyOut(void *host, const void *source, int64_t bytes, Fault &fault) = 0;
};

/// "cpu", "emulator", "cuda" or "cuda:N"; `options` is a JSON object or empty.
Expected<std::shared_ptr<Device>> openDevice(std::string_view name, std::string_view options,
                                             Fault &fault);

} // namespace attn
