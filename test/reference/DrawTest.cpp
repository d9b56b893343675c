#include "test/reference/Draw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

using namespace attn::reference;

TEST(Draw, SameSeedSameNumbers) {
  Draw a(7), b(7), c(8);
  EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(a.next(), c.next());
  // Known start of splitmix64 from seed 0: the same on every machine.
  EXPECT_EQ(Draw(0).next(), 0xe220a8397b1dcdafu);
}

TEST(Draw, NormalsAreStandard) {
  Draw draw(3);
  std::vector<double> values = draw.normals(20000, Type::BF16);
  double sum = 0, squares = 0;
  for (double x : values) {
    ASSERT_EQ(x, roundTo(Type::BF16, x));
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / 20000, 0, 0.03);
  EXPECT_NEAR(squares / 20000, 1, 0.04);
}

TEST(Draw, ShapesStayInTheirBoundsAndMeetTileEdges) {
  Draw draw(4);
  ShapeOptions options;
  std::set<int64_t> lengths;
  std::set<size_t> ranks;
  bool cross = false, grouped = false;
  for (int n = 0; n < 2000; ++n) {
    Shape shape = drawShape(draw, options);
    ASSERT_TRUE(shape.nq() >= 1 && shape.nq() <= options.maxTokens);
    ASSERT_TRUE(shape.nk() >= 1 && shape.nk() <= options.maxTokens);
    ASSERT_TRUE(shape.heads % shape.kvHeads == 0 && shape.heads <= options.maxHeads);
    ranks.insert(shape.tokens.size());
    if (shape.tokens.size() == 1)
      lengths.insert(shape.tokens[0]);
    cross |= !shape.oneLayout();
    grouped |= shape.heads != shape.kvHeads;
  }
  for (int64_t edge : {1, 63, 64, 65, 127, 129})
    EXPECT_TRUE(lengths.count(edge)) << edge;
  EXPECT_EQ(ranks, (std::set<size_t>{1, 2, 3}));
  EXPECT_TRUE(cross && grouped);
}

static void expectLegal(const Shape &shape, const Mask &mask) {
  forEachNode(mask, [&](const Mask &node) {
    if (node.kind == MaskKind::Same || node.kind == MaskKind::Neighborhood)
      ASSERT_TRUE(shape.oneLayout());
    if (node.kind != MaskKind::Neighborhood)
      return;
    ASSERT_EQ(node.neighborhood.size(), shape.tokens.size());
    for (size_t d = 0; d < shape.tokens.size(); ++d) {
      const NeighborhoodDim &dim = node.neighborhood[d];
      ASSERT_TRUE(dim.window >= 1 && dim.window * dim.dilation <= shape.tokens[d]);
      ASSERT_TRUE(dim.stride >= 1 && dim.stride <= dim.window);
    }
  });
}

TEST(Draw, MasksAreLegalAndOfEveryKind) {
  Draw draw(5);
  std::set<MaskKind> kinds;
  for (int n = 0; n < 2000; ++n) {
    Shape shape = drawShape(draw);
    Mask mask = drawMask(draw, shape);
    expectLegal(shape, mask);
    forEachNode(mask, [&](const Mask &node) { kinds.insert(node.kind); });
  }
  EXPECT_EQ(kinds.size(), size_t(MaskKind::Not) + 1);
}

TEST(Draw, ContextsHoldEveryInput) {
  Draw draw(6);
  ShapeOptions options;
  options.maxTokens = 20;
  options.tileQ = options.tileK = 8;
  size_t visible = 0, pairs = 0;
  for (int n = 0; n < 300; ++n) {
    Shape shape = drawShape(draw, options);
    Mask mask = drawMask(draw, shape);
    Context context = drawContext(draw, shape, mask);
    for (int64_t b = 0; b < shape.batch; ++b)
      for (int64_t q = 0; q < shape.nq(); ++q)
        for (int64_t k = 0; k < shape.nk(); ++k, ++pairs)
          visible += sees(mask, context, b, q, k);
  }
  // Neither nearly everything nor nearly nothing, or the masks would test little.
  EXPECT_GT(visible, pairs / 5);
  EXPECT_LT(visible, pairs * 4 / 5);
}

TEST(Draw, OptionsLeaveKindsOut) {
  Draw draw(9);
  MaskOptions options;
  options.neighborhoods = options.labels = options.batchInputs = options.keyLengths = false;
  for (int n = 0; n < 500; ++n) {
    Shape shape = drawShape(draw);
    Mask mask = drawMask(draw, shape, options);
    for (MaskKind kind :
         {MaskKind::Neighborhood, MaskKind::Same, MaskKind::PrefixInput, MaskKind::KeyLength})
      ASSERT_FALSE(contains(mask, kind)) << toSpec(mask);
    ASSERT_TRUE(drawContext(draw, shape, mask).batchInputs.empty());
  }
}

TEST(Draw, KernelTextDeclaresTheInputsOnce) {
  Shape shape;
  shape.batch = 2;
  shape.heads = 4;
  shape.kvHeads = 2;
  shape.tokens = {9};
  EXPECT_EQ(toSpec("drawn", shape, (causal() & keyLength("kl")) | same("doc") | keyLength("kl")),
            "kernel drawn {\n"
            "  batch 2   heads 4   kv_heads 2   head_dim 32   dtype f32\n"
            "  tokens [9]\n"
            "  input doc : i32[tokens]\n"
            "  input kl : i32[batch]\n"
            "  mask ((causal & key_length(kl)) | same(doc)) | key_length(kl)\n"
            "}\n");
  shape.kvTokens = {17};
  EXPECT_NE(toSpec("drawn", shape, all()).find("\n  tokens [9]\n  kv_tokens [17]\n  mask all\n"),
            std::string::npos);
}
