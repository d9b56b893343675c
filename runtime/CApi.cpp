// runtime/attnc.h on top of runtime/Device.h.
#include "runtime/attnc.h"

#include "runtime/DLTensors.h"
#include "runtime/Device.h"

#include <mutex>
#include <new>

using namespace attn;

#ifndef ATTNC_VERSION
#define ATTNC_VERSION "of no version" // a build without CMake
#endif

struct attnc_package {
  Package package;
  std::string json;
};
struct attnc_device {
  std::shared_ptr<Device> device;
  std::string json;
};
struct attnc_kernel {
  std::shared_ptr<Device> device;
  std::shared_ptr<DeviceKernel> kernel;
  std::string json;
};
struct attnc_plan {
  std::shared_ptr<Device> device;
  std::shared_ptr<DeviceKernel> kernel;
  std::unique_ptr<DevicePlan> plan;
  std::string json;
};

namespace {

thread_local std::string lastError;

attnc_status fail(attnc_status status, const Error &error) noexcept {
  try {
    std::string text = error.message;
    for (const std::string &note : error.notes)
      text += "\nnote: " + note;
    lastError = std::move(text);
  } catch (...) {
    lastError.clear();
  }
  return status;
}

attnc_status invalid(const Error &error) { return fail(ATTNC_INVALID_ARGUMENT, error); }

attnc_status fail(Fault fault, const Error &error) {
  switch (fault) {
  case Fault::Invalid:
    return fail(ATTNC_INVALID_ARGUMENT, error);
  case Fault::NoDevice:
    return fail(ATTNC_NO_DEVICE, error);
  case Fault::Unsupported:
    return fail(ATTNC_UNSUPPORTED, error);
  case Fault::Device:
    return fail(ATTNC_DEVICE_ERROR, error);
  case Fault::Memory:
    return fail(ATTNC_OUT_OF_MEMORY, error);
  }
  return fail(ATTNC_INTERNAL_ERROR, error);
}

/// Runs a call of the interface; exceptions, which are the standard library's, end here.
template <class Work> attnc_status guarded(Work &&work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc &) {
    return fail(ATTNC_OUT_OF_MEMORY, Error{"no memory is left", {}});
  } catch (const std::exception &problem) {
    return fail(ATTNC_INTERNAL_ERROR, Error{problem.what(), {}});
  } catch (...) {
    return fail(ATTNC_INTERNAL_ERROR, Error{"an unknown exception", {}});
  }
}

/// Whether none of the arguments is NULL; else the name of the first that is.
struct Argument {
  const void *pointer;
  const char *name;
};
attnc_status missing(std::initializer_list<Argument> arguments) {
  for (const Argument &argument : arguments)
    if (!argument.pointer)
      return invalid(makeError("'{}' is NULL", argument.name));
  return ATTNC_OK;
}

attnc_status finishPackage(Expected<Package> package, attnc_status otherwise, attnc_package **out) {
  if (!package)
    return fail(otherwise, package.error());
  std::string json = describe(*package);
  *out = new attnc_package{std::move(*package), std::move(json)};
  return ATTNC_OK;
}

//===----------------------------------------------------------------------===//
// Bindings
//===----------------------------------------------------------------------===//

class BindingReader {
public:
  BindingReader(const Device &device, const KernelInfo &info, const attnc_bindings &given)
      : device(device), info(info), given(given) {}

  Expected<Bindings> read() {
    if (Status status = checkStructure(); !status)
      return status.takeError();
    struct Wanted {
      const char *name;
      const DLTensor *tensor;
      TensorView &target;
    };
    for (const Wanted &w : {Wanted{"q", given.q, bindings.q}, Wanted{"k", given.k, bindings.k},
                            Wanted{"v", given.v, bindings.v}, Wanted{"o", given.o, bindings.o}})
      if (Status status = bind(w.name, w.tensor, info.dtype, w.target); !status)
        return status.takeError();
    if (given.lse)
      if (Status status = bind("lse", given.lse, DType::F32, bindings.lse.emplace()); !status)
        return status.takeError();
    for (size_t i = 0; i < given.num_inputs; ++i)
      if (Status status = bindInput(given.inputs[i]); !status)
        return status.takeError();
    if (given.tokens)
      bindings.tokens.assign(given.tokens, given.tokens + given.num_tokens);
    if (given.kv_tokens)
      bindings.kvTokens.assign(given.kv_tokens, given.kv_tokens + given.num_kv_tokens);
    if (given.query_offset)
      bindings.queryOffset = *given.query_offset;
    return std::move(bindings);
  }

private:
  Status checkStructure() const {
    if (given.num_inputs > 0 && !given.inputs)
      return makeError("'num_inputs' is {}, but 'inputs' is NULL", given.num_inputs);
    if (given.num_inputs > size_t(kMaxInputs))
      return makeError("'num_inputs' is {}, but a kernel takes at most {}", given.num_inputs,
                       kMaxInputs);
    for (auto [name, layout, count] :
         {std::tuple("tokens", given.tokens, given.num_tokens),
          std::tuple("kv_tokens", given.kv_tokens, given.num_kv_tokens)})
      if (count > size_t(kMaxRank) || (count > 0 && !layout))
        return makeError("'num_{}' is {}, but '{}' has 1 to {} dimensions", name, count, name,
                         kMaxRank);
    return {};
  }

