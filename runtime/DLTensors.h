//===- DLTensors.h - tensors of other libraries ------------------*- C++ -*-===//
#pragma once

#include "runtime/Tensor.h"

#include <dlpack/dlpack.h>

#include <string_view>

namespace attn {

/// The view that a DLTensor describes; shapes and strides are copied, the memory is not looked at.
/// An error names the tensor: more than `kMaxDLRank` dimensions, a negative length, an element type
/// that no kernel has. `wanted` says how 8-bit unsigned integers are read: as Bool, if that is it.
constexpr int kMaxDLRank = 8;
Expected<TensorView> viewOf(const DLTensor &tensor, std::string_view name, DType wanted);
/// The same for kernels on this processor: an error, too, where it cannot read the memory.
Expected<TensorView> hostViewOf(const DLTensor &tensor, std::string_view name, DType wanted);
/// Whether the processor reads memory of that place.
Status checkOnHost(std::string_view name, DLDevice place);

} // namespace attn
