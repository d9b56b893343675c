//===- SpanPlanTest.cpp - elastic spans from files -------------------------===//
#include "test/frontend/Parse.h"

#include <filesystem>
#include <fstream>

using namespace mlir;

namespace attn::test {
namespace {

constexpr const char *kNote = "note: a plan is written {\"alphas\": [[..], ..], \"betas\": [[..], "
                              "..]}, with a list for each layer and a number for each head";

/// A folder with a spec and a plan. The kernel has two heads, its mask is in the second line.
class SpanPlan : public testing::Test {
protected:
  SpanPlan() {
    const testing::TestInfo *info = testing::UnitTest::GetInstance()->current_test_info();
    folder = std::filesystem::path(testing::TempDir()) / (std::string("attn-plan-") + info->name());
    std::filesystem::create_directories(folder);
  }
  ~SpanPlan() override { std::filesystem::remove_all(folder); }

  OwningOpRef<ModuleOp> load(const std::string &mask) {
    std::ofstream(folder / "a.attn")
        << "kernel a { heads 2 head_dim 8 dtype f32 tokens [256]\nmask " << mask << " }\n";
    return loadFile((folder / "a.attn").string(), sources, &session.context);
  }
  std::string maskOf(const std::string &plan, const std::string &mask) {
    std::ofstream(folder / "plan.json") << plan;
    OwningOpRef<ModuleOp> module = load(mask);
    EXPECT_TRUE(module) << (session.messages.empty() ? "" : session.messages.front());
    return module ? printed(attentionOf(*module).getMask()) : "";
  }
  std::string path() const { return "plan '" + (folder / "plan.json").string() + "'"; }

  /// The plan is refused with this message at the file's name, and a note on plans where `isNoted`.
  void expectRefused(const std::string &plan, const std::string &message, bool isNoted = true) {
    std::ofstream(folder / "plan.json") << plan;
    session.messages.clear();
    EXPECT_FALSE(load("spans(\"plan.json\", layer = 1)")) << plan;
    std::vector<std::string> expected = {"2:12: error: " + path() + message};
    if (isNoted)
      expected.push_back(std::string("2:12: ") + kNote);
    EXPECT_EQ(session.messages, expected) << plan;
  }
  void expectUnusable(const std::string &plan, const std::string &problem) {
    expectRefused(plan, " cannot be used: " + problem);
  }

