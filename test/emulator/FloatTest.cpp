// Floating-point instructions against values worked out by hand from the PTX ISA.
#include "test/emulator/Run.h"

#include "runtime/emulator/SoftFloat.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace attn::emulator {
namespace {

struct Row {
  OneInstruction instruction;
  uint64_t expected;
};

/// Every row gives the value of the ISA, in all lanes.
template <size_t kRows> void check(const Row (&rows)[kRows]) {
  for (const Row &row : rows) {
    std::string fault;
    uint64_t value = evaluate(row.instruction, fault);
    EXPECT_EQ(fault, "") << row.instruction.text;
    EXPECT_EQ(value, row.expected) << row.instruction.text << std::hex << " gives " << value;
  }
}

uint64_t f(float value) { return bitsOf(value); }
uint64_t d(double value) { return bitsOf(value); }
constexpr uint64_t kNaN = 0x7fffffff, kInf = 0x7f800000, kMinusInf = 0xff800000;
constexpr uint64_t kTiny = 1; // the smallest subnormal float
constexpr uint64_t kMinusZero = 0x80000000;

const Row kArithmetic[] = {
    {{"add.f32 d, a, b;", {32, 32, 32}, {f(1.5f), f(2.25f)}}, f(3.75f)},
    {{"add.rn.f32 d, a, b;", {32, 32, 32}, {f(1), f(0x1p-25f)}}, f(1)},
    {{"add.rp.f32 d, a, b;", {32, 32, 32}, {f(1), f(0x1p-25f)}}, f(1 + 0x1p-23f)},
    {{"add.rz.f32 d, a, b;", {32, 32, 32}, {f(-1), f(-0x1p-24f)}}, f(-1)},
    {{"add.rm.f32 d, a, b;", {32, 32, 32}, {f(-1), f(-0x1p-60f)}}, f(-1 - 0x1p-23f)},
    {{"add.f32 d, a, b;", {32, 32, 32}, {kTiny, kTiny}}, 2},
    {{"add.ftz.f32 d, a, b;", {32, 32, 32}, {kTiny, f(0)}}, 0},
    {{"add.sat.f32 d, a, b;", {32, 32, 32}, {f(1), f(1)}}, f(1)},
    {{"sub.f32 d, a, b;", {32, 32, 32}, {f(1), f(3)}}, f(-2)},
    {{"sub.rz.f32 d, a, b;", {32, 32, 32}, {f(1), f(0x1p-40f)}}, f(1 - 0x1p-24f)},
    {{"mul.f32 d, a, b;", {32, 32, 32}, {f(3), f(-2)}}, f(-6)},
    {{"mul.ftz.f32 d, a, b;", {32, 32, 32}, {f(0x1p-100f), f(-0x1p-40f)}}, kMinusZero},
    {{"mul.rz.f32 d, a, b;", {32, 32, 32}, {f(1 + 0x1p-23f), f(1 + 0x1p-23f)}}, f(1 + 0x1p-22f)},
    {{"mul.sat.f32 d, a, b;", {32, 32, 32}, {f(-3), f(2)}}, f(0)},
    // (1 + 2^-12)^2 - 1 keeps its last term only if the product is not rounded.
    {{"fma.rn.f32 d, a, b, c;", {32, 32, 32, 32}, {f(1 + 0x1p-12f), f(1 + 0x1p-12f), f(-1)}},
     f(0x1p-11f + 0x1p-24f)},
    {{"mad.rn.f32 d, a, b, c;", {32, 32, 32, 32}, {f(2), f(3), f(4)}}, f(10)},
    {{"fma.rm.f32 d, a, b, c;", {32, 32, 32, 32}, {f(1), f(1), f(-0x1p-40f)}}, f(1 - 0x1p-24f)},
    {{"fma.rn.ftz.f32 d, a, b, c;", {32, 32, 32, 32}, {kTiny, f(1), f(0)}}, 0},
    {{"min.f32 d, a, b;", {32, 32, 32}, {f(1), kNaN}}, f(1)},
    {{"min.f32 d, a, b;", {32, 32, 32}, {f(0), kMinusZero}}, kMinusZero},
    {{"max.f32 d, a, b;", {32, 32, 32}, {kMinusZero, f(0)}}, f(0)},
    {{"max.f32 d, a, b;", {32, 32, 32}, {kMinusInf, f(-3)}}, f(-3)},
    {{"max.NaN.f32 d, a, b;", {32, 32, 32}, {f(1), kNaN}}, kNaN},
    {{"abs.f32 d, a;", {32, 32}, {f(-2)}}, f(2)},
    {{"neg.f32 d, a;", {32, 32}, {f(0)}}, kMinusZero},
    {{"neg.ftz.f32 d, a;", {32, 32}, {kTiny}}, kMinusZero},
    {{"copysign.f32 d, a, b;", {32, 32, 32}, {f(-1), f(5)}}, f(-5)},
    {{"add.f64 d, a, b;", {64, 64, 64}, {d(1), d(0x1p-52)}}, d(1 + 0x1p-52)},
    {{"fma.rn.f64 d, a, b, c;", {64, 64, 64, 64}, {d(1 + 0x1p-30), d(1 + 0x1p-30), d(-1)}},
     d(0x1p-29 + 0x1p-60)},
    {{"max.f64 d, a, b;", {64, 64, 64}, {d(1), d(NAN)}}, d(1)},
    {{"mul.f64 d, a, b;", {64, 64, 64}, {d(3), d(0.5)}}, d(1.5)},
};
TEST(FloatInstruction, Arithmetic) { check(kArithmetic); }

const Row kFunctions[] = {
    {{"ex2.approx.f32 d, a;", {32, 32}, {f(3)}}, f(8)},
    {{"ex2.approx.ftz.f32 d, a;", {32, 32}, {kMinusInf}}, f(0)},
    {{"ex2.approx.ftz.f32 d, a;", {32, 32}, {f(-130)}}, 0},
    {{"ex2.approx.f32 d, a;", {32, 32}, {f(-149)}}, kTiny},
    {{"ex2.approx.f16x2 d, a;", {32, 32}, {0x40003c00}}, 0x44004000}, // 2^2, 2^1
    {{"ex2.approx.ftz.bf16x2 d, a;", {32, 32}, {0x40003f80}}, 0x40804000},
    {{"lg2.approx.f32 d, a;", {32, 32}, {f(8)}}, f(3)},
    {{"lg2.approx.ftz.f32 d, a;", {32, 32}, {kTiny}}, kMinusInf},
    {{"rcp.approx.ftz.f32 d, a;", {32, 32}, {f(4)}}, f(0.25f)},
    {{"rcp.rn.f32 d, a;", {32, 32}, {f(3)}}, f(1.0f / 3)},
    {{"rcp.approx.f32 d, a;", {32, 32}, {kMinusZero}}, kMinusInf},
    {{"rsqrt.approx.f32 d, a;", {32, 32}, {f(4)}}, f(0.5f)},
    {{"sqrt.rn.f32 d, a;", {32, 32}, {f(2)}}, f(1.41421356f)},
    {{"sqrt.approx.ftz.f32 d, a;", {32, 32}, {f(9)}}, f(3)},
    {{"tanh.approx.f32 d, a;", {32, 32}, {f(100)}}, f(1)},
    {{"sin.approx.f32 d, a;", {32, 32}, {f(0)}}, f(0)},
    {{"cos.approx.ftz.f32 d, a;", {32, 32}, {f(0)}}, f(1)},
    {{"div.rn.f32 d, a, b;", {32, 32, 32}, {f(1), f(3)}}, f(1.0f / 3)},
    {{"div.full.f32 d, a, b;", {32, 32, 32}, {f(6), f(-2)}}, f(-3)},
    {{"div.full.ftz.f32 d, a, b;", {32, 32, 32}, {kTiny, f(1)}}, 0},
    {{"div.approx.f32 d, a, b;", {32, 32, 32}, {f(1), f(0x1p127f)}}, 0},
    {{"div.rn.f64 d, a, b;", {64, 64, 64}, {d(1), d(3)}}, d(1.0 / 3)},
    {{"testp.infinite.f32 d, a;", {1, 32}, {kInf}}, 1},
    {{"testp.subnormal.f32 d, a;", {1, 32}, {kTiny}}, 1},
    {{"testp.finite.f32 d, a;", {1, 32}, {kNaN}}, 0},
};
TEST(FloatInstruction, Functions) { check(kFunctions); }

const Row kComparisons[] = {
    {{"setp.lt.f32 d, a, b;", {1, 32, 32}, {f(1), f(2)}}, 1},
    {{"setp.eq.f32 d, a, b;", {1, 32, 32}, {kMinusZero, 0}}, 1},
    {{"setp.ne.f32 d, a, b;", {1, 32, 32}, {kNaN, f(1)}}, 0},
    {{"setp.neu.f32 d, a, b;", {1, 32, 32}, {kNaN, f(1)}}, 1},
    {{"setp.gtu.f32 d, a, b;", {1, 32, 32}, {kNaN, f(1)}}, 1},
    {{"setp.gt.f32 d, a, b;", {1, 32, 32}, {kNaN, f(1)}}, 0},
    {{"setp.num.f32 d, a, b;", {1, 32, 32}, {f(1), f(1)}}, 1},
    {{"setp.nan.f32 d, a, b;", {1, 32, 32}, {f(1), kNaN}}, 1},
    {{"setp.gt.f32 d, a, b;", {1, 32, 32}, {kTiny, 0}}, 1},
    {{"setp.gt.ftz.f32 d, a, b;", {1, 32, 32}, {kTiny, 0}}, 0},
    {{"setp.ge.f64 d, a, b;", {1, 64, 64}, {d(1), d(1)}}, 1},
    {{"setp.lt.f16 d, a, b;", {1, 16, 16}, {0xc000, 0x3c00}}, 1},
    {{"setp.lt.bf16 d, a, b;", {1, 16, 16}, {0x3f80, 0x4000}}, 1},
};
TEST(FloatInstruction, Comparisons) { check(kComparisons); }

const Row kHalves[] = {
    {{"add.f16 d, a, b;", {16, 16, 16}, {0x3c00, 0x4000}}, 0x4200}, // 1 + 2
    {{"add.rn.bf16 d, a, b;", {16, 16, 16}, {0x3f80, 0x4000}}, 0x4040},
    {{"sub.f16x2 d, a, b;", {32, 32, 32}, {0x42003c00, 0x40004000}}, 0x3c00bc00},
    {{"mul.f16x2 d, a, b;", {32, 32, 32}, {0x42003c00, 0x40004000}}, 0x46004000},
    {{"mul.ftz.f16 d, a, b;", {16, 16, 16}, {0x0001, 0x3c00}}, 0},
    {{"mul.f16 d, a, b;", {16, 16, 16}, {0x0001, 0x3c00}}, 1},
    {{"fma.rn.f16 d, a, b, c;", {16, 16, 16, 16}, {0x3c01, 0x3c01, 0xbc02}},
     0x0010}, // 2^-20, lost if rounded twice
    {{"fma.rn.bf16x2 d, a, b, c;", {32, 32, 32, 32}, {0x40003f80, 0x40003f80, 0x3f803f80}},
     0x40a04000},
    {{"fma.rn.relu.f16 d, a, b, c;", {16, 16, 16, 16}, {0x3c00, 0xc000, 0x3c00}}, 0},
    {{"max.f16x2 d, a, b;", {32, 32, 32}, {0x7fff3c00, 0x40004000}}, 0x40004000},
    {{"max.NaN.bf16x2 d, a, b;", {32, 32, 32}, {0x7fff3f80, 0x40004000}}, 0x7fff4000},
    {{"min.bf16 d, a, b;", {16, 16, 16}, {0x3f80, 0xc000}}, 0xc000},
    {{"neg.f16x2 d, a;", {32, 32}, {0x3c004000}}, 0xbc00c000},
    {{"abs.bf16 d, a;", {16, 16}, {0xbf80}}, 0x3f80},
};
TEST(FloatInstruction, Halves) { check(kHalves); }

const Row kConversions[] = {
    {{"cvt.f32.f16 d, a;", {32, 16}, {0x3c00}}, f(1)},
    {{"cvt.f32.f16 d, a;", {32, 16}, {0x0001}}, f(0x1p-24f)},
    {{"cvt.f32.f16 d, a;", {32, 16}, {0xfc00}}, kMinusInf},
    {{"cvt.f32.bf16 d, a;", {32, 16}, {0x3f80}}, f(1)},
    {{"cvt.f64.f32 d, a;", {64, 32}, {f(0.1f)}}, d(0.1f)},
    {{"cvt.rn.f32.f64 d, a;", {32, 64}, {d(0.1)}}, f(0.1f)},
    {{"cvt.rz.f32.f64 d, a;", {32, 64}, {d(1 + 0x1p-24 + 0x1p-25)}}, f(1)},
    {{"cvt.rn.f16.f32 d, a;", {16, 32}, {f(1 + 0x1p-11f)}}, 0x3c00}, // a tie, to even
    {{"cvt.rn.f16.f32 d, a;", {16, 32}, {f(1 + 0x1p-11f + 0x1p-20f)}}, 0x3c01},
    {{"cvt.rn.f16.f32 d, a;", {16, 32}, {f(65520)}}, 0x7c00},
    {{"cvt.rz.f16.f32 d, a;", {16, 32}, {f(65520)}}, 0x7bff},
    {{"cvt.rn.f16.f32 d, a;", {16, 32}, {f(0x1p-25f)}}, 0},
    {{"cvt.rn.f16.f32 d, a;", {16, 32}, {f(0x1.8p-25f)}}, 1},
    {{"cvt.rn.bf16.f32 d, a;", {16, 32}, {f(1 + 0x1p-8f)}}, 0x3f80},
    {{"cvt.rn.bf16.f32 d, a;", {16, 32}, {0x3f818000}}, 0x3f82},
    {{"cvt.rn.bf16.f32 d, a;", {16, 32}, {kNaN}}, 0x7fff},
    {{"cvt.rn.bf16x2.f32 d, a, b;", {32, 32, 32}, {f(2), f(1)}}, 0x40003f80}, // a above
    {{"cvt.rn.f16x2.f32 d, a, b;", {32, 32, 32}, {f(2), f(1)}}, 0x40003c00},
    {{"cvt.rz.bf16x2.f32 d, a, b;", {32, 32, 32}, {0x3f81ffff, f(1)}}, 0x3f813f80},
    {{"cvt.rn.relu.f16x2.f32 d, a, b;", {32, 32, 32}, {f(-2), f(1)}}, 0x00003c00},
    {{"cvt.rna.tf32.f32 d, a;", {32, 32}, {0x3f801000}}, 0x3f802000},
    {{"cvt.rni.s32.f32 d, a;", {32, 32}, {f(2.5f)}}, 2},
    {{"cvt.rzi.s32.f32 d, a;", {32, 32}, {f(-2.7f)}}, uint32_t(-2)},
    {{"cvt.rmi.s32.f32 d, a;", {32, 32}, {f(-2.2f)}}, uint32_t(-3)},
    {{"cvt.rpi.s32.f32 d, a;", {32, 32}, {f(2.2f)}}, 3},
    {{"cvt.rzi.s32.f32 d, a;", {32, 32}, {f(3e9f)}}, 0x7fffffff},
    {{"cvt.rzi.u32.f32 d, a;", {32, 32}, {f(-3)}}, 0},
    {{"cvt.rzi.s32.f32 d, a;", {32, 32}, {kNaN}}, 0},
    {{"cvt.rzi.s64.f32 d, a;", {64, 32}, {f(0x1p40f)}}, 1ull << 40},
    {{"cvt.rzi.u64.f64 d, a;", {64, 64}, {d(1e30)}}, ~0ull},
    {{"cvt.rn.f32.s32 d, a;", {32, 32}, {uint32_t(-3)}}, f(-3)},
    {{"cvt.rn.f32.s32 d, a;", {32, 32}, {0x01000001}}, f(0x1p24f)},
    {{"cvt.rp.f32.s32 d, a;", {32, 32}, {0x01000001}}, f(0x1p24f + 2)},
    {{"cvt.rn.f32.u32 d, a;", {32, 32}, {0xffffffff}}, f(0x1p32f)},
    {{"cvt.rz.f32.u32 d, a;", {32, 32}, {0xffffffff}}, f(0x1.fffffep31f)},
    {{"cvt.rn.f32.u64 d, a;", {32, 64}, {0x8000008000000001}}, f(0x1.000002p63f)},
    {{"cvt.rn.f64.s32 d, a;", {64, 32}, {uint32_t(-3)}}, d(-3)},
    {{"cvt.rn.f16.s32 d, a;", {16, 32}, {7}}, 0x4700},
    {{"cvt.rni.f32.f32 d, a;", {32, 32}, {f(2.5f)}}, f(2)},
    {{"cvt.rmi.f32.f32 d, a;", {32, 32}, {f(-2.5f)}}, f(-3)},
    {{"cvt.sat.f32.f32 d, a;", {32, 32}, {f(2.5f)}}, f(1)},
    {{"cvt.sat.f32.f32 d, a;", {32, 32}, {kNaN}}, f(0)},
    {{"cvt.ftz.f32.f32 d, a;", {32, 32}, {kTiny}}, 0},
};
TEST(FloatInstruction, Conversions) { check(kConversions); }

/// The tables are PTX, not what the emulator makes of it.
TEST(FloatInstruction, IsTakenByPtxas) {
  std::vector<OneInstruction> all;
  auto append = [&](const auto &rows) {
    for (const Row &row : rows)
      all.push_back(row.instruction);
  };
  append(kArithmetic);
  append(kFunctions);
  append(kComparisons);
  append(kHalves);
  append(kConversions);
  std::optional<std::string> said = assemble(all);
  if (!said)
    GTEST_SKIP() << "no ptxas";
  EXPECT_EQ(*said, "");
}

TEST(SoftFloat, RoundsToFloatAsTheMachineDoes) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200000; ++i) {
    double value = std::bit_cast<double>(random());
    if (i % 2) // around the range of float, subnormals included
      value =
          std::ldexp(std::uniform_real_distribution<>(-1, 1)(random), int(random() % 300) - 160);
    uint64_t expected = bitsOf(static_cast<float>(value));
    if (!std::isnan(value)) {
      ASSERT_EQ(roundTo(kF32, Rounding::NearestEven, value), expected) << value;
    }
  }
}

