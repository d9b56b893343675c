// Integer and bit instructions against values worked out by hand from the PTX ISA.
#include "test/emulator/Run.h"

#include <gtest/gtest.h>

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

constexpr uint64_t kMin32 = 0x80000000, kMinus1 = 0xffffffff, kMin64 = 0x8000000000000000;
constexpr uint64_t kAll64 = ~uint64_t(0);

const Row kArithmetic[] = {
    {{"add.s32 d, a, b;", {32, 32, 32}, {7, kMinus1}}, 6},
    {{"add.u16 d, a, b;", {16, 16, 16}, {0xffff, 2}}, 1},
    {{"add.s64 d, a, b;", {64, 64, 64}, {kAll64, 1}}, 0},
    {{"add.sat.s32 d, a, b;", {32, 32, 32}, {0x7fffffff, 1}}, 0x7fffffff},
    {{"add.s32 d, a, -3;", {32, 32}, {1}}, 0xfffffffe},
    {{"sub.s32 d, a, b;", {32, 32, 32}, {3, 5}}, 0xfffffffe},
    {{"sub.sat.s32 d, a, b;", {32, 32, 32}, {kMin32, 1}}, kMin32},
    {{"mul.lo.s32 d, a, b;", {32, 32, 32}, {0x10000, 0x10001}}, 0x10000},
    {{"mul.hi.u32 d, a, b;", {32, 32, 32}, {0x80000000, 6}}, 3},
    {{"mul.hi.s32 d, a, b;", {32, 32, 32}, {0x80000000, 6}}, 0xfffffffd},
    {{"mul.hi.u64 d, a, b;", {64, 64, 64}, {kMin64, 6}}, 3},
    {{"mul.hi.s64 d, a, b;", {64, 64, 64}, {kMin64, 6}}, kAll64 - 2},
    {{"mul.wide.s32 d, a, b;", {64, 32, 32}, {kMinus1, 5}}, kAll64 - 4},
    {{"mul.wide.u32 d, a, b;", {64, 32, 32}, {kMinus1, kMinus1}}, 0xfffffffe00000001},
    {{"mul.wide.u16 d, a, b;", {32, 16, 16}, {0xffff, 0xffff}}, 0xfffe0001},
    {{"mul.wide.s16 d, a, b;", {32, 16, 16}, {0xffff, 0xffff}}, 1},
    {{"mul.lo.u16 d, a, b;", {16, 16, 16}, {0xffff, 0xffff}}, 1},
    {{"mad.lo.s32 d, a, b, c;", {32, 32, 32, 32}, {3, 4, kMinus1}}, 11},
    {{"mad.hi.u32 d, a, b, c;", {32, 32, 32, 32}, {0x80000000, 4, 1}}, 3},
    {{"mad.wide.s32 d, a, b, c;", {64, 32, 32, 64}, {kMinus1, 5, 2}}, kAll64 - 2},
    {{"mad.lo.s64 d, a, b, c;", {64, 64, 64, 64}, {1ull << 33, 1ull << 33, 9}}, 9},
    {{"div.s32 d, a, b;", {32, 32, 32}, {uint32_t(-7), 2}}, uint32_t(-3)},
    {{"div.u32 d, a, b;", {32, 32, 32}, {uint32_t(-7), 2}}, 0x7ffffffc},
    {{"div.s32 d, a, b;", {32, 32, 32}, {kMin32, kMinus1}}, kMin32},
    {{"rem.s32 d, a, b;", {32, 32, 32}, {uint32_t(-7), 2}}, kMinus1},
    {{"rem.u64 d, a, b;", {64, 64, 64}, {kAll64, 10}}, 5},
    {{"min.s32 d, a, b;", {32, 32, 32}, {kMinus1, 1}}, kMinus1},
    {{"min.u32 d, a, b;", {32, 32, 32}, {kMinus1, 1}}, 1},
    {{"max.s16 d, a, b;", {16, 16, 16}, {0xffff, 1}}, 1},
    {{"max.u64 d, a, b;", {64, 64, 64}, {kAll64, 1}}, kAll64},
    {{"abs.s32 d, a;", {32, 32}, {uint32_t(-5)}}, 5},
    {{"abs.s32 d, a;", {32, 32}, {kMin32}}, kMin32},
    {{"neg.s16 d, a;", {16, 16}, {1}}, 0xffff},
    {{"neg.s64 d, a;", {64, 64}, {5}}, kAll64 - 4},
    {{"sad.u32 d, a, b, c;", {32, 32, 32, 32}, {3, 10, 100}}, 107},
};
TEST(IntegerInstruction, Arithmetic) { check(kArithmetic); }

