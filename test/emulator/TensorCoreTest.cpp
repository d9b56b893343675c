// How matrix products are summed: the rules of TensorCore.h on small cases, and its short way
// against the long one. What a GPU gave is in hardware_outputs.py.
#include "runtime/emulator/ops/TensorCore.h"

#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace attn::emulator::tensorcore {
namespace {

/// D = A B + C for the first element; the rest are zeros.
template <class Format, bool kToHalf = false>
float sumOf(std::vector<float> a, std::vector<float> b, float c) {
  a.resize(16), b.resize(16);
  return sumOne(a, b, c, Format::kBias, kToHalf);
}

TEST(TensorCore, KeepsTwoBitsBeyondFloat) {
  // 2^-25 counts beside 1, four times it make a bit of a float; 2^-26 does not.
  EXPECT_EQ(sumOf<BFloats>(std::vector<float>(4, 0x1p-12f), std::vector<float>(4, 0x1p-13f), 1),
            1 + 0x1p-23f);
  EXPECT_EQ(sumOf<BFloats>(std::vector<float>(16, 0x1p-13f), std::vector<float>(16, 0x1p-13f), 1),
            1);
}

TEST(TensorCore, Truncates) {
  EXPECT_EQ(sumOf<BFloats>({0x1p-12f}, {0x1.8p-12f}, 1), 1);
  EXPECT_EQ(sumOf<BFloats>({-0x1p-12f}, {0x1.8p-12f}, -1), -1);
  EXPECT_EQ(sumOf<BFloats>({0x1p-12f}, {-0x1p-13f}, 1), 1 - 0x1p-24f);
}

TEST(TensorCore, AddsInNoOrder) {
  EXPECT_EQ(sumOf<BFloats>({0x1p30f, 1, -0x1p30f}, {1, 1, 1}, 0x1p6f), 0x1p6f);
  EXPECT_EQ(sumOf<BFloats>({0x1p20f, 1, -0x1p20f}, {1, 1, 1}, 0x1p6f), 0x1p6f + 1);
}

TEST(TensorCore, RoundsToHalfOnce) {
  // Half of a place is a tie, anything more is not.
  EXPECT_EQ((sumOf<Halves, true>({0x1p-11f}, {1}, 1)), 1);
  EXPECT_EQ((sumOf<Halves, true>({0x1p-11f, 0x1p-12f}, {1, 0x1p-13f}, 1)), 1 + 0x1p-10f);
  EXPECT_EQ((sumOf<Halves, true>({255}, {257}, 0)), std::numeric_limits<float>::infinity());
}

TEST(TensorCore, HasSpecialValues) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(sumOf<BFloats>({kInfinity}, {-2}, 1), -kInfinity);
  EXPECT_TRUE(std::isnan(sumOf<BFloats>({kInfinity}, {0}, 1)));
  EXPECT_TRUE(std::isnan(sumOf<BFloats>({kInfinity}, {1}, -kInfinity)));
  EXPECT_EQ(sumOf<BFloats>({0x1p127f}, {2}, 0), kInfinity);
  EXPECT_FALSE(std::signbit(sumOf<BFloats>({-0.0f}, {1}, -0.0f)));
  EXPECT_EQ(sumOf<BFloats>({0x1p-133f}, {1}, 0x1p-149f), 0x1p-133f + 0x1p-149f);
}

/// Words of two values each, with exponents from `low` to `high`, some of them zeros.
template <class Format> uint32_t drawWord(std::mt19937 &random, int low, int high) {
  auto half = [&]() -> uint32_t {
    if (random() % 8 == 0)
      return 0;
    int exponent = low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
    float value = std::ldexp(1.0f + static_cast<float>(random() % 1024) / 1024, exponent);
    value = random() % 2 ? value : -value;
    return std::is_same_v<Format, Halves> ? floatToHalf(value) : floatToBf16(value);
  };
  uint32_t word = half();
  return word | half() << 16;
}

template <class Format, bool kToHalf> void compareWays(int low, int high) {
  std::mt19937 random(7);
  for (unsigned repeat = 0; repeat < 50; ++repeat) {
    Tile<Format, 2> tile;
    uint32_t words[3][kLanes];
    for (unsigned part = 0; part < 2; ++part) {
      for (auto &row : words)
        for (uint32_t &word : row)
          word = drawWord<Format>(random, low, high);
      tile.setA(part, words[0], words[1]);
      tile.setB(part, words[2]);
    }
    for (auto &row : tile.c)
      for (auto &pair : row)
        for (float &c : pair)
          c = std::ldexp(static_cast<float>(random() % 4096) - 2048, 2 * low - 10);
    Tile<Format, 2> slow = tile;
    multiplyAdd<kToHalf>(tile);
    multiplyOneByOne<kToHalf>(slow);
    for (unsigned i = 0; i < kRows * kColumns; ++i) {
      float here = (&tile.c[0][0][0])[i], there = (&slow.c[0][0][0])[i];
      if (kToHalf)
        here = halfToFloat(floatToHalf(here));
      ASSERT_EQ(here, there) << "element " << i << " of product " << repeat;
    }
  }
}
TEST(TensorCore, ShortAndLongWayAgree) {
  compareWays<BFloats, false>(-3, 3);
  compareWays<BFloats, false>(-20, 4);
  compareWays<BFloats, false>(-40, 60); // some on either side of the border of the short way
  compareWays<BFloats, false>(-60, -44);
  compareWays<Halves, false>(-24, 15);
  compareWays<Halves, true>(-6, 3);
  compareWays<Halves, true>(-24, 0);
}

} // namespace
} // namespace attn::emulator::tensorcore