  Status bind(const std::string &name, const DLTensor *tensor, DType dtype, TensorView &target) {
    if (!tensor)
      return makeError("'{}' is NULL", name);
    if (Status status = device.checkPlace(name, tensor->device); !status)
      return status;
    Expected<TensorView> view = viewOf(*tensor, name, dtype);
    if (!view)
      return view.takeError();
    target = std::move(*view);
    return {};
  }

  Status bindInput(const attnc_named_tensor &input) {
    if (!input.name)
      return makeError("a run-time input has no name");
    DType dtype = DType::U8;
    for (const InputInfo &known : info.inputs)
      if (known.name == input.name)
        dtype = known.dtype;
    auto [it, isNew] = bindings.inputs.try_emplace(input.name);
    if (!isNew)
      return makeError("input '{}' is bound twice", input.name);
    return bind(input.name, input.tensor, dtype, it->second);
  }

  const Device &device;
  const KernelInfo &info;
  const attnc_bindings &given;
  Bindings bindings;
};

/// What the caller knows of the structure; what it does not know is zero.
Expected<attnc_bindings> knownBindings(const attnc_bindings *given) {
  constexpr size_t kFirst = offsetof(attnc_bindings, lse);
  if (given->size < kFirst)
    return makeError("'size' of the bindings is {}, but must be sizeof(attnc_bindings)",
                     given->size);
  if (given->size > sizeof(attnc_bindings))
    return makeError("'size' of the bindings is {}, but this library knows {} bytes of them",
                     given->size, sizeof(attnc_bindings))
        .withNote("the caller was built with a newer attnc.h than this library");
  attnc_bindings known{};
  std::copy_n(reinterpret_cast<const char *>(given), given->size, reinterpret_cast<char *>(&known));
  return known;
}

} // namespace

const char *attnc_version(void) { return ATTNC_VERSION; }
const char *attnc_last_error(void) { return lastError.c_str(); }

//===----------------------------------------------------------------------===//
// Packages
//===----------------------------------------------------------------------===//

attnc_status attnc_package_open(const char *path, attnc_package **out) {
  if (out)
    *out = nullptr;
  return guarded([&]() -> attnc_status {
    if (attnc_status status = missing({{path, "path"}, {out, "out"}}))
      return status;
    bool isUnreadable = false;
    Expected<Package> package = Package::open(path, &isUnreadable);
    return finishPackage(std::move(package), isUnreadable ? ATTNC_IO_ERROR : ATTNC_BAD_PACKAGE,
                         out);
  });
}

attnc_status attnc_package_read(const void *bytes, size_t size, attnc_package **out) {
  if (out)
    *out = nullptr;
  return guarded([&]() -> attnc_status {
    if (attnc_status status = missing({{bytes, "bytes"}, {out, "out"}}))
      return status;
    return finishPackage(Package::read({static_cast<const uint8_t *>(bytes), size}),
                         ATTNC_BAD_PACKAGE, out);
  });
}

void attnc_package_close(attnc_package *package) { delete package; }

const char *attnc_package_json(const attnc_package *package) {
  return package ? package->json.c_str() : nullptr;
}

