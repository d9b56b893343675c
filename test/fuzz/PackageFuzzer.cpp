// Bytes as a package, with right checksums where there is room for them: refused with a message, or everything in
// it can be described, and planning a launch with its kernel reads nothing that is not there.
#include "runtime/KernelInfoJson.h"
#include "runtime/Launch.h"
#include "runtime/Package.h"
#include "test/fuzz/Fuzz.h"

#include <vector>

using namespace attn;
using fuzz::require;

namespace {
constexpr int64_t kTokens = 40;
constexpr int64_t kMostElements = 1 << 16;

/// Tensors of the shapes that the kernel takes, where these are small.
struct Tensors {
  std::vector<Tensor> owned;
  Bindings bindings;

  bool add(TensorView &target, std::vector<int64_t> shape, DType dtype) {
    int64_t count = 1;
    for (int64_t &length : shape) {
      length = length < 0 ? kTokens : length;
      if (length > kMostElements || (count *= length) > kMostElements)
        return false;
    }
    Expected<Tensor> tensor = Tensor::zeros(std::move(shape), dtype);
    if (!tensor)
      return false;
    target = tensor->view();
    owned.push_back(std::move(*tensor));
    return true;
  }

  bool make(const KernelInfo &info) {
    int64_t batch = info.batch < 0 ? 2 : info.batch;
    int64_t nq = count(info.tokens), nk = count(info.kvTokens);
    if (!add(bindings.q, {batch, info.heads, nq, info.headDimQk}, info.dtype) ||
        !add(bindings.k, {batch, info.kvHeads, nk, info.headDimQk}, info.dtype) ||
        !add(bindings.v, {batch, info.kvHeads, nk, info.headDimV}, info.dtype) ||
        !add(bindings.o, {batch, info.heads, nq, info.headDimV}, info.dtype))
      return false;
    for (const InputInfo &input : info.inputs)
      if (!add(bindings.inputs[input.name], input.shape, input.dtype))
        return false;
    return true;
  }

  static int64_t count(const std::vector<int64_t> &layout) {
    int64_t tokens = 1;
    for (int64_t length : layout)
      if (tokens *= length < 0 ? kTokens : length; tokens > kMostElements)
        return kMostElements + 1;
    return tokens;
  }
};
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  if (Expected<Package> asGiven = Package::read(bytes); !asGiven) {
    require(!asGiven.error().message.empty(), "a package that is refused is told why");
    resealPackage(bytes);
  }
  Expected<Package> package = Package::read(bytes);
  if (!package)
    return 0;
  require(!describe(*package).empty(), "a package describes itself");
  for (const auto &[unit, info] : package->units()) {
    require(toJson(info) == package->find("info", unit)->text(), "an info comes back as it was");
    Tensors tensors;
    if (tensors.make(info))
      (void)planLaunch(info, tensors.bindings);
  }
  return 0;
}
