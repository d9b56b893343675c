// mma and ldmatrix, element by element. The layouts here are derived a second time, as strides of
// the digits of the lane and of the element, not as the row and column formulas of the machine.
#include "test/emulator/Run.h"

#include "runtime/emulator/SoftFloat.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>

namespace attn::emulator {
namespace {

/// Element `i` of lane `l` lies at the sum of digit x stride: lane digits are l % 4 and l / 4,
/// element digits bits 0 to 3 of i.
struct Layout {
  unsigned lane[2], element[4];
  unsigned at(unsigned l, unsigned i) const {
    return l % 4 * lane[0] + l / 4 * lane[1] + (i & 1) * element[0] + (i >> 1 & 1) * element[1] +
           (i >> 2 & 1) * element[2] + (i >> 3 & 1) * element[3];
  }
};

enum class Format { F16, BF16, TF32, F32, S8, U8, S32 };

uint32_t encode(Format format, int value) {
  uint32_t bits = bitsOf(static_cast<float>(value));
  switch (format) {
  case Format::F16:
    return floatToHalf(static_cast<float>(value));
  case Format::BF16:
    return bits >> 16;
  // What lies below a tf32 must not matter.
  case Format::TF32:
    return bits | 0x1abc;
  case Format::F32:
    return bits;
  case Format::S8:
  case Format::U8:
    return static_cast<uint8_t>(value);
  case Format::S32:
    return static_cast<uint32_t>(value);
  }
  return 0;
}

struct Shape {
  const char *name, *dType, *aType, *bType, *cType;
  Format aFormat, bFormat, d, c;
  unsigned depth;
  Layout a; ///< to m + 16 k
  Layout b; ///< to n + 8 k
};
/// To m + 16 n, of every shape.
constexpr Layout kAccumulator{{32, 1}, {16, 8}};
constexpr Layout kA16{{32, 1}, {16, 8, 128}}, kB16{{16, 1}, {8, 64}};
constexpr Layout kA32{{16, 1}, {8, 64}}, kB32{{8, 1}, {32}};
constexpr Layout kA8{{64, 1}, {16, 32, 8, 256}}, kB8{{32, 1}, {8, 16, 128}};

const Shape kShapes[] = {
    {"m16n8k16", "f32", "f16", "f16", "f32", Format::F16, Format::F16, Format::F32, Format::F32, 16, kA16, kB16},
    {"m16n8k16", "f32", "bf16", "bf16", "f32", Format::BF16, Format::BF16, Format::F32, Format::F32, 16, kA16, kB16},
    {"m16n8k16", "f16", "f16", "f16", "f16", Format::F16, Format::F16, Format::F16, Format::F16, 16, kA16, kB16},
    {"m16n8k8", "f32", "f16", "f16", "f32", Format::F16, Format::F16, Format::F32, Format::F32, 8, kA16, kB16},
    {"m16n8k8", "f32", "bf16", "bf16", "f32", Format::BF16, Format::BF16, Format::F32, Format::F32, 8, kA16, kB16},
    {"m16n8k8", "f16", "f16", "f16", "f16", Format::F16, Format::F16, Format::F16, Format::F16, 8, kA16, kB16},
    {"m16n8k8", "f32", "tf32", "tf32", "f32", Format::TF32, Format::TF32, Format::F32, Format::F32, 8, kA32, kB32},
    {"m16n8k4", "f32", "tf32", "tf32", "f32", Format::TF32, Format::TF32, Format::F32, Format::F32, 4, kA32, kB32},
    {"m16n8k16", "s32", "s8", "s8", "s32", Format::S8, Format::S8, Format::S32, Format::S32, 16, kA8,
     kB8},
    {"m16n8k16", "s32", "s8", "u8", "s32", Format::S8, Format::U8, Format::S32, Format::S32, 16, kA8,
     kB8},
    {"m16n8k16", "s32", "u8", "s8", "s32", Format::U8, Format::S8, Format::S32, Format::S32, 16, kA8,
     kB8},
    {"m16n8k16", "s32", "u8", "u8", "s32", Format::U8, Format::U8, Format::S32, Format::S32, 16, kA8,
     kB8},
    {"m16n8k32", "s32", "s8", "s8", "s32", Format::S8, Format::S8, Format::S32, Format::S32, 32, kA8,
     kB8},
    {"m16n8k32", "s32", "s8", "u8", "s32", Format::S8, Format::U8, Format::S32, Format::S32, 32, kA8,
     kB8},
    {"m16n8k32", "s32", "u8", "s8", "s32", Format::U8, Format::S8, Format::S32, Format::S32, 32, kA8,
     kB8},
    {"m16n8k32", "s32", "u8", "u8", "s32", Format::U8, Format::U8, Format::S32, Format::S32, 32, kA8,
     kB8},
};

/// Fragments in one array of 32-bit registers, 32 lanes each.
class Fragments {
public:
  std::vector<uint32_t> words;

