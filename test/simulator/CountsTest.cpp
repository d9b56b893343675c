// Tile counts and bounds against published figures and against counting by hand.
#include "simulator/time/Amdahl.h"
#include "simulator/time/Pareto.h"
#include "test/simulator/Spec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>

namespace attn::test {
namespace {

using Lengths = std::vector<int64_t>;

std::string listText(const Lengths &values) { return layoutText(values); }

/// Counts of the first mask group; the spec is a kernel with this body.
Counts countsOfKernel(const std::string &body, const Lengths &queryTile = {},
                      const Lengths &keyTile = {}, const Lengths &tokens = {}) {
  Spec spec("kernel test {\n  heads 2   head_dim 64   dtype f16\n" + body + "\n}\n");
  EXPECT_TRUE(spec.attention) << spec.diagnostics;
  if (!spec.attention)
    return {};
  ProblemRequest request;
  request.tokens = tokens;
  request.queryTile = queryTile;
  request.keyTile = keyTile;
  mlir::FailureOr<Problem> problem = bindProblem(spec.attention, request);
  EXPECT_TRUE(mlir::succeeded(problem)) << spec.diagnostics;
  return mlir::succeeded(problem) ? countsOf(problem->groups.front().map) : Counts{};
}

std::string neighborhood(const Lengths &tokens, const Lengths &window, const Lengths &stride) {
  return "tokens " + listText(tokens) + "  mask neighborhood(window = " + listText(window) +
         ", stride = " + listText(stride) + ")";
}

//===----------------------------------------------------------------------===//
// Published figures
//===----------------------------------------------------------------------===//

/// Mixture of attention spans: what the published Vicuna plan keeps of 8,192 tokens and 1,024 new ones in the
/// heads of layer 4.
TEST(Spans, keepWhatThePublishedPlanSays) {
  EXPECT_EQ(spanLength({0, 0.25, 1024}, 8192), 2304);
  EXPECT_EQ(spanLength({0, 0.625, 1024}, 8192), 5760);
}

/// Blocks of 64 x 64 that a head visits at 4,096 tokens: of all 2,080 causal ones, those of one sink block and of
/// the last 8, or 31, blocks.
TEST(Spans, visitTheBlocksOfTheRule) {
  struct Case {
    int64_t local, visited;
  };
  std::string plan = testing::TempDir() + "attn-counts-spans.json";
  for (Case c : {Case{8, 540}, Case{31, 1552}, Case{64, 2080}}) {
    int64_t span = 64 * (1 + c.local);
    std::ofstream(plan) << "{\"alphas\": [[" << span << ", " << span << "]], \"betas\": [[0, 0]]}";
    Counts counts =
        countsOfKernel("tokens [4096] mask spans(\"" + plan + "\", layer = 0)", {64}, {64});
    EXPECT_EQ(counts.tiles.visited, c.visited) << c.local << " local blocks";
    EXPECT_EQ(counts.tiles.full, c.visited - 64) << "all but the diagonal";
  }
  std::filesystem::remove(plan);
}

const Lengths kVideo{30, 48, 80};
const Lengths kVideoWindow{18, 24, 24};

TEST(Counts, videoNeighborhoodWithoutStride) {
  Counts counts =
      countsOfKernel(neighborhood(kVideo, kVideoWindow, {1, 1, 1}), {2, 8, 8}, {2, 8, 8});
  EXPECT_EQ(counts.tiles.all, 810000);
  EXPECT_EQ(counts.tiles.visited, 148896);
  EXPECT_EQ(counts.tiles.full, 24768);
  EXPECT_FALSE(counts.isBlockSparse());
  EXPECT_NEAR(counts.tileMeanBound(), 5.44, 0.005);
  EXPECT_NEAR(counts.tileWorstBound(), 3.60, 0.005);
  EXPECT_NEAR(counts.flopBound(), 11.11, 0.005);
}

TEST(Counts, videoNeighborhoodWithAStrideOfWholeTiles) {
  Counts counts =
      countsOfKernel(neighborhood(kVideo, kVideoWindow, {16, 8, 8}), {2, 8, 8}, {2, 8, 8});
  EXPECT_EQ(counts.tiles.visited, 72900);
  EXPECT_EQ(counts.tiles.full, 72900);
  EXPECT_TRUE(counts.isBlockSparse());
  EXPECT_DOUBLE_EQ(counts.tileMeanBound(), counts.flopBound());
}

//===----------------------------------------------------------------------===//
// Dilation
//===----------------------------------------------------------------------===//

/// Of 512 keys at distances of 8 a tile of one residue sees 5 tiles, 3 of them full. Contiguous tiles
/// see all residues.
TEST(Counts, dilatedWindowsVisitTilesOfTheirResidueAlone) {
  const char *body = "tokens [1048576] mask window(left = 256, right = 255, dilation = 8)";
  Counts split = countsOfKernel(body);
  double queryTiles = 8192;
  EXPECT_NEAR(double(split.tiles.visited) / queryTiles, 5, 0.01);
  EXPECT_NEAR(double(split.tiles.full) / queryTiles, 3, 0.01);
  Counts contiguous = countsOfKernel(body, {128}, {128});
  EXPECT_NEAR(double(contiguous.tiles.visited) / queryTiles, 32.9, 0.1);
  EXPECT_EQ(contiguous.tiles.full, 0);
  EXPECT_EQ(split.visiblePairs, contiguous.visiblePairs);
}

TEST(Counts, unevenSplitsCountTheSamePairs) {
  for (const char *mask :
       {"window(90, dilation = 7)", "causal & strided(7)", "neighborhood(window = 99, dilation = 7)",
        "neighborhood(window = 95, stride = 3, dilation = 7, causal = true)"}) {
    std::string body = "tokens [10000] mask " + std::string(mask);
    Counts split = countsOfKernel(body, {128, 1}, {128, 1});
    Counts contiguous = countsOfKernel(body, {128}, {128});
    EXPECT_EQ(split.visiblePairs, contiguous.visiblePairs) << mask;
    EXPECT_LT(split.tiles.visited, contiguous.tiles.visited) << mask;
    EXPECT_EQ(countsOfKernel(body).tiles.visited, split.tiles.visited) << mask;
  }
}

struct PublishedRow {
  Lengths tokens, window, stride, queryTile, keyTile;
  double tileWorst;
  const char *model;
  double endToEnd, withDenseSteps;         ///< by the published simulator; 0: not published
  double flopEndToEnd, flopWithDenseSteps; ///< by operations alone
};

class PublishedBounds : public ::testing::TestWithParam<PublishedRow> {};

void expectEndToEnd(const char *what, const PublishedRow &row, int64_t denseSteps, double speedUp,
                    double published) {
  if (published == 0)
    return;
  Expected<ModelDescription> model = builtinModel(row.model);
  ASSERT_TRUE(model);
  model->denseSteps = denseSteps;
  double computed = endToEndSpeedUp(model->sparseShareAt(0, 1), speedUp);
  fmt::print("| {:13} | {:12} | {:12} | {:2} dense | {} | {:.2f} | {:.4f} |\n", row.model,
             listText(row.window), listText(row.stride), denseSteps, what, published, computed);
  EXPECT_NEAR(computed, published, 0.02) << what;
}

/// Speed-ups of the neighbourhood-attention simulator (arXiv 2504.16922, tables 3 to 5), and the published
/// end-to-end figures that follow from them.
TEST_P(PublishedBounds, areTheWorstTileBound) {
  const PublishedRow &row = GetParam();
  Counts counts =
      countsOfKernel(neighborhood(row.tokens, row.window, row.stride), row.queryTile, row.keyTile);
  EXPECT_NEAR(counts.tileWorstBound(), row.tileWorst, 0.0006);
  int64_t denseSteps = std::string(row.model) == "cosmos-7b" ? 12 : 15;
  expectEndToEnd("tiles", row, 0, counts.tileWorstBound(), row.endToEnd);
  expectEndToEnd("tiles", row, denseSteps, counts.tileWorstBound(), row.withDenseSteps);
  expectEndToEnd("flops", row, 0, counts.flopBound(), row.flopEndToEnd);
  expectEndToEnd("flops", row, denseSteps, counts.flopBound(), row.flopWithDenseSteps);
}

const Lengths kCosmos{16, 44, 80}, kCosmosQ{8, 4, 8}, kCosmosK{4, 4, 8};
const Lengths kVideoQ{4, 8, 8}, kVideoWideQ{2, 16, 8}, kVideoK{2, 8, 8};

PublishedRow cosmos(Lengths window, Lengths stride, double tileWorst, double endToEnd, double withDenseSteps) {
  bool isNarrow = window[2] == 16;
  return {kCosmos,   window,        stride,   kCosmosQ, kCosmosK, tileWorst, "cosmos-7b",
          endToEnd, withDenseSteps, isNarrow ? 2.10 : 1.50, isNarrow ? 1.52 : 1.28};
}
PublishedRow video(Lengths window, Lengths stride, double tileWorst, double endToEnd, double withDenseSteps) {
  bool isNarrow = window[2] == 24;
  return {kVideo,   window,         stride,   isNarrow ? kVideoQ : kVideoWideQ, kVideoK, tileWorst, "hunyuan-video",
          endToEnd, withDenseSteps, isNarrow ? 2.23 : 1.55, isNarrow ? 1.63 : 1.33};
}

INSTANTIATE_TEST_SUITE_P(
    Tables, PublishedBounds,
    ::testing::Values(cosmos({16, 32, 48}, {1, 1, 1}, 1.746, 1.35, 1.21),
                      cosmos({16, 32, 48}, {1, 8, 1}, 1.964, 1.42, 1.24),
                      cosmos({16, 32, 48}, {1, 1, 16}, 2.037, 1.42, 1.24),
                      cosmos({16, 32, 48}, {1, 8, 16}, 2.292, 1.50, 1.28),
                      cosmos({16, 24, 16}, {1, 1, 1}, 5.238, 1.90, 1.45),
                      cosmos({16, 24, 16}, {1, 8, 1}, 6.111, 1.96, 1.48),
                      cosmos({16, 24, 16}, {1, 1, 16}, 7.857, 2.05, 1.51),
                      cosmos({16, 24, 16}, {1, 8, 16}, 9.167, 2.10, 1.52),
                      video({30, 40, 40}, {1, 1, 1}, 1.429, 1.21, 1.14),
                      video({30, 40, 40}, {1, 1, 8}, 2.000, 1.44, 1.27),
                      video({30, 40, 40}, {1, 32, 8}, 2.400, 1.55, 1.33),
                      video({30, 40, 40}, {30, 40, 40}, 2.000, 1.44, 0),
                      video(kVideoWindow, {1, 1, 1}, 3.273, 1.73, 1.42),
                      video(kVideoWindow, {2, 1, 1}, 3.600, 1.78, 1.44),
                      video(kVideoWindow, {1, 1, 8}, 5.455, 1.99, 1.53),
                      video(kVideoWindow, {2, 1, 8}, 6.000, 2.02, 1.55),
                      video(kVideoWindow, {1, 8, 8}, 9.091, 2.17, 1.61),
                      video(kVideoWindow, {2, 8, 8}, 10.000, 2.20, 1.62),
                      video(kVideoWindow, {16, 8, 8}, 11.111, 2.23, 1.63),
                      video(kVideoWindow, kVideoWindow, 6.667, 2.06, 0)));

/// The strides of the published tables are, dimension by dimension, those that the rule keeps.
TEST(Strides, thePublishedSetsFollowFromTheRule) {
  struct Dim {
    int64_t length, window, queryTile, keyTile;
    Lengths strides;
  };
  for (const Dim &dim : {Dim{30, 18, 4, 2, {1, 2, 16}}, Dim{48, 24, 8, 8, {1, 8}}, Dim{80, 24, 8, 8, {1, 8}},
                         Dim{30, 30, 2, 2, {1}}, Dim{48, 40, 16, 8, {1, 32}}, Dim{80, 40, 8, 8, {1, 8}},
                         Dim{16, 16, 8, 4, {1}}, Dim{44, 32, 4, 4, {1, 8}}, Dim{80, 48, 8, 8, {1, 16}},
                         Dim{44, 24, 4, 4, {1, 8}}, Dim{80, 16, 8, 8, {1, 16}}}) {
    auto worst = [&](int64_t stride) {
      return countsOfKernel(neighborhood({dim.length}, {dim.window}, {stride}), {dim.queryTile}, {dim.keyTile})
          .tiles.worst;
    };
    EXPECT_EQ(worthwhileStrides(dim.window, worst), dim.strides)
        << dim.window << " of " << dim.length << " tokens";
  }
}

//===----------------------------------------------------------------------===//
// By hand
//===----------------------------------------------------------------------===//

TEST(Counts, causalIsHalfAndTheDiagonal) {
  Counts counts = countsOfKernel("tokens [1024]  mask causal");
  EXPECT_EQ(counts.tiles.all, 64);
  EXPECT_EQ(counts.tiles.visited, 36);
  EXPECT_EQ(counts.tiles.full, 28);
  EXPECT_EQ(counts.tiles.worst, 8);
  EXPECT_EQ(counts.visiblePairs, 1024 * 1025 / 2);
  EXPECT_DOUBLE_EQ(counts.tileWorstBound(), 1);
  EXPECT_DOUBLE_EQ(counts.density(), 1025.0 / 2048);
  EXPECT_TRUE(counts.exact);
}

TEST(Counts, aMaskThatHidesEverythingHasNoFiniteBound) {
  Counts counts = countsOfKernel("tokens [512]  mask !all");
  EXPECT_EQ(counts.tiles.visited, 0);
  EXPECT_TRUE(std::isinf(counts.flopBound()));
  EXPECT_TRUE(std::isinf(counts.tileWorstBound()));
  EXPECT_EQ(counts.density(), 0);
}

TEST(Counts, labelsMakeThemAnUpperBound) {
  Counts counts = countsOfKernel("tokens [1024]  input document : i32[tokens]\n"
                                 "mask causal & same(document)");
  EXPECT_FALSE(counts.exact);
  EXPECT_EQ(counts.tiles.visited, 36);
  EXPECT_EQ(counts.tiles.full, 0);
}

/// Without the lengths a tile before the longest possible end may be cut anywhere.
TEST(Counts, lengthsThatComeAtRunTimeAreUnknown) {
  Spec spec("kernel test { batch 2 heads 1 head_dim 64 dtype f16 tokens [1024]\n"
            "input length : i32[batch]  mask causal & prefix(length) }");
  ASSERT_TRUE(spec.attention) << spec.diagnostics;
  mlir::FailureOr<Problem> problem = bindProblem(spec.attention, {});
  ASSERT_TRUE(mlir::succeeded(problem));
  EXPECT_TRUE(problem->groups.front().readsInputs);
  Counts counts = countsOf(problem->groups.front().map);
  EXPECT_FALSE(counts.exact);
  EXPECT_EQ(counts.tiles.visited, 36);
  EXPECT_EQ(counts.tiles.full, 0);
}

TEST(Counts, headsAreGroupedByMaskAndSummed) {
  Spec spec("kernel test { heads 8 head_dim 64 dtype f16 tokens [1024]\n"
            "mask causal & window(128)\n"
            "heads 2..3 { mask causal }  heads 5..5 { mask causal & causal } }");
  ASSERT_TRUE(spec.attention) << spec.diagnostics;
  mlir::FailureOr<Problem> problem = bindProblem(spec.attention, {});
  ASSERT_TRUE(mlir::succeeded(problem));
  ASSERT_EQ(problem->groups.size(), 2u);
  EXPECT_EQ(problem->groups[0].heads, (llvm::SmallVector<int64_t>{0, 1, 4, 6, 7}));
  EXPECT_EQ(problem->groups[1].heads, (llvm::SmallVector<int64_t>{2, 3, 5}));
  std::vector<Counts> counts;
  for (const MaskGroup &group : problem->groups)
    counts.push_back(countsOf(group.map));
  EXPECT_EQ(counts[0].tiles.visited, 15);
  Counts total = totalOf(*problem, counts);
  EXPECT_EQ(total.tiles.visited, 5 * 15 + 3 * 36);
  EXPECT_EQ(total.tiles.all, 8 * 64);
  EXPECT_EQ(total.tiles.worst, 8);
  EXPECT_EQ(total.tileWorstBound(), 1);
}

//===----------------------------------------------------------------------===//
// Bindings
//===----------------------------------------------------------------------===//

TEST(Problem, bindsLengthsOfQueriesAndKeysAlike) {
  Counts counts = countsOfKernel("tokens [?]  mask causal", {}, {}, {2048});
  EXPECT_EQ(counts.tiles.all, 256);
  EXPECT_EQ(counts.tiles.visited, 136);
}

TEST(Problem, alignsTheLastQueryWithTheLastKey) {
  Spec spec("kernel test { heads 1 head_dim 64 dtype f16 tokens [128] kv_tokens [1024]\n"
            "mask causal }");
  ASSERT_TRUE(spec.attention) << spec.diagnostics;
  mlir::FailureOr<Problem> problem = bindProblem(spec.attention, {});
  ASSERT_TRUE(mlir::succeeded(problem));
  EXPECT_EQ(problem->queryOffset, 896);
  EXPECT_EQ(countsOf(problem->groups.front().map).tiles.visited, 8);
  ProblemRequest request;
  request.queryOffset = 0;
  problem = bindProblem(spec.attention, request);
  ASSERT_TRUE(mlir::succeeded(problem));
  EXPECT_EQ(countsOf(problem->groups.front().map).tiles.visited, 1);
}

TEST(Problem, aMillionTokensAreCountedInMilliseconds) {
  Counts counts = countsOfKernel("tokens [?]  mask causal & window(4096)", {}, {}, {1 << 20});
  EXPECT_EQ(counts.tiles.visited, 269808);
  EXPECT_EQ(counts.tiles.full, 253456);
  EXPECT_EQ(counts.tiles.worst, 33);
}

struct Mistake {
  std::string name, body;
  Lengths tokens, kvTokens, queryTile, keyTile;
  std::optional<int64_t> queryOffset;
  std::string message;
};

/// ctest names the cases by what is printed here.
void PrintTo(const Mistake &mistake, std::ostream *os) { *os << mistake.name; }

class Mistakes : public ::testing::TestWithParam<Mistake> {};

TEST_P(Mistakes, areOneDiagnostic) {
  const Mistake &mistake = GetParam();
  Spec spec("kernel test { heads 1 head_dim 64 dtype f16\n" + mistake.body + " }");
  ASSERT_TRUE(spec.attention) << spec.diagnostics;
  ProblemRequest request{mistake.tokens, mistake.kvTokens, mistake.queryOffset, mistake.queryTile,
                         mistake.keyTile};
  EXPECT_TRUE(mlir::failed(bindProblem(spec.attention, request)));
  EXPECT_EQ(spec.diagnostics, mistake.message);
}

INSTANTIATE_TEST_SUITE_P(
    Problem, Mistakes,
    ::testing::Values(
        Mistake{"unbound",
                "tokens [?, 48] mask causal",
                {},
                {},
                {},
                {},
                {},
                "tokens [?, 48] are known only when the kernel runs\n"
                "note: bind them here, for example with '--tokens=4096x48'\n"},
        Mistake{"unboundGroup",
                "tokens video[?, 6] + text[5] mask all",
                {},
                {},
                {},
                {},
                {},
                "a token group has the length '?', which is known only when the kernel runs\n"
                "note: give the number of all tokens, for example with '--tokens=4096'\n"},
        Mistake{"groupsThatDoNotAddUp",
                "tokens video[?, 6] + text[5] mask all",
                {16},
                {},
                {},
                {},
                {},
                "the token groups of the layout cannot have 16 tokens: they have 5 and multiples of 6 "
                "more\n"},
        Mistake{"unboundKeys",
                "tokens [4] kv_tokens [?] mask causal",
                {},
                {},
                {},
                {},
                {},
                "kv_tokens [?] are known only when the kernel runs\n"
                "note: bind them here, for example with '--kv-tokens=4096'\n"},
        Mistake{"wrongRank",
                "tokens [?, 48] mask causal",
                {4096},
                {},
                {},
                {},
                {},
                "'--tokens' says [4096], which does not fit tokens [?, 48]\n"
                "note: write, for example, '--tokens=4096x48'\n"},
        Mistake{"contradiction",
                "tokens [64] mask causal",
                {65},
                {},
                {},
                {},
                {},
                "'--tokens' says [65], which does not fit tokens [64]\n"
                "note: write, for example, '--tokens=64'\n"},
        Mistake{"tooLong",
                "tokens [?, ?] mask causal",
                {int64_t(1) << 40, 2},
                {},
                {},
                {},
                {},
                "tokens [1099511627776, 2] are more than 2^40 tokens\n"},
        Mistake{"tooManyTiles",
                "tokens [?] mask causal",
                {int64_t(1) << 40},
                {},
                {},
                {},
                {},
                "tokens [1099511627776] in tiles of [128] are 8589934592 query tiles, but at most "
                "2^26 are mapped\nnote: larger query tiles are fewer: '--q-tile='\n"},
        Mistake{"tileRank",
                "tokens [8, 8] mask neighborhood(window = [3, 3])",
                {},
                {},
                {128},
                {128},
                {},
                "tiles of 1 dimensions for a neighborhood on a layout of 2; give a tile of 2 "
                "dimensions\n"},
        Mistake{"ranksDiffer",
                "tokens [8, 8] mask causal",
                {},
                {},
                {8, 8},
                {64},
                {},
                "tile of 1 dimensions for a layout of 2\n"},
        Mistake{"emptyTile",
                "tokens [8] mask causal",
                {},
                {},
                {0},
                {},
                {},
                "a tile must have 1 to 65536 tokens, each extent at least 1\n"},
        Mistake{"hugeTile",
                "tokens [8, 8] mask causal",
                {},
                {},
                {65536, 2},
                {},
                {},
                "a tile must have 1 to 65536 tokens, each extent at least 1\n"},
        Mistake{"offset",
                "tokens [8] mask causal",
                {},
                {},
                {},
                {},
                int64_t(1) << 40,
                "q_offset 1099511627776 must lie between -2^40 and 2^40\n"},
        Mistake{
            "layoutsDiffer",
            "tokens [8, 8] kv_tokens [8, 4] mask causal",
            {},
            {},
            {4, 4},
            {4, 4},
            {},
            "tokens [8, 8] and kv_tokens [8, 4] differ, but tiles of several dimensions need one "
            "layout\nnote: linear masks may be tiled in one dimension: '--q-tile=128 "
            "--k-tile=128'\n"}),
    [](const auto &info) { return info.param.name; });

} // namespace
} // namespace attn::test
