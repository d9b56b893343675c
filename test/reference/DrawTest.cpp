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
    if ((node.kind == MaskKind::Same && node.keyInput.empty()) ||
        node.kind == MaskKind::Neighborhood || node.kind == MaskKind::Classes)
      ASSERT_TRUE(shape.oneLayout());
    if (node.border == Border::Zero)
      ASSERT_EQ(&node, &mask);
    if (node.kind != MaskKind::Neighborhood)
      return;
    ASSERT_EQ(node.neighborhood.size(), shape.tokens.size());
    for (size_t d = 0; d < shape.tokens.size(); ++d) {
      const NeighborhoodDim &dim = node.neighborhood[d];
      int64_t window = dim.window == -1 ? shape.tokens[d] : dim.window;
      ASSERT_TRUE(window >= 1 && window * dim.dilation <= shape.tokens[d]);
      ASSERT_TRUE(dim.stride >= 1 && dim.stride <= window);
    }
  });
}

/// What callers get that ask for nothing.
TEST(Draw, MasksAreLegalAndOfEveryBasicKind) {
  Draw draw(5);
  std::set<MaskKind> kinds;
  for (int n = 0; n < 2000; ++n) {
    Shape shape = drawShape(draw);
    Mask mask = drawMask(draw, shape);
    expectLegal(shape, mask);
    forEachNode(mask, [&](const Mask &node) {
      kinds.insert(node.kind);
      EXPECT_TRUE(node.border == Border::Shift && node.dilation == 1 && node.keyInput.empty());
    });
  }
  EXPECT_EQ(kinds, (std::set<MaskKind>{MaskKind::All, MaskKind::Causal, MaskKind::CausalTopLeft,
                                       MaskKind::Window, MaskKind::WindowSides, MaskKind::Sink,
                                       MaskKind::Prefix, MaskKind::PrefixInput, MaskKind::KeyLength,
                                       MaskKind::Neighborhood, MaskKind::Same, MaskKind::And,
                                       MaskKind::Or, MaskKind::Not}));
}

TEST(Draw, EverythingIsEveryKindAndLegal) {
  Draw draw(15);
  std::set<MaskKind> kinds;
  std::set<Border> borders;
  std::set<size_t> ranks;
  bool whole = false, pair = false, packed = false, packedCross = false, groups = false;
  for (int n = 0; n < 4000; ++n) {
    Shape shape = drawShape(draw, ShapeOptions::everything());
    ASSERT_LE(shape.nq(), 200);
    Mask mask = drawMask(draw, shape, MaskOptions::everything("plan.json"));
    expectLegal(shape, mask);
    ranks.insert(shape.tokens.size());
    packed |= shape.isPacked() && shape.oneLayout();
    packedCross |= shape.isPacked() && !shape.oneLayout();
    groups |= !shape.groups.empty();
    forEachNode(mask, [&](const Mask &node) {
      kinds.insert(node.kind);
      borders.insert(node.border);
      pair |= !node.keyInput.empty() && node.kind == MaskKind::Same;
      for (const NeighborhoodDim &dim : node.neighborhood)
        whole |= dim.window == -1;
    });
  }
  EXPECT_EQ(kinds.size(), size_t(MaskKind::Not) + 1);
  EXPECT_EQ(borders.size(), 3u);
  EXPECT_EQ(ranks, (std::set<size_t>{1, 2, 3, 4}));
  EXPECT_TRUE(whole && pair && packed && packedCross && groups);
}

