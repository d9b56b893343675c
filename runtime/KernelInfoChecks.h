//===- KernelInfoChecks.h - whether a KernelInfo can be launched -*- C++ -*-===//
#pragma once

#include "runtime/Error.h"
#include "runtime/KernelInfo.h"

namespace attn {

/// Checks what the launch of a kernel relies on: indices lie in their lists, programs keep to their
/// stacks, extents and ranks belong together. A KernelInfo from a compiler always passes; one from
/// a file may hold anything. After it, planLaunch with any bindings reads and writes nothing that
/// is not there.
Status checkKernelInfo(const KernelInfo &info);

/// The same for one formula of it.
Status checkFormula(const KernelInfo &info, const Formula &formula);

} // namespace attn
