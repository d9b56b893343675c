// Loads, stores, atomics, state spaces, and the faults of each.
#include "test/emulator/Run.h"

#include <gtest/gtest.h>

#include <numeric>

namespace attn::emulator {
namespace {

void expectFault(const Outcome &outcome, const std::string &part) {
  EXPECT_NE(outcome.fault.find(part), std::string::npos) << outcome.fault;
}

/// Word 0 of the output after lane 0 has stored %r9 there.
uint32_t firstWord(const std::string &body, const std::vector<uint32_t> &in = {},
                   const std::string &declarations = "") {
  Outcome outcome = runBody(body + "  st.global.b32 [%out], %r9;\n", in, 1, {}, 1, declarations);
  EXPECT_EQ(outcome.fault, "");
  return outcome.out[0];
}

TEST(Load, ExtendsToTheRegister) {
  const std::vector<uint32_t> in{0x8182f384};
  EXPECT_EQ(firstWord("  ld.global.u8 %r9, [%in];\n", in), 0x84u);
  EXPECT_EQ(firstWord("  ld.global.s8 %r9, [%in];\n", in), 0xffffff84u);
  EXPECT_EQ(firstWord("  ld.global.s16 %r9, [%in+2];\n", in), 0xffff8182u);
  EXPECT_EQ(firstWord("  ld.global.b16 %r9, [%in+2];\n", in), 0x8182u);
  EXPECT_EQ(firstWord("  ld.global.s8 %h0, [%in];\n  cvt.u32.u16 %r9, %h0;\n", in), 0xff84u);
  EXPECT_EQ(
      firstWord("  ld.global.s32 %d0, [%in];\n  shr.u64 %d0, %d0, 32;\n  cvt.u32.u64 %r9, %d0;\n",
                in),
      0xffffffffu);
  EXPECT_EQ(firstWord("  ld.global.nc.L1::no_allocate.L2::128B.u32 %r9, [%in];\n", in), in[0]);
  EXPECT_EQ(firstWord("  ld.relaxed.gpu.global.u32 %r9, [%in];\n", in), in[0]);
}

TEST(Load, MovesVectors) {
  EXPECT_EQ(
      firstWord(
          "  ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%in];\n  mad.lo.u32 %r9, %r3, 100, %r4;\n",
          {1, 2, 3, 4}),
      304u);
  EXPECT_EQ(
      firstWord("  ld.global.v2.b64 {%d0, %d1}, [%in];\n  cvt.u32.u64 %r9, %d1;\n", {1, 2, 3, 4}),
      3u);
  EXPECT_EQ(
      firstWord("  ld.global.v2.u16 {%h0, %h1}, [%in];\n  cvt.u32.u16 %r9, %h1;\n", {0x70006}), 7u);
  // The register of the address may be a target.
  EXPECT_EQ(
      firstWord("  ld.global.v2.b64 {%in, %d1}, [%in];\n  cvt.u32.u64 %r9, %in;\n", {1, 2, 3, 4}),
      1u);
}

TEST(Load, GoesOnBesideHints) {
  const std::string hints = "  prefetch.global.L2 [%in];\n  prefetchu.L1 [%in];\n"
                            "  createpolicy.fractional.L2::evict_first.b64 %d0, 1.0;\n";
  EXPECT_EQ(firstWord(hints + "  ldu.global.u32 %r9, [%in+4];\n", {1, 2}), 2u);
  // What is discarded is not read again before it is written.
  EXPECT_EQ(firstWord("  discard.global.L2 [%out], 128;\n  ld.global.u32 %r9, [%in];\n", {5}), 5u);
}

TEST(Store, TruncatesAndMovesVectors) {
  Outcome outcome =
      runBody("  mov.u32 %r0, 0x12345678;\n  st.global.u8 [%out], %r0;\n"
              "  st.global.u16 [%out+2], %r0;\n  mov.u64 %d0, 0x1111222233334444;\n"
              "  st.global.v2.b32 [%out+8], {%r0, 7};\n  st.global.b64 [%out+16], %d0;\n",
              {}, 6, {}, 1);
  ASSERT_EQ(outcome.fault, "");
  EXPECT_EQ(outcome.out,
            (std::vector<uint32_t>{0x5678cc78, 0xcccccccc, 0x12345678, 7, 0x33334444, 0x11112222}));
}

TEST(Spaces, HoldVariables) {
  EXPECT_EQ(firstWord("  mov.u64 %d0, table;\n  ld.const.u32 %r9, [%d0+4];\n", {},
                      ".const .align 4 .u32 table[3] = {10, 20, 30};\n"),
            20u);
  EXPECT_EQ(firstWord("  ld.const.u8 %r9, [table+2];\n", {},
                      ".const .align 4 .b8 table[4] = {1, 2, 3};\n"),
            3u);
  EXPECT_EQ(firstWord("  ld.global.u32 %r0, [counter];\n  add.u32 %r0, %r0, 5;\n  st.global.u32 "
                      "[counter], %r0;\n"
                      "  ld.global.u32 %r9, [counter];\n",
                      {}, ".global .align 4 .u32 counter = 2;\n"),
            7u);
  EXPECT_EQ(
      firstWord(
          "  .local .align 8 .b8 stack[16];\n  mov.u64 %d0, stack;\n  cvta.local.u64 %d1, %d0;\n"
          "  mov.u32 %r0, 9;\n  st.u32 [%d1+4], %r0;\n  ld.local.u32 %r9, [%d0+4];\n"),
      9u);
  EXPECT_EQ(
      firstWord("  .shared .align 4 .b8 x[8];\n  mov.u64 %d0, x;\n  cvta.shared.u64 %d1, %d0;\n"
                "  mov.u32 %r0, 9;\n  st.u32 [%d1+4], %r0;\n  ld.shared.u32 %r9, [x+4];\n"),
      9u);
  // A parameter by its generic address: the address of `in`.
  EXPECT_EQ(firstWord("  mov.b64 %d0, in;\n  cvta.param.u64 %d1, %d0;\n  ld.b64 %d2, [%d1];\n"
                      "  ld.global.u32 %r9, [%d2];\n",
                      {42}),
            42u);
}

TEST(Spaces, AreToldApartByAddress) {
  const std::string variables = "  .shared .align 4 .b8 x[8];\n  .local .align 4 .b8 y[8];\n"
                                "  mov.u64 %d0, x;\n  cvta.shared.u64 %d0, %d0;\n"
                                "  mov.u64 %d1, y;\n  cvta.local.u64 %d1, %d1;\n  mov.u64 %d2, %in;\n";
  const char *names[] = {"shared", "local", "global"};
  for (int space = 0; space < 3; ++space)
    for (int address = 0; address < 3; ++address)
      EXPECT_EQ(firstWord(variables + "  isspacep." + names[space] + " %p0, %d" + std::to_string(address) +
                              ";\n  selp.u32 %r9, 1, 0, %p0;\n",
                          {1}),
                space == address ? 1u : 0u)
          << names[space] << " " << address;
}

TEST(Spaces, DynamicSharedMemoryBeginsAfterTheRest) {
  const std::string declarations =
      ".extern .shared .align 128 .b8 dynamic[];\n.shared .align 4 .b8 fixed[12];\n";
  const std::string body =
      "  mov.u32 %r0, fixed;\n  mov.u32 %r1, dynamic;\n  sub.u32 %r9, %r1, %r0;\n"
      "  st.shared.u32 [dynamic+60], %r9;\n  st.global.u32 [%out], %r9;\n";
  Outcome outcome = runBody(body, {}, 1, {}, 1, declarations, 64);
  EXPECT_EQ(outcome.fault, "");
  EXPECT_EQ(outcome.out[0], 128u);
  expectFault(runBody(body, {}, 1, {}, 1, declarations, 60),
              "writes 4 bytes at 188 of the 188 bytes of shared memory");
}

TEST(Faults, OutOfBounds) {
  expectFault(runBody("  ld.global.u32 %r0, [%in+8];\n", {1, 2}, 1),
              "reads 4 bytes at 0x200000000008, outside of global memory: that is 8 of the 8 bytes "
              "of 'in'");
  expectFault(runBody("  ld.global.u32 %r0, [%in+-4];\n", {1, 2}, 1), "outside of global memory");
  expectFault(runBody("  mov.u32 %r0, 1;\n  st.global.v2.u32 [%out], {%r0, %r0};\n", {}, 1),
              "outside of global memory");
  expectFault(runBody("  mov.u32 %r0, 1;\n  st.global.u32 [%in], %r0;\n", {1}, 1),
              "writes 'in', which is read-only");
  expectFault(runBody("  ld.param.u32 %r0, [out+8];\n", {}, 1), "of the 16 bytes of parameters");
  // The message names the line, the lane and the block.
  expectFault(runBody("  add.u64 %d0, %out, %lane4;\n  st.global.u32 [%d0], %lane;\n", {}, 16),
              "in lane 16 of warp 0 of block (0, 0, 0) of kernel 'k'");
  expectFault(
      runBody("  .shared .align 4 .b8 x[4];\n  mov.u32 %r0, 0;\n  ld.shared.u32 %r1, [%r0];\n", {},
              1),
      "reads 4 bytes at -1024 of the");
}

TEST(Faults, Misaligned) {
  expectFault(runBody("  ld.global.u32 %r0, [%in+2];\n", {1, 2}, 1),
              "which is not a multiple of 4");
  expectFault(runBody("  ld.global.v4.u32 {%r0, %r1, %r2, %r3}, [%in+8];\n", {1, 2, 3, 4, 5, 6}, 1),
              "which is not a multiple of 16");
}

TEST(Faults, UnwrittenMemoryAndRegisters) {
  expectFault(runBody("  .shared .align 4 .b8 x[8];\n  mov.u16 %h0, 1;\n  st.shared.u16 [x], %h0;\n"
                      "  ld.shared.u32 %r0, [x];\n",
                      {}, 1),
              "reads shared byte 2, which was never written");
  expectFault(runBody("  st.global.u32 [%out], %r0;\n", {}, 1),
              "a stored value depends on a register");
  expectFault(runBody("  ld.global.u32 %r1, [%d0];\n", {}, 1), "the address depends on a register");
  // A value that was never written leaves shared memory as unwritten as it was.
  expectFault(
      runBody(
          "  .shared .align 4 .b8 x[8];\n  st.shared.u32 [x], %r0;\n  ld.shared.u32 %r1, [x];\n",
          {}, 1),
      "reads shared byte 0, which was never written");
}

TEST(Atomic, ReturnsTheOldValue) {
  struct Case {
    const char *operation;
    uint32_t before, after;
  };
  for (const Case &c :
       {Case{"add.u32 %r9, [x], 5", 7, 12}, Case{"min.s32 %r9, [x], -1", 7, 0xffffffff},
        Case{"max.u32 %r9, [x], 9", 7, 9}, Case{"exch.b32 %r9, [x], 3", 7, 3},
        Case{"cas.b32 %r9, [x], 7, 4", 7, 4}, Case{"cas.b32 %r9, [x], 8, 4", 7, 7},
        Case{"and.b32 %r9, [x], 3", 7, 3}, Case{"inc.u32 %r9, [x], 7", 7, 0},
        Case{"dec.u32 %r9, [x], 9", 0, 9},
        Case{"add.f32 %r9, [x], 0f3F800000", 0x3f800000, 0x40000000},
        Case{"add.noftz.f16x2 %r9, [x], %r5", 0x3c004000, 0x40004200}}) {
    std::string shared = "atom.shared.", global = "atom.relaxed.gpu.global.";
    std::string text(c.operation);
    Outcome inShared =
        runBody("  .shared .align 4 .b8 x[4];\n  mov.u32 %r5, 0x3c003c00;\n  mov.u32 %r0, " +
                    std::to_string(c.before) + ";\n  st.shared.u32 [x], %r0;\n  " + shared + text +
                    ";\n  ld.shared.u32 %r8, [x];\n  st.global.v2.u32 [%out], {%r9, %r8};\n",
                {}, 2, {}, 1);
    EXPECT_EQ(inShared.fault, "") << text;
    EXPECT_EQ(inShared.out, (std::vector<uint32_t>{c.before, c.after})) << text;
    text.replace(text.find("[x]"), 3, "[%out]");
    Outcome inGlobal =
        runBody("  mov.u32 %r5, 0x3c003c00;\n  mov.u32 %r0, " + std::to_string(c.before) +
                    ";\n  st.global.u32 [%out], %r0;\n  " + global + text +
                    ";\n  st.global.u32 [%out+4], %r9;\n",
                {}, 2, {}, 1);
    EXPECT_EQ(inGlobal.fault, "") << text;
    EXPECT_EQ(inGlobal.out, (std::vector<uint32_t>{c.after, c.before})) << text;
  }
}

TEST(Atomic, AddsVectors) {
  Outcome outcome = runBody("  mov.b32 %r0, 0f3F800000;\n  mov.b32 %r1, 0f40000000;\n"
                            "  mov.b32 %r2, 0;\n"
                            "  setp.eq.u32 %p0, %lane, 0;\n"
                            "  @%p0 st.global.v2.b32 [%out], {%r2, %r2};\n  bar.sync 0;\n"
                            "  red.global.add.v2.f32 [%out], {%r0, %r1};\n",
                            {}, 2);
  EXPECT_EQ(outcome.fault, "");
  EXPECT_EQ(outcome.out, (std::vector<uint32_t>{0x42000000, 0x42800000})); // 32 and 64
}

TEST(Spaces, AreToldApart) {
  const std::string begin = "  .shared .align 4 .b8 x[8];\n  mov.u64 %d0, x;\n"
                            "  cvta.shared.u64 %d1, %d0;\n";
  auto is = [&](const std::string &space, const std::string &address) {
    return firstWord(begin + "  isspacep." + space + " %p0, " + address +
                     ";\n  selp.u32 %r9, 1, 0, %p0;\n");
  };
  EXPECT_EQ(is("shared", "%d1"), 1u);
  EXPECT_EQ(is("global", "%d1"), 0u);
  EXPECT_EQ(is("local", "%d1"), 0u);
  EXPECT_EQ(is("global", "%out"), 1u);
  EXPECT_EQ(is("shared", "%out"), 0u);
}

TEST(Atomic, AddsOverLanesAndBlocks) {
  Expected<Module> module = Module::parse(kernelText("  red.global.add.u32 [%out], 1;\n"
                                                     "  atom.global.add.u64 %d1, [%out+8], 1;\n"));
  ASSERT_TRUE(bool(module));
  Memory memory;
  uint64_t out = memory.allocate("out", 16);
  uint64_t zeros[2] = {};
  ASSERT_TRUE(bool(memory.write(out, zeros, 16)));
  std::vector<std::vector<uint8_t>> parameters{parameterOf(out), parameterOf(out)};
  Expected<Counters> counters =
      launch(*module, "k", {10, 3, 2}, {64, 2, 1}, 0, parameters, memory, {.threads = 4});
  ASSERT_TRUE(bool(counters)) << counters.error().message;
  ASSERT_TRUE(bool(memory.read(out, zeros, 16)));
  EXPECT_EQ(uint32_t(zeros[0]), 60u * 128);
  EXPECT_EQ(zeros[1], 60u * 128);
  EXPECT_EQ((*counters)[InstClass::Atomic], 60u * 4 * 2);
}

TEST(Special, NameThreadsAndBlocks) {
  Expected<Module> module = Module::parse(kernelText(R"(
  mov.u32 %r0, %ctaid.x;
  mov.u32 %r1, %ctaid.y;
  mov.u32 %r2, %nctaid.x;
  mad.lo.u32 %r3, %r1, %r2, %r0;
  mov.u32 %r4, %tid.x;
  mov.u32 %r5, %tid.y;
  mov.u32 %r6, %ntid.x;
  mad.lo.u32 %r7, %r5, %r6, %r4;
  mov.u32 %r8, %ntid.y;
  mul.lo.u32 %r10, %r6, %r8;
  mad.lo.u32 %r11, %r3, %r10, %r7;
  mul.wide.u32 %d0, %r11, 4;
  add.u64 %d0, %out, %d0;
  st.global.u32 [%d0], %r11;
)"));
  ASSERT_TRUE(bool(module));
  Memory memory;
  std::vector<uint32_t> out(3 * 2 * 10 * 5), expected(out.size());
  uint64_t address = memory.map("out", out.data(), out.size() * 4);
  std::vector<std::vector<uint8_t>> parameters{parameterOf(address), parameterOf(address)};
  Expected<Counters> counters = launch(*module, "k", {3, 2}, {10, 5}, 0, parameters, memory);
  ASSERT_TRUE(bool(counters)) << counters.error().message;
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(out, expected);
}

TEST(Launch, ChecksWhatItIsGiven) {
  Expected<Module> module =
      Module::parse(".version 8.0\n.target sm_80\n.address_size 64\n"
                    ".visible .entry k(.param .align 8 .b8 args[24]) .reqntid 64, 1, 1 { ret; }");
  ASSERT_TRUE(bool(module)) << module.error().message;
  EXPECT_EQ(module->target(), "sm_80");
  ASSERT_EQ(module->entries().size(), 1u);
  EXPECT_EQ(module->entries()[0].parameterBytes, std::vector<uint64_t>{24});
  Memory memory;
  std::vector<std::vector<uint8_t>> good{std::vector<uint8_t>(24)}, small{std::vector<uint8_t>(20)};
  auto message = [&](std::string_view entry, Dim3 block, const auto &parameters) {
    Expected<Counters> counters = launch(*module, entry, {}, block, 0, parameters, memory);
    return counters ? std::string() : counters.error().message;
  };
  EXPECT_EQ(message("k", {64}, good), "");
  EXPECT_EQ(message("x", {64}, good), "the module has no kernel 'x'");
  EXPECT_EQ(message("k", {32}, good),
            "kernel 'k' requires blocks of (64, 1, 1) threads, not (32, 1, 1)");
  EXPECT_EQ(message("k", {64}, small), "parameter 0 of kernel 'k' has 24 bytes, 20 are given");
  EXPECT_EQ(message("k", {2048}, good),
            "block (2048, 1, 1) is empty or has more than 1024 threads");
}

TEST(Memory, KeepsBuffersApart) {
  Memory memory;
  uint64_t a = memory.allocate("a", 100), b = memory.allocate("b", 100);
  EXPECT_EQ(a % 256, 0u);
  EXPECT_GE(b - a, 1u << 20);
  uint8_t byte = 0;
  ASSERT_TRUE(bool(memory.read(a + 99, &byte, 1)));
  EXPECT_EQ(byte, 0xff);
  EXPECT_FALSE(bool(memory.read(a + 99, &byte, 2)));
  ASSERT_TRUE(bool(memory.release(a)));
  EXPECT_FALSE(bool(memory.read(a, &byte, 1)));
  EXPECT_FALSE(bool(memory.release(a)));
}

} // namespace
} // namespace attn::emulator