const Row kBits[] = {
    {{"and.b32 d, a, b;", {32, 32, 32}, {12, 10}}, 8},
    {{"or.b64 d, a, b;", {64, 64, 64}, {12, 1ull << 40}}, 12 | 1ull << 40},
    {{"xor.b16 d, a, b;", {16, 16, 16}, {0xf0f0, 0xffff}}, 0x0f0f},
    {{"not.b32 d, a;", {32, 32}, {5}}, 0xfffffffa},
    {{"not.b16 d, a;", {16, 16}, {5}}, 0xfffa},
    {{"and.pred d, a, b;", {1, 1, 1}, {1, 0}}, 0},
    {{"or.pred d, a, b;", {1, 1, 1}, {1, 0}}, 1},
    {{"xor.pred d, a, b;", {1, 1, 1}, {1, 1}}, 0},
    {{"not.pred d, a;", {1, 1}, {0}}, 1},
    {{"shl.b32 d, a, b;", {32, 32, 32}, {3, 4}}, 48},
    {{"shl.b32 d, a, b;", {32, 32, 32}, {3, 32}}, 0},
    {{"shl.b16 d, a, b;", {16, 16, 32}, {0xff, 9}}, 0xfe00},
    {{"shl.b64 d, a, b;", {64, 64, 32}, {1, 63}}, kMin64},
    {{"shr.u32 d, a, b;", {32, 32, 32}, {kMin32, 31}}, 1},
    {{"shr.s32 d, a, b;", {32, 32, 32}, {kMin32, 31}}, kMinus1},
    {{"shr.s32 d, a, b;", {32, 32, 32}, {kMin32, 100}}, kMinus1},
    {{"shr.b32 d, a, b;", {32, 32, 32}, {kMin32, 100}}, 0},
    {{"shr.s16 d, a, b;", {16, 16, 32}, {0x8000, 15}}, 0xffff},
    {{"shf.l.wrap.b32 d, a, b, c;", {32, 32, 32, 32}, {0x89abcdef, 0x01234567, 8}}, 0x23456789},
    {{"shf.r.wrap.b32 d, a, b, c;", {32, 32, 32, 32}, {0x89abcdef, 0x01234567, 8}}, 0x6789abcd},
    {{"shf.r.wrap.b32 d, a, b, c;", {32, 32, 32, 32}, {0x89abcdef, 0x01234567, 40}}, 0x6789abcd},
    {{"shf.r.clamp.b32 d, a, b, c;", {32, 32, 32, 32}, {0x89abcdef, 0x01234567, 40}}, 0x01234567},
    {{"shf.l.clamp.b32 d, a, b, c;", {32, 32, 32, 32}, {0x89abcdef, 0x01234567, 40}}, 0x89abcdef},
    // The table of a ^ b ^ c is 0x96; of (a & b) | (~a & c), 0xca.
    {{"lop3.b32 d, a, b, c, 0x96;", {32, 32, 32, 32}, {12, 10, 3}}, 5},
    {{"lop3.b32 d, a, b, c, 0xca;", {32, 32, 32, 32}, {0xffff0000, 0x12345678, 0x9abcdef0}},
     0x1234def0},
    {{"prmt.b32 d, a, b, c;", {32, 32, 32, 32}, {0x33221100, 0x77665544, 0x7410}}, 0x77441100},
    // Nibbles 9 and 8 replicate the signs of bytes 1 and 0.
    {{"prmt.b32 d, a, b, c;", {32, 32, 32, 32}, {0x33221180, 0x77665544, 0x0089}}, 0x8080ff00},
    {{"prmt.b32.f4e d, a, b, c;", {32, 32, 32, 32}, {0x33221100, 0x77665544, 2}}, 0x55443322},
    {{"prmt.b32.b4e d, a, b, c;", {32, 32, 32, 32}, {0x33221100, 0x77665544, 1}}, 0x66770011},
    {{"prmt.b32.rc8 d, a, b, c;", {32, 32, 32, 32}, {0x33221100, 0x77665544, 2}}, 0x22222222},
    {{"prmt.b32.ecl d, a, b, c;", {32, 32, 32, 32}, {0x33221100, 0x77665544, 2}}, 0x33222222},
    {{"prmt.b32.ecr d, a, b, c;", {32, 32, 32, 32}, {0x33221100, 0x77665544, 2}}, 0x22221100},
    {{"prmt.b32.rc16 d, a, b, c;", {32, 32, 32, 32}, {0x33221100, 0x77665544, 1}}, 0x33223322},
    {{"popc.b32 d, a;", {32, 32}, {0xf0f1}}, 9},
    {{"popc.b64 d, a;", {32, 64}, {kAll64}}, 64},
    {{"clz.b32 d, a;", {32, 32}, {0}}, 32},
    {{"clz.b64 d, a;", {32, 64}, {1}}, 63},
    {{"brev.b32 d, a;", {32, 32}, {1}}, kMin32},
    {{"brev.b64 d, a;", {64, 64}, {2}}, kMin64 >> 1},
    {{"bfind.u32 d, a;", {32, 32}, {0x00010000}}, 16},
    {{"bfind.s32 d, a;", {32, 32}, {0xfffffffe}}, 0},
    {{"bfind.u32 d, a;", {32, 32}, {0}}, kMinus1},
    {{"bfind.shiftamt.u32 d, a;", {32, 32}, {0x00010000}}, 15},
    {{"fns.b32 d, a, b, c;", {32, 32, 32, 32}, {0xaaaaaaaa, 3, 1}}, 3},
    {{"fns.b32 d, a, b, c;", {32, 32, 32, 32}, {0xaaaaaaaa, 3, 2}}, 5},
    {{"fns.b32 d, a, b, c;", {32, 32, 32, 32}, {0xaaaaaaaa, 3, 0xfffffffe}}, 1},
    {{"fns.b32 d, a, b, c;", {32, 32, 32, 32}, {0xaaaaaaaa, 3, 0xfffffffd}}, kMinus1},
    {{"fns.b32 d, a, b, c;", {32, 32, 32, 32}, {0xaaaaaaaa, 3, 0}}, 3},
    {{"fns.b32 d, a, b, c;", {32, 32, 32, 32}, {0xaaaaaaaa, 2, 0}}, kMinus1},
    {{"dp4a.u32.u32 d, a, b, c;", {32, 32, 32, 32}, {0xff020304, 0xff010101, 1}}, 255 * 255 + 10},
    {{"dp4a.s32.s32 d, a, b, c;", {32, 32, 32, 32}, {0xff020304, 0xff010101, 1}}, 11},
    {{"dp4a.s32.u32 d, a, b, c;", {32, 32, 32, 32}, {0xff000000, 0xff000000, 5}}, 0xffffff06},
    {{"dp4a.u32.s32 d, a, b, c;", {32, 32, 32, 32}, {0xff000000, 0xff000000, 5}}, 0xffffff06},
    {{"dp2a.lo.u32.u32 d, a, b, c;", {32, 32, 32, 32}, {0x00030100, 0x05060708, 1}},
     3 * 7 + 256 * 8 + 1},
    {{"dp2a.hi.s32.s32 d, a, b, c;", {32, 32, 32, 32}, {0xffff0002, 0x05ff0708, 1}},
     0xffffffff - 5},
    {{"bfe.u32 d, a, b, c;", {32, 32, 32, 32}, {0xabcd1234, 8, 8}}, 0x12},
    {{"bfe.s32 d, a, b, c;", {32, 32, 32, 32}, {0x0000f000, 8, 8}}, 0xfffffff0},
    {{"bfe.s32 d, a, b, c;", {32, 32, 32, 32}, {0x80000000, 28, 16}}, 0xfffffff8},
    {{"bfe.u32 d, a, b, c;", {32, 32, 32, 32}, {0xabcd1234, 8, 0}}, 0},
    {{"bfe.u64 d, a, b, c;", {64, 64, 32, 32}, {0xabcd123400000000, 32, 16}}, 0x1234},
    {{"bfi.b32 d, a, b, c, e;", {32, 32, 32, 32, 32}, {0xff, 0, 4, 6}}, 0x3f0},
    {{"bfi.b32 d, a, b, c, e;", {32, 32, 32, 32, 32}, {0, kMinus1, 28, 8}}, 0x0fffffff},
    {{"bfi.b64 d, a, b, c, e;", {64, 64, 64, 32, 32}, {kAll64, 0, 60, 64}}, 0xf000000000000000},
};
TEST(IntegerInstruction, Bits) { check(kBits); }

