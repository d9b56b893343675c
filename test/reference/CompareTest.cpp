#include "test/reference/Attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

using namespace attn::reference;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();
static constexpr float kInfinityF = std::numeric_limits<float>::infinity();

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

TEST(Rounding, KnownValues) {
  EXPECT_EQ(roundTo(Type::BF16, 1.0), 1.0);
  EXPECT_EQ(ulp(Type::BF16, 1.0), 0x1p-7);
  EXPECT_EQ(ulp(Type::F16, 1.5), 0x1p-10);
  EXPECT_EQ(ulp(Type::F32, 2.0), 0x1p-22);
  EXPECT_EQ(roundTo(Type::BF16, 3.14159265), 3.140625);
  EXPECT_EQ(roundTo(Type::F16, 0.1), 0x1.998p-4);
}

TEST(Rounding, TiesGoToEven) {
  EXPECT_EQ(roundTo(Type::BF16, 1 + 0x1p-8), 1.0);
  EXPECT_EQ(roundTo(Type::BF16, 1 + 3 * 0x1p-8), 1 + 0x1p-6);
  EXPECT_EQ(roundTo(Type::BF16, 1 + 0x1.01p-8), 1 + 0x1p-7);
  EXPECT_EQ(roundTo(Type::F16, -(1 + 0x1p-11)), -1.0);
}

TEST(Rounding, BordersOfTheRange) {
  EXPECT_EQ(roundTo(Type::F16, 65519.0), 65504.0);
  EXPECT_EQ(roundTo(Type::F16, 65520.0), kInfinity);
  EXPECT_EQ(roundTo(Type::F16, -1e9), -kInfinity);
  EXPECT_EQ(roundTo(Type::F16, 0x1p-24), 0x1p-24); // the smallest subnormal
  EXPECT_EQ(roundTo(Type::F16, 0x1p-25), 0.0);     // a tie, to even
  EXPECT_EQ(roundTo(Type::F16, 0x1.8p-25), 0x1p-24);
  EXPECT_TRUE(std::isnan(roundTo(Type::BF16, std::nan(""))));
}

TEST(Rounding, F32AgreesWithTheMachine) {
  for (double x : {0.1, -1.0 / 3, 1e-40, 3.3e38, 1e39, 1 + 0x1p-24, 1 + 3 * 0x1p-24})
    EXPECT_EQ(roundTo(Type::F32, x), double(float(x))) << x;
}

TEST(Rounding, EveryF16PatternComesBack) {
  EXPECT_EQ(encode16(Type::F16, 1.0), 0x3c00);
  EXPECT_EQ(encode16(Type::F16, -2.0), 0xc000);
  EXPECT_EQ(encode16(Type::F16, kInfinity), 0x7c00);
  for (int bits = 0; bits < 0x10000; ++bits)
    if (double x = decode16(Type::F16, uint16_t(bits)); !std::isnan(x)) {
      ASSERT_EQ(encode16(Type::F16, x), bits);
    }
  EXPECT_TRUE(std::isnan(decode16(Type::F16, encode16(Type::F16, std::nan("")))));
}

TEST(Rounding, Bf16PatternIsTheUpperHalfOfF32) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    uint32_t word = uint32_t(bits) << 16;
    float expected;
    std::memcpy(&expected, &word, sizeof expected);
    double x = decode16(Type::BF16, uint16_t(bits));
    ASSERT_EQ(std::isnan(x), std::isnan(expected));
    if (!std::isnan(x)) {
      ASSERT_EQ(x, double(expected));
      ASSERT_EQ(encode16(Type::BF16, x), bits);
    }
  }
}

//===----------------------------------------------------------------------===//
// Tolerances
//===----------------------------------------------------------------------===//

static Result resultOf(std::vector<double> o, std::vector<double> lse, double maxAbsScore = 1) {
  return {std::move(o), std::move(lse), maxAbsScore};
}

using Floats = std::vector<float>;

TEST(CompareF32, AcceptsAndRefusesAtTheTolerance) {
  Result reference = resultOf({0, 3}, {0.5});
  EXPECT_TRUE(compareF32(Floats{0.9e-5f, 3}, Floats{0.5f}, reference));
  EXPECT_FALSE(compareF32(Floats{1.1e-5f, 3}, Floats{0.5f}, reference));
  EXPECT_TRUE(compareF32(Floats{0, 3 + 3.9e-5f}, Floats{0.5f}, reference));
  EXPECT_FALSE(compareF32(Floats{0, 3 + 4.2e-5f}, Floats{0.5f}, reference));
  EXPECT_TRUE(compareF32(Floats{0, 3}, Floats{0.5f + 1.4e-5f}, reference));
  EXPECT_FALSE(compareF32(Floats{0, 3}, Floats{0.5f + 1.6e-5f}, reference));
}