  /// Appends the registers of a fragment with `elements` elements a lane; `values` is what the
  /// layout indexes.
  unsigned append(const std::vector<int> &values, const Layout &layout, Format format,
                  unsigned elements) {
    unsigned per = format == Format::F16 || format == Format::BF16  ? 2
                   : format == Format::S8 || format == Format::U8 ? 4
                                                                  : 1;
    for (unsigned r = 0; r < elements / per; ++r)
      for (unsigned lane = 0; lane < 32; ++lane) {
        uint32_t word = 0;
        for (unsigned h = 0; h < per; ++h)
          word |= encode(format, values[layout.at(lane, r * per + h)]) << 32 / per * h;
        words.push_back(word);
      }
    return elements / per;
  }
};

class Mma : public testing::TestWithParam<Shape> {};

TEST_P(Mma, MultipliesEveryElement) {
  const Shape &shape = GetParam();
  std::mt19937 random(7);
  auto draw = [&](size_t count, Format format) {
    std::vector<int> values(count);
    for (int &value : values)
      value = format == Format::S8   ? int(random() % 256) - 128
              : format == Format::U8 ? int(random() % 256)
                                     : int(random() % 9) - 4; // sums stay exact in every format
    return values;
  };
  std::vector<int> a = draw(16 * shape.depth, shape.aFormat),
                   b = draw(8 * shape.depth, shape.bFormat), c = draw(16 * 8, shape.c);
  Fragments fragments;
  unsigned aRegisters = fragments.append(a, shape.a, shape.aFormat, shape.depth / 2);
  unsigned bRegisters = fragments.append(b, shape.b, shape.bFormat, shape.depth / 4);
  unsigned cRegisters = fragments.append(c, kAccumulator, shape.c, 4);
  unsigned dRegisters = shape.d == Format::F16 ? 2 : 4;

  std::string body = "  add.u64 %d0, %in, %lane4;\n  add.u64 %d1, %out, %lane4;\n";
  unsigned inputs = aRegisters + bRegisters + cRegisters;
  for (unsigned i = 0; i < inputs; ++i)
    body += fmt::format("  ld.global.b32 %r{}, [%d0+{}];\n", i, 128 * i);
  body += fmt::format("  mma.sync.aligned.{}.row.col.{}.{}.{}.{} {{{}}}, {{{}}}, {{{}}}, {{{}}};\n",
                      shape.name, shape.dType, shape.aType, shape.bType, shape.cType,
                      registerList("r", 30, dRegisters), registerList("r", 0, aRegisters),
                      registerList("r", aRegisters, bRegisters),
                      registerList("r", aRegisters + bRegisters, cRegisters));
  for (unsigned i = 0; i < dRegisters; ++i)
    body += fmt::format("  st.global.b32 [%d1+{}], %r{};\n", 128 * i, 30 + i);
  Outcome outcome = runBody(body, fragments.words, 32 * dRegisters);
  ASSERT_EQ(outcome.fault, "");
  EXPECT_EQ(outcome.counters[InstClass::Mma], 1u);

  std::vector<int> product(16 * 8);
  for (unsigned m = 0; m < 16; ++m)
    for (unsigned n = 0; n < 8; ++n) {
      product[m + 16 * n] = c[m + 16 * n];
      for (unsigned k = 0; k < shape.depth; ++k)
        product[m + 16 * n] += a[m + 16 * k] * b[n + 8 * k];
    }
  Fragments expected;
  expected.append(product, kAccumulator, shape.d, 4);
  EXPECT_EQ(outcome.out, expected.words);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Mma, testing::ValuesIn(kShapes), [](const auto &info) {
  return fmt::format("{}_{}_{}_{}_{}", info.param.name, info.param.dType, info.param.aType,
                     info.param.bType, info.param.cType);
});

TEST(Mma, TakesWhatWasNeverWrittenForAFault) {
  Outcome outcome =
      runBody("  mov.b32 %r0, 0;\n"
              "  mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%r1, %r2, %r3, %r4}, "
              "{%r0, %r0}, {%r0}, {%r0, %r0, %r0, %r9};\n",
              {}, 1);
  EXPECT_NE(
      outcome.fault.find("an operand of the product depends on a register that was never written"),
      std::string::npos)
      << outcome.fault;
}

// 32 products of 127 * 127 on top of the greatest or least s32.
TEST(Mma, WrapsOrSaturates) {
  for (auto [saturates, a, c, expected] :
       {std::tuple(false, 0x7f7f7f7fu, 0x7fffffffu, 0x7fffffffu + 32 * 127 * 127),
        std::tuple(true, 0x7f7f7f7fu, 0x7fffffffu, 0x7fffffffu),
        std::tuple(true, 0x81818181u, 0x80000000u, 0x80000000u)}) {
    Outcome outcome = runBody(
        fmt::format("  mov.b32 %r0, {};\n  mov.b32 %r1, 0x7f7f7f7f;\n  mov.b32 %r2, {};\n"
                    "  mma.sync.aligned.m16n8k32.row.col{}.s32.s8.s8.s32 {{%r4, %r5, %r6, %r7}}, "
                    "{{%r0, %r0, %r0, %r0}}, {{%r1, %r1}}, {{%r2, %r2, %r2, %r2}};\n"
                    "  add.u64 %d0, %out, %lane4;\n  st.global.u32 [%d0], %r7;\n",
                    a, c, saturates ? ".satfinite" : ""),
        {}, 32);
    EXPECT_EQ(outcome.fault, "");
    EXPECT_EQ(outcome.out, std::vector<uint32_t>(32, expected));
  }
}

TEST(Mma, NeedsTheWholeWarp) {
  Outcome outcome =
      runBody("  mov.b32 %r0, 0;\n  setp.lt.u32 %p0, %lane, 31;\n"
              "  @%p0 mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%r1, %r2, %r3, %r4}, "
              "{%r0, %r0}, {%r0}, {%r0, %r0, %r0, %r0};\n",
              {}, 1);
  EXPECT_NE(outcome.fault.find("all 32 lanes must execute it together"), std::string::npos)
      << outcome.fault;
}

struct LoadCase {
  unsigned count;
  bool transpose;
};
class LoadMatrix : public testing::TestWithParam<LoadCase> {};

TEST_P(LoadMatrix, ScattersRowsOverTheLanes) {
  auto [count, transpose] = GetParam();
  // Shared element i (16 bits) holds i; lane l names row (l * 5) % 32, rows of 16 bytes 48 bytes
  // apart.
  std::string body = R"(
  .shared .align 16 .b8 tile[1536];
  mov.u32 %r0, tile;
  mov.u32 %r1, 0;
fill:
  mad.lo.u32 %r2, %r1, 32, %lane;
  mad.lo.u32 %r3, %r2, 2, %r0;
  st.shared.u16 [%r3], %r2;
  add.u32 %r1, %r1, 1;
  setp.lt.u32 %p0, %r1, 24;
  @%p0 bra fill;
  bar.sync 0;
  mul.lo.u32 %r4, %lane, 5;
  and.b32 %r4, %r4, 31;
  mad.lo.u32 %r5, %r4, 48, %r0;
)";
  body += fmt::format("  ldmatrix.sync.aligned.m8n8.x{}{}.shared.b16 {{{}}}, [%r5];\n", count,
                      transpose ? ".trans" : "", registerList("r", 10, count));
  body += "  add.u64 %d1, %out, %lane4;\n";
  for (unsigned j = 0; j < count; ++j)
    body += fmt::format("  st.global.b32 [%d1+{}], %r{};\n", 128 * j, 10 + j);
  Outcome outcome = runBody(body, {}, 32 * count);
  ASSERT_EQ(outcome.fault, "");

