//===- Npy.h - arrays for NumPy ---------------------------------*- C++ -*-===//
#pragma once

#include "runtime/Tensor.h"

#include <string>

namespace attn {

/// Writes `view`, of any strides, as a .npy file of format version 1.0, wholly or not at all. NumPy
/// has no bf16: that is an error.
Status writeNpy(const std::string &path, const TensorView &view);

} // namespace attn
