//===- MaskErrorTest.cpp - mistakes in masks -------------------------------===//
#include "test/frontend/Parse.h"

namespace attn::test {
namespace {

/// sink(0) | sink(1) | ... | causal
std::string sinks(int count) {
  std::string mask;
  for (int i = 0; i < count; ++i)
    mask += "sink(" + std::to_string(i) + ") | ";
  return mask + "causal";
}

class MaskKindErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(MaskKindErrors, SaysWhatIsWrong) { expectMessages(GetParam()); }

const ErrorCase kMaskKindErrors[] = {
    {"UnknownKind",
     kernelWith("mask causal & windw(1024)"),
     {"2:15: error: unknown mask kind 'windw', " + kMaskKindsExpected,
      "2:15: note: did you mean 'window'?"}},
    {"UnknownKindWithoutGuess",
     kernelWith("mask diagonal"),
     {"2:6: error: unknown mask kind 'diagonal', " + kMaskKindsExpected}},
    {"NoArgument",
     kernelWith("mask window"),
     {"2:6: error: 'window' needs the argument 'width'",
      "2:6: note: write window(256), window(left = 255, right = 0) or window(8, dilation = 4)"}},
    {"EmptyArguments",
     kernelWith("mask window()"),
     {"2:6: error: 'window' needs the argument 'width'",
      "2:6: note: write window(256), window(left = 255, right = 0) or window(8, dilation = 4)"}},
    {"WidthZero",
     kernelWith("mask window(0)"),
     {"2:13: error: 'width' is 0, but must be at least 1 and below 2^40"}},
    {"WidthNegative",
     kernelWith("mask window(-3)"),
     {"2:13: error: 'width' is -3, but must be at least 1 and below 2^40"}},
    {"WidthTooLarge",
     kernelWith("mask window(1099511627776)"),
     {"2:13: error: 'width' is 1099511627776, but must be at least 1 and below 2^40"}},
    {"WidthReal",
     kernelWith("mask window(3.5)"),
     {"2:13: error: expected an integer, but found '3.5'"}},
    {"WidthIsAWord",
     kernelWith("mask window(causal)"),
     {"2:13: error: 'width' of 'window' must be a number"}},
    {"OnlyLeft",
     kernelWith("mask window(left = 3)"),
     {"2:6: error: 'window' needs the argument 'right'",
      "2:6: note: write window(256), window(left = 255, right = 0) or window(8, dilation = 4)"}},
    {"LeftNegative",
     kernelWith("mask window(left = -1, right = 2)"),
     {"2:20: error: 'left' is -1, but must be at least 0 and below 2^40"}},
    {"WidthAndRight",
     kernelWith("mask window(3, right = 2)"),
     {"2:6: error: 'window' takes either one width or 'left' and 'right'"}},
    {"TwoWidths",
     kernelWith("mask window(3, 4)"),
     {"2:16: error: 'window' takes at most 1 argument without a name",
      "2:16: note: write window(256), window(left = 255, right = 0) or window(8, dilation = 4)"}},
    {"MisspelledArgument",
     kernelWith("mask window(lft = 3, right = 2)"),
     {"2:13: error: 'window' has no argument 'lft', expected 'width', 'left', 'right' or "
      "'dilation'",
      "2:13: note: did you mean 'left'?"}},
    {"ArgumentGivenTwice",
     kernelWith("mask window(left = 3, left = 2)"),
     {"2:23: error: argument 'left' of 'window' is given twice", "2:13: note: first given here"}},
    {"CausalWithNumber",
     kernelWith("mask causal(3)"),
     {"2:13: error: 'causal' takes no number",
      "2:13: note: write causal, causal(top_left) or causal(dim = 0)"}},
    {"CausalMisspelledFlag",
     kernelWith("mask causal(topleft)"),
     {"2:13: error: 'causal' has no argument 'topleft', expected 'top_left' or 'dim'",
      "2:13: note: did you mean 'top_left'?"}},
    {"CausalFlagNotBoolean",
     kernelWith("mask causal(top_left = maybe)"),
     {"2:24: error: 'top_left' of 'causal' must be 'true' or 'false'"}},
    {"AllWithNumber",
     kernelWith("mask all(3)"),
     {"2:10: error: 'all' takes no number", "2:10: note: write all"}},
    {"AllWithName",
     kernelWith("mask all(x = 3)"),
     {"2:10: error: 'all' has no argument 'x', it takes none"}},
    {"SinkWithoutCount",
     kernelWith("mask sink"),
     {"2:6: error: 'sink' needs the argument 'count'", "2:6: note: write sink(4)"}},
    {"SinkNegative",
     kernelWith("mask sink(-1)"),
     {"2:11: error: 'count' is -1, but must be at least 0 and below 2^40"}},
    {"SinkOfList",
     kernelWith("mask sink([3])"),
     {"2:11: error: 'count' of 'sink' must be a number"}},
};
INSTANTIATE_TEST_SUITE_P(Frontend, MaskKindErrors, testing::ValuesIn(kMaskKindErrors), nameOf);

class InputMaskErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(InputMaskErrors, SaysWhatIsWrong) { expectMessages(GetParam()); }

const ErrorCase kInputMaskErrors[] = {
    {"PrefixOfUnknownInput",
     kernelWith("mask prefix(lengths)"),
     {"2:13: error: unknown input 'lengths'",
      "2:13: note: declare it with 'input lengths : i32[batch]'"}},
    {"PrefixOfMisspelledInput",
     kernelWith("input lengths : i32[batch]\nmask prefix(length)"),
     {"3:13: error: unknown input 'length'", "3:13: note: did you mean 'lengths'?",
      "3:13: note: declare it with 'input length : i32[batch]'"}},
    {"PrefixOfOtherShape",
     kernelWith("input lengths : i32[heads]\nmask prefix(lengths)"),
     {"3:13: error: input 'lengths' must be i32[batch] to be used by 'prefix'"}},
    {"PrefixNegative",
     kernelWith("mask prefix(-1)"),
     {"2:13: error: 'count' is -1, but must be at least 0 and below 2^40"}},
    {"KeyLengthOfOtherType",
     kernelWith("input lengths : bool[batch]\nmask key_length(lengths)"),
     {"3:17: error: input 'lengths' must be i32[batch] to be used by 'key_length'"}},
    {"KeyLengthOfNumber",
     kernelWith("mask key_length(3)"),
     {"2:17: error: 'input' of 'key_length' must be the name of an input",
      "2:17: note: write key_length(an i32[batch] input)"}},
    {"SameOfNumber",
     kernelWith("mask same(3)"),
     {"2:11: error: 'input' of 'same' must be the name of an input",
      "2:11: note: write same(an i32[tokens] input), or same(one, an i32[kv_tokens] input for the "
      "keys)"}},
    {"SameOfOtherShape",
     kernelWith("input label : i32[batch]\nmask same(label)"),
     {"3:11: error: input 'label' must be i32[tokens] to be used by 'same'"}},
    {"SameOnTwoLayouts",
     kernelWith("kv_tokens [128]\ninput label : i32[tokens]\nmask same(label)"),
     {"4:6: error: 'same' compares labels of one token layout, but 'tokens' and 'kv_tokens' "
      "differ",
      "4:6: note: give one input for the queries and one for the keys"}},
    {"FromOfOtherShape",
     kernelWith("input seen : bool[batch, 1, tokens, 7]\nmask from(seen)"),
     {"3:11: error: input 'seen' must be bool[batch, heads, tokens, kv_tokens], or 1 in place of a "
      "dimension, to be used by 'from'"}},
    {"FromOfOtherType",
     kernelWith("input seen : i32[batch, heads, tokens, kv_tokens]\nmask from(seen)"),
     {"3:11: error: input 'seen' must be bool[batch, heads, tokens, kv_tokens], or 1 in place of a "
      "dimension, to be used by 'from'"}},
};
INSTANTIATE_TEST_SUITE_P(Frontend, InputMaskErrors, testing::ValuesIn(kInputMaskErrors), nameOf);

class NeighborhoodErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(NeighborhoodErrors, SaysWhatIsWrong) { expectMessages(GetParam()); }

const ErrorCase kNeighborhoodErrors[] = {
    {"NoWindow",
     kernelWith("mask neighborhood(stride = 3)"),
     {"2:6: error: 'neighborhood' needs the argument 'window'",
      "2:6: note: write neighborhood(window = [8, 8], stride = 4, dilation = 1, causal = false, "
      "border = shift)"}},
    {"OtherRank",
     kernelWith("mask neighborhood(window = [3, 3])"),
     {"2:28: error: 'window' has 2 entries, but the token layout has 1 dimension"}},
    {"OtherRankOfCausal",
     kernelWith("mask neighborhood(window = 3, causal = [true, false])"),
     {"2:40: error: 'causal' has 2 entries, but the token layout has 1 dimension"}},
    {"WindowTooLarge",
     kernelWith("mask neighborhood(window = 300)"),
     {"2:6: error: window 300 does not fit into dimension 0 of length 256",
      "2:6: note: at most 256 is allowed there"}},
    {"DilatedWindowTooLarge",
     kernelWith("mask neighborhood(window = 3, dilation = 100)"),
     {"2:6: error: window 3 with dilation 100 does not fit into dimension 0 of length 256",
      "2:6: note: at most 2 is allowed there"}},
    {"StrideLargerThanWindow",
     kernelWith("mask neighborhood(window = 3, stride = 4)"),
     {"2:6: error: stride 4 of dimension 0 is larger than its window 3"}},
    {"WindowZero",
     kernelWith("mask neighborhood(window = 0)"),
     {"2:28: error: 'window' is 0, but must be at least 1 and below 2^40, or -1 for the whole "
      "dimension"}},
    {"DilationZero",
     kernelWith("mask neighborhood(window = 3, dilation = [0])"),
     {"2:43: error: 'dilation' is 0, but must be at least 1 and below 2^40"}},
    {"TwoLayouts",
     kernelWith("kv_tokens [128]\nmask neighborhood(window = 3)"),
     {"3:6: error: neighborhood needs queries and keys on one layout, but tokens are [256] and "
      "kv_tokens [128]"}},
    {"CausalNotBoolean",
     kernelWith("mask neighborhood(window = 3, causal = 1)"),
     {"2:40: error: 'causal' of 'neighborhood' must be 'true' or 'false'"}},
    {"EmptyList",
     kernelWith("mask neighborhood(window = [])"),
     {"2:29: error: expected a number, a name or a list in '[ ]', but found ']'"}},
    {"NestedList",
     kernelWith("mask neighborhood(window = [[3]])"),
     {"2:29: error: 'window' of 'neighborhood' must be a number"}},
    {"ListNotClosed",
     kernelWith("mask neighborhood(window = [3"),
     {"3:1: error: expected ']' or ',' in a list, but found '}'"}},
    {"MisspelledArgument",
     kernelWith("mask neighborhood(window = 3, dialation = 2)"),
     {"2:31: error: 'neighborhood' has no argument 'dialation', expected 'window', 'stride', "
      "'dilation', 'causal' or 'border'",
      "2:31: note: did you mean 'dilation'?"}},
    {"FiveValues",
     kernelWith("mask neighborhood(3, 1, 1, false, 1)"),
     {"2:35: error: 'neighborhood' takes at most 4 arguments without a name",
      "2:35: note: write neighborhood(window = [8, 8], stride = 4, dilation = 1, causal = false, "
      "border = shift)"}},
};
INSTANTIATE_TEST_SUITE_P(Frontend, NeighborhoodErrors, testing::ValuesIn(kNeighborhoodErrors),
                         nameOf);

class MaskExpressionErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(MaskExpressionErrors, SaysWhatIsWrong) { expectMessages(GetParam()); }

const ErrorCase kMaskExpressionErrors[] = {
    {"DoubledAnd",
     kernelWith("mask causal && window(3)"),
     {"2:13: error: masks have no operator '&&'", "2:13: note: did you mean '&'?"}},
    {"DoubledOr",
     kernelWith("mask causal || window(3)"),
     {"2:13: error: masks have no operator '||'", "2:13: note: did you mean '|'?"}},
    {"NoOperand",
     kernelWith("mask causal &"),
     {"3:1: error: expected a mask, such as 'causal' or 'window(256)', but found '}'"}},
    {"NoMask",
     kernelWith("mask"),
     {"3:1: error: expected a mask, such as 'causal' or 'window(256)', but found '}'"}},
    {"NotClosed",
     kernelWith("mask (causal"),
     {"3:1: error: expected ')' or an operator, '&' or '|', after a mask, but found '}'"}},
    {"OnlyNot",
     kernelWith("mask !"),
     {"3:1: error: expected a mask, such as 'causal' or 'window(256)', but found '}'"}},
    {"ArgumentsNotClosed",
     kernelWith("mask window(3"),
     {"3:1: error: expected ',' or ')' after an argument of 'window', but found '}'"}},
    {"NoComma",
     kernelWith("mask window(left = 1 right = 2)"),
     {"2:22: error: expected ',' or ')' after an argument of 'window', but found 'right'"}},
    {"DeepParentheses",
     kernelWith("mask " + std::string(100000, '(')),
     {"2:206: error: expression is nested deeper than 200 levels"}},
    {"DeepNot",
     kernelWith("mask " + std::string(100000, '!') + "causal"),
     {"2:206: error: expression is nested deeper than 200 levels"}},
    {"TooManyKinds",
     kernelWith("mask " + sinks(1001)),
     {"2:11896: error: mask has more than 1000 mask kinds"}},
    {"TooManyDifferentParts",
     kernelWith("mask " + sinks(100)),
     {"2:6: error: mask has more than 54 different parts, or they are nested too deep"}},
};
INSTANTIATE_TEST_SUITE_P(Frontend, MaskExpressionErrors, testing::ValuesIn(kMaskExpressionErrors),
                         nameOf);

} // namespace
} // namespace attn::test
