//===- ParseTest.cpp - what specs become -----------------------------------===//
#include "test/frontend/Parse.h"

#include "mlir/IR/Verifier.h"

using namespace mlir;

namespace attn::test {
namespace {

//===----------------------------------------------------------------------===//
// Items
//===----------------------------------------------------------------------===//

TEST(Parse, DefaultsOfAKernel) {
  Parsed parsed("kernel plain { heads 8 head_dim 64 dtype f32 tokens [256] }");
  auto function = cast<func::FuncOp>(parsed.module->getBody()->front());
  EXPECT_EQ(function.getName(), "plain");
  EXPECT_EQ(printed(function.getFunctionType()),
            "(tensor<1x8x256x64xf32>, tensor<1x8x256x64xf32>, tensor<1x8x256x64xf32>) -> "
            "(tensor<1x8x256x64xf32>, tensor<1x8x256xf32>)");
  AttentionOp op = parsed.attention;
  EXPECT_FALSE(op.getScale());
  EXPECT_DOUBLE_EQ(op.getEffectiveScale(), 0.125);
  EXPECT_FALSE(op.getQOffset());
  EXPECT_TRUE(op.getHeadMasks().empty());
  EXPECT_TRUE(op.getScore().empty());
  EXPECT_EQ(op.getTokens(), op.getKvTokens());
}

TEST(Parse, EveryItem) {
  Parsed parsed(R"(kernel full {
    batch 2; heads 12, kv_heads 4; head_dim 192, value_dim 128
    dtype bf16
    tokens [6, 8]  kv_tokens [100]
    scale 0.5  q_offset -3
    mask causal
    score (s) => s * 2
  })");
  auto function = cast<func::FuncOp>(parsed.module->getBody()->front());
  EXPECT_EQ(printed(function.getFunctionType()),
            "(tensor<2x12x48x192xbf16>, tensor<2x4x100x192xbf16>, tensor<2x4x100x128xbf16>) -> "
            "(tensor<2x12x48x128xbf16>, tensor<2x12x48xf32>)");
  EXPECT_EQ(parsed.attention.getScale()->convertToDouble(), 0.5);
  EXPECT_EQ(parsed.attention.getQOffset(), -3);
  EXPECT_EQ(parsed.attention.getTokens().getDims(), ArrayRef<int64_t>({6, 8}));
  EXPECT_EQ(parsed.attention.getKvTokens().getDims(), ArrayRef<int64_t>({100}));
}

TEST(Parse, DynamicLengthsMakeDynamicTensors) {
  Parsed parsed("kernel a { heads 4 kv_heads 2 head_dim 8 dtype f16 tokens [?, 16] kv_tokens [77] "
                "input d : i32[tokens] input m : bool[1, 1, tokens, kv_tokens] mask from(m) }");
  auto function = cast<func::FuncOp>(parsed.module->getBody()->front());
  EXPECT_EQ(printed(function.getFunctionType()),
            "(tensor<1x4x?x8xf16>, tensor<1x2x77x8xf16>, tensor<1x2x77x8xf16>, tensor<?xi32>, "
            "tensor<1x1x?x77xi1>) -> (tensor<1x4x?x8xf16>, tensor<1x4x?xf32>)");
  EXPECT_EQ(parsed.attention.getTokens().getDims(), ArrayRef<int64_t>({ShapedType::kDynamic, 16}));
}

TEST(Parse, InputsBecomeArgumentsInTheirOrder) {
  Parsed parsed(
      kernelWith("input b : i32[batch]\ninput a : i32[tokens]\nmask prefix(b) & same(a)"));
  EXPECT_EQ(parsed.attention.getInputNameList(), (SmallVector<StringRef>{"b", "a"}));
  auto function = cast<func::FuncOp>(parsed.module->getBody()->front());
  EXPECT_EQ(printed(function.getArgument(3).getType()), "tensor<1xi32>");
  EXPECT_EQ(printed(function.getArgument(4).getType()), "tensor<256xi32>");
  EXPECT_EQ(cast<NameLoc>(function.getArgument(4).getLoc()).getName(), "a");
}

TEST(Parse, UnreadInputIsAWarning) {
  Session session;
  EXPECT_TRUE(session.parse(kernelWith("input x : i32[batch]")));
  EXPECT_EQ(session.messages,
            std::vector<std::string>{"2:7: warning: input 'x' is read by no mask and no score"});
}

TEST(Parse, KernelsOfAFileBecomeFunctions) {
  Parsed parsed("kernel a { heads 1 head_dim 8 dtype f32 tokens [8] }\n"
                "kernel b { heads 1 head_dim 8 dtype f32 tokens [8] }");
  SmallVector<StringRef> names;
  for (auto function : parsed.module->getOps<func::FuncOp>())
    names.push_back(function.getName());
  EXPECT_EQ(names, (SmallVector<StringRef>{"a", "b"}));
  EXPECT_TRUE(succeeded(verify(*parsed.module)));
}

TEST(Parse, ItemWordsMayNameKernelsAndInputs) {
  Parsed parsed("kernel heads { heads 1 head_dim 8 dtype f32 tokens [8] input mask : i32[batch] "
                "mask prefix(mask) }");
  EXPECT_EQ(printed(parsed.attention.getMask()), "#attn.prefix<@mask>");
}

TEST(Parse, ByteOrderMarkAndWindowsLinesAreSpace) {
  Parsed parsed("\xEF\xBB\xBFkernel a {\r\n heads 1\r\n head_dim 8 dtype f32 tokens [8] // x\r\n}");
  EXPECT_TRUE(parsed.attention);
}

TEST(Parse, TheModuleOutlivesItsText) {
  Session session;
  OwningOpRef<ModuleOp> module;
  {
    std::string text = kernelWith("input document : i32[tokens] mask same(document)");
    module = session.parse(text);
    std::fill(text.begin(), text.end(), 'x');
  }
  EXPECT_EQ(printed(attentionOf(*module).getMask()), "#attn.same<@document>");
}

TEST(Parse, FirstBytesOfAKernelNeverCrash) {
  std::string text = kernelWith("input d : i32[tokens] heads 0..1 { mask !(causal & sink(3)) }\n"
                                "score (s, q, k) => q < k ? softcap(s, 3.5e0) : -s / 2 scale 1e-3");
  for (size_t length = 0; length + 3 < text.size(); ++length) {
    Session session;
    EXPECT_FALSE(session.parse(text.substr(0, length))) << length;
    EXPECT_FALSE(session.messages.empty()) << length;
  }
}

} // namespace
} // namespace attn::test
