//===- LaunchChecks.h - what a launch asks of its tensors --------*- C++ -*-===//
#pragma once

#include "runtime/Launch.h"

namespace attn {

/// Positions are 32-bit in kernels, with room for sums of a few.
constexpr int64_t kMaxTokens = int64_t(1) << 28;
/// Symbols are clamped to this magnitude for kernels, as tile.symbol says.
constexpr int64_t kMaxSymbol = int64_t(1) << 30;

/// The sizes of one launch.
struct LaunchSizes {
  std::vector<int64_t> tokens, kvTokens; ///< as in the spec, every `?` bound
  int64_t batch = 0, numQueries = 0, numKeys = 0, queryOffset = 0;
};
Expected<LaunchSizes> launchSizes(const KernelInfo &info, const Bindings &bindings);

/// The layout of the kernel's token groups that has room for `length` tokens; an error where they cannot have
/// as many.
Expected<std::vector<int64_t>> groupLayout(const KernelInfo &info, int64_t length);

/// The tiled layouts of a launch: flat, as the spec has them, or split.
TileGeometry geometryOf(const KernelInfo &info, const LaunchSizes &sizes);

/// Types, shapes, strides, memory and overlaps of all tensors.
Status checkTensors(const KernelInfo &info, const Bindings &bindings, const LaunchSizes &sizes);

/// Type, shape, strides and alignment of one tensor.
Status checkTensor(const TensorView &view, std::string_view name, DType dtype,
                   const std::vector<int64_t> &shape, bool contiguousLast);

/// "[2, 8, 128, 64]", with '?' for -1.
std::string shapeText(const std::vector<int64_t> &shape);

/// Bytes from `data` that a view touches: begin <= 0 < end, or both 0 without elements. An error
/// where they do not fit 63 bits.
struct ByteRange {
  int64_t begin = 0, end = 0;
};
Expected<ByteRange> byteRange(const TensorView &view, std::string_view name);

/// Whether no byte belongs to both views. False where that is not proven.
bool provenDisjoint(const TensorView &a, const TensorView &b);

} // namespace attn
