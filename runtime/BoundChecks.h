//===- BoundChecks.h - bounds that run-time inputs make too large -*- C++ -*-===//
#pragma once

#include "runtime/LaunchChecks.h"

#include <span>

namespace attn {

/// Kernels compute the bounds of masks in 32 bits. An error where the values of an input, `k < q +
/// t[q]`, may lead out of them. `inputs` are those of inputViews, with shapes and types checked.
Status checkBounds(const KernelInfo &info, const LaunchSizes &sizes,
                   std::span<const DataView> inputs);

} // namespace attn
