//===- Tensor.h - arrays in memory ------------------------------*- C++ -*-===//
//
// A TensorView looks at memory that somebody else owns; a Tensor owns it. Shapes and strides are in
// elements, the first dimension first. Strides may be zero or negative. Reading one view from many
// threads is safe, and so is writing distinct elements.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/DType.h"
#include "runtime/Error.h"

#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

namespace attn {

/// Bytes of a contiguous tensor. An error where a length is negative, where the product does not
/// fit 63 bits, or where it exceeds the memory of this machine: ask before allocating.
Expected<int64_t> checkedByteSize(std::span<const int64_t> shape, DType dtype);
/// The memory this process may use: what the machine has, or its control group allows, if less.
int64_t physicalMemoryBytes();
/// Strides of a contiguous, row-major tensor.
std::vector<int64_t> contiguousStrides(std::span<const int64_t> shape);

struct TensorView {
  void *data = nullptr;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides; ///< in elements, as many as the shape has dimensions

  TensorView() = default;
  TensorView(void *data, DType dtype, std::vector<int64_t> shape, std::vector<int64_t> strides);
  /// A contiguous one.
  TensorView(void *data, DType dtype, std::vector<int64_t> shape);

  size_t rank() const { return shape.size(); }
  int64_t numElements() const;
  int64_t byteSize() const { return numElements() * dtypeSize(dtype); }
  bool isContiguous() const;

  /// Dimension d of the result is dimension axes[d] of this view. `axes` is a permutation.
  TensorView permuted(std::span<const int64_t> axes) const;
  TensorView permuted(std::initializer_list<int64_t> axes) const {
    return permuted(std::span(axes.begin(), axes.size()));
  }

  /// Indices are in range, one per dimension. See loadElement and storeElement for the conversions.
  double at(std::span<const int64_t> indices) const { return loadElement(dtype, address(indices)); }
  double at(std::initializer_list<int64_t> indices) const {
    return at(std::span(indices.begin(), indices.size()));
  }
  void set(std::span<const int64_t> indices, double value) const {
    storeElement(dtype, address(indices), value);
  }
  void set(std::initializer_list<int64_t> indices, double value) const {
    set(std::span(indices.begin(), indices.size()), value);
  }
  void *address(std::span<const int64_t> indices) const;

  /// Calls `visit(const void *run, int64_t bytes)` on the runs of adjacent elements, in row-major
  /// order, until it returns false. Returns whether all were visited.
  template <class Visit> bool forEachRun(Visit &&visit) const {
    int64_t outer = runRank(), runElements = 1;
    for (size_t d = size_t(outer); d < rank(); ++d)
      runElements *= shape[d];
    if (numElements() == 0)
      return true;
    std::vector<int64_t> index(size_t(outer), 0);
    do
      if (!visit(static_cast<const void *>(runAddress(index)), runElements * dtypeSize(dtype)))
        return false;
    while (advance(index));
    return true;
  }

private:
  /// Leading dimensions that a run does not cover.
  int64_t runRank() const;
  void *runAddress(std::span<const int64_t> outerIndices) const;
  /// Counts up over the leading dimensions; false after the last.
  bool advance(std::vector<int64_t> &outerIndices) const;
};

/// Contiguous memory of its own, aligned to 64 bytes. Move-only; a moved-from tensor has no data.
class Tensor {
public:
  Tensor() = default;

  /// The elements are not initialised.
  static Expected<Tensor> allocate(std::vector<int64_t> shape, DType dtype);
  static Expected<Tensor> zeros(std::vector<int64_t> shape, DType dtype);
  /// Standard normal numbers in row-major order, rounded to f32 and then to `dtype`, a floating
  /// type. The same seed gives the same tensor on every machine.
  static Expected<Tensor> randomNormal(std::vector<int64_t> shape, DType dtype, uint64_t seed);
  /// A contiguous copy of `view`, its elements converted to `dtype`.
  static Expected<Tensor> copyOf(const TensorView &view, DType dtype);

  const TensorView &view() const { return whole; }
  operator const TensorView &() const { return whole; }
  DType dtype() const { return whole.dtype; }
  const std::vector<int64_t> &shape() const { return whole.shape; }
  int64_t numElements() const { return whole.numElements(); }
  int64_t byteSize() const { return whole.byteSize(); }
  void *data() { return whole.data; }
  const void *data() const { return whole.data; }
  /// `T` has the size of an element.
  template <class T> std::span<T> elements() {
    assert(int64_t(sizeof(T)) == dtypeSize(dtype()) && "elements() is asked for the stored type");
    return {static_cast<T *>(whole.data), size_t(numElements())};
  }
  double at(std::initializer_list<int64_t> indices) const { return whole.at(indices); }

private:
  struct Free {
    void operator()(void *memory) const;
  };
  std::unique_ptr<void, Free> memory;
  TensorView whole;

public:
  Tensor(Tensor &&other) noexcept
      : memory(std::move(other.memory)), whole(std::exchange(other.whole, TensorView())) {}
  Tensor &operator=(Tensor &&other) noexcept {
    memory = std::move(other.memory);
    whole = std::exchange(other.whole, TensorView());
    return *this;
  }
};

} // namespace attn
