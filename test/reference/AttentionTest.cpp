#include "test/reference/Attention.h"
#include "test/reference/Draw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace attn::reference;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

static Sees everything() { return seesOf(all(), crossContext(1 << 20, 1 << 20)); }

static Problem problemOf(int64_t nq, int64_t nk, int64_t qkDim, int64_t vDim) {
  Problem problem;
  problem.nq = nq;
  problem.nk = nk;
  problem.qkDim = qkDim;
  problem.vDim = vDim;
  return problem;
}

TEST(Attention, TwoKeysByHand) {
  // q.k = 0 and log 3, scale 1: weights 1/4 and 3/4.
  Problem problem = problemOf(1, 2, 1, 2);
  std::vector<double> q = {1}, k = {0, std::log(3.0)}, v = {4, 8, 0, 16};
  Result result = attention(problem, q, k, v, everything());
  EXPECT_NEAR(result.o[0], 1, 1e-15);
  EXPECT_NEAR(result.o[1], 14, 1e-14);
  EXPECT_NEAR(result.lse[0], std::log(4.0), 1e-15);
  EXPECT_NEAR(result.maxAbsScore, std::log(3.0), 1e-15);
}

TEST(Attention, DefaultScaleIsOneOverRootOfTheHeadDimension) {
  Problem problem = problemOf(1, 1, 4, 1);
  std::vector<double> q = {1, 1, 1, 1}, k = {2, 2, 2, 2}, v = {5};
  EXPECT_NEAR(attention(problem, q, k, v, everything()).lse[0], 4, 1e-14);
  problem.scale = 0.25;
  EXPECT_NEAR(attention(problem, q, k, v, everything()).lse[0], 2, 1e-14);
}

TEST(Attention, QueryHeadsShareKvHeadsInOrder) {
  // One key, so O is V of the KV head: heads 0, 1 read KV head 0 and heads 2, 3 read KV head 1.
  Problem problem = problemOf(1, 1, 1, 1);
  problem.batch = 2;
  problem.heads = 4;
  problem.kvHeads = 2;
  std::vector<double> q(8, 1), k(4, 1), v = {10, 11, 20, 21};
  EXPECT_EQ(attention(problem, q, k, v, everything()).o,
            (std::vector<double>{10, 10, 11, 11, 20, 20, 21, 21}));
}

TEST(Attention, RowWithoutKeysIsZeroWithMinusInfinity) {
  Problem problem = problemOf(3, 1, 1, 1); // the first two queries lie before the first key
  std::vector<double> q = {1, 1, 1}, k = {1}, v = {7};
  Sees sees = seesOf(causal(), crossContext(3, 1));
  for (const Result &result :
       {attention(problem, q, k, v, sees), denseRounded(Type::BF16, problem, q, k, v, sees)}) {
    EXPECT_EQ(result.o, (std::vector<double>{0, 0, 7}));
    EXPECT_EQ(result.lse, (std::vector<double>{-kInfinity, -kInfinity, 1}));
  }
}

TEST(Attention, ScoreFunctionReplacesTheScaledProduct) {
  Problem problem = problemOf(2, 2, 1, 1);
  std::vector<double> q = {3, 5}, k = {1, 2}, v = {1, 0};
  std::vector<double> seen;
  Score score = [&](double s, int64_t, int64_t, int64_t query, int64_t key) {
    seen.push_back(s);
    return query == key ? std::log(3.0) : 0.0;
  };
  Result result = attention(problem, q, k, v, everything(), score);
  EXPECT_EQ(seen, (std::vector<double>{3, 6, 5, 10}));
  EXPECT_NEAR(result.o[0], 0.75, 1e-15);
  EXPECT_NEAR(result.o[1], 0.25, 1e-15);
}

TEST(Attention, ScoreOfMinusInfinityHidesAKey) {
  Problem problem = problemOf(1, 2, 1, 1);
  std::vector<double> q = {1}, k = {1, 1}, v = {5, kInfinity};
  Score hideSecond = [](double s, int64_t, int64_t, int64_t, int64_t key) {
    return key == 1 ? -kInfinity : s;
  };
  EXPECT_EQ(attention(problem, q, k, v, everything(), hideSecond).o[0], 5);
  Score hideAll = [](double, int64_t, int64_t, int64_t, int64_t) { return -kInfinity; };
  Result result = attention(problem, q, k, v, everything(), hideAll);
  EXPECT_EQ(result.o[0], 0);
  EXPECT_EQ(result.lse[0], -kInfinity);
}

TEST(Attention, NonFiniteValuesReachTheRowsThatSeeThem) {
  Problem problem = problemOf(3, 3, 1, 1);
  std::vector<double> q(3, 1), k(3, 1), v = {1, kInfinity, 1};
  Result result = attention(problem, q, k, v, seesOf(causal(), selfContext({3})));
  EXPECT_EQ(result.o[0], 1);
  EXPECT_EQ(result.o[1], kInfinity);
  EXPECT_EQ(result.o[2], kInfinity);
  k[1] = std::nan("");
  result = attention(problem, q, k, v, seesOf(causal(), selfContext({3})));
  EXPECT_EQ(result.lse[0], 1);
  EXPECT_TRUE(std::isnan(result.o[1]) && std::isnan(result.lse[1]));
}

TEST(Attention, LargeScoresDoNotOverflow) {
  Problem problem = problemOf(1, 2, 1, 1);
  std::vector<double> q = {1}, k = {2000, 2000}, v = {1, 3};
  Result result = attention(problem, q, k, v, everything());
  EXPECT_EQ(result.o[0], 2);
  EXPECT_NEAR(result.lse[0], 2000 + std::log(2.0), 1e-12);
  EXPECT_EQ(result.maxAbsScore, 2000);
}