const Row kMoves[] = {
    {{"mov.b32 d, a;", {32, 32}, {77}}, 77},
    {{"mov.u32 d, 0x10;", {32}, {}}, 16},
    {{"mov.u32 d, 010;", {32}, {}}, 8},
    {{"mov.u32 d, 0b101;", {32}, {}}, 5},
    {{"mov.f32 d, 0f3F800000;", {32}, {}}, 0x3f800000},
    {{"mov.f32 d, 1.5;", {32}, {}}, 0x3fc00000},
    {{"mov.f64 d, 0d3FF0000000000000;", {64}, {}}, 0x3ff0000000000000},
    {{"mov.b32 d, {a, b};", {32, 16, 16}, {0x1111, 0x2222}}, 0x22221111},
    {{"mov.b64 d, {a, b};", {64, 32, 32}, {1, 2}}, 0x200000001},
    {{"mov.b64 d, {a, b, c, e};", {64, 16, 16, 16, 16}, {1, 2, 3, 4}}, 0x4000300020001},
    {{"mov.b32 {d, _}, a;", {16, 32}, {0x22221111}}, 0x1111},
    {{"mov.b32 {_, d}, a;", {16, 32}, {0x22221111}}, 0x2222},
    {{"mov.b64 {_, d}, a;", {32, 64}, {0x200000001}}, 2},
    {{"mov.u32 d, %ntid.x;", {32}, {}}, 32},
    {{"mov.u32 d, %nctaid.y;", {32}, {}}, 1},
    {{"mov.pred d, a;", {1, 1}, {1}}, 1},
    {{"cvta.to.global.u64 d, a;", {64, 64}, {5}}, 5},
    {{"{ .reg .u64 t; cvta.shared.u64 t, a; cvta.to.shared.u64 d, t; }", {64, 64}, {1024}}, 1024},
    {{"selp.b32 d, a, b, c;", {32, 32, 32, 1}, {3, 4, 1}}, 3},
    {{"selp.f64 d, a, b, c;", {64, 64, 64, 1}, {3, 4, 0}}, 4},
    {{"slct.b32.s32 d, a, b, c;", {32, 32, 32, 32}, {3, 4, kMinus1}}, 4},
    {{"slct.b32.s32 d, a, b, c;", {32, 32, 32, 32}, {3, 4, 0}}, 3},
    {{"slct.b32.f32 d, a, b, c;", {32, 32, 32, 32}, {3, 4, 0x80000000}}, 3},
    {{"slct.b32.f32 d, a, b, c;", {32, 32, 32, 32}, {3, 4, 0x7fffffff}}, 4},
};
TEST(IntegerInstruction, Moves) { check(kMoves); }