  std::vector<uint32_t> expected(32 * count);
  for (unsigned j = 0; j < count; ++j)
    for (unsigned row = 0; row < 8; ++row)
      for (unsigned column = 0; column < 8; ++column) {
        unsigned element = (8 * j + row) * 5 % 32 * 24 + column;
        unsigned major = transpose ? column : row, minor = transpose ? row : column;
        expected[32 * j + 4 * major + minor / 2] |= element << 16 * (minor % 2);
      }
  EXPECT_EQ(outcome.out, expected);
}

INSTANTIATE_TEST_SUITE_P(Forms, LoadMatrix,
                         testing::Values(LoadCase{1, false}, LoadCase{2, false}, LoadCase{4, false},
                                         LoadCase{1, true}, LoadCase{2, true}, LoadCase{4, true}),
                         [](const auto &info) {
                           return fmt::format("x{}{}", info.param.count,
                                              info.param.transpose ? "_trans" : "");
                         });

TEST(LoadMatrix, NeedsRowsOf16Bytes) {
  Outcome outcome = runBody("  .shared .align 16 .b8 tile[1024];\n  mov.u32 %r0, tile;\n"
                            "  ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%r0+8];\n",
                            {}, 1);
  EXPECT_NE(outcome.fault.find("which is not a multiple of 16"), std::string::npos)
      << outcome.fault;
}

// What stmatrix stores, ldmatrix loads, and each element lies where the layout says.
TEST(StoreMatrix, IsTheInverseOfLoadMatrix) {
  for (unsigned count : {1u, 2u, 4u})
    for (bool transpose : {false, true}) {
      std::string form = fmt::format("x{}{}.shared.b16", count, transpose ? ".trans" : "");
      std::string registers = registerList("r", 10, count), back = registerList("r", 20, count);
      std::string body = "  .shared .align 16 .b8 tile[512];\n  mov.u32 %r0, tile;\n"
                         "  mad.lo.u32 %r5, %lane, 16, %r0;\n";
      // The two elements of register j of a lane are 1000 j + 2 lane and one more.
      for (unsigned j = 0; j < count; ++j)
        body += fmt::format("  mad.lo.u32 %r{0}, %lane, 0x20002, {1};\n", 10 + j,
                            0x10000 + j * 1000 * 0x10001);
      body += fmt::format("  stmatrix.sync.aligned.m8n8.{} [%r5], {{{}}};\n  bar.sync 0;\n"
                          "  ldmatrix.sync.aligned.m8n8.{} {{{}}}, [%r5];\n"
                          "  add.u64 %d1, %out, %lane4;\n",
                          form, registers, form, back);
      for (unsigned j = 0; j < count; ++j)
        body += fmt::format("  st.global.b32 [%d1+{}], %r{};\n", 128 * j, 20 + j);
      body += fmt::format("  setp.lt.u32 %p0, %lane, {};\n  @%p0 ld.shared.b32 %r6, [%r5];\n"
                          "  @%p0 st.global.b32 [%d1+512], %r6;\n",
                          8 * count);
      Outcome outcome = runBody(body, {}, 160);
      ASSERT_EQ(outcome.fault, "");
      for (unsigned lane = 0; lane < 32; ++lane)
        for (unsigned j = 0; j < count; ++j)
          EXPECT_EQ(outcome.out[32 * j + lane],
                    (1000 * j + 2 * lane) | (1000 * j + 2 * lane + 1) << 16);
      // The first two elements of row r of matrix j: of lane 4 r, or of lanes 0 and 4 of column r.
      for (unsigned row = 0; row < 8 * count; ++row) {
        unsigned j = row / 8, r = row % 8;
        unsigned first = transpose ? 2 * (r / 2) + r % 2 : 8 * r, second = transpose ? first + 8 : first + 1;
        EXPECT_EQ(outcome.out[128 + row], (1000 * j + first) | (1000 * j + second) << 16)
            << form << " " << row;
      }
    }
}

TEST(MoveMatrix, Transposes) {
  // Element (row, column) holds 8 row + column.
  Outcome outcome = runBody(R"(
  shl.b32 %r0, %lane, 1;
  add.u32 %r1, %r0, 1;
  shl.b32 %r1, %r1, 16;
  or.b32 %r2, %r0, %r1;
  movmatrix.sync.aligned.m8n8.trans.b16 %r3, %r2;
  add.u64 %d1, %out, %lane4;
  st.global.b32 [%d1], %r3;
)",
                            {}, 32);
  ASSERT_EQ(outcome.fault, "");
  for (unsigned row = 0; row < 8; ++row)
    for (unsigned column = 0; column < 8; ++column)
      EXPECT_EQ(outcome.out[4 * row + column / 2] >> 16 * (column % 2) & 0xffff, 8 * column + row);
}

} // namespace
} // namespace attn::emulator