TEST(Attention, SplitOverKeysMergesByLse) {
  // softmax over all keys = the parts weighted by exp(lse - lse of all).
  Draw draw(1);
  Problem problem = problemOf(5, 20, 8, 4);
  auto q = draw.normals(problem.qSize(), Type::F32), k = draw.normals(problem.kSize(), Type::F32),
       v = draw.normals(problem.vSize(), Type::F32);
  Context context = crossContext(5, 20);
  Result whole = attention(problem, q, k, v, seesOf(all(), context));
  Result head = attention(problem, q, k, v, seesOf(sink(7), context));
  Result tail = attention(problem, q, k, v, seesOf(!sink(7), context));
  for (size_t i = 0; i < whole.o.size(); ++i) {
    size_t r = i / 4;
    double a = std::exp(head.lse[r] - whole.lse[r]), b = std::exp(tail.lse[r] - whole.lse[r]);
    EXPECT_NEAR(a + b, 1, 1e-13);
    EXPECT_NEAR(a * head.o[i] + b * tail.o[i], whole.o[i], 1e-13);
  }
}

TEST(Attention, RoundedYardstickIsNearAndOnTheGrid) {
  Draw draw(2);
  Problem problem = problemOf(9, 33, 16, 16);
  for (Type type : {Type::BF16, Type::F16}) {
    auto q = draw.normals(problem.qSize(), type), k = draw.normals(problem.kSize(), type),
         v = draw.normals(problem.vSize(), type);
    Result exact = attention(problem, q, k, v, everything());
    Result rounded = denseRounded(type, problem, q, k, v, everything());
    double largest = 0;
    for (size_t i = 0; i < exact.o.size(); ++i) {
      EXPECT_EQ(rounded.o[i], roundTo(type, rounded.o[i]));
      largest = std::max(largest, std::abs(rounded.o[i] - exact.o[i]));
    }
    EXPECT_GT(largest, 0);
    EXPECT_LT(largest, 4 * ulp(type, 1));
    for (size_t i = 0; i < exact.lse.size(); ++i)
      EXPECT_NEAR(rounded.lse[i], exact.lse[i], 1e-5);
  }
}

//===----------------------------------------------------------------------===//
// Zero keys and biases
//===----------------------------------------------------------------------===//

TEST(ZeroKeys, TakeSoftmaxMassAndAddNothing) {
  // One key with score log 3 and two zeros: weights 3/5, 1/5, 1/5.
  Problem problem = problemOf(1, 1, 1, 1);
  std::vector<double> q = {1}, k = {std::log(3.0)}, v = {10};
  ZeroKeys two = [](int64_t, int64_t, int64_t) { return 2; };
  Result result = attention(problem, q, k, v, everything(), {}, two);
  EXPECT_NEAR(result.o[0], 6, 1e-14);
  EXPECT_NEAR(result.lse[0], std::log(5.0), 1e-15);
  Result rounded = denseRounded(Type::BF16, problem, q, k, v, everything(), {}, two);
  EXPECT_NEAR(rounded.o[0], 6, 0.04);
  EXPECT_NEAR(rounded.lse[0], std::log(5.0), 1e-6);
}

TEST(ZeroKeys, StayFiniteBesideLargeAndVerySmallScores) {
  Problem problem = problemOf(1, 1, 1, 1);
  std::vector<double> q = {1}, v = {10};
  ZeroKeys one = [](int64_t, int64_t, int64_t) { return 1; };
  std::vector<double> large = {1000}, small = {-1000};
  EXPECT_NEAR(attention(problem, q, large, v, everything(), {}, one).lse[0], 1000, 1e-9);
  Result result = attention(problem, q, small, v, everything(), {}, one);
  EXPECT_NEAR(result.o[0], 0, 1e-12);
  EXPECT_NEAR(result.lse[0], 0, 1e-12);
}

TEST(ZeroKeys, AloneGiveZeroWithTheLogOfTheirNumber) {
  Problem problem = problemOf(1, 1, 1, 1);
  std::vector<double> one = {1};
  Sees nothing = [](int64_t, int64_t, int64_t, int64_t) { return false; };
  Result result =
      attention(problem, one, one, one, nothing, {}, [](int64_t, int64_t, int64_t) { return 4; });
  EXPECT_EQ(result.o[0], 0);
  EXPECT_NEAR(result.lse[0], std::log(4.0), 1e-15);
}

/// A 3-tap row of three tokens, padded with zeros: the middle sees all, the ends see two and a
/// zero.
TEST(ZeroKeys, ComeFromTheBorderOfANeighbourhood) {
  Problem problem = problemOf(3, 3, 1, 1);
  std::vector<double> q = {0, 0, 0}, k = {1, 2, 3}, v = {3, 6, 9};
  Mask mask = neighborhood({{3}}, Border::Zero);
  Context context = selfContext({3});
  Result result = attention(problem, q, k, v, seesOf(mask, context), {}, zeroKeysOf(mask, context));
  EXPECT_NEAR(result.o[0], 3, 1e-14);
  EXPECT_NEAR(result.o[1], 6, 1e-14);
  EXPECT_NEAR(result.o[2], 5, 1e-14);
  for (double lse : result.lse)
    EXPECT_NEAR(lse, std::log(3.0), 1e-15);
}

TEST(Bias, BroadcastsOverExtentsOfOne) {
  Score bias = biasScore({1, 2, 3, 4, 5, 6}, {1, 2, 1, 3}); // per head and key
  EXPECT_EQ(bias(10, 7, 0, 9, 2), 13);
  EXPECT_EQ(bias(10, 0, 1, 0, 0), 14);
  Score perQuery = biasScore({1, 2}, {1, 1, 2, 1});
  EXPECT_EQ(perQuery(0, 3, 3, 1, 3), 2);
}
