#include "runtime/Tensor.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

using namespace attn;

using Shape = std::vector<int64_t>;

static std::string messageOf(const Expected<int64_t> &size) {
  return size ? "no error" : size.error().message;
}

TEST(Tensor, ByteSizes) {
  EXPECT_EQ(*checkedByteSize(Shape{2, 3, 4}, DType::F32), 96);
  EXPECT_EQ(*checkedByteSize(Shape{}, DType::F64), 8);
  EXPECT_EQ(*checkedByteSize(Shape{5, 0, 7}, DType::F16), 0);
}

TEST(Tensor, OverflowIsAnErrorBeforeAllocation) {
  constexpr int64_t kHuge = int64_t(1) << 62;
  for (const Shape &shape : {Shape{kHuge, 4}, Shape{kHuge}, Shape{kHuge, kHuge, 0},
                             Shape{0, kHuge, kHuge}, Shape{INT64_MAX, INT64_MAX}}) {
    EXPECT_NE(messageOf(checkedByteSize(shape, DType::F32)).find("does not fit 64 bits"),
              std::string::npos);
    EXPECT_FALSE(Tensor::allocate(shape, DType::F32));
    EXPECT_FALSE(Tensor::zeros(shape, DType::F32));
    EXPECT_FALSE(Tensor::randomNormal(shape, DType::F32, 1));
  }
}

TEST(Tensor, MoreThanTheMemoryOfTheMachineIsAnError) {
  ASSERT_GT(physicalMemoryBytes(), 0);
  int64_t elements = physicalMemoryBytes() / 4 + 1;
  std::string message = messageOf(checkedByteSize(Shape{elements}, DType::F32));
  EXPECT_NE(message.find("of memory exist here"), std::string::npos) << message;
  EXPECT_NE(message.find(std::to_string(elements)), std::string::npos) << message;
  EXPECT_FALSE(Tensor::zeros({int64_t(1) << 50}, DType::F64));
}

TEST(Tensor, NegativeLengthIsAnError) {
  EXPECT_EQ(messageOf(checkedByteSize(Shape{2, -3}, DType::F32)),
            "shape [2, -3] has the negative length '-3'");
}

TEST(Tensor, MemoryIsAlignedZeroedAndOwned) {
  Expected<Tensor> made = Tensor::zeros({3, 5}, DType::F16);
  ASSERT_TRUE(made);
  Tensor tensor = *std::move(made);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data()) % 64, 0u);
  for (uint16_t bits : tensor.elements<uint16_t>())
    EXPECT_EQ(bits, 0);
  void *data = tensor.data();
  Tensor moved = std::move(tensor);
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(std::as_const(tensor).data(),
            nullptr); // NOLINT: what a moved-from tensor is, is documented
  EXPECT_EQ(moved.byteSize(), 30);
  tensor = std::move(moved);
  EXPECT_EQ(tensor.data(), data);
}

TEST(Tensor, EmptyAndScalarTensors) {
  Expected<Tensor> empty = Tensor::zeros({4, 0}, DType::F32),
                   scalar = Tensor::zeros({}, DType::F64);
  ASSERT_TRUE(empty && scalar);
  EXPECT_NE(empty->data(), nullptr);
  EXPECT_EQ(empty->numElements(), 0);
  EXPECT_EQ(scalar->numElements(), 1);
  scalar->view().set({}, 2.5);
  EXPECT_EQ(scalar->at({}), 2.5);
}

/// [2, 3, 4] holding 0, 1, 2, ...
static Tensor counting(DType dtype) {
  Expected<Tensor> tensor = Tensor::zeros({2, 3, 4}, dtype);
  EXPECT_TRUE(tensor);
  for (int64_t i = 0; i < 24; ++i)
    storeElement(dtype, static_cast<char *>(tensor->data()) + i * dtypeSize(dtype), double(i));
  return *std::move(tensor);
}

