//===- Launch.cpp - modules, and blocks over host threads -----------------===//
#include "runtime/emulator/Block.h"
#include "runtime/emulator/Decode.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <numeric>
#include <thread>

namespace attn::emulator {

std::string_view instClassName(InstClass instClass) {
  constexpr std::string_view kNames[kInstClasses] = {
      "integer",   "float",    "half",     "special",   "convert",   "move",
      "compare",   "mma",      "ldmatrix", "ld.global", "st.global", "ld.shared",
      "st.shared", "ld other", "st other", "atomic",    "cp.async",  "cp.async wait",
      "barrier",   "warp",     "branch",   "other"};
  return kNames[size_t(instClass)];
}

uint64_t Counters::total() const {
  return std::accumulate(instructions.begin(), instructions.end(), uint64_t(0));
}

void Counters::add(const Counters &other) {
  for (size_t i = 0; i < kInstClasses; ++i)
    instructions[i] += other.instructions[i];
  laneInstructions += other.laneInstructions;
}

Expected<Module> Module::parse(std::string ptx) {
  auto state = std::make_shared<ModuleImpl>(std::move(ptx));
  Expected<ModuleSyntax> syntax = emulator::parse(state->source);
  if (!syntax)
    return syntax.takeError();
  state->target = syntax->target;
  state->variables.reset(new Memory(kModuleBase));
  std::vector<uint64_t> addresses;
  constexpr uint64_t kMostBytes = uint64_t(1) << 28;
  uint64_t bytes = 0;
  for (const Variable &variable : syntax->variables) {
    addresses.push_back(0);
    if (variable.space == Space::Shared)
      continue;
    bytes += variable.bytes;
    if (bytes > kMostBytes)
      return state->source.errorAt(
          variable.line, fmt::format("the variables of a module may have {} bytes", kMostBytes));
    addresses.back() =
        state->variables->allocate(variable.name, variable.bytes, variable.space == Space::Const);
    // Without an initialiser they are zero (PTX ISA 5.4.4).
    uint8_t *data = state->variables->buffers().back().data;
    std::memset(data, 0, variable.bytes);
    std::copy(variable.initial.begin(), variable.initial.end(), data);
  }
  for (const Kernel &kernel : syntax->kernels) {
    Expected<Program> program = decode(state->source, *syntax, kernel, addresses);
    if (!program)
      return program.takeError();
    state->programs.push_back(*std::move(program));
  }
  return Module(std::move(state));
}

std::vector<EntryInfo> Module::entries() const {
  std::vector<EntryInfo> entries;
  for (const Program &program : state->programs)
    entries.push_back({program.name, program.parameterBytes, program.staticSharedBytes,
                       (program.registerWords - kFirstRegisterWord) / kLanes});
  return entries;
}

const std::string &Module::target() const { return state->target; }

namespace {

Status checkShape(const Program &program, Dim3 grid, Dim3 block, uint64_t sharedBytes) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535)
    return makeError("grid ({}, {}, {}) is empty or too large", grid.x, grid.y, grid.z);
  uint64_t threads = uint64_t(block.x) * block.y * block.z;
  if (threads == 0 || block.x > 1024 || block.y > 1024 || block.z > 64 || threads > 1024)
    return makeError("block ({}, {}, {}) is empty or has more than 1024 threads", block.x, block.y,
                     block.z);
  if (auto &required = program.requiredThreads;
      required && *required != std::array<uint32_t, 3>{block.x, block.y, block.z})
    return makeError("kernel '{}' requires blocks of ({}, {}, {}) threads, not ({}, {}, {})",
                     program.name, (*required)[0], (*required)[1], (*required)[2], block.x, block.y,
                     block.z);
  if (auto &most = program.maxThreads;
      most && threads > uint64_t((*most)[0]) * (*most)[1] * (*most)[2])
    return makeError("kernel '{}' is for at most {} threads a block, not {}", program.name,
                     uint64_t((*most)[0]) * (*most)[1] * (*most)[2], threads);
  constexpr uint64_t kMostShared = 227
                                   << 10; // what a block of sm_90 may have, the most of all targets
  if (sharedBytes > kMostShared)
    return makeError("{} bytes of shared memory are more than the {} of any target", sharedBytes,
                     kMostShared);
  return {};
}