attnc_status attnc_package_section(const attnc_package *package, const char *kind,
                                   const char *target, const void **bytes, size_t *size) {
  if (bytes)
    *bytes = nullptr;
  return guarded([&]() -> attnc_status {
    if (attnc_status status =
            missing({{package, "package"}, {kind, "kind"}, {bytes, "bytes"}, {size, "size"}}))
      return status;
    const Section *section = package->package.find(kind, target ? target : "");
    if (section) {
      *bytes = section->bytes.data();
      *size = section->bytes.size();
      return ATTNC_OK;
    }
    std::string list;
    for (const Section &known : package->package.sections())
      list += fmt::format("{}'{}{}{}'", list.empty() ? "" : ", ", known.kind,
                          known.target.empty() ? "" : " ", known.target);
    return invalid(makeError("the package does not have exactly one section '{}{}{}'", kind,
                             target ? " " : "", target ? target : "")
                       .withNote("its sections are {}", list));
  });
}

//===----------------------------------------------------------------------===//
// Devices and kernels
//===----------------------------------------------------------------------===//

attnc_status attnc_device_open(const char *name, const char *options, attnc_device **out) {
  if (out)
    *out = nullptr;
  return guarded([&]() -> attnc_status {
    if (attnc_status status = missing({{name, "name"}, {out, "out"}}))
      return status;
    Fault fault = Fault::Invalid;
    auto device = openDevice(name, options ? options : "", fault);
    if (!device)
      return fail(fault, device.error());
    std::string json = (*device)->json();
    *out = new attnc_device{std::move(*device), std::move(json)};
    return ATTNC_OK;
  });
}

void attnc_device_close(attnc_device *device) { delete device; }

const char *attnc_device_json(const attnc_device *device) {
  return device ? device->json.c_str() : nullptr;
}

attnc_status attnc_device_synchronize(attnc_device *device) {
  return guarded([&]() -> attnc_status {
    if (attnc_status status = missing({{device, "device"}}))
      return status;
    Fault fault = Fault::Device;
    Status status = device->device->synchronize(fault);
    return status ? ATTNC_OK : fail(fault, status.error());
  });
}

attnc_status attnc_kernel_load(const attnc_package *package, attnc_device *device,
                               attnc_kernel **out) {
  if (out)
    *out = nullptr;
  return guarded([&]() -> attnc_status {
    if (attnc_status status = missing({{package, "package"}, {device, "device"}, {out, "out"}}))
      return status;
    Fault fault = Fault::Unsupported;
    auto kernel = device->device->load(package->package, fault);
    if (!kernel)
      return fail(fault, kernel.error());
    std::string json = (*kernel)->json();
    *out = new attnc_kernel{device->device, std::move(*kernel), std::move(json)};
    return ATTNC_OK;
  });
}

void attnc_kernel_close(attnc_kernel *kernel) { delete kernel; }

const char *attnc_kernel_json(const attnc_kernel *kernel) {
  return kernel ? kernel->json.c_str() : nullptr;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

attnc_status attnc_plan_make(attnc_kernel *kernel, const attnc_bindings *bindings,
                             attnc_plan **out) {
  if (out)
    *out = nullptr;
  return guarded([&]() -> attnc_status {
    if (attnc_status status = missing({{kernel, "kernel"}, {bindings, "bindings"}, {out, "out"}}))
      return status;
    Expected<attnc_bindings> known = knownBindings(bindings);
    if (!known)
      return invalid(known.error());
    Expected<Bindings> views =
        BindingReader(*kernel->device, kernel->kernel->info(), *known).read();
    if (!views)
      return invalid(views.error());
    if (known->splits < 0)
      return invalid(makeError("'splits' is {}, but must not be negative", known->splits));
    Fault fault = Fault::Invalid;
    auto plan = kernel->kernel->plan(*views, known->splits, fault);
    if (!plan)
      return fail(fault, plan.error());
    *out = new attnc_plan{kernel->device, kernel->kernel, std::move(*plan), {}};
    return ATTNC_OK;
  });
}

void attnc_plan_close(attnc_plan *plan) { delete plan; }

const char *attnc_plan_json(attnc_plan *plan) {
  if (!plan)
    return nullptr;
  attnc_status status = guarded([&] {
    plan->json = plan->plan->json();
    return ATTNC_OK;
  });
  return status == ATTNC_OK ? plan->json.c_str() : nullptr;
}

attnc_status attnc_plan_launch(attnc_plan *plan, void *stream) {
  return guarded([&]() -> attnc_status {
    if (attnc_status status = missing({{plan, "plan"}}))
      return status;
    Fault fault = Fault::Device;
    Status status = plan->plan->launch(stream, fault);
    return status ? ATTNC_OK : fail(fault, status.error());
  });
}
