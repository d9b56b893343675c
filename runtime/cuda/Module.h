//===- Module.h - a package's code on a CUDA device --------------*- C++ -*-===//
#pragma once

#include "runtime/cuda/Context.h"

namespace attn::cuda {

/// What the driver says of a kernel.
struct ModuleFacts {
  std::string from; ///< "cubin sm_80", "ptx sm_80"
  std::string log;  ///< of the driver's compiler, and cubins that it refused
  int registers = 0, localBytes = 0, staticSharedBytes = 0, maxThreadsPerBlock = 0;
};

class Module {
public:
  /// The cubin that fits best, made for the same major architecture and a minor one that is not
  /// newer, else the PTX. `preferPtx`: the other way round.
  static Expected<std::unique_ptr<Module>> load(std::shared_ptr<const Context> context,
                                                const Package &package, bool preferPtx,
                                                Fault &fault);
  Module(const Module &) = delete;
  ~Module();

  /// Of the package, whose KernelInfo the launch needs.
  const std::string &unit() const { return unitName; }
  const ModuleFacts &facts() const { return moduleFacts; }
  /// A kernel, allowed so much dynamic shared memory.
  Expected<CUfunction> function(const std::string &entry, int64_t sharedBytes) const;
  /// Fills the facts from this kernel.
  Status ask(CUfunction function);
  /// Thread blocks that the device runs at the same time; 0 where it does not say.
  int64_t concurrentBlocks(CUfunction function, int64_t threads, int64_t sharedBytes) const;

private:
  Module(std::shared_ptr<const Context> context) : context(std::move(context)) {}
  CUresult loadSection(const Section &section);

  std::shared_ptr<const Context> context;
  CUmodule handle = nullptr;
  std::string unitName;
  ModuleFacts moduleFacts;
};

} // namespace attn::cuda
