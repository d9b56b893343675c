//===- SpecErrorTest.cpp - mistakes in kernels and items -------------------===//
#include "test/frontend/Parse.h"

namespace attn::test {
namespace {

class KernelErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(KernelErrors, SaysWhatIsWrong) { expectMessages(GetParam()); }

const ErrorCase kKernelErrors[] = {
    {"EmptyFile",
     "",
     {"1:1: error: expected 'kernel' and a name, with which a kernel starts, but found the end of "
      "the text"}},
    {"OnlyComments",
     "// nothing\n# more\n",
     {"3:1: error: expected 'kernel' and a name, with which a kernel starts, but found the end of "
      "the text"}},
    {"MisspelledKernel",
     "kernle a {}",
     {"1:1: error: expected 'kernel' and a name, with which a kernel starts, but found 'kernle'",
      "1:1: note: did you mean 'kernel'?"}},
    {"NoName", "kernel", {"1:7: error: expected the kernel's name, but found the end of the text"}},
    {"NumberAsName", "kernel 3 {}", {"1:8: error: expected the kernel's name, but found '3'"}},
    {"NoBrace",
     "kernel a",
     {"1:9: error: expected '{' after the kernel's name, but found the end of the text"}},
    {"Unterminated",
     "kernel a {",
     {"1:11: error: expected an item of the kernel or '}', but found the end of the text"}},
    {"TextAfterKernel",
     "kernel a { heads 1 head_dim 8 dtype f32 tokens [8] }\njunk",
     {"2:1: error: expected 'kernel' and a name, with which a kernel starts, but found 'junk'"}},
    {"DefinedTwice",
     "kernel a { heads 1 head_dim 8 dtype f32 tokens [8] }\nkernel a { heads 1 head_dim 8 dtype "
     "f32 tokens [8] }",
     {"2:8: error: kernel 'a' is defined twice", "1:8: note: first defined here"}},
    {"BothKernelsAreChecked",
     "kernel a {}\nkernel b {}",
     {"1:8: error: kernel 'a' has no 'heads'", "1:8: note: add for example 'heads 8'",
      "2:8: error: kernel 'b' has no 'heads'", "2:8: note: add for example 'heads 8'"}},
    {"NoHeads",
     "kernel a { head_dim 8 dtype f32 tokens [8] }",
     {"1:8: error: kernel 'a' has no 'heads'", "1:8: note: add for example 'heads 8'"}},
    {"NoHeadDim",
     "kernel a { heads 1 dtype f32 tokens [8] }",
     {"1:8: error: kernel 'a' has no 'head_dim'", "1:8: note: add for example 'head_dim 64'"}},
    {"NoDtype",
     "kernel a { heads 1 head_dim 8 tokens [8] }",
     {"1:8: error: kernel 'a' has no 'dtype'", "1:8: note: add for example 'dtype f32'"}},
    {"NoTokens",
     "kernel a { heads 1 head_dim 8 dtype f32 }",
     {"1:8: error: kernel 'a' has no 'tokens'", "1:8: note: add for example 'tokens [4096]'"}},
    {"MisspelledItem",
     kernelWith("hed_dim 3"),
     {"2:1: error: unknown item 'hed_dim', expected 'batch', 'heads', 'kv_heads', 'head_dim', "
      "'value_dim', 'dtype', 'tokens', 'kv_tokens', 'scale', 'q_offset', 'input', 'mask', "
      "'packed' or 'score'",
      "2:1: note: did you mean 'head_dim'?"}},
    {"ItemGivenTwice",
     kernelWith("mask all mask causal"),
     {"2:10: error: 'mask' is given twice", "2:1: note: first given here"}},
    {"HeadsGivenTwice",
     kernelWith("heads 4"),
     {"2:1: error: 'heads' is given twice", "1:12: note: first given here"}},
    {"StrayPunctuation",
     kernelWith("mask causal)"),
     {"2:12: error: expected an item of the kernel or '}', but found ')'"}},
};
INSTANTIATE_TEST_SUITE_P(Frontend, KernelErrors, testing::ValuesIn(kKernelErrors), nameOf);

class CharacterErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(CharacterErrors, SaysWhatIsWrong) { expectMessages(GetParam()); }

const ErrorCase kCharacterErrors[] = {
    {"NulByte",
     kernelWith(std::string("mask caus\0al", 13)),
     {"2:10: error: unexpected byte 0x00"}},
    {"BinaryFile", "\x7f\x01\x02", {"1:1: error: unexpected byte 0x7f"}},
    {"UnknownCharacter", kernelWith("mask @"), {"2:6: error: unexpected character '@'"}},
    {"SuffixOfNumber",
     kernelWith("mask window(4k)"),
     {"2:13: error: malformed number '4k', write decimal digits, optionally with '_' between "
      "them"}},
    {"TrailingUnderscore",
     kernelWith("mask window(4_)"),
     {"2:13: error: malformed number '4_', write decimal digits, optionally with '_' between "
      "them"}},
    {"DoubleUnderscore",
     kernelWith("mask window(1__0)"),
     {"2:13: error: malformed number '1__0', write decimal digits, optionally with '_' between "
      "them"}},
    {"HugeInteger",
     kernelWith("mask window(99999999999999999999)"),
     {"2:13: error: number does not fit into 64 bits"}},
    {"HugeReal", kernelWith("scale 1e999"), {"2:7: error: number is outside the range of f64"}},
};
INSTANTIATE_TEST_SUITE_P(Frontend, CharacterErrors, testing::ValuesIn(kCharacterErrors), nameOf);

class ItemErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(ItemErrors, SaysWhatIsWrong) { expectMessages(GetParam()); }

const ErrorCase kItemErrors[] = {
    {"HeadsZero",
     "kernel a { heads 0 }",
     {"1:18: error: 'heads' is 0, but must be between 1 and 65535"}},
    {"HeadsNegative",
     "kernel a { heads -2 }",
     {"1:18: error: 'heads' is -2, but must be between 1 and 65535"}},
    {"TooManyHeads",
     "kernel a { heads 65536 }",
     {"1:18: error: 'heads' is 65536, but must be between 1 and 65535"}},
    {"HeadsNotANumber",
     "kernel a { heads many }",
     {"1:18: error: expected a number or a range such as '0..3' after 'heads', but found 'many'"}},
    {"HeadsReal", "kernel a { heads 1.5 }", {"1:18: error: expected an integer, but found '1.5'"}},
    {"KvHeadsDoNotDivide",
     kernelWith("kv_heads 3"),
     {"2:10: error: 8 heads are no multiple of 3 kv_heads", "1:18: note: heads are given here"}},
    {"BatchZero",
     kernelWith("batch 0"),
     {"2:7: error: 'batch' is 0, but must be between 1 and 65535"}},
    {"HeadDimTooLarge",
     "kernel a { head_dim 2000 }",
     {"1:21: error: 'head_dim' is 2000, but must be between 1 and 1024"}},
    {"ValueDimZero",
     kernelWith("value_dim 0"),
     {"2:11: error: 'value_dim' is 0, but must be between 1 and 1024"}},
    {"UnknownDtype",
     "kernel a { dtype bf61 }",
     {"1:18: error: unknown dtype 'bf61', expected 'f32', 'f16' or 'bf16'"}},
    {"MisspelledDtype",
     "kernel a { dtype fp16 }",
     {"1:18: error: unknown dtype 'fp16', expected 'f32', 'f16' or 'bf16'",
      "1:18: note: did you mean 'f16'?"}},
    {"DtypeNotAWord",
     "kernel a { dtype 16 }",
     {"1:18: error: expected 'f32', 'f16' or 'bf16' after 'dtype', but found '16'"}},
    {"ScaleNotANumber",
     kernelWith("scale fast"),
     {"2:7: error: expected a number after 'scale', but found 'fast'"}},
    {"QOffsetReal",
     kernelWith("q_offset 1.5"),
     {"2:10: error: expected an integer, but found '1.5'"}},
    {"QOffsetTooLarge",
     kernelWith("q_offset 9999999999999"),
     {"2:10: error: 'q_offset' is 9999999999999, but must be between -1099511627776 and "
      "1099511627776"}},
    {"TokensEmpty",
     "kernel a { tokens [] }",
     {"1:20: error: expected a length or '?', but found ']'"}},
    {"TokensZero",
     "kernel a { tokens [0] }",
     {"1:20: error: 'tokens' is 0, but must be between 1 and 1099511627776"}},
    {"TokensNegative",
     "kernel a { tokens [4, -1] }",
     {"1:23: error: 'tokens' is -1, but must be between 1 and 1099511627776"}},
    {"TokensNotAList",
     "kernel a { tokens 256 }",
     {"1:19: error: expected '[' and lengths such as '[4096]' or '[?]' after 'tokens', but found "
      "'256'"}},
    {"TokensWithoutComma",
     "kernel a { tokens [2 3] }",
     {"1:22: error: expected ']' or ',' after a length, but found '3'"}},
    {"TokensOfFiveDimensions",
     "kernel a { tokens [1, 2, 3, 4, 5] }",
     {"1:32: error: 'tokens' has more than 4 dimensions"}},
    {"TokensTooLong",
     "kernel a { tokens [2_000_000_000_000] }",
     {"1:20: error: 'tokens' is 2000000000000, but must be between 1 and 1099511627776"}},
    {"TokensProductTooLarge",
     "kernel a { heads 1 head_dim 8 dtype f32 tokens [2000000, 2000000] }",
     {"1:48: error: token layout has more than 2^40 tokens"}},
    {"TensorTooLarge",
     "kernel a { batch 65535 heads 1 head_dim 8 dtype f32 tokens [1_000_000_000_000] }",
     {"1:8: error: tensor 'q' of kernel 'a' has more than 2^56 elements"}},
};
INSTANTIATE_TEST_SUITE_P(Frontend, ItemErrors, testing::ValuesIn(kItemErrors), nameOf);

class InputErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(InputErrors, SaysWhatIsWrong) { expectMessages(GetParam()); }

const ErrorCase kInputErrors[] = {
    {"UnknownType",
     kernelWith("input x : boole[batch]"),
     {"2:11: error: unknown input type 'boole', expected 'f32', 'f16', 'bf16', 'i32' or 'bool'",
      "2:11: note: did you mean 'bool'?"}},
    {"NoType",
     kernelWith("input x [batch]"),
     {"2:9: error: expected ':' and a type after the input's name, but found '['"}},
    {"NoShape",
     kernelWith("input x : i32"),
     {"3:1: error: expected '[' and the input's shape after its type, but found '}'"}},
    {"UnknownDimension",
     kernelWith("input x : i32[token]"),
     {"2:15: error: unknown dimension 'token', expected 'batch', 'heads', 'tokens' or 'kv_tokens', "
      "or a number or '?'",
      "2:15: note: did you mean 'tokens'?"}},
    {"ZeroExtent",
     kernelWith("input x : i32[0]"),
     {"2:15: error: 'extent' is 0, but must be between 1 and 1099511627776"}},
    {"FiveDimensions",
     kernelWith("input x : i32[1, 1, 1, 1, 1]"),
     {"2:27: error: input 'x' has more than 4 dimensions"}},
    {"ReservedName",
     kernelWith("input q : i32[batch]"),
     {"2:7: error: input 'q' has the name of a tensor that every kernel has"}},
    {"DeclaredTwice",
     kernelWith("input x : i32[batch] input x : i32[batch]"),
     {"2:28: error: input 'x' is declared twice", "2:7: note: first declared here"}},
    {"NotClosed",
     kernelWith("input x : i32[batch"),
     {"3:1: error: expected ']' or ',' after a dimension, but found '}'"}},
};
INSTANTIATE_TEST_SUITE_P(Frontend, InputErrors, testing::ValuesIn(kInputErrors), nameOf);

} // namespace
} // namespace attn::test
