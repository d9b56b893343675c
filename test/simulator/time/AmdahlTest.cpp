// End-to-end figures, model files, fronts and strides.
#include "simulator/time/Amdahl.h"
#include "simulator/time/Pareto.h"

#include <gtest/gtest.h>

#include <limits>

namespace attn::test {
namespace {

TEST(Amdahl, byHand) {
  EXPECT_DOUBLE_EQ(endToEndSpeedUp(0.5, 2), 4.0 / 3);
  EXPECT_DOUBLE_EQ(endToEndSpeedUp(0, 100), 1);
  EXPECT_DOUBLE_EQ(endToEndSpeedUp(0.75, std::numeric_limits<double>::infinity()), 4);
}

TEST(Amdahl, denseLayersAndStepsTakeTheirShare) {
  Expected<ModelDescription> model = parseModel(
      R"({"name": "m", "attention_share": 0.6, "layers": 60, "dense_layers": 15, "steps": 50, "dense_steps": 10})",
      "m.json");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_DOUBLE_EQ(model->sparseShareAt(1, 1), 0.6 * 0.75 * 0.8);
}

/// Per token: 4 x 4096 x N / 2 operations of causal attention, 2 x 4096 x (2 x 4096 + 2 x 1024 + 3
/// x 14336) others.
TEST(Amdahl, theShareOfALanguageModelGrowsWithItsTokens) {
  Expected<ModelDescription> model = builtinModel("llm-8b-moa");
  ASSERT_TRUE(model);
  double attention = 2.0 * 4096 * 8192, linear = 2.0 * 4096 * (2 * 4096 + 2 * 1024 + 3 * 14336);
  EXPECT_DOUBLE_EQ(model->shareAt(8192, 0.5), attention / (attention + linear));
  EXPECT_LT(model->shareAt(8192, 0.5), model->shareAt(65536, 0.5));
}

struct Mistake {
  const char *name, *text, *message;
};
void PrintTo(const Mistake &mistake, std::ostream *os) { *os << mistake.name; }
class ModelMistakes : public ::testing::TestWithParam<Mistake> {};

TEST_P(ModelMistakes, areTold) {
  Expected<ModelDescription> model = parseModel(GetParam().text, "m.json");
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Amdahl, ModelMistakes,
    ::testing::Values(
        Mistake{"noJson", "{", "'m.json' is no JSON"},
        Mistake{"noObject", "[1]", "'m.json' must hold an object: '{ ... }'"},
        Mistake{"unknownKey", R"({"attention_share": 0.5, "step": 3})",
                "unknown key 'step' in 'm.json'"},
        Mistake{"noShare", R"({"layers": 3})",
                "'m.json' must have one of 'attention_share' and 'sizes'"},
        Mistake{"shareAboveOne", R"({"attention_share": 1.5})",
                "'attention_share' of 'm.json' is 1.5, but must be a number from 0 to 1"},
        Mistake{"zeroSteps", R"({"attention_share": 0.5, "steps": 0})",
                "'steps' of 'm.json' is 0, but must be an integer between 1 and 1099511627776"},
        Mistake{"fraction", R"({"attention_share": 0.5, "steps": 2.5})",
                "'steps' of 'm.json' is 2.5, but must be an integer between 1 and 1099511627776"},
        Mistake{"moreDenseThanAll", R"({"attention_share": 0.5, "layers": 3, "dense_layers": 4})",
                "'dense_layers' of 'm.json' is 4, but there are only 3 layers"},
        Mistake{"sizesLack", R"({"sizes": {"hidden": 4096}})", "'sizes' of 'm.json' lack 'heads'"},
        Mistake{"twice", R"({"attention_share": 0.5, "attention_share": 0.6})",
                "'m.json' has the key 'attention_share' twice"}));

TEST(Amdahl, unknownModelsAreToldWithTheKnownOnes) {
  Expected<ModelDescription> model = builtinModel("gpt");
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message, "unknown model 'gpt'");
  EXPECT_NE(model.error().notes.at(0).find("cosmos-7b, hunyuan-video, llm-8b-moa"),
            std::string::npos);
}

TEST(Pareto, keepsWhatNothingBeats) {
  std::vector<Point> points{{0.5, 2}, {0.2, 5}, {0.4, 2}, {0.2, 4}, {0.1, 5}, {0.9, 1}};
  EXPECT_EQ(paretoFront(points), (std::vector<size_t>{1, 0, 5}));
  EXPECT_TRUE(paretoFront({}).empty());
}

TEST(Pareto, stridesThatVisitNoFewerTilesAreLeftOut) {
  auto worst = [](int64_t stride) { return stride >= 8 ? 3 : stride >= 2 ? 4 : 5; };
  EXPECT_EQ(worthwhileStrides(12, worst), (std::vector<int64_t>{1, 2, 8}));
}

} // namespace
} // namespace attn::test