TEST(Draw, PredicatesAreOfEveryForm) {
  Draw draw(16);
  ShapeOptions options;
  std::set<ExprKind> kinds;
  std::set<std::string> tables;
  for (int n = 0; n < 2000; ++n) {
    Shape shape = drawShape(draw, options);
    forEachNode(drawPredicate(draw, shape), [&](const Expr &node) {
      kinds.insert(node.kind);
      if (node.kind == ExprKind::Lookup)
        tables.insert(node.table);
    });
    forEachNode(drawPredicate(draw, shape, 2, false),
                [&](const Expr &node) { ASSERT_NE(node.kind, ExprKind::Lookup); });
  }
  for (int kind = 0; kind <= int(ExprKind::Lookup); ++kind)
    if (ExprKind(kind) != ExprKind::Neg && ExprKind(kind) != ExprKind::QueryCount &&
        ExprKind(kind) != ExprKind::KeyCount)
      EXPECT_TRUE(kinds.count(ExprKind(kind))) << kind;
  for (const char *name : {"tb", "th", "tk", "tq", "tm5", "cls3", "allow3"})
    EXPECT_TRUE(tables.count(name)) << name;
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

/// Every pair of everything can be asked; every input has the extents of its declaration.
TEST(Draw, EveryContextFitsItsKernel) {
  Draw draw(17);
  ShapeOptions shapes = ShapeOptions::everything();
  shapes.maxTokens = 24;
  shapes.tileQ = shapes.tileK = 8;
  MaskOptions masks = MaskOptions::everything("plan.json");
  masks.blockSizes = {3, 8};
  size_t visible = 0, pairs = 0, zeros = 0, lists = 0;
  for (int n = 0; n < 600; ++n) {
    Kernel kernel = drawKernel(draw, shapes, masks);
    const Shape &shape = kernel.shape;
    Context context = drawContext(draw, shape, kernel.everyMask(), masks);
    ASSERT_TRUE(context.nq == shape.nq() && context.nk == shape.nk());
    lists += kernel.headMasks.size();
    for (const Input &input : inputsOf(shape, kernel.everyMask())) {
      Tensor tensor = inputOf(context, input.name);
      ASSERT_EQ(tensor.shape, extentsOf(shape, input)) << input.name << toSpec("drawn", kernel);
      int64_t elements = 1;
      for (int64_t extent : tensor.shape)
        elements *= extent;
      ASSERT_EQ(int64_t(tensor.values.size()), elements) << input.name;
    }
    Sees sees = seesOf(kernel, context);
    ZeroKeys zeroKeys = zeroKeysOf(kernel, context);
    for (int64_t h = 0; h < shape.heads; ++h)
      for (int64_t q = 0; q < shape.nq(); ++q) {
        zeros += size_t(zeroKeys(0, h, q));
        for (int64_t k = 0; k < shape.nk(); ++k, ++pairs)
          visible += sees(shape.batch - 1, h, q, k);
      }
  }
  EXPECT_GT(visible, pairs / 5);
  EXPECT_LT(visible, pairs * 4 / 5);
  EXPECT_GT(zeros, 0u);
  EXPECT_GT(lists, 50u);
}

TEST(Draw, SequencesCoverAllTokensAndMayBeEmpty) {
  Draw draw(18);
  Shape shape;
  shape.tokens = {40};
  shape.kvTokens = {50};
  shape.sequences = 5;
  bool empty = false;
  for (int n = 0; n < 50; ++n) {
    Context context = drawContext(draw, shape, causal());
    for (const auto &[bounds, tokens] : {std::pair(context.cuQueries, 40), {context.cuKeys, 50}}) {
      ASSERT_EQ(bounds.size(), 6u);
      ASSERT_TRUE(bounds.front() == 0 && bounds.back() == tokens);
      for (size_t s = 1; s < bounds.size(); ++s) {
        ASSERT_LE(bounds[s - 1], bounds[s]);
        empty |= bounds[s - 1] == bounds[s];
      }
    }
  }
  EXPECT_TRUE(empty);
}

TEST(Draw, LabelsAreWildOnlyOnDemand) {
  Draw draw(19);
  Shape shape;
  shape.tokens = {60};
  bool negative = false;
  MaskOptions wild;
  wild.anyLabels = true;
  for (int n = 0; n < 50; ++n) {
    Context tame = drawContext(draw, shape, same("doc"));
    for (int32_t label : tame.labels["doc"])
      ASSERT_GE(label, 0);
    Context any = drawContext(draw, shape, same("doc"), wild);
    for (int32_t label : any.labels["doc"])
      negative |= label < 0;
  }
  EXPECT_TRUE(negative);
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

TEST(Draw, KernelTextOfGroupsAndHeadLists) {
  Kernel kernel;
  kernel.shape.heads = kernel.shape.kvHeads = 10;
  kernel.shape.tokens = {2, 3};
  kernel.shape.groups = {{"video", {2, 3}}, {"text", {4}}};
  kernel.mask = keys("text");
  kernel.headMasks = {{{0, 3, 4, 5, 9}, same("q_doc", "k_doc")}};
  EXPECT_EQ(toSpec("drawn", kernel),
            "kernel drawn {\n"
            "  batch 1   heads 10   kv_heads 10   head_dim 32   dtype f32\n"
            "  tokens video[2, 3] + text[4]\n"
            "  input k_doc : i32[kv_tokens]\n"
            "  input q_doc : i32[tokens]\n"
            "  mask keys(text)\n"
            "  heads 0, 3..5, 9 { mask same(q_doc, k_doc) }\n"
            "}\n");
  EXPECT_EQ(kernel.maskOf(4).kind, MaskKind::Same);
  EXPECT_EQ(kernel.maskOf(1).kind, MaskKind::KeysGroup);
}

static std::string inputLines(const Shape &shape, const Mask &mask) {
  std::string text = toSpec("drawn", shape, mask);
  size_t begin = text.find("  input"), end = text.find("  mask");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin);
}

TEST(Draw, InputsAreDeclaredWithTheirExtents) {
  Shape shape;
  shape.tokens = {70};
  shape.kvTokens = {130};
  EXPECT_EQ(inputLines(shape, from("seen", {false, true, true, false})),
            "  input seen : bool[batch, 1, 1, kv_tokens]\n");
  EXPECT_EQ(inputLines(shape, blocks("rows", "cols", 16, 11)), "  input cols : i32[11]\n"
                                                               "  input rows : i32[6]\n");
  EXPECT_EQ(inputLines(shape, blocks("rows", "cols", 64, 3, true, {true, false})),
            "  input cols : i32[1, heads, 3]\n"
            "  input rows : i32[1, heads, 3]\n");
  EXPECT_EQ(inputLines(shape, blockBits("bits", 4)), "  input bits : i32[18, 2]\n");
  EXPECT_EQ(inputLines(shape, predicate(lookup("t", {keyPosition(), headNumber()}) > 0)),
            "  input t : i32[kv_tokens, heads]\n");
  shape.sequences = 3;
  EXPECT_EQ(inputLines(shape, all()), "  input cu_k : i32[4]\n"
                                      "  input cu_q : i32[4]\n"
                                      "  packed (cu_q, cu_k)\n");
  shape.kvTokens = {};
  EXPECT_EQ(inputLines(shape, all()), "  input cu : i32[4]\n"
                                      "  packed cu\n");
}

TEST(Draw, PlansHoldALayerForEveryNode) {
  Mask mask = spans({0, -1024}, {0.125, 1}, 0, "p.json", 1) | spans({5, 6}, {0, 0}, 0, "p.json", 0);
  EXPECT_EQ(planJson(mask),
            "{\"alphas\": [[5, 6], [0, -1024]], \"betas\": [[0, 0], [0.125, 1]]}\n");
  Draw draw(20);
  MaskOptions options = MaskOptions::everything("p.json");
  int64_t shared = 0;
  for (int n = 0; n < 300; ++n) {
    std::set<int64_t> layers;
    int64_t nodes = 0;
    Mask every = drawKernel(draw, {}, options).everyMask();
    forEachNode(every, [&](const Mask &node) {
      if (node.kind == MaskKind::Spans)
        layers.insert(node.layer), ++nodes;
    });
    ASSERT_EQ(int64_t(layers.size()), nodes);
    shared += nodes > 1;
  }
  EXPECT_GT(shared, 0);
}
