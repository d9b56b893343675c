//===- PackedTest.cpp - packed sequences -----------------------------------===//
#include "test/frontend/Parse.h"

using namespace mlir;

namespace attn::test {
namespace {

TEST(Packed, WrapsTheMask) {
  EXPECT_EQ(Parsed(kernelWith("input cu : i32[?] packed cu mask causal & window(8)")).mask(),
            "#attn.packed<@cu, @cu, #attn.and<#attn.causal, #attn.window<left = 7, right = 7>>>");
}

TEST(Packed, WithoutAMaskIsDenseInsideTheSequences) {
  EXPECT_EQ(Parsed(kernelWith("packed cu input cu : i32[17]")).mask(),
            "#attn.packed<@cu, @cu, #attn.all>");
}

TEST(Packed, QueriesAndKeysMayHaveLengthsOfTheirOwn) {
  EXPECT_EQ(Parsed(kernelWith("kv_tokens [?] input a : i32[?] input b : i32[?]\n"
                              "packed (a, b) mask causal"))
                .mask(),
            "#attn.packed<@a, @b, #attn.causal>");
}

TEST(Packed, WrapsTheMasksOfHeads) {
  Parsed parsed(kernelWith("input cu : i32[?] packed cu heads 0, 2 { mask causal }"));
  EXPECT_EQ(parsed.mask(), "#attn.packed<@cu, @cu, #attn.all>");
  EXPECT_EQ(printed(parsed.attention.getHeadMasks()),
            "[#attn.heads<0, 0, #attn.packed<@cu, @cu, #attn.causal>>, "
            "#attn.heads<2, 2, #attn.packed<@cu, @cu, #attn.causal>>]");
}

TEST(Packed, CountsAsReadingItsInputs) {
  Parsed parsed(kernelWith("input a : i32[?] input b : i32[?] packed (a, b)"));
  EXPECT_EQ(parsed.session.messages, std::vector<std::string>{});
}

class PackedErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(PackedErrors, SaysWhatIsWrong) { expectMessages(GetParam()); }

const ErrorCase kPackedErrors[] = {
    {"NoInput",
     kernelWith("packed"),
     {"3:1: error: expected an input of cumulative lengths, or two in '( )', after 'packed', but "
      "found '}'"}},
    {"NoSecondInput",
     kernelWith("packed (a)"),
     {"2:10: error: expected ',' and the keys' cumulative lengths, but found ')'"}},
    {"NumberAsSecondInput",
     kernelWith("packed (a, 3)"),
     {"2:12: error: expected the input of the keys' cumulative lengths, but found '3'"}},
    {"NotClosed",
     kernelWith("packed (a, b"),
     {"3:1: error: expected ')' after the two inputs of 'packed', but found '}'"}},
    {"GivenTwice",
     kernelWith("input cu : i32[?] packed cu packed cu"),
     {"2:29: error: 'packed' is given twice", "2:19: note: first given here"}},
    {"UnknownInput",
     kernelWith("input cu : i32[?] packed cv"),
     {"2:26: error: unknown input 'cv'", "2:26: note: did you mean 'cu'?",
      "2:26: note: declare it with 'input cv : i32[?]'"}},
    {"UnknownSecondInput",
     kernelWith("input a : i32[?] packed (a, lengths)"),
     {"2:29: error: unknown input 'lengths'",
      "2:29: note: declare it with 'input lengths : i32[?]'"}},
    {"OtherType",
     kernelWith("input cu : bool[?] packed cu"),
     {"2:20: error: input 'cu' must be i32[sequences + 1] here"}},
    {"OtherRank",
     kernelWith("input cu : i32[1, ?] packed cu"),
     {"2:22: error: input 'cu' must be i32[sequences + 1] here"}},
    {"FixedOffset",
     kernelWith("input cu : i32[?] packed cu\nq_offset 3"),
     {"3:10: error: 'q_offset' cannot be fixed for packed sequences, each has its own: keys less "
      "queries",
      "2:19: note: they are packed here"}},
    {"SeveralDimensions",
     "kernel a { heads 8 head_dim 64 dtype f32 tokens [16, 16]\ninput cu : i32[?] packed cu }",
     {"2:19: error: packed needs tokens of one dimension, but the layout has 2"}},
    {"TokenGroups",
     "kernel a { heads 8 head_dim 64 dtype f32 tokens a[16] + b[16]\ninput cu : i32[?] packed cu }",
     {"2:19: error: packed sequences need a token layout without groups"}},
    {"KindThatIsNotPacked",
     kernelWith("input cu : i32[?] packed cu mask causal & fixed(8, 1)"),
     {"2:43: error: fixed cannot be used with packed sequences"}},
    {"MaskOfHeadsThatIsNotPacked",
     kernelWith("input cu : i32[?] packed cu heads 3 { mask fixed(8, 1) }"),
     {"2:44: error: fixed cannot be used with packed sequences"}},
    {"BlocksOfOtherKeys",
     kernelWith("input a : i32[?] input b : i32[?] packed (a, b) mask strided(3)"),
     {"2:54: error: strided with other keys than queries cannot be used with packed sequences"}},
};
INSTANTIATE_TEST_SUITE_P(Frontend, PackedErrors, testing::ValuesIn(kPackedErrors), nameOf);

} // namespace
} // namespace attn::test
