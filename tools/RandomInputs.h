//===- RandomInputs.h - run-time inputs that a kernel accepts ----*- C++ -*-===//
#pragma once

#include "runtime/LaunchChecks.h"

namespace attn::tools {

/// A tensor for every input of the kernel, of values that a launch of these sizes takes and that
/// are worth a run: sequences of different lengths with an empty one among them, lists with empty
/// rows, labels in runs or scattered. Equal seeds give equal tensors.
Expected<std::map<std::string, Tensor>> randomInputs(const KernelInfo &info,
                                                     const LaunchSizes &sizes, uint64_t seed);

} // namespace attn::tools