  std::filesystem::path folder;
  llvm::SourceMgr sources;
  Session session;
};

constexpr const char *kPlan =
    R"({"alphas": [[1, 2.5], [64, -3]], "betas": [[0.5, 0], [1e-1, 0.25]], "model": {"a": [[]]}})";

TEST_F(SpanPlan, IsReadFromTheSpecsFolder) {
  EXPECT_EQ(maskOf(kPlan, "spans(\"plan.json\", layer = 1)"),
            "#attn.spans<alphas = [6.400000e+01, -3.000000e+00], betas = [1.000000e-01, "
            "2.500000e-01]>");
}

TEST_F(SpanPlan, CountsNewTokens) {
  EXPECT_EQ(maskOf(kPlan, "spans(\"./plan.json\", max_new_tokens = 100, layer = 0)"),
            "#attn.spans<alphas = [1.000000e+00, 2.500000e+00], betas = [5.000000e-01, "
            "0.000000e+00], new_tokens = 100>");
}

TEST_F(SpanPlan, MayHaveAnAbsolutePath) {
  std::string absolute = (folder / "plan.json").string();
  EXPECT_NE(maskOf(kPlan, "spans(\"" + absolute + "\", layer = 0)"), "");
}

TEST_F(SpanPlan, OfTextThatIsInNoFileStartsAtTheWorkingDirectory) {
  std::filesystem::path before = std::filesystem::current_path();
  std::ofstream(folder / "plan.json") << kPlan;
  std::filesystem::current_path(folder);
  EXPECT_TRUE(session.parse("kernel a { heads 2 head_dim 8 dtype f32 tokens [64] "
                            "mask spans(\"plan.json\", layer = 0) }"));
  std::filesystem::current_path(before);
}

TEST_F(SpanPlan, MustBeAReadableFile) {
  EXPECT_FALSE(load("spans(\"plan.json\", layer = 1)"));
  EXPECT_FALSE(load("spans(\"\", layer = 1)"));
  std::filesystem::create_directory(folder / "plan.json");
  EXPECT_FALSE(load("spans(\"plan.json\", layer = 1)"));
  EXPECT_EQ(session.messages,
            (std::vector<std::string>{
                "2:12: error: cannot read " + path() + ": No such file or directory",
                "2:12: error: cannot read plan '" + folder.string() + "/': it is not a file",
                "2:12: error: cannot read " + path() + ": it is not a file"}));
}

TEST_F(SpanPlan, MustNotBeHuge) {
  std::ofstream(folder / "plan.json") << "{";
  std::filesystem::resize_file(folder / "plan.json", (64 << 20) + 1);
  EXPECT_FALSE(load("spans(\"plan.json\", layer = 1)"));
  EXPECT_EQ(session.messages,
            std::vector<std::string>{"2:12: error: " + path() +
                                     " has 67108865 bytes, but at most 67108864 are allowed"});
}

TEST_F(SpanPlan, MustBeJson) {
  expectRefused("", " is not valid JSON at line 1, column 1", false);
  expectRefused("{\"alphas\": [[1,]]}", " is not valid JSON at line 1, column 16", false);
  expectRefused("{\n \"alphas\": [[1, NaN]]}", " is not valid JSON at line 2, column 17", false);
  expectRefused("{\"alphas\": [[1e999]]}", " is not valid JSON at line 1, column 18", false);
  expectRefused(std::string(5'000'000, '['), " cannot be used: it is a list, not an object");
  expectRefused("{\"x\": " + std::string(5'000'000, '['),
                " is not valid JSON at line 1, column 5000007", false);
}

TEST_F(SpanPlan, MustHaveListsOfLayersOfNumbers) {
  expectUnusable("7", "it is a number, not an object");
  expectUnusable("[[1]]", "it is a list, not an object");
  expectUnusable("{}", "it has no 'alphas', a list of layers with a number for each head");
  expectUnusable(R"({"alphas": []})",
                 "it has no 'betas', a list of layers with a number for each head");
  expectUnusable(R"({"alphas": 3})", "'alphas' is a number, not a list of layers");
  expectUnusable(R"({"alphas": {"0": []}})", "'alphas' is an object, not a list of layers");
  expectUnusable(R"({"betas": [[1], null]})", "layer 1 of 'betas' is null, not a list of numbers");
  expectUnusable(R"({"betas": [3]})", "layer 0 of 'betas' is a number, not a list of numbers");
  expectUnusable(R"({"betas": [[1], [2, "3"]]})",
                 "head 1 in layer 1 of 'betas' is a string, not a number");
  expectUnusable(R"({"betas": [[1], [2, [3]]]})",
                 "head 1 in layer 1 of 'betas' is a list, not a number");
  expectUnusable(R"({"betas": [[true]]})",
                 "head 0 in layer 0 of 'betas' is a boolean, not a number");
  expectUnusable(R"({"betas": [[1, 1e13]]})",
                 "head 1 in layer 0 of 'betas' is not between -2^40 and 2^40");
  expectUnusable(R"({"betas": [], "betas": []})", "'betas' is there twice");
}

TEST_F(SpanPlan, MustHaveTheSameHeadsInAllLayers) {
  expectUnusable(R"({"alphas": [[1]], "betas": []})", "'alphas' has 1 layers, but 'betas' 0");
  expectUnusable(R"({"alphas": [[1, 2], [1]], "betas": [[1, 2], [1, 2]]})",
                 "layer 1 of 'alphas' has 1 heads, but layer 0 of 'alphas' 2");
  expectUnusable(R"({"alphas": [[1], [1]], "betas": [[1], [1, 2]]})",
                 "layer 1 of 'betas' has 2 heads, but layer 0 of 'alphas' 1");
}

TEST_F(SpanPlan, MustFitTheKernel) {
  std::ofstream(folder / "plan.json") << kPlan;
  EXPECT_FALSE(load("spans(\"plan.json\", layer = 2)"));
  EXPECT_FALSE(load("causal & spans(\"plan.json\", layer = -1)"));
  EXPECT_FALSE(load("spans(\"plan.json\", layer = 0, max_new_tokens = -1)"));
  std::ofstream(folder / "plan.json") << R"({"alphas": [[1, 2, 3]], "betas": [[1, 2, 3]]})";
  EXPECT_FALSE(load("causal & spans(\"plan.json\", layer = 0)"));
  EXPECT_EQ(session.messages,
            (std::vector<std::string>{
                "2:33: error: 'layer' is 2, but " + path() + " has 2 layers, counted from 0",
                "2:42: error: 'layer' is -1, but must be at least 0 and below 2^40",
                "2:53: error: 'max_new_tokens' is -1, but must be at least 0 and below 2^40",
                "2:15: error: the plan has spans for 3 heads, but the attention has 2"}));
}

TEST_F(SpanPlan, IsGivenByNameAndLayer) {
  EXPECT_FALSE(load("spans"));
  EXPECT_FALSE(load("spans(plan, layer = 0)"));
  EXPECT_FALSE(load("spans(\"plan.json\")"));
  std::string usage = "note: write spans(\"plan.json\", layer = 0, max_new_tokens = 0)";
  EXPECT_EQ(session.messages,
            (std::vector<std::string>{
                "2:6: error: 'spans' needs the argument 'plan'", "2:6: " + usage,
                "2:12: error: 'plan' of 'spans' must be a string in '\"'",
                "2:6: error: 'spans' needs the argument 'layer'", "2:6: " + usage}));
}

} // namespace
} // namespace attn::test