const Row kComparisons[] = {
    {{"setp.lt.s32 d, a, b;", {1, 32, 32}, {kMinus1, 0}}, 1},
    {{"setp.lt.u32 d, a, b;", {1, 32, 32}, {kMinus1, 0}}, 0},
    {{"setp.lo.u32 d, a, b;", {1, 32, 32}, {0, kMinus1}}, 1},
    {{"setp.hs.u64 d, a, b;", {1, 64, 64}, {kMin64, 1}}, 1},
    {{"setp.ge.s16 d, a, b;", {1, 16, 16}, {0x8000, 1}}, 0},
    {{"setp.eq.b64 d, a, b;", {1, 64, 64}, {1ull << 40, 0}}, 0},
    {{"setp.ne.b16 d, a, b;", {1, 16, 16}, {1, 2}}, 1},
    {{"setp.le.and.s32 d, a, b, c;", {1, 32, 32, 1}, {1, 1, 0}}, 0},
    {{"setp.le.and.s32 d, a, b, !c;", {1, 32, 32, 1}, {1, 1, 0}}, 1},
    {{"setp.gt.or.s32 d, a, b, c;", {1, 32, 32, 1}, {1, 1, 1}}, 1},
    {{"setp.eq.xor.s32 d, a, b, c;", {1, 32, 32, 1}, {1, 1, 1}}, 0},
    {{"setp.eq.s32 %p1|d, a, b;", {1, 32, 32}, {1, 1}}, 0},
    // q is the negated comparison combined with c, not the negation of p.
    {{"setp.eq.and.s32 %p1|d, a, b, c;", {1, 32, 32, 1}, {1, 1, 0}}, 0},
    {{"setp.eq.and.s32 %p1|d, a, b, c;", {1, 32, 32, 1}, {1, 2, 1}}, 1},
};
TEST(IntegerInstruction, Comparisons) { check(kComparisons); }

