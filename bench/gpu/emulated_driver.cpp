//===- emulated_driver.cpp - a CUDA driver library that runs on the emulator ---===//
//
// For rehearsals: `run.py --device=cuda --driver-library=libemulated_cuda.so` goes through every
// step of a run on a GPU where there is none. Exports the functions of libcuda that bench/gpu and
// the runtime call, with a device of compute capability 8.0; PTX is executed by the emulator,
// cubins are refused as a driver refuses those of another chip. Streams are in order and everything
// is done at once; times are those of the processor and mean nothing.
//
//===----------------------------------------------------------------------===//
#include "runtime/emulator/Emulator.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>

using namespace attn;

namespace {

enum Result {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  NoBinary = 209,
  InvalidPtx = 218,
  NotFound = 500,
  LaunchFailed = 719,
  NotSupported = 801
};

struct Module;
struct Function {
  Module *module;
  emulator::EntryInfo entry;
};
struct Module {
  emulator::Module module;
  std::deque<Function> functions = {}; ///< that were asked for; they go with the module
};
struct Event {
  std::chrono::steady_clock::time_point time;
};
using Graph = std::vector<std::function<int()>>;

struct State {
  std::mutex mutex;
  emulator::Memory memory;
  std::map<uint64_t, uint64_t> sizes;
  Graph *captured = nullptr;
};
State &state() {
  static State s;
  return s;
}

int run(const Function &function, emulator::Dim3 grid, emulator::Dim3 block, unsigned shared,
        const std::vector<std::vector<uint8_t>> &parameters) {
  Expected<emulator::Counters> counters =
      emulator::launch(function.module->module, function.entry.name, grid, block, shared,
                       parameters, state().memory);
  if (counters)
    return Success;
  std::fprintf(stderr, "emulated driver: %s: %s\n", function.entry.name.c_str(),
               counters.error().message.c_str());
  return LaunchFailed;
}

/// Does it now, or keeps it where a graph is being captured.
int enqueue(std::function<int()> work) {
  if (state().captured) {
    state().captured->push_back(std::move(work));
    return Success;
  }
  return work();
}

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default"))) int
using Handle = void *;

EXPORT cuInit(unsigned) { return Success; }
EXPORT cuDriverGetVersion(int *version) { return *version = 13000, Success; }
EXPORT cuGetErrorName(int code, const char **name) {
  *name = code == NoBinary       ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
          : code == LaunchFailed ? "CUDA_ERROR_LAUNCH_FAILED"
                                 : "CUDA_ERROR";
  return Success;
}
EXPORT cuGetErrorString(int, const char **text) {
  return *text = "reported by the emulated driver", Success;
}
EXPORT cuDeviceGetCount(int *count) { return *count = 1, Success; }
EXPORT cuDeviceGet(int *device, int index) {
  return *device = index, index == 0 ? Success : InvalidValue;
}
EXPORT cuDeviceGetName(char *name, int size, int) {
  return std::snprintf(name, size_t(size), "emulated device"), Success;
}
EXPORT cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = size_t(1) << 32, Success; }
EXPORT cuDeviceGetAttribute(int *value, int attribute, int) {
  const std::map<int, int> known = {{1, 1024},   {8, 49152},    {10, 32},   {13, 1410000},
                                    {16, 2},     {36, 1215000}, {37, 5120}, {38, 41943040},
                                    {39, 2048},  {75, 8},       {76, 0},    {81, 167936},
                                    {82, 65536}, {97, 166912},  {41, 1}};
  auto found = known.find(attribute);
  return *value = found == known.end() ? 0 : found->second, Success;
}
EXPORT cuDevicePrimaryCtxRetain(Handle *context, int) { return *context = &state(), Success; }
EXPORT cuDevicePrimaryCtxRelease_v2(int) { return Success; }
EXPORT cuCtxSetCurrent(Handle) { return Success; }
EXPORT cuCtxGetCurrent(Handle *context) { return *context = nullptr, Success; }
EXPORT cuCtxPushCurrent_v2(Handle) { return Success; }
EXPORT cuCtxPopCurrent_v2(Handle *context) { return *context = &state(), Success; }
EXPORT cuCtxGetDevice(int *device) { return *device = 0, Success; }
EXPORT cuCtxSynchronize() { return Success; }

