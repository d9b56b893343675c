// PTX text to the emulator: refused with a message, or run for a while. What a kernel does wrong is
// a fault with a message too.
#include "runtime/emulator/Emulator.h"
#include "test/fuzz/Fuzz.h"

#include <algorithm>

using namespace attn;
using fuzz::require;

/// Runs `entry` on 40 threads; every parameter of 8 bytes is the address of a buffer, others count
/// from 1.
static void runKernel(const emulator::Module &module, const emulator::EntryInfo &entry,
                      uint64_t seed) {
  constexpr uint64_t kBytes = 1024;
  emulator::Memory memory;
  std::vector<std::vector<uint8_t>> parameters;
  for (uint64_t bytes : entry.parameterBytes) {
    if (bytes == 8)
      parameters.push_back(emulator::parameterOf(memory.allocate("buffer", kBytes)));
    else {
      parameters.emplace_back(bytes);
      for (uint64_t i = 0; i < bytes; ++i)
        parameters.back()[i] = uint8_t(i % 4 == 0 ? 1 + i / 4 : 0);
    }
  }
  emulator::LaunchOptions options{.mode = seed % 2 ? emulator::AsyncMode::Early
                                                   : emulator::AsyncMode::Late,
                                  .seed = seed % 5,
                                  .threads = 1,
                                  .instructionLimit = 2000};
  Expected<emulator::Counters> counters =
      emulator::launch(module, entry.name, {2}, {40}, 256, parameters, memory, options);
  require(counters || !counters.error().message.empty(), "a fault has a message");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Expected<emulator::Module> module =
      emulator::Module::parse(std::string(reinterpret_cast<const char *>(data), size));
  if (!module) {
    require(!module.error().message.empty(), "a text that is refused is told why");
    return 0;
  }
  require(!module->target().empty(), "a module has a target");
  std::vector<emulator::EntryInfo> entries = module->entries();
  for (size_t i = 0; i < std::min<size_t>(entries.size(), 4); ++i)
    runKernel(*module, entries[i], size + i);
  return 0;
}