Expected<std::vector<uint8_t>> layOut(const Program &program,
                                      std::span<const std::vector<uint8_t>> parameters) {
  if (parameters.size() != program.parameterBytes.size())
    return makeError("kernel '{}' has {} parameters, {} are given", program.name,
                     program.parameterBytes.size(), parameters.size());
  std::vector<uint8_t> space(program.parameterSpaceBytes);
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].size() != program.parameterBytes[i])
      return makeError("parameter {} of kernel '{}' has {} bytes, {} are given", i, program.name,
                       program.parameterBytes[i], parameters[i].size());
    std::copy(parameters[i].begin(), parameters[i].end(),
              space.begin() + program.parameterOffsets[i]);
  }
  return space;
}

/// Blocks are drawn in order. After a fault only those with lower numbers are finished, so that the
/// fault reported does not depend on timing.
class Grid {
public:
  explicit Grid(const LaunchContext &launch)
      : launch(launch), blocks(uint64_t(launch.grid.x) * launch.grid.y * launch.grid.z) {}

  Expected<Counters> run() {
    unsigned threads = launch.options.threads;
    if (threads == 0)
      threads = std::max(1u, std::thread::hardware_concurrency());
    threads = static_cast<unsigned>(std::min<uint64_t>(threads, blocks));
    std::vector<std::thread> others;
    for (unsigned i = 1; i < threads; ++i)
      others.emplace_back([this] { work(); });
    work();
    for (std::thread &thread : others)
      thread.join();
    if (firstFault)
      return *std::move(firstFault);
    if (launch.options.profile != nullptr)
      *launch.options.profile = makeProfile();
    return counters;
  }

private:
  void work() {
    Block block(launch);
    while (true) {
      uint64_t number = next.fetch_add(1);
      if (number >= blocks || number >= faultBlock.load())
        break;
      Status status = block.run(number);
      if (status)
        continue;
      std::scoped_lock lock(mutex);
      if (number < faultBlock.load()) {
        faultBlock = number;
        firstFault = status.takeError();
      }
    }
    std::scoped_lock lock(mutex);
    counters.add(block.counters);
    instructions.resize(block.profile.size());
    for (size_t i = 0; i < instructions.size(); ++i)
      instructions[i].add(block.profile[i]);
  }

  Profile makeProfile() const {
    Profile profile;
    profile.kernel = launch.program.name;
    profile.blocks = blocks;
    uint64_t threads = uint64_t(launch.block.x) * launch.block.y * launch.block.z;
    profile.warps = (threads + kLanes - 1) / kLanes;
    profile.counters = counters;
    for (size_t i = 0; i < instructions.size(); ++i) {
      const Inst &inst = launch.program.code[i];
      if (instructions[i].executed != 0)
        profile.lines.push_back({inst.line, std::string(launch.module.source.line(inst.line)),
                                 inst.instClass, instructions[i]});
    }
    return profile;
  }

  const LaunchContext &launch;
  const uint64_t blocks;
  std::atomic<uint64_t> next = 0, faultBlock = ~uint64_t(0);
  std::mutex mutex;
  std::optional<Error> firstFault;
  Counters counters;
  std::vector<InstProfile> instructions; ///< by program counter; empty if no profile is wanted
};

} // namespace

Expected<Counters> launch(const Module &module, std::string_view entry, Dim3 grid, Dim3 block,
                          uint64_t dynamicSharedBytes,
                          std::span<const std::vector<uint8_t>> parameters, Memory &memory,
                          const LaunchOptions &options) {
  const std::vector<Program> &programs = module.impl().programs;
  auto program = std::find_if(programs.begin(), programs.end(),
                              [&](const Program &p) { return p.name == entry; });
  if (program == programs.end())
    return makeError("the module has no kernel '{}'", entry);
  uint64_t sharedBytes = program->staticSharedBytes + dynamicSharedBytes;
  if (Status status = checkShape(*program, grid, block, sharedBytes); !status)
    return status.takeError();
  Expected<std::vector<uint8_t>> space = layOut(*program, parameters);
  if (!space)
    return space.takeError();
  LaunchContext context{module.impl(),
                        *program,
                        grid,
                        block,
                        uint32_t(sharedBytes),
                        uint32_t(dynamicSharedBytes),
                        *std::move(space),
                        {},
                        options};
  for (const Buffer &buffer : module.impl().variables->buffers())
    context.buffers.push_back(&buffer);
  for (const Buffer &buffer : memory.buffers())
    context.buffers.push_back(&buffer);
  return Grid(context).run();
}

} // namespace attn::emulator
