#include "simulator/TimedProblem.h"

#include "simulator/TileCandidates.h"

#include "dialect/MaskFormulas.h"
#include "simulator/WarpKernel.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"

namespace attn {

static Precision precisionOf(mlir::Type type) {
  if (type.isF32())
    return Precision::F32;
  if (type.isBF16())
    return Precision::BF16;
  return type.isF16() ? Precision::F16 : Precision::F8;
}

Work workWithoutHeads(const Problem &problem) {
  Work work;
  work.batch = problem.batch;
  work.kvHeads = problem.kvHeads;
  work.queries = problem.numQueries;
  work.keys = problem.numKeys;
  work.queryTiles = problem.tiling.numQueryTiles();
  work.keyTiles = problem.tiling.numKeyTiles();
  return work;
}

Work workOf(const Problem &problem) {
  Work work = workWithoutHeads(problem);
  for (const MaskGroup &group : problem.groups)
    work.groups.push_back({int64_t(group.heads.size()), classesOf(group.map)});
  return work;
}

Work workOf(const Problem &problem, llvm::ArrayRef<Counts> counts) {
  Work work = workOf(problem);
  for (auto [group, count] : llvm::zip_equal(problem.groups, counts))
    work.visiblePairs +=
        double(problem.batch) * double(group.heads.size()) * double(count.visiblePairs);
  return work;
}

/// Query heads of one key head that a launch works on together.
static int64_t packedHeadsOf(const Problem &problem, size_t masks, int64_t rows) {
  int64_t perKeyHead = problem.heads / std::max<int64_t>(problem.kvHeads, 1);
  return masks == 1 && perKeyHead > 1 && problem.numQueries * perKeyHead <= rows ? perKeyHead : 1;
}

KernelShape shapeOf(AttentionOp op, const Problem &problem, Pass pass, size_t masks) {
  KernelShape shape;
  shape.pass = pass;
  shape.precision = precisionOf(op.getQuery().getType().getElementType());
  shape.rows = productOf(problem.tiles.queryTile);
  shape.columns = productOf(problem.tiles.keyTile);
  shape.headDim = op.getQuery().getType().getDimSize(3);
  shape.valueDim = op.getValue().getType().getDimSize(3);
  shape.splits = pass == Pass::Forward ? 0 : 1;
  if (pass == Pass::Forward)
    shape.packedHeads = packedHeadsOf(problem, masks, shape.rows);
  return shape;
}

static Status checkTiles(AttentionOp op, const WarpTiles &tiles, const Target &target) {
  mlir::Type element = op.getQuery().getType().getElementType();
  if (!element.isF16() && !element.isBF16())
    return makeError("there are no kernels for '{}' of this element type", target.name.str())
        .withNote("allowed are f16 and bf16");
  for (auto [name, rows, most] : {std::tuple("query", tiles.queryRows, WarpPlan::kMostRows),
                                  std::tuple("key", tiles.keyRows, WarpPlan::kMostKeys)})
    if (rows % 16 != 0 || rows > most)
      return makeError("a {} tile has {} tokens, but kernels for '{}' have multiples of 16 up to {}", name, rows,
                       target.name.str(), most);
  for (int64_t dim : {tiles.headDimQk, tiles.headDimV})
    if (dim % 16 != 0 || dim > 256)
      return makeError("rows have {} elements, but kernels for '{}' have multiples of 16 up to 256", dim,
                       target.name.str());
  return {};
}

Expected<KernelShape> compiledShapeOf(AttentionOp op, const Problem &problem, size_t masks, const Target &target,
                                      const Machine &machine) {
  WarpTiles tiles{productOf(problem.tiles.queryTile), productOf(problem.tiles.keyTile),
                  op.getQuery().getType().getDimSize(3), op.getValue().getType().getDimSize(3)};
  int64_t packed = packedHeadsOf(problem, masks, tiles.queryRows);
  if (packed > 1)
    tiles.queryRows = std::max(WarpPlan::kFewRows, (problem.numQueries * packed + 15) / 16 * 16);
  if (Status fits = checkTiles(op, tiles, target); !fits)
    return fits.takeError();
  WarpPlan plan(tiles, target.sharedBytes);
  if (plan.sharedBytes() > target.sharedBytes)
    return makeError("the tiles need {} bytes of shared memory, but a thread block of '{}' has {}", plan.sharedBytes(),
                     target.name.str(), target.sharedBytes);
  KernelShape shape = warpKernel(plan, precisionOf(op.getQuery().getType().getElementType()), machine);
  shape.packedHeads = packed;
  shape.splits = 0;
  for (auto &[mask, heads] : groupHeads(op))
    if (std::optional<Formula> formula = formulaOf(mask, problem.tiles.keyLayoutOf(op), op.getMaskInputs()))
      shape.maskOps = std::max(shape.maskOps, maskOps(*formula));
  return shape;
}

Work denseWorkOf(const Problem &problem, const KernelShape &shape) {
  return denseWork(problem.numQueries, problem.numKeys, shape.rows, shape.columns, problem.heads,
                   problem.kvHeads, problem.batch);
}

} // namespace attn
