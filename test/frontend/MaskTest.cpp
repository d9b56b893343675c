//===- MaskTest.cpp - what masks become ------------------------------------===//
#include "test/frontend/Parse.h"

using namespace mlir;

namespace attn::test {
namespace {

struct MaskCase {
  const char *name;
  std::string items, attribute;
};
void PrintTo(const MaskCase &maskCase, std::ostream *os) { *os << maskCase.name; }

class Masks : public testing::TestWithParam<MaskCase> {};

TEST_P(Masks, BecomeAttributes) {
  Parsed parsed(kernelWith(GetParam().items));
  ASSERT_TRUE(parsed.attention);
  EXPECT_EQ(parsed.mask(), GetParam().attribute);
  EXPECT_EQ(parsed.session.messages, std::vector<std::string>{});
}

auto nameOfMask = [](const auto &info) { return std::string(info.param.name); };

const MaskCase kLinear[] = {
    {"Default", "", "#attn.all"},
    {"All", "mask all", "#attn.all"},
    {"Causal", "mask causal", "#attn.causal"},
    {"CausalEmptyArguments", "mask causal()", "#attn.causal"},
    {"CausalTopLeft", "mask causal(top_left)", "#attn.causal<top_left = true>"},
    {"CausalTopLeftNamed", "mask causal(top_left = true)", "#attn.causal<top_left = true>"},
    {"CausalTopLeftFalse", "mask causal(top_left = false)", "#attn.causal"},
    {"CausalInADimension", "mask causal(dim = 0)", "#attn.causal<dim = 0>"},
    {"WindowOfOne", "mask window(1)", "#attn.window<left = 0, right = 0>"},
    {"Window", "mask window(256)", "#attn.window<left = 255, right = 255>"},
    {"WindowNamed", "mask window(width = 256)", "#attn.window<left = 255, right = 255>"},
    {"WindowSides", "mask window(right = 2, left = 5)", "#attn.window<left = 5, right = 2>"},
    {"WindowDilated", "mask window(8, dilation = 4)",
     "#attn.window<left = 7, right = 7, dilation = 4>"},
    {"WindowSidesDilated", "mask window(left = 7, right = 0, dilation = 2)",
     "#attn.window<left = 7, right = 0, dilation = 2>"},
    {"Underscores", "mask window(1_024)", "#attn.window<left = 1023, right = 1023>"},
    {"Sink", "mask sink(4)", "#attn.sink<4>"},
    {"PrefixOfNumber", "mask prefix(64)", "#attn.prefix<64>"},
    {"PrefixOfInput", "input n : i32[batch] mask prefix(n)", "#attn.prefix<@n>"},
    {"PrefixOfMatchingNumber", "input n : i32[1] mask prefix(n)", "#attn.prefix<@n>"},
    {"KeyLength", "input n : i32[batch] mask key_length(n)", "#attn.prefix<@n>"},
    {"InputDeclaredLater", "mask prefix(n) input n : i32[batch]", "#attn.prefix<@n>"},
    {"Keys", "mask keys(first = 5, count = 4)", "#attn.keys<first = 5, count = 4>"},
    {"KeysFromTheStart", "mask keys(count = 4)", "#attn.keys<count = 4>"},
    {"Queries", "mask queries(count = 4, first = 5)", "#attn.queries<first = 5, count = 4>"},
    {"Global", "mask global(8)", "#attn.global<count = 8>"},
    {"GlobalRange", "mask global(first = 3, count = 8)", "#attn.global<first = 3, count = 8>"},
    {"Strided", "mask strided(8)", "#attn.strided<8>"},
    {"Fixed", "mask fixed(8, 2)", "#attn.fixed<stride = 8, count = 2>"},
    {"FixedNamed", "mask fixed(count = 2, stride = 8)", "#attn.fixed<stride = 8, count = 2>"},
};
INSTANTIATE_TEST_SUITE_P(Linear, Masks, testing::ValuesIn(kLinear), nameOfMask);

const MaskCase kBoxes[] = {
    {"Block", "mask block(64)", "#attn.block<size = [64], offset = [0]>"},
    {"BlockShifted", "mask block(64, offset = -3)", "#attn.block<size = [64], offset = [-3]>"},
    {"BlockOfLists", "mask block(size = [64], offset = [5])",
     "#attn.block<size = [64], offset = [5]>"},
    {"Neighborhood", "mask neighborhood(7)", "#attn.neighborhood<window = [7]>"},
    {"NeighborhoodPositional", "mask neighborhood([8], 4, 2, true)",
     "#attn.neighborhood<window = [8], stride = [4], dilation = [2], causal = [true]>"},
    {"NeighborhoodNamed", "mask neighborhood(causal = [true], dilation = 3, window = 9)",
     "#attn.neighborhood<window = [9], dilation = [3], causal = [true]>"},
    {"NeighborhoodOfTheWholeDimension", "mask neighborhood(window = [-1], causal = true)",
     "#attn.neighborhood<window = [-1], causal = [true]>"},
    {"NeighborhoodShifted", "mask neighborhood(7, border = shift)",
     "#attn.neighborhood<window = [7]>"},
    {"NeighborhoodClipped", "mask neighborhood(7, border = clip) & causal",
     "#attn.and<#attn.neighborhood<window = [7], border = clip>, #attn.causal>"},
    {"NeighborhoodPadded", "mask (neighborhood(7, border = zero))",
     "#attn.neighborhood<window = [7], border = zero>"},
};
INSTANTIATE_TEST_SUITE_P(Boxes, Masks, testing::ValuesIn(kBoxes), nameOfMask);

const MaskCase kData[] = {
    {"Same", "input d : i32[tokens] mask same(d)", "#attn.same<@d>"},
    {"SameNamed", "input d : i32[256] mask same(input = d)", "#attn.same<@d>"},
    {"SameOfTwo", "kv_tokens [64] input a : i32[tokens] input b : i32[kv_tokens] mask same(a, b)",
     "#attn.same<@a, @b>"},
    {"Classes", "input m : i32[tokens] mask classes(m, allow = [[1, 0], [true, false]])",
     "#attn.classes<@m, count = 2, allow = [true, false, true, false]>"},
    {"ClassesOfTwo",
     "kv_tokens [64] input a : i32[tokens] input b : i32[kv_tokens] "
     "mask classes(a, b, allow = [[1]])",
     "#attn.classes<@a, @b, count = 1, allow = [true]>"},
    {"From", "input m : bool[batch, heads, tokens, kv_tokens] mask from(m)", "#attn.input<@m>"},
    {"FromBroadcast", "input m : bool[1, 1, tokens, kv_tokens] mask from(m)", "#attn.input<@m>"},
    {"BlocksByRows", "input r : i32[5] input c : i32[?] mask blocks(r, c, size = 64)",
     "#attn.blocks<@r, @c, size = 64>"},
    {"BlocksByRowsOfEachHead",
     "input r : i32[1, heads, 5] input c : i32[1, heads, ?] mask blocks(r, c, size = 64)",
     "#attn.blocks<@r, @c, size = 64>"},
    {"BlocksOfOpenLength", "input r : i32[?] input c : i32[9] mask blocks(r, c, size = 64)",
     "#attn.blocks<@r, @c, size = 64>"},
    {"BlocksByBits", "input bits : i32[4, 1] mask causal & blocks(bits, size = 64)",
     "#attn.and<#attn.causal, #attn.blocks<@bits, size = 64>>"},
    {"BlocksByBitsOfEachHead", "input bits : i32[batch, 8, 16, 1] mask blocks(bits, size = 16)",
     "#attn.blocks<@bits, size = 16>"},
};
INSTANTIATE_TEST_SUITE_P(Data, Masks, testing::ValuesIn(kData), nameOfMask);

const MaskCase kConnectives[] = {
    {"AndBindsTighterThanOr", "mask causal & sink(1) | sink(2) & window(3)",
     "#attn.or<#attn.and<#attn.causal, #attn.sink<1>>, #attn.and<#attn.sink<2>, "
     "#attn.window<left = 2, right = 2>>>"},
    {"NotBindsTightest", "mask !causal & window(3)",
     "#attn.and<#attn.not<#attn.causal>, #attn.window<left = 2, right = 2>>"},
    {"Parentheses", "mask causal & !(sink(1) | sink(2))",
     "#attn.and<#attn.causal, #attn.not<#attn.or<#attn.sink<1>, #attn.sink<2>>>>"},
    {"ChainsAreFlat", "mask sink(1) | sink(2) | sink(3)",
     "#attn.or<#attn.sink<1>, #attn.sink<2>, #attn.sink<3>>"},
    {"AcrossLines", "mask causal // the past\n  & # and\n  window(2)",
     "#attn.and<#attn.causal, #attn.window<left = 1, right = 1>>"},
};
INSTANTIATE_TEST_SUITE_P(Connectives, Masks, testing::ValuesIn(kConnectives), nameOfMask);

const std::string kVideo = "kernel video { heads 24 head_dim 128 dtype bf16 tokens [30, 48, 80]\n";

TEST(Mask, ScalarsOfANeighborhoodStandForEveryDimension) {
  Parsed parsed(kVideo + "mask neighborhood(window = [18, 24, 24], stride = 8, causal = [true, "
                         "false, false]) }");
  EXPECT_EQ(parsed.mask(), "#attn.neighborhood<window = [18, 24, 24], stride = [8, 8, 8], causal = "
                           "[true, false, false]>");
}

TEST(Mask, BlocksHaveASizeForEachDimension) {
  Parsed parsed(kVideo + "mask block([1, 8, 8], offset = [0, 4, 4]) | causal(dim = 2) }");
  EXPECT_EQ(parsed.mask(),
            "#attn.or<#attn.block<size = [1, 8, 8], offset = [0, 4, 4]>, #attn.causal<dim = 2>>");
}

TEST(Mask, FourDimensions) {
  Parsed parsed("kernel a { heads 1 head_dim 8 dtype f32 tokens [2, 3, 4, 5]\n"
                "mask neighborhood(window = [-1, 3, 3, 3]) }");
  EXPECT_EQ(parsed.mask(), "#attn.neighborhood<window = [-1, 3, 3, 3]>");
}

TEST(Mask, BlocksOnDynamicLengthsHaveOpenExtents) {
  Parsed parsed("kernel a { heads 1 head_dim 8 dtype f32 tokens [?]\n"
                "input r : i32[7] input c : i32[?] mask blocks(r, c, size = 128) }");
  EXPECT_EQ(parsed.mask(), "#attn.blocks<@r, @c, size = 128>");
}

TEST(Mask, NestingUpToTheLimitIsRead) {
  std::string open(190, '('), close(190, ')');
  EXPECT_EQ(Parsed(kernelWith("mask " + open + "causal" + close)).mask(), "#attn.causal");
}

//===----------------------------------------------------------------------===//
// Heads that see nothing
//===----------------------------------------------------------------------===//

std::vector<std::string> messagesOf(const std::string &text) {
  return Parsed(text).session.messages;
}
using Messages = std::vector<std::string>;

TEST(BlindHeads, TheWholeKernel) {
  EXPECT_EQ(messagesOf(kernelWith("mask sink(0)")),
            (Messages{"1:8: warning: no head of kernel 'a' sees a key, so that the output is 0 "
                      "there"}));
}

TEST(BlindHeads, AreNamed) {
  EXPECT_EQ(messagesOf(kernelWith("mask all heads 0, 2..4, 7 { mask !causal & sink(1) }")),
            (Messages{"1:8: warning: heads 0, 2..4, 7 of kernel 'a' see no key, so that the output "
                      "is 0 there"}));
  EXPECT_EQ(messagesOf(kernelWith("mask causal heads 3 { mask !all }")),
            (Messages{"1:8: warning: head 3 of kernel 'a' sees no key, so that the output is 0 "
                      "there"}));
}

TEST(BlindHeads, OnDynamicLengthsOnlyTheSimplestMaskIsProven) {
  std::string start = "kernel a { heads 1 head_dim 8 dtype f32 tokens [?] ";
  EXPECT_EQ(messagesOf(start + "mask causal & !causal }").size(), 1u);
  EXPECT_EQ(messagesOf(start + "mask sink(0) }"), Messages{});
}

TEST(BlindHeads, WhatOnlyTheRunKnowsIsNotProven) {
  EXPECT_EQ(messagesOf(kernelWith("input n : i32[batch] mask prefix(n) & !prefix(n)")).size(), 1u);
  EXPECT_EQ(messagesOf(kernelWith("input n : i32[batch] mask prefix(n) & sink(3)")), Messages{});
  EXPECT_EQ(messagesOf(kernelWith("input n : i32[tokens] mask same(n)")), Messages{});
}

TEST(BlindHeads, OffsetsCount) {
  EXPECT_EQ(messagesOf(kernelWith("q_offset -300 mask causal")).size(), 1u);
  EXPECT_EQ(messagesOf(kernelWith("q_offset -255 mask causal")), Messages{});
}

TEST(BlindHeads, WhatTakesLongIsNotProven) {
  std::string start = "kernel a { heads 1 head_dim 8 dtype f32 tokens ";
  EXPECT_EQ(messagesOf(start + "[16384] mask sink(0) }").size(), 1u);
  EXPECT_EQ(messagesOf(start + "[16385] mask sink(0) }"), Messages{});
}

TEST(BlindHeads, InSeveralDimensions) {
  EXPECT_EQ(messagesOf(kVideo + "mask neighborhood(3) & !block([90, 48, 80]) }").size(), 1u);
  EXPECT_EQ(messagesOf(kVideo + "mask neighborhood(3) & !causal(dim = 0) }"), Messages{});
}

} // namespace
} // namespace attn::test
