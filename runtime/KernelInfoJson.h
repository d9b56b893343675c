//===- KernelInfoJson.h - a KernelInfo as text, and back ---------*- C++ -*-===//
//
// Canonical: one KernelInfo has one text, without white space, keys in alphabetical order, members
// that have their default value left out. Complete: reading the text gives an equal KernelInfo. A
// member that is added to a structure and forgotten here does not compile.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/KernelInfo.h"

#include "runtime/Error.h"

#include <string>
#include <string_view>

namespace attn {

std::string toJson(const KernelInfo &info);

/// From text that anybody may have written: unknown or missing members, numbers that do not fit and
/// texts that are not canonical are errors, which say where; the result has passed checkKernelInfo.
Expected<KernelInfo> kernelInfoFromJson(std::string_view text);

} // namespace attn