const Row kConversions[] = {
    {{"cvt.u64.u32 d, a;", {64, 32}, {kMinus1}}, 0xffffffff},
    {{"cvt.s64.s32 d, a;", {64, 32}, {kMinus1}}, kAll64},
    {{"cvt.u32.u64 d, a;", {32, 64}, {0x123456789}}, 0x23456789},
    {{"cvt.u32.u16 d, a;", {32, 16}, {0xffff}}, 0xffff},
    {{"cvt.s32.s16 d, a;", {32, 16}, {0xffff}}, 0xffffffff},
    {{"cvt.u16.u32 d, a;", {16, 32}, {0x12345678}}, 0x5678},
    {{"cvt.s32.s8 d, a;", {32, 32}, {0x1280}}, 0xffffff80},
    {{"cvt.u32.u8 d, a;", {32, 32}, {0x1280}}, 0x80},
    {{"cvt.s16.s8 d, a;", {16, 16}, {0x80}}, 0xff80},
    {{"cvt.s8.s32 d, a;", {32, 32}, {0x1ff}}, 0xffffffff},
    {{"cvt.sat.u8.s32 d, a;", {32, 32}, {uint32_t(-5)}}, 0},
    {{"cvt.sat.s8.s32 d, a;", {32, 32}, {300}}, 127},
    {{"cvt.sat.s32.s64 d, a;", {32, 64}, {kMin64}}, kMin32},
    {{"cvt.sat.u32.s64 d, a;", {32, 64}, {1ull << 40}}, kMinus1},
};
TEST(IntegerInstruction, Conversions) { check(kConversions); }

/// The tables are PTX, not what the emulator makes of it.
TEST(IntegerInstruction, IsTakenByPtxas) {
  std::vector<OneInstruction> all;
  auto append = [&](const auto &rows) {
    for (const Row &row : rows)
      all.push_back(row.instruction);
  };
  append(kArithmetic);
  append(kBits);
  append(kMoves);
  append(kComparisons);
  append(kConversions);
  std::optional<std::string> said = assemble(all);
  if (!said)
    GTEST_SKIP() << "no ptxas";
  EXPECT_EQ(*said, "");
}

} // namespace
} // namespace attn::emulator
