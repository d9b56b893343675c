#include "runtime/Tensor.h"

#include "runtime/Random.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <unistd.h>

namespace attn {
namespace {

constexpr size_t kAlignment = 64; // a cache line, and an AVX-512 register

/// The limit of the process's control group, where version 2 of them sets one.
int64_t controlGroupLimit() {
  std::ifstream file("/sys/fs/cgroup/memory.max");
  int64_t limit;
  return file >> limit ? limit : std::numeric_limits<int64_t>::max(); // the word "max" is no number
}

} // namespace

int64_t physicalMemoryBytes() {
  static const int64_t bytes = [] {
    int64_t pages = sysconf(_SC_PHYS_PAGES), pageSize = sysconf(_SC_PAGESIZE);
    int64_t machine = pages > 0 && pageSize > 0 ? pages * pageSize : int64_t(1) << 62;
    return std::min(machine, controlGroupLimit());
  }();
  return bytes;
}

Expected<int64_t> checkedByteSize(std::span<const int64_t> shape, DType dtype) {
  // A zero counts as one at first: the strides of an empty tensor must not overflow either.
  int64_t bytes = dtypeSize(dtype);
  bool empty = false;
  for (int64_t length : shape) {
    if (length < 0)
      return makeError("shape {} has the negative length '{}'", shape, length);
    empty |= length == 0;
    if (__builtin_mul_overflow(bytes, std::max<int64_t>(length, 1), &bytes))
      return makeError(
          "a tensor of shape {} and type '{}' is too large: its size in bytes does not "
          "fit 64 bits",
          shape, dtypeName(dtype));
  }
  if (empty)
    return 0;
  if (bytes > physicalMemoryBytes())
    return makeError("a tensor of shape {} and type '{}' needs '{}' bytes, but only '{}' bytes of "
                     "memory exist here",
                     shape, dtypeName(dtype), bytes, physicalMemoryBytes());
  return bytes;
}

std::vector<int64_t> contiguousStrides(std::span<const int64_t> shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t d = shape.size(); d-- > 1;)
    strides[d - 1] = strides[d] * std::max<int64_t>(shape[d], 1);
  return strides;
}

TensorView::TensorView(void *data, DType dtype, std::vector<int64_t> shape,
                       std::vector<int64_t> strides)
    : data(data), dtype(dtype), shape(std::move(shape)), strides(std::move(strides)) {
  assert(this->shape.size() == this->strides.size() && "a view has one stride per dimension");
}

TensorView::TensorView(void *data, DType dtype, std::vector<int64_t> shape)
    : data(data), dtype(dtype), shape(std::move(shape)), strides(contiguousStrides(this->shape)) {}

int64_t TensorView::numElements() const {
  int64_t count = 1;
  for (int64_t length : shape)
    count *= length;
  return count;
}

int64_t TensorView::runRank() const {
  int64_t expected = 1;
  size_t d = rank();
  // The stride of a dimension of length 1 is never used.
  for (; d > 0 && (strides[d - 1] == expected || shape[d - 1] == 1); --d)
    expected *= shape[d - 1];
  return int64_t(d);
}

bool TensorView::isContiguous() const { return numElements() == 0 || runRank() == 0; }

TensorView TensorView::permuted(std::span<const int64_t> axes) const {
  assert(axes.size() == rank() && "a permutation names every dimension");
  TensorView result(data, dtype, {}, {});
  uint64_t seen = 0;
  for (int64_t axis : axes) {
    assert(axis >= 0 && size_t(axis) < rank() && "a permutation names dimensions of the view");
    assert((axis >= 64 || !(seen >> axis & 1)) && "a permutation names no dimension twice");
    seen |= axis < 64 ? uint64_t(1) << axis : 0;
    result.shape.push_back(shape[size_t(axis)]);
    result.strides.push_back(strides[size_t(axis)]);
  }
  (void)seen;
  return result;
}

void *TensorView::runAddress(std::span<const int64_t> outerIndices) const {
  int64_t offset = 0;
  for (size_t d = 0; d < outerIndices.size(); ++d) {
    assert(outerIndices[d] >= 0 && outerIndices[d] < shape[d] &&
           "an index lies inside its dimension");
    offset += outerIndices[d] * strides[d];
  }
  return static_cast<char *>(data) + offset * dtypeSize(dtype);
}

void *TensorView::address(std::span<const int64_t> indices) const {
  assert(indices.size() == rank() && "an element has one index per dimension");
  return runAddress(indices);
}

bool TensorView::advance(std::vector<int64_t> &outerIndices) const {
  for (size_t d = outerIndices.size(); d-- > 0;) {
    if (++outerIndices[d] < shape[d])
      return true;
    outerIndices[d] = 0;
  }
  return false;
}

void Tensor::Free::operator()(void *memory) const { std::free(memory); }

Expected<Tensor> Tensor::allocate(std::vector<int64_t> shape, DType dtype) {
  Expected<int64_t> bytes = checkedByteSize(shape, dtype);
  if (!bytes)
    return bytes.takeError();
  // An empty tensor has memory too, so that its address is one.
  size_t rounded =
      (size_t(std::max<int64_t>(*bytes, 1)) + kAlignment - 1) / kAlignment * kAlignment;
  Tensor result;
  result.memory.reset(std::aligned_alloc(kAlignment, rounded));
  if (!result.memory)
    return makeError("no memory for the '{}' bytes of a tensor of shape {} and type '{}'", *bytes,
                     shape, dtypeName(dtype));
  result.whole = TensorView(result.memory.get(), dtype, std::move(shape));
  return result;
}

Expected<Tensor> Tensor::zeros(std::vector<int64_t> shape, DType dtype) {
  Expected<Tensor> result = allocate(std::move(shape), dtype);
  if (result) // The bits of every type's zero are zeros.
    std::memset(result->data(), 0, size_t(result->byteSize()));
  return result;
}

Expected<Tensor> Tensor::randomNormal(std::vector<int64_t> shape, DType dtype, uint64_t seed) {
  if (!isFloat(dtype))
    return makeError("random normal numbers need a floating type, not '{}'", dtypeName(dtype));
  Expected<Tensor> result = allocate(std::move(shape), dtype);
  if (!result)
    return result;
  NormalSource source(seed);
  char *element = static_cast<char *>(result->data());
  for (int64_t i = result->numElements(); i > 0; --i, element += dtypeSize(dtype))
    storeElement(dtype, element, float(source.next()));
  return result;
}

Expected<Tensor> Tensor::copyOf(const TensorView &view, DType dtype) {
  Expected<Tensor> result = allocate(view.shape, dtype);
  if (!result)
    return result;
  char *target = static_cast<char *>(result->data());
  view.forEachRun([&](const void *run, int64_t bytes) {
    if (dtype == view.dtype) {
      std::memcpy(target, run, size_t(bytes));
      target += bytes;
      return true;
    }
    int64_t size = dtypeSize(view.dtype);
    for (int64_t i = 0; i < bytes; i += size, target += dtypeSize(dtype))
      storeElement(dtype, target, loadElement(view.dtype, static_cast<const char *>(run) + i));
    return true;
  });
  return result;
}

} // namespace attn
