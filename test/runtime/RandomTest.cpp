#include "runtime/Random.h"
#include "runtime/Tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

using namespace attn;

/// Computed with Python's integers and math module from the definitions of splitmix64 and
/// Box-Muller.
TEST(Random, FirstNumbersAreTheDefinition) {
  struct Case {
    uint64_t seed;
    std::vector<double> expected;
  };
  const Case cases[] = {
      {0,
       {-0.2788749225862045, -0.881064673862136, -0.7642228620191814, -1.1462910348239874,
        0.4189256448675239, 0.5488144033513801}},
      {1,
       {1.3256718696671201, -0.49082488155525955, 0.4268106002247344, -2.4512504280184744,
        0.26608840236698333, -1.7220664679402573}},
      {42,
       {1.4061449625634999, -0.4013783279560518, 1.0947531324548505, 0.49312370176981124,
        0.8051210645493542, 0.3635890870823688}},
  };
  for (const Case &test : cases) {
    NormalSource source(test.seed);
    for (double expected : test.expected)
      EXPECT_NEAR(source.next(), expected, 4e-15) << "seed " << test.seed;
  }
}

TEST(Random, TensorHasTheseVeryBits) {
  Expected<Tensor> tensor = Tensor::randomNormal({2, 3}, DType::F32, 42);
  ASSERT_TRUE(tensor);
  const uint32_t expected[] = {0x3fb3fc8f, 0xbecd8176, 0x3f8c20df,
                               0x3efc7ab6, 0x3f4e1c6a, 0x3eba2859};
  for (size_t i = 0; i < 6; ++i)
    EXPECT_EQ(std::bit_cast<uint32_t>(tensor->elements<float>()[i]), expected[i]);
}

TEST(Random, MomentsAndTailsAreThoseOfTheNormalDistribution) {
  constexpr int kCount = 1'000'000;
  NormalSource source(7);
  double sum = 0, squares = 0, fourth = 0, largest = 0;
  int beyondTwo = 0;
  for (int i = 0; i < kCount; ++i) {
    double x = source.next();
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
    beyondTwo += std::abs(x) > 2;
    largest = std::max(largest, std::abs(x));
  }
  // Five standard errors each.
  EXPECT_NEAR(sum / kCount, 0, 5e-3);
  EXPECT_NEAR(squares / kCount, 1, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(fourth / kCount, 3, 5 * std::sqrt(96.0 / kCount));
  EXPECT_NEAR(beyondTwo / double(kCount), 0.0455003, 5 * std::sqrt(0.0455 * 0.9545 / kCount));
  EXPECT_GT(largest, 4);
  EXPECT_LT(largest, 8.6); // sqrt(-2 log 2^-53)
}

TEST(Random, NeighbouringSeedsAreUncorrelated) {
  NormalSource a(1), b(2);
  double sum = 0;
  for (int i = 0; i < 100'000; ++i)
    sum += a.next() * b.next();
  EXPECT_NEAR(sum / 100'000, 0, 5 / std::sqrt(100'000.0));
}

TEST(Random, SixteenBitTensorsAreTheRoundedF32Tensor) {
  Expected<Tensor> exact = Tensor::randomNormal({100}, DType::F32, 5);
  Expected<Tensor> rounded = Tensor::randomNormal({100}, DType::BF16, 5);
  ASSERT_TRUE(exact && rounded);
  for (size_t i = 0; i < 100; ++i)
    EXPECT_EQ(rounded->elements<uint16_t>()[i], f32ToBF16(exact->elements<float>()[i]));
}

TEST(Random, IntegersAreRefused) {
  Expected<Tensor> tensor = Tensor::randomNormal({2}, DType::I32, 1);
  ASSERT_FALSE(tensor);
  EXPECT_EQ(tensor.error().message, "random normal numbers need a floating type, not 'i32'");
}
