//===- PredicateTest.cpp - free predicates ---------------------------------===//
#include "test/frontend/Parse.h"

using namespace mlir;

namespace attn::test {
namespace {

std::string maskOf(const std::string &mask) { return Parsed(kernelWith("mask " + mask)).mask(); }

TEST(Predicate, BecomesItsText) {
  EXPECT_EQ(maskOf("(q, k) => k <= q"), "#attn.where<\"(q, k) => k <= q\">");
}

TEST(Predicate, IsOnOneLineWithoutComments) {
  EXPECT_EQ(maskOf("(q,k)=>k<=q // the past\n  &&# and\n\t (q - k) % 1_0 == 0// done"),
            "#attn.where<\"(q,k)=>k<=q && (q - k) % 1_0 == 0\">");
}

TEST(Predicate, EndsWithItsExpression) {
  EXPECT_EQ(maskOf("causal & (q, k) => k < 3 || q == 5 | sink(4)"),
            "#attn.or<#attn.and<#attn.causal, #attn.where<\"(q, k) => k < 3 || q == 5\">>, "
            "#attn.sink<4>>");
  EXPECT_EQ(maskOf("!(q, k) => k > 3 & causal"),
            "#attn.and<#attn.not<#attn.where<\"(q, k) => k > 3\">>, #attn.causal>");
  EXPECT_EQ(maskOf("((q, k) => k < 3) & ((q, k) => q > k)"),
            "#attn.and<#attn.where<\"(q, k) => k < 3\">, #attn.where<\"(q, k) => q > k\">>");
  EXPECT_EQ(maskOf("(q, k) => k <= q ? q - k < 9 : false scale 2"),
            "#attn.where<\"(q, k) => k <= q ? q - k < 9 : false\">");
  EXPECT_EQ(maskOf("(q, k) => k < 3; q_offset 4"), "#attn.where<\"(q, k) => k < 3\">");
}

/// An absolute value is not negative, though its parts may be.
TEST(Predicate, DistancesIndexTables) {
  EXPECT_EQ(Parsed(kernelWith("input t : i32[256] mask (q, k) => t[abs(q - k)] < 3")).mask(),
            "#attn.where<\"(q, k) => t[abs(q - k)] < 3\">");
}

TEST(Predicate, EndsAtAnItem) {
  Parsed parsed(kernelWith("mask (q, k) => k <= q heads 0..1 { mask (q, k) => k < 9 } scale 0.5"));
  EXPECT_EQ(parsed.mask(), "#attn.where<\"(q, k) => k <= q\">");
  EXPECT_EQ(printed(parsed.attention.getHeadMasks()),
            "[#attn.heads<0, 1, #attn.where<\"(q, k) => k < 9\">>]");
  EXPECT_EQ(parsed.attention.getScale()->convertToDouble(), 0.5);
}

TEST(Predicate, ReadsInputsThatAreDeclaredBeforeOrAfter) {
  Parsed parsed(kernelWith("input t : i32[tokens]\nmask (q, k) => t[q] == t[k] && seen[c[h], k]\n"
                           "input c : i32[heads] input seen : bool[8, kv_tokens]"));
  EXPECT_EQ(parsed.mask(), "#attn.where<\"(q, k) => t[q] == t[k] && seen[c[h], k]\">");
  EXPECT_EQ(parsed.session.messages, std::vector<std::string>{});
}

TEST(Predicate, ReadsTheBatchEntrysAndTheHeadsNumbers) {
  Parsed parsed(kernelWith("input n : i32[batch] input w : i32[heads]\n"
                           "mask (q, k) => k < n[b] && q - k < w[h]"));
  EXPECT_EQ(parsed.session.messages, std::vector<std::string>{});
}

TEST(Predicate, HasCoordinatesOfTheLayout) {
  Parsed parsed("kernel a { heads 1 head_dim 8 dtype f32 tokens [4, 6, 8]\n"
                "mask (q, k) => abs(q.x - k.x) + abs(q.y - k.y) <= 3 && k.t <= q.d0 && q.z < 9 }");
  EXPECT_TRUE(parsed.attention);
}

TEST(Predicate, WithoutCoordinatesTakesAnyTwoLayouts) {
  Parsed parsed("kernel a { heads 8 head_dim 64 dtype f32 tokens [6, 8] kv_tokens [100]\n"
                "mask (q, k) => k <= q && k % 2 == 0 }");
  EXPECT_TRUE(parsed.attention);
}

TEST(Predicate, TokensOfGroupsAreThoseThatExist) {
  Parsed parsed("kernel a { heads 1 head_dim 8 dtype f32 tokens image[4, 6] + text[7]\n"
                "input t : i32[tokens] mask (q, k) => t[q] == t[k] && q.x <= k.x }");
  EXPECT_EQ(parsed.session.messages, std::vector<std::string>{});
}

TEST(Predicate, InputsMayHaveTheNamesOfItems) {
  Parsed parsed(kernelWith("input mask : i32[tokens] input tokens : i32[tokens]\n"
                           "mask (q, k) => mask[q] == tokens[k]"));
  EXPECT_EQ(parsed.mask(), "#attn.where<\"(q, k) => mask[q] == tokens[k]\">");
}

class PredicateErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(PredicateErrors, SaysWhatIsWrong) { expectMessages(GetParam()); }

const std::string kWritten = "a predicate is written '(q, k) => condition'";

const ErrorCase kPredicateErrors[] = {
    {"NoArrow",
     kernelWith("mask (q, k) -> k <= q"),
     {"2:13: error: expected '=>', found '-'", "2:13: note: " + kWritten}},
    {"OtherParameters",
     kernelWith("mask (q, x) => q < x"),
     {"2:10: error: expected 'k', found 'x'", "2:10: note: " + kWritten}},
    {"ParametersInOtherOrder",
     kernelWith("mask causal & (k, q) => k < q"),
     {"2:16: error: expected 'q', found 'k'", "2:16: note: " + kWritten}},
    {"NoExpression",
     kernelWith("mask (q, k) =>"),
     {"3:1: error: expected a number, 'q', 'k', an input or '(', found '}'"}},
    {"NumberAsMask",
     kernelWith("mask (q, k) => q - k"),
     {"2:16: error: a mask's predicate must be a condition, but this is a number",
      "2:16: note: compare it, for example 'k <= q'"}},
    {"NotClosed",
     kernelWith("mask (q, k) => (k <= q"),
     {"3:1: error: expected ')' or an operator, found '}'"}},
    {"UnknownName",
     kernelWith("input window : i32[1]\nmask (q, k) => q - k < windw"),
     {"3:24: error: unknown name 'windw'", "3:24: note: did you mean 'window'?",
      "3:24: note: a predicate speaks of q, k, h, b, nq, nk and of inputs, which are declared like "
      "'input windw : i32[tokens]'"}},
    {"UnknownCoordinate",
     kernelWith("mask (q, k) => k.y <= q.y"),
     {"2:18: error: unknown coordinate 'y' on a token layout of 1 dimension",
      "2:18: note: the last dimension is 'x', the ones before it 'y' and 'z', the first of several "
      "'t'; or 'd0' to 'd0' in order"}},
    {"RealNumber",
     kernelWith("mask (q, k) => k < 2.5"),
     {"2:20: error: predicates are integer arithmetic, this number is not an integer"}},
    {"MalformedNumber",
     kernelWith("mask (q, k) => k < 25x"),
     {"2:20: error: malformed number, write decimal digits, optionally with '_' between them"}},
    {"Division",
     kernelWith("mask (q, k) => k / 2 < q"),
     {"2:18: error: predicates have no operator '/'",
      "2:18: note: the integer division that rounds down is 'floordiv'"}},
    {"DivisorZero",
     kernelWith("mask (q, k) => k mod 0 == q"),
     {"2:18: error: the divisor of 'mod' is 0, but must be at least 1"}},
    {"SumOfConditions",
     kernelWith("mask (q, k) => (k < q) + 1 == 2"),
     {"2:24: error: '+' needs numbers on both sides, not conditions"}},
    {"InputWithoutIndex",
     kernelWith("input t : i32[tokens]\nmask (q, k) => t < 3"),
     {"3:18: error: expected '[' and indices after input 't', found '<'"}},
    {"TooManyIndices",
     kernelWith("mask (q, k) => t[q, k] < 3 input t : i32[tokens]"),
     {"2:16: error: input 't' has 1 dimension, but 2 indices are given"}},
    {"DeepParentheses",
     kernelWith("mask (q, k) => " + std::string(100000, '(')),
     {"2:216: error: predicate is nested more than 200 deep"}},
    {"InTheMaskOfHeads",
     kernelWith("heads 2 {\n mask (q, k) => k =< q }"),
     {"3:19: error: predicates have no operator '='",
      "3:19: note: equal is '==', less or equal '<='"}},
    {"DivisorMayBeZero",
     kernelWith("input t : i32[tokens]\nmask causal & (q, k) => k mod t[q] == 0"),
     {"3:15: error: the divisor of 'k mod t[q]' may be -2147483648 to 2147483647, but must be at "
      "least 1; 'max(.., 1)' makes it so"}},
    {"BeyondTheInput",
     kernelWith("input t : i32[7]\nmask (q, k) => t[q] < 3"),
     {"3:6: error: index 0 of 't[q]' may be 0 to 255, but input 't' has only 7 entries there; "
      "'min' and 'max' keep an index inside"}},
    {"DistanceBeyondTheInput",
     kernelWith("input t : i32[200] mask (q, k) => t[abs(q - k)] < 3"),
     {"2:25: error: index 0 of 't[max(q - k, 0 - (q - k))]' may be 0 to 255, but input 't' has "
      "only 200 entries there; 'min' and 'max' keep an index inside"}},
    {"BeyondThirtyTwoBits",
     kernelWith("mask (q, k) => q * 100_000_000 < k"),
     {"2:6: error: 'q * 100000000' may be 0 to 25500000000, but predicates are computed in 32 "
      "bits"}},
    {"CoordinatesOnTwoLayouts",
     "kernel a { heads 8 head_dim 64 dtype f32 tokens [6, 8] kv_tokens [100]\n"
     "mask (q, k) => k.x <= q.x }",
     {"2:6: error: a predicate with coordinates needs queries and keys on one layout, but tokens "
      "are [6, 8] and kv_tokens [100]"}},
    {"CoordinatesOfOtherLengths",
     kernelWith("kv_tokens [300] mask (q, k) => k.x <= q.x"),
     {"2:22: error: a predicate with coordinates needs queries and keys on one layout, but tokens "
      "are [256] and kv_tokens [300]"}},
    {"CoordinatesOfOtherSequences",
     kernelWith("input a : i32[3] input b : i32[3] packed (a, b) mask (q, k) => k.x <= q"),
     {"2:54: error: a predicate with coordinates needs queries and keys on one layout, but the "
      "sequences of queries and keys are packed by different lengths"}},
    {"DoubledAndBetweenMasks",
     kernelWith("mask (q, k) => k < 3 && causal"),
     {"2:25: error: unknown name 'causal'",
      "2:25: note: a predicate speaks of q, k, h, b, nq, nk and of inputs, which are declared like "
      "'input causal : i32[tokens]'"}},
};
INSTANTIATE_TEST_SUITE_P(Frontend, PredicateErrors, testing::ValuesIn(kPredicateErrors), nameOf);

} // namespace
} // namespace attn::test
