//===- InputChecks.h - what a launch asks of run-time inputs -----*- C++ -*-===//
#pragma once

#include "runtime/LaunchChecks.h"

namespace attn {

/// The shape that the masks want of input `index`, from how they read it: labels have an entry for each
/// query or key, lengths one for each batch entry. An extent that nothing speaks of is -1 where the spec
/// leaves it open.
std::vector<int64_t> wantedShape(const KernelInfo &info, int32_t index, const LaunchSizes &sizes);

/// Whether a mask depends on it, and not only the score.
bool isReadByMasks(const KernelInfo &info, int32_t index);

/// Presence, types, shapes and values of all inputs: cumulative lengths ascend from 0 to the number of
/// tokens, listed blocks exist, tables are long enough for the indices that predicates compute.
Status checkInputs(const KernelInfo &info, const Bindings &bindings, const LaunchSizes &sizes);

/// The inputs as tile maps read them, in the order of the kernel's; those of other types than i32 and
/// bool, which scores alone read, have no data.
std::vector<DataView> inputViews(const KernelInfo &info, const Bindings &bindings);

} // namespace attn
