// passes/ alone: drawn kernels through the tiling pipeline, run by the interpreter, against the f64
// reference. No target is involved.
#include "passes/Pipeline.h"
#include "simulator/TileShapes.h"
#include "test/codegen/DrawnKernel.h"
#include "test/passes/Interpreter.h"
#include "test/passes/Parsed.h"

#include "gtest/gtest.h"

#include <numeric>

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
    ref::Tensor input = ref::inputOf(context, name.str());
    inputs.push_back({input.shape, {input.values.begin(), input.values.end()}});
  }
  return inputs;
}

/// Tiles of a rank that the masks can have, which divide the blocks that they list.
void drawTiles(ref::Draw &draw, AttentionOp op, TilingOptions &tiling) {
  bool linear = true;
  int64_t blocks = 0;
  for (int64_t head = 0; head < op.getNumHeads(); ++head) {
    auto mask = mlir::cast<MaskAttrInterface>(op.getMaskOfHead(head));
    linear &= mask.isLinear();
    blocks = std::gcd(blocks, mask.blockSize());
  }
  size_t rank = linear ? 1 : op.getTokens().getDims().size();
  mlir::FailureOr<TileChoice> choice = tilesOf(op, linear, {}, {}, 1024);
  if (succeeded(choice) && !choice->steps.empty() && draw.chance(70))
    rank = choice->layout.size();
  auto extent = [&] {
    int64_t drawn = draw.between(1, rank == 1 ? 20 : rank == 2 ? 6 : 3);
    return blocks ? std::gcd(drawn, blocks) : drawn;
  };
  for (size_t d = 0; d < rank; ++d) {
    tiling.queryTile.push_back(extent());
    tiling.keyTile.push_back(extent());
  }
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

void checkDraw(mlir::MLIRContext &context, uint64_t seed, int &ran) {
  ref::Draw draw(seed);
  ref::ShapeOptions shapes = ref::ShapeOptions::everything();
  shapes.maxTokens = 70;
  shapes.tileQ = shapes.tileK = 16;
  shapes.headDims = {4, 8};
  ref::MaskOptions masks = ref::MaskOptions::everything();
  masks.blockSizes = {16, 48}; // multiples of 16, says the compiler
  ref::Kernel kernel = ref::drawKernel(draw, shapes, masks);
  ref::Context drawn = ref::drawContext(draw, kernel.shape, kernel.everyMask(), masks);
  Parsed parsed(context, ref::toSpec("drawn", kernel));
  if (isRefused(parsed.diagnostics))
    return;
  ++ran;
  ASSERT_TRUE(parsed.module) << parsed.diagnostics << parsed.text;
  TileRun run;
  ref::Problem problem = kernel.shape.problem();
  run.query = drawArray(draw, {problem.batch, problem.heads, problem.nq, problem.qkDim});
  run.key = drawArray(draw, {problem.batch, problem.kvHeads, problem.nk, problem.qkDim});
  run.value = drawArray(draw, {problem.batch, problem.kvHeads, problem.nk, problem.vDim});
  run.inputs = inputsOf(parsed.attention, drawn);
  run.queryOffset = drawn.qOffset;

  mlir::PassManager pm(&context);
  TilingOptions tiling;
  drawTiles(draw, parsed.attention, tiling);
  buildTilingPipeline(pm, tiling);
  ASSERT_TRUE(mlir::succeeded(pm.run(*parsed.module))) << parsed.text;
  tile::AttentionOp tiled;
  parsed.module->walk([&](tile::AttentionOp op) { tiled = op; });
  ASSERT_TRUE(tiled) << parsed.text;
  run.queryDims = tiled.getTokens().getDims().vec();
  run.keyDims = tiled.getKvTokens().getDims().vec();
  interpret(tiled, run);

  ref::Result expected =
      ref::attention(problem, run.query.data, run.key.data, run.value.data,
                     ref::seesOf(kernel, drawn), {}, ref::zeroKeysOf(kernel, drawn));
  EXPECT_LT(worst(run.output.data, expected.o), 1e-12) << parsed.text;
  EXPECT_LT(worst(run.lse.data, expected.lse), 1e-12) << parsed.text;
}

TEST(TileInterpreter, DrawnKernelsEqualTheReference) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<tile::TileDialect>();
  int ran = 0;
  for (int seed = 0; seed < ref::draws(300); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    checkDraw(context, seed, ran);
    if (HasFailure())
      return;
  }
  EXPECT_GE(3 * ran, ref::draws(300)) << "many drawn kernels are compiled";
}

} // namespace
