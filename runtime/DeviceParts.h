//===- DeviceParts.h - what the devices have in common -----------*- C++ -*-===//
#pragma once

#include "runtime/Device.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <optional>
#include <vector>

namespace attn {

inline double secondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The options of a device, taken one by one; what nobody took is a mistake. Keeps the first error.
class DeviceOptions {
public:
  explicit DeviceOptions(std::string_view text);

  void take(const char *name, bool &value);
  void take(const char *name, std::string &value, std::vector<std::string> allowed = {});
  void take(const char *name, int64_t &value, int64_t least, int64_t most);
  /// Once all have been taken.
  Status finish(std::string_view device);

private:
  const nlohmann::json *find(const char *name);

  nlohmann::json tree;
  std::vector<std::string> known;
  std::optional<Error> error;
};

/// What every plan says of itself: tiles, pairs, grid, bytes.
nlohmann::ordered_json planFacts(const LaunchPlan &plan, const KernelInfo &info,
                                 double planSeconds);

/// What the sm_80 kernels want of their tensors beyond planLaunch (codegen/nvvm/EmitPTX.h): rows on
/// 16 bytes.
Status checkRows(const KernelInfo &info, const Bindings &bindings);

/// Memory of the host, for the devices that compute there.
class HostDevice : public Device {
public:
  Status synchronize(Fault &) override { return {}; }
  Status checkPlace(std::string_view name, DLDevice place) const override;
  Expected<void *> allocate(int64_t bytes, Fault &fault) override;
  void release(void *memory) override;
  Status copyIn(void *target, const void *host, int64_t bytes, Fault &fault) override;
  Status copyOut(void *host, const void *source, int64_t bytes, Fault &fault) override;
};

/// "the processor" runs what it is called on to the end, so that there is no stream.
Status checkNoStream(const void *stream, std::string_view device);

Expected<std::shared_ptr<Device>> openCpu(std::string_view options, Fault &fault);
Expected<std::shared_ptr<Device>> openEmulator(std::string_view options, Fault &fault);
/// `index` is absent where the current context, or 0, decides.
Expected<std::shared_ptr<Device>> openCuda(std::optional<int> index, std::string_view options,
                                           Fault &fault);

} // namespace attn
