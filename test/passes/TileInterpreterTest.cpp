// passes/ alone: drawn kernels through the tiling pipeline, run by the interpreter, against the f64
// reference. No target is involved.
#include "passes/Pipeline.h"
#include "test/passes/Interpreter.h"
#include "test/passes/Parsed.h"

#include "gtest/gtest.h"

using namespace attn;
using namespace attn::test;
namespace ref = attn::reference;

namespace {

Array drawArray(ref::Draw &draw, std::vector<int64_t> shape) {
  int64_t size = 1;
  for (int64_t n : shape)
    size *= n;
  return {std::move(shape), draw.normals(size, ref::Type::F32)};
}

std::vector<Array> inputsOf(AttentionOp op, const ref::Context &context) {
  std::vector<Array> inputs;
  for (mlir::StringRef name : op.getInputNameList()) {
    auto it = context.labels.find(name.str());
    const auto &values = it != context.labels.end() ? it->second
                                                    : context.batchInputs.at(name.str());
    inputs.push_back({{int64_t(values.size())}, {values.begin(), values.end()}});
  }
  return inputs;
}

/// Largest difference, relative to 1 + |expected|; infinity for NaN or for infinities that differ.
double worst(const std::vector<double> &got, const std::vector<double> &expected) {
  double result = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] == expected[i])
      continue;
    double error = std::abs(got[i] - expected[i]) / (1 + std::abs(expected[i]));
    result = std::isfinite(error) ? std::max(result, error)
                                  : std::numeric_limits<double>::infinity();
  }
  return result;
}

void checkDraw(mlir::MLIRContext &context, uint64_t seed) {
  ref::Draw draw(seed);
  ref::ShapeOptions options;
  options.maxTokens = 70;
  options.tileQ = options.tileK = 16;
  options.headDims = {4, 8};
  ref::Shape shape = ref::drawShape(draw, options);
  ref::Mask mask = ref::drawMask(draw, shape);
  ref::Context drawn = ref::drawContext(draw, shape, mask);
  Parsed parsed(context, shape, mask);
  if (parsed.isTooLarge())
    return;
  ASSERT_TRUE(parsed.module) << parsed.diagnostics << parsed.text;
  TileRun run;
  ref::Problem problem = shape.problem();
  run.query = drawArray(draw, {shape.batch, shape.heads, problem.nq, problem.qkDim});
  run.key = drawArray(draw, {shape.batch, shape.kvHeads, problem.nk, problem.qkDim});
  run.value = drawArray(draw, {shape.batch, shape.kvHeads, problem.nk, problem.vDim});
  run.inputs = inputsOf(parsed.attention, drawn);
  run.queryOffset = drawn.qOffset;

  mlir::PassManager pm(&context);
  TilingOptions tiling;
  bool linear = mlir::cast<MaskAttrInterface>(parsed.attention.getMask()).isLinear();
  size_t rank = linear ? 1 : shape.tokens.size();
  for (size_t d = 0; d < rank; ++d) {
    tiling.queryTile.push_back(draw.between(1, rank == 1 ? 20 : 4));
    tiling.keyTile.push_back(draw.between(1, rank == 1 ? 20 : 4));
  }
  buildTilingPipeline(pm, tiling);
  ASSERT_TRUE(mlir::succeeded(pm.run(*parsed.module))) << parsed.text;
  tile::AttentionOp tiled;
  parsed.module->walk([&](tile::AttentionOp op) { tiled = op; });
  ASSERT_TRUE(tiled) << parsed.text;
  run.queryDims = tiled.getTokens().getDims().vec();
  run.keyDims = tiled.getKvTokens().getDims().vec();
  interpret(tiled, run);

  ref::Result expected = ref::attention(problem, run.query.data, run.key.data, run.value.data,
                                        ref::seesOf(mask, drawn));
  EXPECT_LT(worst(run.output.data, expected.o), 1e-12) << parsed.text;
  EXPECT_LT(worst(run.lse.data, expected.lse), 1e-12) << parsed.text;
}

TEST(TileInterpreter, DrawnKernelsEqualTheReference) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<tile::TileDialect>();
  for (int seed = 0; seed < draws(150); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    checkDraw(context, seed);
    if (HasFailure())
      return;
  }
}

} // namespace
