#include "runtime/DType.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <cstring>
#include <limits>

using namespace attn;

static constexpr float kInf = std::numeric_limits<float>::infinity();
static constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// A 16-bit floating format, and what it means by its definition.
struct Format {
  const char *name;
  int exponentBits, fractionBits;
  uint16_t (*encode)(float);
  float (*decode)(uint16_t);

  uint32_t exponentOf(uint16_t bits) const { return bits >> fractionBits & maxExponent(); }
  uint32_t fractionOf(uint16_t bits) const { return bits & ((1u << fractionBits) - 1); }
  uint32_t maxExponent() const { return (1u << exponentBits) - 1; }
  uint16_t infinity() const { return uint16_t(maxExponent() << fractionBits); }
  bool isNaN(uint16_t bits) const { return (bits & 0x7fff) > infinity(); }
  double meaning(uint16_t bits) const {
    int bias = (1 << (exponentBits - 1)) - 1, exponent = int(exponentOf(bits));
    double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == int(maxExponent()))
      return sign * double(kInf);
    double significand = fractionOf(bits) + (exponent ? double(1u << fractionBits) : 0);
    return sign * std::ldexp(significand, std::max(exponent, 1) - bias - fractionBits);
  }
};

class Sixteen : public ::testing::TestWithParam<Format> {};

TEST_P(Sixteen, EveryPatternDecodesToItsMeaning) {
  const Format &format = GetParam();
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float value = format.decode(uint16_t(bits));
    if (format.isNaN(uint16_t(bits)))
      ASSERT_TRUE(std::isnan(value)) << bits;
    else
      ASSERT_EQ(double(value), format.meaning(uint16_t(bits))) << bits;
    ASSERT_EQ(std::signbit(value), bits >= 0x8000) << bits;
  }
}

TEST_P(Sixteen, EveryPatternSurvivesARoundTrip) {
  const Format &format = GetParam();
  uint32_t quiet = 1u << (format.fractionBits - 1);
  for (uint32_t bits = 0; bits < 65536; ++bits)
    ASSERT_EQ(format.encode(format.decode(uint16_t(bits))),
              format.isNaN(uint16_t(bits)) ? bits | quiet : bits);
}

/// Between each value and the next: the tie goes to the even pattern, and whatever lies beside the
/// tie to the nearer one. The value after the largest is where the next exponent would begin:
/// infinity.
TEST_P(Sixteen, EveryTieGoesToEven) {
  const Format &format = GetParam();
  for (uint32_t low = 0; low < format.infinity(); ++low) {
    uint16_t high = uint16_t(low + 1);
    double a = format.meaning(uint16_t(low));
    double b = high == format.infinity() ? a + (a - format.meaning(uint16_t(low - 1)))
                                         : format.meaning(high);
    double tie = (a + b) / 2;
    float middle = float(tie);
    ASSERT_EQ(double(middle), tie) << "ties of 16-bit formats are exact in f32";
    uint16_t even = low & 1 ? high : uint16_t(low);
    ASSERT_EQ(format.encode(middle), even) << low;
    ASSERT_EQ(format.encode(std::nextafter(middle, 0.0f)), low);
    ASSERT_EQ(format.encode(std::nextafter(middle, kInf)), high);
    ASSERT_EQ(format.encode(-middle), even | 0x8000);
  }
}

/// storeElement rounds once: a double beside a tie, by less than an f32 can say, is not on the tie.
TEST_P(Sixteen, DoublesAreRoundedOnce) {
  const Format &format = GetParam();
  DType dtype = format.exponentBits == 8 ? DType::BF16 : DType::F16;
  for (uint32_t low = 0; low < uint32_t(format.infinity()) - 1; ++low) {
    double tie = (format.meaning(uint16_t(low)) + format.meaning(uint16_t(low + 1))) / 2;
    uint16_t below, above, on;
    storeElement(dtype, &below, std::nextafter(tie, 0.0));
    storeElement(dtype, &above, std::nextafter(tie, 1e300));
    storeElement(dtype, &on, tie);
    ASSERT_EQ(below, low);
    ASSERT_EQ(above, low + 1);
    ASSERT_EQ(on, low & 1 ? low + 1 : low);
    ASSERT_EQ(loadElement(dtype, &on), format.meaning(on));
  }
}

TEST_P(Sixteen, ExtremesOverflowToInfinity) {
  const Format &format = GetParam();
  float largest = std::numeric_limits<float>::max();
  EXPECT_EQ(format.encode(largest), format.infinity());
  EXPECT_EQ(format.encode(-largest), format.infinity() | 0x8000);
  EXPECT_EQ(format.encode(kInf), format.infinity());
  EXPECT_EQ(format.encode(-0.0f), 0x8000);
  EXPECT_TRUE(format.isNaN(format.encode(kNaN)));
  // NaNs whose payload lies in the bits that are cut off.
  for (uint32_t bits : {0x7f800001u, 0xff800001u, 0x7fffffffu})
    EXPECT_TRUE(format.isNaN(format.encode(std::bit_cast<float>(bits)))) << bits;
}

