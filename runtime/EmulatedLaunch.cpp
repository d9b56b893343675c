#include "runtime/EmulatedLaunch.h"

#include "runtime/LaunchChecks.h"

#include <cstddef>
#include <cstring>

namespace attn {

EmulatedLaunch::EmulatedLaunch(const KernelInfo &info, const Bindings &bindings,
                               const LaunchPlan &plan)
    : info(info), plan(plan), args(plan.args()) {
  mapView(offsetof(KernelArgs, q), "q", bindings.q, true);
  mapView(offsetof(KernelArgs, k), "k", bindings.k, true);
  mapView(offsetof(KernelArgs, v), "v", bindings.v, true);
  mapView(offsetof(KernelArgs, o), "o", bindings.o, false);
  if (bindings.lse)
    mapView(offsetof(KernelArgs, lse), "lse", *bindings.lse, false);
  for (size_t i = 0; i < info.inputs.size(); ++i)
    mapView(offsetof(KernelArgs, inputs) + i * sizeof(void *), info.inputs[i].name,
            bindings.inputs.at(info.inputs[i].name), true);
  for (const LaunchPlan::Table &table : plan.tables())
    put(table.field, memory.map(table.name, const_cast<void *>(table.data), uint64_t(table.bytes),
                                /*readOnly=*/true));
  for (const LaunchPlan::Scratch &scratch : plan.scratch())
    put(scratch.field, memory.allocate(scratch.name, uint64_t(scratch.bytes)));
}

void EmulatedLaunch::put(size_t field, uint64_t address) {
  std::memcpy(reinterpret_cast<char *>(&args) + field, &address, sizeof(address));
}

/// Of a view the bytes between its first and its last element.
void EmulatedLaunch::mapView(size_t field, const std::string &name, const TensorView &view,
                             bool readOnly) {
  ByteRange range = *byteRange(view, name); // fits, as planLaunch has found
  if (range.begin == range.end)
    return;
  uint64_t begin = memory.map(name, static_cast<char *>(view.data) + range.begin,
                              uint64_t(range.end - range.begin), readOnly);
  put(field, begin + uint64_t(-range.begin));
}

Expected<emulator::Counters> EmulatedLaunch::run(const emulator::Module &module,
                                                 emulator::LaunchOptions options,
                                                 std::vector<emulator::Profile> *profiles) {
  const std::vector<std::vector<uint8_t>> parameters{emulator::parameterOf(args)};
  struct Step {
    const std::string &entry;
    int64_t blocks, threads, sharedBytes;
  };
  emulator::Counters sum;
  for (const Step &step : {Step{info.entry, plan.tickets(), info.threadsPerBlock, info.sharedBytes},
                           Step{info.mergeEntry, plan.mergeBlocks(), kMergeThreads, 0}}) {
    if (step.blocks == 0)
      continue;
    options.profile = profiles ? &profiles->emplace_back() : nullptr;
    auto counters =
        emulator::launch(module, step.entry, {uint32_t(step.blocks)}, {uint32_t(step.threads)},
                         uint64_t(step.sharedBytes), parameters, memory, options);
    if (!counters) {
      Error error = counters.takeError();
      error.message = fmt::format("kernel '{}' on the emulator: {}", step.entry, error.message);
      return error;
    }
    sum.add(*counters);
  }
  return sum;
}

} // namespace attn
