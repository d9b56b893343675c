//===- HeadMaskTest.cpp - masks of some heads -----------------------------===//
#include "test/frontend/Parse.h"

using namespace mlir;

namespace attn::test {
namespace {

TEST(HeadMasks, AreSortedAndReplaceTheMask) {
  Parsed parsed(kernelWith("heads 6..7 { mask sink(1) }  mask causal  heads 0..3 { mask all; }"));
  EXPECT_EQ(printed(parsed.attention.getHeadMasks()),
            "[#attn.heads<0, 3, #attn.all>, #attn.heads<6, 7, #attn.sink<1>>]");
  EXPECT_EQ(printed(parsed.attention.getMaskOfHead(4)), "#attn.causal");
}

TEST(HeadMasks, ListsOfHeadsAndRanges) {
  Parsed parsed(kernelWith("heads 7, 0..2, 5 { mask sink(1) } heads 3 { mask all }"));
  EXPECT_EQ(printed(parsed.attention.getHeadMasks()),
            "[#attn.heads<0, 2, #attn.sink<1>>, #attn.heads<3, 3, #attn.all>, "
            "#attn.heads<5, 5, #attn.sink<1>>, #attn.heads<7, 7, #attn.sink<1>>]");
}

TEST(HeadMasks, ACommaMayFollowTheNumberOfHeads) {
  Parsed parsed("kernel a { heads 4, kv_heads 2, head_dim 8, dtype f32, tokens [8] }");
  EXPECT_EQ(parsed.attention.getNumHeads(), 4);
  EXPECT_EQ(parsed.attention.getNumKvHeads(), 2);
}

class HeadRangeErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(HeadRangeErrors, SaysWhatIsWrong) { expectMessages(GetParam()); }

const ErrorCase kHeadRangeErrors[] = {
    {"Overlap",
     kernelWith("heads 0..3 { mask causal }\nheads 2..5 { mask all }"),
     {"3:7: error: heads 2..5 overlap heads 0..3", "2:7: note: which are given here"}},
    {"OverlapOutOfOrder",
     kernelWith("heads 4..5 { mask causal }\nheads 2..4 { mask all }"),
     {"3:7: error: heads 2..4 overlap heads 4..5", "2:7: note: which are given here"}},
    {"BeyondLastHead",
     kernelWith("heads 6..9 { mask all }"),
     {"2:7: error: heads 6..9 reach beyond the last head, 7"}},
    {"Backwards",
     kernelWith("heads 3..2 { mask all }"),
     {"2:7: error: heads 3..2 are no range, the first head comes first and the last one is "
      "included"}},
    {"Negative",
     kernelWith("heads -1..2 { mask all }"),
     {"2:7: error: 'heads' is -1, but must be between 0 and 65534"}},
    {"NoLastHead",
     kernelWith("heads 3.. { mask all }"),
     {"2:11: error: expected the last head of the range, but found '{'"}},
    {"OverlapInAList",
     kernelWith("heads 1, 3..5, 5 { mask causal }"),
     {"2:16: error: heads 5 overlap heads 3..5", "2:10: note: which are given here"}},
    {"OverlapOfLists",
     kernelWith("heads 1, 6 { mask causal }\nheads 0, 5..7 { mask all }"),
     {"3:10: error: heads 5..7 overlap heads 6", "2:10: note: which are given here"}},
    {"SingleBeyondLastHead",
     kernelWith("heads 2, 8 { mask all }"),
     {"2:10: error: heads 8 reach beyond the last head, 7"}},
    {"NegativeInAList",
     kernelWith("heads 2, -1 { mask all }"),
     {"2:10: error: 'heads' is -1, but must be between 0 and 65534"}},
    {"NoHeadAfterComma",
     kernelWith("heads 2, 3, { mask all }"),
     {"2:13: error: expected a head or a range of heads after ',', but found '{'"}},
    {"ListWithoutMask",
     kernelWith("heads 2, 3 mask all"),
     {"2:12: error: expected '{' and a mask after a range of heads, but found 'mask'"}},
    {"NoMask",
     kernelWith("heads 0..1 {}"),
     {"2:13: error: expected 'mask' after '{', all that a range of heads has, but found '}'"}},
    {"OtherItem",
     kernelWith("heads 0..1 { tokens [3] }"),
     {"2:14: error: expected 'mask' after '{', all that a range of heads has, but found 'tokens'"}},
    {"NotClosed",
     kernelWith("heads 0..1 { mask all"),
     {"4:1: error: expected an item of the kernel or '}', but found the end of the text"}},
    {"MaskInsideIsChecked",
     kernelWith("heads 0..1 { mask windw(3) }"),
     {"2:19: error: unknown mask kind 'windw', " + kMaskKindsExpected,
      "2:19: note: did you mean 'window'?"}},
};
INSTANTIATE_TEST_SUITE_P(Frontend, HeadRangeErrors, testing::ValuesIn(kHeadRangeErrors), nameOf);

} // namespace
} // namespace attn::test
