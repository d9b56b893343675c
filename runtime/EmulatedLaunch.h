//===- EmulatedLaunch.h - a launch plan on the emulator ----------*- C++ -*-===//
#pragma once

#include "runtime/Launch.h"
#include "runtime/emulator/Emulator.h"
#include "runtime/emulator/Profile.h"

#include <vector>

namespace attn {

/// The memory of a launch as the emulator has it: tensors, tables and scratch memory, each a buffer
/// exactly as long as it is, so that a kernel that reads or writes past one is found out. Refers to
/// what it is made of, which must stay where it is. One run at a time.
class EmulatedLaunch {
public:
  /// `plan` was made of `info` and `bindings`.
  EmulatedLaunch(const KernelInfo &info, const Bindings &bindings, const LaunchPlan &plan);

  /// Runs the kernel and, where keys are split, the one that merges. Their counts are added up;
  /// `profiles`, if not null, gets one of each, and options.profile is not used. An error names the
  /// kernel.
  Expected<emulator::Counters> run(const emulator::Module &module, emulator::LaunchOptions options,
                                   std::vector<emulator::Profile> *profiles = nullptr);

private:
  void put(size_t field, uint64_t address);
  void mapView(size_t field, const std::string &name, const TensorView &view, bool readOnly);

  const KernelInfo &info;
  const LaunchPlan &plan;
  emulator::Memory memory;
  KernelArgs args;
};

} // namespace attn
