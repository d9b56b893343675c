#include "runtime/cuda/Driver.h"

#include <dlfcn.h>

namespace attn::cuda {

Status Driver::check(CUresult code, const char *call) const {
  if (code == CUDA_SUCCESS)
    return {};
  const char *name = nullptr, *words = nullptr;
  cuGetErrorName(code, &name);
  cuGetErrorString(code, &words);
  return makeError("{}: {} ({}): {}", call, name ? name : "unknown error", code,
                   words ? words : "the driver has no words for it");
}

namespace {
/// Looks up entry points and remembers the first that is missing.
struct Loader {
  void *library;
  const char *missing = nullptr;

  template <class Function> void find(Function &function, const char *name) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    if (!function && !missing)
      missing = name;
  }
};
} // namespace

Expected<std::shared_ptr<const Driver>> Driver::load(const std::string &library) {
  void *handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    return makeError("there is no CUDA driver here: {}", reason ? reason : library)
        .withNote("the library '{}' comes with the driver of the graphics card; without one, "
                  "devices 'cpu' and 'emulator' run the same packages",
                  library);
  }
  auto driver = std::make_shared<Driver>();
  Driver &d = *driver;
  Loader loader{handle};
  loader.find(d.cuInit, "cuInit");
  loader.find(d.cuDriverGetVersion, "cuDriverGetVersion");
  loader.find(d.cuGetErrorName, "cuGetErrorName");
  loader.find(d.cuGetErrorString, "cuGetErrorString");
  loader.find(d.cuDeviceGetCount, "cuDeviceGetCount");
  loader.find(d.cuDeviceGet, "cuDeviceGet");
  loader.find(d.cuDeviceGetName, "cuDeviceGetName");
  loader.find(d.cuDeviceTotalMem, "cuDeviceTotalMem_v2");
  loader.find(d.cuDeviceGetAttribute, "cuDeviceGetAttribute");
  loader.find(d.cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
  loader.find(d.cuDevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2");
  loader.find(d.cuCtxGetCurrent, "cuCtxGetCurrent");
  loader.find(d.cuCtxPushCurrent, "cuCtxPushCurrent_v2");
  loader.find(d.cuCtxPopCurrent, "cuCtxPopCurrent_v2");
  loader.find(d.cuCtxGetDevice, "cuCtxGetDevice");
  loader.find(d.cuCtxSynchronize, "cuCtxSynchronize");
  loader.find(d.cuModuleLoadDataEx, "cuModuleLoadDataEx");
  loader.find(d.cuModuleUnload, "cuModuleUnload");
  loader.find(d.cuModuleGetFunction, "cuModuleGetFunction");
  loader.find(d.cuFuncGetAttribute, "cuFuncGetAttribute");
  loader.find(d.cuFuncSetAttribute, "cuFuncSetAttribute");
  loader.find(d.cuMemAlloc, "cuMemAlloc_v2");
  loader.find(d.cuMemFree, "cuMemFree_v2");
  loader.find(d.cuMemcpyHtoD, "cuMemcpyHtoD_v2");
  loader.find(d.cuMemcpyDtoH, "cuMemcpyDtoH_v2");
  loader.find(d.cuLaunchKernel, "cuLaunchKernel");
  if (loader.missing)
    return makeError("the library '{}' is no CUDA driver of version 11 or later: it lacks '{}'",
                     library, loader.missing);
  loader.find(d.cuOccupancyMaxActiveBlocksPerMultiprocessor,
              "cuOccupancyMaxActiveBlocksPerMultiprocessor");
  return std::shared_ptr<const Driver>(std::move(driver));
}

} // namespace attn::cuda
