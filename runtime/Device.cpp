#include "runtime/Device.h"

#include "runtime/DLTensors.h"
#include "runtime/DeviceParts.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace attn {

//===----------------------------------------------------------------------===//
// Names and options
//===----------------------------------------------------------------------===//

Expected<std::shared_ptr<Device>> openDevice(std::string_view name, std::string_view options,
                                             Fault &fault) {
  if (name == "cpu")
    return openCpu(options, fault);
  if (name == "emulator")
    return openEmulator(options, fault);
  if (name == "cuda")
    return openCuda(std::nullopt, options, fault);
  if (name.starts_with("cuda:")) {
    std::string_view digits = name.substr(5);
    int index = -1;
    auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (code == std::errc() && end == digits.data() + digits.size() && index >= 0)
      return openCuda(index, options, fault);
  }
  fault = Fault::Invalid;
  return makeError("unknown device '{}'", name)
      .withNote("devices are 'cpu', 'emulator', 'cuda' and 'cuda:0', 'cuda:1', ...");
}

DeviceOptions::DeviceOptions(std::string_view text) : tree(nlohmann::json::object()) {
  constexpr size_t kLongest = 4096; // nesting stays harmless
  if (text.empty())
    return;
  if (text.size() <= kLongest)
    tree = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (text.size() > kLongest || !tree.is_object()) {
    error = makeError("the options of a device must be a JSON object")
                .withNote("for example {{\"threads\": 2}}");
    tree = nlohmann::json::object();
  }
}

const nlohmann::json *DeviceOptions::find(const char *name) {
  known.push_back(name);
  auto it = tree.find(name);
  return it == tree.end() ? nullptr : &*it;
}

void DeviceOptions::take(const char *name, bool &value) {
  const nlohmann::json *found = find(name);
  if (found && found->is_boolean())
    value = found->get<bool>();
  else if (found && !error)
    error = makeError("option '{}' is {}, but must be true or false", name, found->dump());
}

void DeviceOptions::take(const char *name, std::string &value, std::vector<std::string> allowed) {
  const nlohmann::json *found = find(name);
  if (!found)
    return;
  std::string text = found->is_string() ? found->get<std::string>() : "";
  bool fits = found->is_string() &&
              (allowed.empty() || std::find(allowed.begin(), allowed.end(), text) != allowed.end());
  if (fits) {
    value = text;
    return;
  }
  std::string list = allowed.empty() ? "a string" : "";
  for (const std::string &one : allowed)
    list += (list.empty() ? "'" : ", '") + one + "'";
  if (!error)
    error = makeError("option '{}' is {}, but must be {}{}", name, found->dump(),
                      allowed.empty() ? "" : "one of ", list);
}

void DeviceOptions::take(const char *name, int64_t &value, int64_t least, int64_t most) {
  const nlohmann::json *found = find(name);
  if (!found)
    return;
  bool whole = found->is_number_integer() &&
               !(found->is_number_unsigned() && found->get<uint64_t>() > uint64_t(INT64_MAX));
  if (whole && found->get<int64_t>() >= least && found->get<int64_t>() <= most)
    value = found->get<int64_t>();
  else if (!error)
    error = makeError("option '{}' is {}, but must be a whole number from {} to {}", name,
                      found->dump(), least, most);
}

Status DeviceOptions::finish(std::string_view device) {
  std::string list;
  for (const std::string &name : known)
    list += (list.empty() ? "'" : ", '") + name + "'";
  for (const auto &[name, value] : tree.items())
    if (!error && std::find(known.begin(), known.end(), name) == known.end())
      error = makeError("device '{}' has no option '{}'", device, name)
                  .withNote("its options are {}", list);
  return error ? Status(std::move(*error)) : Status();
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

nlohmann::ordered_json planFacts(const LaunchPlan &plan, const KernelInfo &info,
                                 double planSeconds) {
  nlohmann::ordered_json json;
  json["kernel"] = info.name;
  json["visited_tiles"] = plan.visitedTiles;
  json["full_tiles"] = plan.fullTiles;
  json["all_tiles"] = plan.allTiles;
  json["visible_pairs"] = plan.visiblePairs();
  json["blind_heads"] = plan.blindHeads();
  json["maps"] = plan.numMaps();
  json["tickets"] = plan.tickets();
  json["splits"] = plan.splits();
  if (info.target != "cpu") {
    json["grid"] = {plan.tickets(), 1, 1};
    json["block"] = {info.threadsPerBlock, 1, 1};
    json["shared_bytes"] = info.sharedBytes;
    json["merge_grid"] = {plan.mergeBlocks(), 1, 1};
    json["merge_block"] = {kMergeThreads, 1, 1};
  }
  int64_t tables = 0, workspace = 0;
  for (const LaunchPlan::Table &table : plan.tables())
    tables += table.bytes;
  for (const LaunchPlan::Scratch &scratch : plan.scratch())
    workspace += info.target == "cpu" ? 0 : scratch.bytes;
  json["table_bytes"] = tables;
  json["workspace_bytes"] = workspace;
  json["plan_seconds"] = planSeconds;
  return json;
}

Status checkRows(const KernelInfo &info, const Bindings &bindings) {
  constexpr int64_t kBytes = 16, kMaxTokenStride = int64_t(1) << 30;
  int64_t elements = kBytes / dtypeSize(info.dtype);
  for (auto [name, view] :
       {std::pair("q", &bindings.q), {"k", &bindings.k}, {"v", &bindings.v}, {"o", &bindings.o}}) {
    if (view->rank() != 4 || view->numElements() == 0)
      continue;
    if (reinterpret_cast<uintptr_t>(view->data) % kBytes)
      return makeError(
          "'{}' starts at an address that is no multiple of {} bytes, which GPU kernels "
          "want",
          name, kBytes);
    for (size_t d = 0; d < 3; ++d)
      if (view->shape[d] > 1 && view->strides[d] % elements)
        return makeError(
            "dimension {} of '{}' has stride {}, but GPU kernels want rows on {} bytes: "
            "multiples of {} elements",
            d, name, view->strides[d], kBytes, elements);
    if (view->shape[2] > 1 && std::abs(view->strides[2]) >= kMaxTokenStride)
      return makeError("the tokens of '{}' have stride {}, but GPU kernels want less than 2^30",
                       name, view->strides[2]);
  }
  return {};
}

Status checkNoStream(const void *stream, std::string_view device) {
  if (!stream)
    return {};
  return makeError("a launch on device '{}' takes no stream; it runs to the end", device);
}

//===----------------------------------------------------------------------===//
// Memory of the host
//===----------------------------------------------------------------------===//

Status HostDevice::checkPlace(std::string_view name, DLDevice place) const {
  return checkOnHost(name, place);
}

Expected<void *> HostDevice::allocate(int64_t bytes, Fault &fault) {
  constexpr size_t kAlignment = 256;
  size_t rounded = (size_t(std::max<int64_t>(bytes, 1)) + kAlignment - 1) / kAlignment * kAlignment;
  if (void *memory = std::aligned_alloc(kAlignment, rounded))
    return memory;
  fault = Fault::Memory;
  return makeError("no {} bytes of memory are left", bytes);
}

void HostDevice::release(void *memory) { std::free(memory); }

Status HostDevice::copyIn(void *target, const void *host, int64_t bytes, Fault &) {
  if (bytes > 0)
    std::memcpy(target, host, size_t(bytes));
  return {};
}

Status HostDevice::copyOut(void *host, const void *source, int64_t bytes, Fault &) {
  if (bytes > 0)
    std::memcpy(host, source, size_t(bytes));
  return {};
}

} // namespace attn
