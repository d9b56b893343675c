//===- LayoutTest.cpp - token layouts, groups, extents ---------------------===//
#include "test/frontend/Parse.h"

using namespace mlir;

namespace attn::test {
namespace {

/// A kernel whose second line is `items`; its first line has no token layout.
std::string kernelOf(const std::string &items) {
  return "kernel a { heads 2 head_dim 8 dtype f32\n" + items + "\n}\n";
}

std::string tokensOf(const std::string &layout) {
  Parsed parsed(kernelOf("tokens " + layout));
  return parsed.attention ? printed(parsed.attention.getTokens()) : "";
}

TEST(Layout, UpToFourDimensions) {
  EXPECT_EQ(tokensOf("[16]"), "#attn.layout<[16]>");
  EXPECT_EQ(tokensOf("[2, 3, 4, 5]"), "#attn.layout<[2, 3, 4, 5]>");
  EXPECT_EQ(tokensOf("[?, ?]"), "#attn.layout<[?, ?]>");
}

TEST(Layout, GroupsLengthenTheFirstDimension) {
  EXPECT_EQ(tokensOf("video[30, 48, 80] + text[256]"),
            "#attn.layout<[31, 48, 80], #attn.group<\"video\", [30, 48, 80]>, "
            "#attn.group<\"text\", [256]>>");
  EXPECT_EQ(tokensOf("a[3] + b[4] + c[5]"),
            "#attn.layout<[12], #attn.group<\"a\", [3]>, #attn.group<\"b\", [4]>, "
            "#attn.group<\"c\", [5]>>");
  EXPECT_EQ(tokensOf("image[8, 8]"), "#attn.layout<[8, 8], #attn.group<\"image\", [8, 8]>>");
}

TEST(Layout, OneGroupMayBeOpen) {
  EXPECT_EQ(tokensOf("video[?, 48] + text[7]"), "#attn.layout<[?, 48], #attn.group<\"video\", [?, "
                                                "48]>, #attn.group<\"text\", [7]>>");
  EXPECT_EQ(tokensOf("video[4, 48] + text[?]"), "#attn.layout<[?, 48], #attn.group<\"video\", [4, "
                                                "48]>, #attn.group<\"text\", [?]>>");
}

TEST(Layout, TokensOfAllGroupsAreInTheTensors) {
  Parsed parsed(kernelOf("tokens image[5, 7] + text[3] input d : i32[tokens] mask same(d)"));
  auto function = cast<func::FuncOp>(parsed.module->getBody()->front());
  EXPECT_EQ(printed(function.getArgument(0).getType()), "tensor<1x2x38x8xf32>");
  EXPECT_EQ(printed(function.getArgument(3).getType()), "tensor<38xi32>");
}

TEST(Layout, KeysMayRepeatTheGroups) {
  Parsed parsed(kernelOf("tokens image[5, 7] + text[3] kv_tokens image[5, 7] + text[3]"));
  EXPECT_EQ(parsed.attention.getTokens(), parsed.attention.getKvTokens());
}

TEST(Layout, MasksNameGroups) {
  Parsed parsed(kernelOf("tokens image[5, 7] + text[3]\n"
                         "mask neighborhood(3) | keys(text) | queries(group = text)"));
  EXPECT_EQ(parsed.mask(), "#attn.or<#attn.neighborhood<window = [3, 3]>, "
                           "#attn.keys<group = @text>, #attn.queries<group = @text>>");
}

TEST(Layout, AKernelsWordsMayNameGroups) {
  EXPECT_EQ(tokensOf("tokens[5] + mask[3]"), "#attn.layout<[8], #attn.group<\"tokens\", [5]>, "
                                             "#attn.group<\"mask\", [3]>>");
}

TEST(Extents, AreNumbersNamesAndOpen) {
  Parsed parsed(kernelOf("tokens [16] input r : i32[?] input c : i32[heads, 1, 7]\n"
                         "mask (q, k) => r[0] < c[h, b, k % 7]"));
  auto function = cast<func::FuncOp>(parsed.module->getBody()->front());
  EXPECT_EQ(printed(function.getArgument(3).getType()), "tensor<?xi32>");
  EXPECT_EQ(printed(function.getArgument(4).getType()), "tensor<2x1x7xi32>");
}

class LayoutErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(LayoutErrors, SaysWhatIsWrong) { expectMessages(GetParam()); }

const ErrorCase kLayoutErrors[] = {
    {"FiveDimensions",
     kernelOf("tokens video[1, 2, 3, 4, 5]"),
     {"2:26: error: 'video' has more than 4 dimensions"}},
    {"SecondGroupOfTwoDimensions",
     kernelOf("tokens video[30, 48] + text[16, 16]"),
     {"2:33: error: token group 'text' has 2 dimensions, but only the first group may have "
      "several"}},
    {"GroupDeclaredTwice",
     kernelOf("tokens text[3] + text[4]"),
     {"2:18: error: token group 'text' is declared twice", "2:8: note: first declared here"}},
    {"TwoOpenGroups",
     kernelOf("tokens video[?, 48] + text[?]"),
     {"2:28: error: only one token group may have the length '?', and 'video' has it"}},
    {"OpenInnerDimension",
     kernelOf("tokens video[30, ?] + text[3]"),
     {"2:18: error: only the first dimension of token group 'video' may be '?'"}},
    {"GroupAfterALayoutWithoutName",
     kernelOf("tokens [30] + text[3]"),
     {"2:15: error: '+' joins token groups, which all have names: 'tokens video[30, 48] + "
      "text[256]'"}},
    {"GroupWithoutName",
     kernelOf("tokens video[30] + [3]"),
     {"2:20: error: expected a token group such as 'text[256]' after '+', but found '['"}},
    {"GroupWithoutLengths",
     kernelOf("tokens video[30] + text"),
     {"3:1: error: expected '[' and lengths such as '[4096]' or '[?]' after 'text', but found "
      "'}'"}},
    {"GroupTooLong",
     kernelOf("tokens video[1, 2_000_000, 2_000_000] + text[3]"),
     {"2:8: error: token group 'video' has more than 2^40 tokens"}},
    {"GroupsTooLong",
     kernelOf("tokens video[1_000_000_000_000] + text[1_000_000_000_000]"),
     {"2:8: error: token layout has more than 2^40 tokens"}},
    {"GroupOfNothing",
     kernelOf("tokens video[3] + text[0]"),
     {"2:24: error: 'tokens' is 0, but must be between 1 and 1099511627776"}},
    {"KeysOnAnotherLayout",
     kernelOf("tokens video[3] + text[5]\nkv_tokens [8]"),
     {"3:11: error: token groups need queries and keys on one layout, but 'kv_tokens' differs from "
      "'tokens'",
      "2:8: note: 'tokens' is given here; without 'kv_tokens' the keys have its layout"}},
    {"KeysAloneInGroups",
     kernelOf("tokens [8]\nkv_tokens video[3] + text[5]"),
     {"3:11: error: token groups need queries and keys on one layout, but 'kv_tokens' differs from "
      "'tokens'",
      "2:8: note: 'tokens' is given here; without 'kv_tokens' the keys have its layout"}},
    {"UnknownGroup",
     kernelOf("tokens video[3] + text[5] mask keys(txt)"),
     {"2:37: error: unknown token group 'txt', expected 'video' or 'text'",
      "2:37: note: did you mean 'text'?"}},
    {"GroupOfALayoutWithoutGroups",
     kernelOf("tokens [8] mask queries(text)"),
     {"2:25: error: unknown token group 'text'",
      "2:25: note: groups are named in the layout, for example 'tokens video[30, 48, 80] + "
      "text[256]'"}},
    {"UnknownExtent",
     kernelOf("tokens [8] input x : i32[*]"),
     {"2:26: error: expected 'batch', 'heads', 'tokens', 'kv_tokens', a number or '?', but found "
      "'*'"}},
    {"ManyGroups",
     kernelOf([] {
       std::string layout = "tokens g0[1]";
       for (int i = 1; i < 70; ++i)
         layout += " + g" + std::to_string(i) + "[1]";
       return layout;
     }()),
     {"2:574: error: 'tokens' has more than 64 token groups"}},
};
INSTANTIATE_TEST_SUITE_P(Frontend, LayoutErrors, testing::ValuesIn(kLayoutErrors), nameOf);

} // namespace
} // namespace attn::test
