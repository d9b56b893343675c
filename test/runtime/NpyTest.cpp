#include "runtime/Npy.h"
#include "test/runtime/TemporaryFolder.h"

#include <cstring>

using namespace attn;

class Npy : public TemporaryFolder {
protected:
  /// Checks the frame of a version 1.0 file; returns its dictionary without padding, and its data.
  static std::pair<std::string, std::string> parts(const std::string &bytes) {
    EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
    size_t length = uint8_t(bytes[8]) | size_t(uint8_t(bytes[9])) << 8;
    EXPECT_EQ((10 + length) % 64, 0u);
    EXPECT_EQ(bytes[10 + length - 1], '\n');
    std::string text = bytes.substr(10, length - 1);
    return {text.substr(0, text.find_last_not_of(' ') + 1), bytes.substr(10 + length)};
  }
};

TEST_F(Npy, BooleanMatrix) {
  uint8_t mask[] = {1, 0, 0, 1, 1, 0};
  ASSERT_TRUE(writeNpy(path("m.npy"), TensorView(mask, DType::Bool, {2, 3})));
  auto [header, data] = parts(bytesOf(path("m.npy")));
  EXPECT_EQ(header, "{'descr': '|b1', 'fortran_order': False, 'shape': (2, 3), }");
  EXPECT_EQ(data, std::string("\1\0\0\1\1\0", 6));
}

TEST_F(Npy, VectorsScalarsAndEmptyArrays) {
  float values[] = {1, 2, 3};
  ASSERT_TRUE(writeNpy(path("v"), TensorView(values, DType::F32, {3})));
  auto [vector, data] = parts(bytesOf(path("v")));
  EXPECT_EQ(vector, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }");
  EXPECT_EQ(data, std::string(reinterpret_cast<char *>(values), 12));
  ASSERT_TRUE(writeNpy(path("s"), TensorView(values, DType::F32, {})));
  EXPECT_EQ(parts(bytesOf(path("s"))).first,
            "{'descr': '<f4', 'fortran_order': False, 'shape': (), }");
  ASSERT_TRUE(writeNpy(path("e"), TensorView(values, DType::F32, {0, 3})));
  EXPECT_EQ(parts(bytesOf(path("e"))).second, "");
}

TEST_F(Npy, StridedViewsAreWrittenInOrder) {
  int16_t values[] = {1, 2, 3, 4};
  ASSERT_TRUE(writeNpy(path("t"), TensorView(values, DType::I16, {2, 2}).permuted({1, 0})));
  int16_t expected[] = {1, 3, 2, 4};
  EXPECT_EQ(parts(bytesOf(path("t"))).second, std::string(reinterpret_cast<char *>(expected), 8));
}

TEST_F(Npy, Refusals) {
  uint16_t value = 0;
  Status status = writeNpy(path("b"), TensorView(&value, DType::BF16, {1}));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "cannot write '" + path("b") + "': the .npy format has no type 'bf16'");
  EXPECT_FALSE(writeNpy(path("no/x"), TensorView(&value, DType::F16, {1})));
  EXPECT_FALSE(
      writeNpy(path("deep"), TensorView(&value, DType::F16, std::vector<int64_t>(30000, 1))));
  EXPECT_TRUE(entries().empty());
}