TEST(Tensor, ElementsOfEveryType) {
  for (DType dtype : allDTypes()) {
    Tensor tensor = counting(dtype);
    EXPECT_EQ(tensor.at({1, 2, 3}), dtype == DType::Bool ? 1 : 23);
    EXPECT_EQ(tensor.at({0, 0, 0}), 0);
    EXPECT_EQ(tensor.at({1, 0, 2}), dtype == DType::Bool ? 1 : 14);
  }
}

TEST(Tensor, PermutedViewLooksAtTheSameMemory) {
  Tensor tensor = counting(DType::F32);
  TensorView view = tensor.view().permuted({2, 0, 1});
  EXPECT_EQ(view.shape, (Shape{4, 2, 3}));
  EXPECT_EQ(view.strides, (Shape{1, 12, 4}));
  EXPECT_EQ(view.at({3, 1, 2}), 23);
  EXPECT_EQ(view.at({1, 0, 2}), 9);
  view.set({1, 0, 2}, -5);
  EXPECT_EQ(tensor.at({0, 2, 1}), -5);
  EXPECT_TRUE(tensor.view().isContiguous());
  EXPECT_FALSE(view.isContiguous());
}

static std::vector<double> inOrder(const TensorView &view) {
  std::vector<double> values;
  view.forEachRun([&](const void *run, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += dtypeSize(view.dtype))
      values.push_back(loadElement(view.dtype, static_cast<const char *>(run) + i));
    return true;
  });
  return values;
}

static int countRuns(const TensorView &view) {
  int runs = 0;
  view.forEachRun([&](const void *, int64_t) { return ++runs, true; });
  return runs;
}

TEST(Tensor, RunsFollowRowMajorOrder) {
  Tensor tensor = counting(DType::I16);
  std::vector<double> ascending(24);
  std::iota(ascending.begin(), ascending.end(), 0);
  EXPECT_EQ(inOrder(tensor.view()), ascending);
  EXPECT_EQ(countRuns(tensor.view()), 1);

  TensorView swapped = tensor.view().permuted({1, 0, 2});
  std::vector<double> expected;
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 2; ++j)
      for (int64_t k = 0; k < 4; ++k)
        expected.push_back(double(12 * j + 4 * i + k));
  EXPECT_EQ(inOrder(swapped), expected);
  EXPECT_EQ(countRuns(swapped), 6);
}

TEST(Tensor, RunsOfBroadcastReversedAndEmptyViews) {
  int32_t numbers[] = {1, 2, 3};
  EXPECT_EQ(inOrder(TensorView(numbers, DType::I32, {2, 2}, {0, 1})),
            (std::vector<double>{1, 2, 1, 2}));
  EXPECT_EQ(inOrder(TensorView(numbers + 2, DType::I32, {3}, {-1})),
            (std::vector<double>{3, 2, 1}));
  EXPECT_EQ(countRuns(TensorView(numbers, DType::I32, {2, 0}, {1, 1})), 0);
  EXPECT_EQ(inOrder(TensorView(numbers, DType::I32, {1, 3, 1}, {99, 1, 77})),
            (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(countRuns(TensorView(numbers, DType::I32, {1, 3, 1}, {99, 1, 77})), 1);
}

TEST(Tensor, CopyConvertsAndMakesContiguous) {
  Tensor tensor = counting(DType::F32);
  Expected<Tensor> copy = Tensor::copyOf(tensor.view().permuted({2, 1, 0}), DType::I64);
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->shape(), (Shape{4, 3, 2}));
  EXPECT_TRUE(copy->view().isContiguous());
  EXPECT_EQ(copy->at({3, 2, 1}), 23);
  EXPECT_EQ(copy->at({1, 2, 0}), 9);
}

TEST(Tensor, CopyOfTheSameTypeKeepsBits) {
  int64_t large = (int64_t(1) << 53) + 1; // no double
  Expected<Tensor> copy = Tensor::copyOf(TensorView(&large, DType::I64, {1}), DType::I64);
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->elements<int64_t>()[0], large);
}