TEST_P(Sixteen, RoundingModeOfTheProcessorDoesNotMatter) {
  const Format &format = GetParam();
  float sample = format.decode(0x3c01) * (1 + 0x1p-12f);
  uint16_t expected = format.encode(sample), tiny = format.encode(0x1.8p-25f);
  for (int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    EXPECT_EQ(format.encode(sample), expected);
    EXPECT_EQ(format.encode(0x1.8p-25f), tiny);
    std::fesetround(FE_TONEAREST);
  }
}

INSTANTIATE_TEST_SUITE_P(DType, Sixteen,
                         ::testing::Values(Format{"f16", 5, 10, f32ToF16, f16ToF32},
                                           Format{"bf16", 8, 7, f32ToBF16, bf16ToF32}),
                         [](const auto &info) { return info.param.name; });

TEST(DType, NamesParseBack) {
  EXPECT_EQ(allDTypes().size(), 10u);
  for (DType dtype : allDTypes()) {
    EXPECT_EQ(parseDType(dtypeName(dtype)), dtype);
    EXPECT_EQ(parseSafetensorsName(safetensorsName(dtype)), dtype);
  }
  EXPECT_EQ(dtypeName(DType::BF16), "bf16");
  EXPECT_EQ(safetensorsName(DType::Bool), "BOOL");
  EXPECT_EQ(parseDType("F32"), std::nullopt);
  EXPECT_EQ(parseSafetensorsName("f32"), std::nullopt);
  EXPECT_TRUE(isFloat(DType::BF16));
  EXPECT_FALSE(isFloat(DType::I64));
}

TEST(DType, SizesAreThoseOfTheCppTypes) {
  EXPECT_EQ(dtypeSize(DType::F64), 8);
  EXPECT_EQ(dtypeSize(DType::I64), 8);
  EXPECT_EQ(dtypeSize(DType::F32), 4);
  EXPECT_EQ(dtypeSize(DType::I32), 4);
  EXPECT_EQ(dtypeSize(DType::F16), 2);
  EXPECT_EQ(dtypeSize(DType::BF16), 2);
  EXPECT_EQ(dtypeSize(DType::I16), 2);
  EXPECT_EQ(dtypeSize(DType::I8), 1);
  EXPECT_EQ(dtypeSize(DType::U8), 1);
  EXPECT_EQ(dtypeSize(DType::Bool), 1);
}

static double stored(DType dtype, double value) {
  unsigned char bytes[9]; // from the second byte on: no alignment is needed
  storeElement(dtype, bytes + 1, value);
  return loadElement(dtype, bytes + 1);
}

TEST(DType, IntegersRoundAndSaturate) {
  EXPECT_EQ(stored(DType::I32, 2.5), 2);
  EXPECT_EQ(stored(DType::I32, 3.5), 4);
  EXPECT_EQ(stored(DType::I8, 1000), 127);
  EXPECT_EQ(stored(DType::I8, -1000), -128);
  EXPECT_EQ(stored(DType::U8, -1), 0);
  EXPECT_EQ(stored(DType::U8, 255.4), 255);
  EXPECT_EQ(stored(DType::I16, -32768), -32768);
  EXPECT_EQ(stored(DType::I64, 1e30), 0x1p63);
  EXPECT_EQ(stored(DType::I64, -1e30), -0x1p63);
  EXPECT_EQ(stored(DType::I64, double(kInf)), 0x1p63);
  EXPECT_EQ(stored(DType::I32, double(kNaN)), 0);
  EXPECT_EQ(stored(DType::Bool, 0.25), 1);
  EXPECT_EQ(stored(DType::Bool, 0), 0);
}

TEST(DType, FloatsKeepInfinitiesAndNaNs) {
  for (DType dtype : {DType::F64, DType::F32, DType::F16, DType::BF16}) {
    EXPECT_EQ(stored(dtype, -double(kInf)), -double(kInf));
    EXPECT_TRUE(std::isnan(stored(dtype, double(kNaN))));
    EXPECT_EQ(stored(dtype, 0.5), 0.5);
    EXPECT_EQ(stored(dtype, 1e-320), dtype == DType::F64 ? 1e-320 : 0);
  }
  EXPECT_EQ(stored(DType::F16, 1e300), double(kInf));
  EXPECT_EQ(stored(DType::BF16, -1e300), -double(kInf));
}
