#include "simulator/TimedProblem.h"

#include "simulator/WarpKernel.h"

#include "llvm/ADT/STLExtras.h"

namespace attn {

static int64_t productOf(llvm::ArrayRef<int64_t> extents) {
  int64_t product = 1;
  for (int64_t extent : extents)
    product *= extent;
  return product;
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

Work workOf(const Problem &problem, llvm::ArrayRef<Counts> counts) {
  Work work = workOf(problem);
  for (auto [group, count] : llvm::zip_equal(problem.groups, counts))
    work.visiblePairs +=
        double(problem.batch) * double(group.heads.size()) * double(count.visiblePairs);
  return work;
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
  int64_t perKeyHead = problem.heads / std::max<int64_t>(problem.kvHeads, 1);
  if (pass == Pass::Forward && masks == 1 && perKeyHead > 1 &&
      problem.numQueries * perKeyHead <= shape.rows)
    shape.packedHeads = perKeyHead;
  return shape;
}

Work denseWorkOf(const Problem &problem, const KernelShape &shape) {
  return denseWork(problem.numQueries, problem.numKeys, shape.rows, shape.columns, problem.heads,
                   problem.kvHeads, problem.batch);
}

} // namespace attn