EXPORT cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  std::lock_guard lock(state().mutex);
  if (bytes > size_t(1) << 30)
    return OutOfMemory;
  *address = state().memory.allocate("allocation", bytes);
  state().sizes[*address] = bytes;
  return Success;
}
EXPORT cuMemFree_v2(uint64_t address) {
  std::lock_guard lock(state().mutex);
  state().sizes.erase(address);
  return state().memory.release(address) ? Success : InvalidValue;
}
EXPORT cuMemcpyHtoD_v2(uint64_t address, const void *source, size_t bytes) {
  return state().memory.write(address, source, bytes) ? Success : InvalidValue;
}
EXPORT cuMemcpyDtoH_v2(void *target, uint64_t address, size_t bytes) {
  return state().memory.read(address, target, bytes) ? Success : InvalidValue;
}
EXPORT cuMemcpyHtoDAsync_v2(uint64_t address, const void *source, size_t bytes, Handle) {
  return cuMemcpyHtoD_v2(address, source, bytes);
}
EXPORT cuMemcpyDtoHAsync_v2(void *target, uint64_t address, size_t bytes, Handle) {
  return cuMemcpyDtoH_v2(target, address, bytes);
}
EXPORT cuMemsetD8Async(uint64_t address, unsigned char value, size_t bytes, Handle) {
  std::vector<unsigned char> filled(bytes, value);
  return cuMemcpyHtoD_v2(address, filled.data(), bytes);
}
EXPORT cuMemsetD8_v2(uint64_t address, unsigned char value, size_t bytes) {
  return cuMemsetD8Async(address, value, bytes, nullptr);
}
EXPORT cuPointerGetAttribute(void *, int, uint64_t) { return InvalidValue; }

EXPORT cuModuleLoadDataEx(Module **module, const char *image, unsigned, int *, void **) {
  if (std::memcmp(image,
                  "\x7f"
                  "ELF",
                  4) == 0)
    return NoBinary;
  Expected<emulator::Module> parsed = emulator::Module::parse(image);
  if (!parsed) {
    std::fprintf(stderr, "emulated driver: %s\n", parsed.error().message.c_str());
    return InvalidPtx;
  }
  *module = new Module{std::move(*parsed)};
  return Success;
}
EXPORT cuModuleLoadData(Module **module, const char *image) {
  return cuModuleLoadDataEx(module, image, 0, nullptr, nullptr);
}
EXPORT cuModuleUnload(Module *module) { return delete module, Success; }
EXPORT cuModuleGetFunction(Function **function, Module *module, const char *name) {
  for (const emulator::EntryInfo &entry : module->module.entries())
    if (entry.name == name)
      return *function = &module->functions.emplace_back(Function{module, entry}), Success;
  return NotFound;
}
EXPORT cuFuncGetAttribute(int *value, int attribute, Function *function) {
  *value = attribute == 0   ? 1024
           : attribute == 1 ? int(function->entry.staticSharedBytes)
           : attribute == 4 ? int(function->entry.registers32)
                            : 0;
  return Success;
}
EXPORT cuFuncSetAttribute(Function *, int, int) { return Success; }
EXPORT cuLaunchKernel(Function *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                      unsigned by, unsigned bz, unsigned shared, Handle, void **parameters,
                      void **) {
  std::vector<std::vector<uint8_t>> values;
  for (size_t i = 0; i < function->entry.parameterBytes.size(); ++i) {
    const uint8_t *begin = static_cast<const uint8_t *>(parameters[i]);
    values.emplace_back(begin, begin + function->entry.parameterBytes[i]);
  }
  return enqueue([=] { return run(*function, {gx, gy, gz}, {bx, by, bz}, shared, values); });
}

EXPORT cuStreamCreate(Handle *stream, unsigned) { return *stream = new int(0), Success; }
EXPORT cuStreamSynchronize(Handle) { return Success; }
EXPORT cuStreamDestroy_v2(Handle stream) { return delete static_cast<int *>(stream), Success; }
EXPORT cuEventCreate(Event **event, unsigned) { return *event = new Event, Success; }
EXPORT cuEventRecord(Event *event, Handle) {
  return event->time = std::chrono::steady_clock::now(), Success;
}
EXPORT cuEventSynchronize(Event *) { return Success; }
EXPORT cuEventElapsedTime(float *ms, Event *begin, Event *end) {
  return *ms = std::chrono::duration<float, std::milli>(end->time - begin->time).count(), Success;
}
EXPORT cuEventDestroy_v2(Event *event) { return delete event, Success; }
EXPORT cuStreamBeginCapture_v2(Handle, int) { return state().captured = new Graph, Success; }
EXPORT cuStreamEndCapture(Handle, Graph **graph) {
  return *graph = state().captured, state().captured = nullptr, Success;
}
EXPORT cuGraphInstantiateWithFlags(Graph **executable, Graph *graph, unsigned long long) {
  return *executable = graph, Success;
}
EXPORT cuGraphLaunch(Graph *graph, Handle) {
  for (const auto &work : *graph)
    if (int code = work())
      return code;
  return Success;
}
EXPORT cuTensorMapEncodeTiled(void *, int, unsigned, void *, const uint64_t *, const uint64_t *,
                              const unsigned *, const unsigned *, int, int, int, int) {
  return NotSupported;
}