TEST(CompareF32, LargeScoresWidenTheTolerance) {
  EXPECT_FALSE(compareF32(Floats{1.5e-5f}, {}, resultOf({0}, {0}, 16)));
  EXPECT_TRUE(compareF32(Floats{1.5e-5f}, {}, resultOf({0}, {0}, 32)));
}

TEST(CompareF32, SaysWhereAndHowMuch) {
  Report report = compareF32(Floats{0, 4, 2}, Floats{1}, resultOf({0, 3, 2}, {1}));
  EXPECT_FALSE(report.ok);
  EXPECT_EQ(report.o.worstIndex, 1u);
  EXPECT_EQ(report.o.maxError, 1);
  EXPECT_NEAR(report.o.rmsError, std::sqrt(1.0 / 3), 1e-12);
  EXPECT_EQ(report.message, "O[1] is 4, but the reference is 3; allowed error 4e-05");
}

TEST(CompareF32, RowsWithoutKeysAreExact) {
  Result reference = resultOf({0, 0, 1, 1}, {-kInfinity, 2});
  EXPECT_TRUE(compareF32(Floats{0, -0.0f, 1, 1}, Floats{-kInfinityF, 2}, reference));
  EXPECT_FALSE(compareF32(Floats{0, 1e-9f, 1, 1}, Floats{-kInfinityF, 2}, reference));
  EXPECT_FALSE(compareF32(Floats{0, 0, 1, 1}, Floats{-1e30f, 2}, reference));
  EXPECT_FALSE(compareF32(Floats{0, 0, 1, 1}, Floats{std::nanf(""), 2}, reference));
}

TEST(CompareF32, NonFiniteValuesMustMeetNonFiniteReferences) {
  EXPECT_FALSE(compareF32(Floats{std::nanf("")}, {}, resultOf({1}, {0})));
  EXPECT_FALSE(compareF32(Floats{kInfinityF}, {}, resultOf({1}, {0})));
  EXPECT_FALSE(compareF32(Floats{1}, {}, resultOf({std::nan("")}, {0})));
  EXPECT_TRUE(compareF32(Floats{kInfinityF}, {}, resultOf({std::nan("")}, {0})));
}

TEST(CompareF32, RefusesOtherSizes) {
  Report report = compareF32(Floats{1, 2}, {}, resultOf({1}, {0}));
  EXPECT_EQ(report.message, "O has 2 elements, but the reference 1");
}

TEST(CompareRounded, MaximumIsTwiceTheYardstickPlusOneUlp) {
  // One bad element of the yardstick, 100 elements, so that the RMS does not decide.
  std::vector<double> exact(100, 1.0), yard = exact;
  yard[0] += 0x1p-7;
  double allowed = 2 * 0x1p-7 + ulp(Type::BF16, 1);
  Result reference = resultOf(exact, {0}), yardstick = resultOf(yard, {0});
  Floats values(100, 1.0f);
  values[3] = float(1 + allowed);
  EXPECT_TRUE(compareRounded(Type::BF16, values, {}, reference, yardstick));
  values[3] = float(1 + allowed + 0x1p-12);
  Report report = compareRounded(Type::BF16, values, {}, reference, yardstick);
  EXPECT_FALSE(report.ok);
  EXPECT_EQ(report.o.worstIndex, 3u);
}

TEST(CompareRounded, RmsCountsErrorsEverywhere) {
  // Each element within the maximum, but all of them off.
  std::vector<double> exact(100, 1.0), yard = exact;
  yard[0] += 0x1p-6;
  Result reference = resultOf(exact, {0}), yardstick = resultOf(yard, {0});
  Floats values(100, float(1 + 0x1p-6));
  Report report = compareRounded(Type::BF16, values, {}, reference, yardstick);
  EXPECT_FALSE(report.ok);
  EXPECT_LT(report.o.worstRatio, 1);
  EXPECT_NE(report.message.find("RMS error of O"), std::string::npos) << report.message;
}

TEST(CompareRounded, LseHasItsOwnTolerance) {
  Result reference = resultOf({1}, {9});
  EXPECT_TRUE(compareRounded(Type::F16, Floats{1}, Floats{9 + 0.9e-3f}, reference, reference));
  EXPECT_FALSE(compareRounded(Type::F16, Floats{1}, Floats{9 + 1.1e-3f}, reference, reference));
}
