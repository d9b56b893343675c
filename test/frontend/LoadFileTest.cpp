//===- LoadFileTest.cpp - which language a file is in ----------------------===//
#include "test/frontend/Parse.h"

#include <filesystem>
#include <fstream>

using namespace mlir;

namespace attn::test {
namespace {

constexpr const char *kSpec = "kernel a { heads 1 head_dim 8 dtype f32 tokens [8] mask causal }\n";
constexpr const char *kMlir =
    "func.func @a(%q: tensor<1x1x8x8xf32>) -> (tensor<1x1x8x8xf32>, tensor<1x1x8xf32>) {\n"
    "  %o, %l = attn.attention %q, %q, %q tokens <[8]> keys <[8]> mask(#attn.causal)\n"
    "    : (tensor<1x1x8x8xf32>, tensor<1x1x8x8xf32>, tensor<1x1x8x8xf32>)\n"
    "    -> (tensor<1x1x8x8xf32>, tensor<1x1x8xf32>)\n"
    "  return %o, %l : tensor<1x1x8x8xf32>, tensor<1x1x8xf32>\n"
    "}\n";

class LoadFile : public testing::Test {
protected:
  LoadFile() {
    const testing::TestInfo *info = testing::UnitTest::GetInstance()->current_test_info();
    folder = std::filesystem::path(testing::TempDir()) / (std::string("attn-load-") + info->name());
    std::filesystem::create_directories(folder);
  }
  ~LoadFile() override { std::filesystem::remove_all(folder); }

  OwningOpRef<ModuleOp> load(const std::string &name, const std::string &text) {
    std::ofstream(folder / name) << text;
    return loadFile((folder / name).string(), sources, &session.context);
  }
  void expectCausal(OwningOpRef<ModuleOp> module) {
    ASSERT_TRUE(module) << (session.messages.empty() ? "" : session.messages.front());
    EXPECT_TRUE(isa<CausalAttr>(attentionOf(*module).getMask()));
  }

  std::filesystem::path folder;
  llvm::SourceMgr sources;
  Session session;
};

TEST_F(LoadFile, SpecByExtension) { expectCausal(load("a.attn", kSpec)); }
TEST_F(LoadFile, MlirByExtension) { expectCausal(load("a.mlir", kMlir)); }
TEST_F(LoadFile, SpecByFirstWord) { expectCausal(load("a.txt", kSpec)); }
TEST_F(LoadFile, SpecAfterComments) { expectCausal(load("a", std::string("// x\n# y\n") + kSpec)); }
TEST_F(LoadFile, MlirByFirstWord) { expectCausal(load("a", kMlir)); }
TEST_F(LoadFile, MlirAfterComments) { expectCausal(load("a", std::string("// x\n\n") + kMlir)); }
TEST_F(LoadFile, MlirModule) { expectCausal(load("a", "module {\n" + std::string(kMlir) + "}\n")); }
TEST_F(LoadFile, MlirAlias) {
  expectCausal(load("a", "#mask = #attn.causal\n" + std::string(kMlir)));
}

TEST_F(LoadFile, SeveralFilesThroughOneSourceManager) {
  expectCausal(load("a.attn", kSpec));
  expectCausal(load("b.mlir", kMlir));
  expectCausal(load("c.attn", kSpec));
}

TEST_F(LoadFile, ErrorsOfALaterFileAreLocatedInIt) {
  expectCausal(load("a.attn", kSpec));
  EXPECT_FALSE(load("b.attn", "\n\nkernel"));
  EXPECT_EQ(session.messages,
            std::vector<std::string>{
                "3:7: error: expected the kernel's name, but found the end of the text"});
}

TEST_F(LoadFile, MissingFile) {
  EXPECT_FALSE(loadFile("no/such/file.attn", sources, &session.context));
  EXPECT_EQ(session.messages,
            std::vector<std::string>{
                "1:1: error: cannot read 'no/such/file.attn': No such file or directory"});
}

TEST_F(LoadFile, Folder) {
  EXPECT_FALSE(loadFile(folder.string(), sources, &session.context));
  ASSERT_EQ(session.messages.size(), 1u);
  EXPECT_NE(session.messages[0].find("Is a directory"), std::string::npos);
}

TEST_F(LoadFile, BrokenMlir) {
  EXPECT_FALSE(load("a.mlir", "module {"));
  ASSERT_EQ(session.messages.size(), 1u);
  EXPECT_EQ(session.messages[0].substr(0, 12), "1:7: error: ");
}

TEST_F(LoadFile, MlirThatDoesNotVerify) {
  std::string text = kMlir;
  text.replace(text.find("#attn.causal"), 12, "#attn.same<@d>");
  EXPECT_FALSE(load("a.mlir", text));
  ASSERT_FALSE(session.messages.empty());
  EXPECT_EQ(session.messages[0], "2:12: error: unknown input 'd'");
}

TEST_F(LoadFile, EmptyFile) {
  EXPECT_FALSE(load("a", ""));
  EXPECT_EQ(session.messages.size(), 1u);
}

} // namespace
} // namespace attn::test