TEST(SoftFloat, KnowsEveryHalf) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = halfToFloat(static_cast<uint16_t>(bits));
    uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent == 31 && fraction != 0) {
      ASSERT_TRUE(std::isnan(value));
      continue;
    }
    float expected = exponent == 31  ? INFINITY
                     : exponent == 0 ? std::ldexp(float(fraction), -24)
                                     : std::ldexp(float(1024 + fraction), int(exponent) - 25);
    ASSERT_EQ(bitsOf(value), bitsOf(bits & 0x8000 ? -expected : expected));
    ASSERT_EQ(floatToHalf(value), bits);
  }
}

TEST(SoftFloat, RoundsBFloatsFastAndSlowAlike) {
  std::mt19937 random(2);
  for (int i = 0; i < 100000; ++i) {
    float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    ASSERT_EQ(floatToBf16(value), roundTo(kBF16, Rounding::NearestEven, value)) << value;
  }
}

/// A sum rounded to odd and then to float is the sum rounded once; long double holds these exactly.
TEST(SoftFloat, SumsRoundedToOddRoundOnce) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> fraction(1, 2);
  for (int i = 0; i < 100000; ++i) {
    double a = static_cast<float>(fraction(random)), b = static_cast<float>(fraction(random));
    b = std::ldexp(i % 2 ? b : -b, -int(random() % 40));
    float once = static_cast<float>(static_cast<long double>(a) + static_cast<long double>(b));
    ASSERT_EQ(static_cast<float>(addToOdd(a, b)), once) << a << " " << b;
  }
}

} // namespace
} // namespace attn::emulator
