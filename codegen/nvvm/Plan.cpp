#include "codegen/nvvm/Plan.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace attn::nvvm {

//===----------------------------------------------------------------------===//
// Matching
//===----------------------------------------------------------------------===//

namespace {

/// Finds the ops and checks that each consumes the one before.
class Matcher {
public:
  explicit Matcher(tile::AttentionOp op) { ops.attention = op; }

  FailureOr<TileOps> match() {
    if (failed(collectOuter()) || failed(collectInner()) || failed(checkOuter()) ||
        failed(checkInner()))
      return failure();
    return ops;
  }

private:
  InFlightDiagnostic error(Operation *op) {
    return op->emitError()
           << "'" << op->getName() << "' does not fit the chain of tile ops that GPU "
           << "kernels are made of (load, scores, score, mask, softmax, accumulate); ";
  }

  template <class Op> LogicalResult once(Op op, Op &slot) {
    if (slot)
      return error(op) << "it may occur once";
    slot = op;
    return success();
  }

  /// Arithmetic on batch, head and tile numbers.
  static bool isScalar(Operation *op) {
    return isa<tile::SymbolOp>(op) || isa<arith::ArithDialect>(op->getDialect());
  }

  LogicalResult collectOuter() {
    for (Operation &op : ops.attention.getBody().front()) {
      LogicalResult result =
          TypeSwitch<Operation *, LogicalResult>(&op)
              .Case([&](tile::LoadOp load) { return once(load, ops.query); })
              .Case([&](tile::ForKeysOp loop) { return once(loop, ops.loop); })
              .Case([&](tile::InitOp op) { return once(op, ops.init); })
              .Case([&](tile::FinishOp op) { return once(op, finish); })
              .Default([&](Operation *other) -> LogicalResult {
                return isScalar(other) ? success() : error(other) << "it stands outside the loop";
              });
      if (failed(result))
        return failure();
    }
    return success();
  }

  LogicalResult collectInner() {
    if (!ops.loop || !ops.query || !ops.init)
      return error(ops.attention)
             << "its body needs a query load, an init and a loop over key tiles";
    for (Operation &op : ops.loop.getBody().front()) {
      LogicalResult result =
          TypeSwitch<Operation *, LogicalResult>(&op)
              .Case([&](tile::LoadOp load) { return once(load, ops.scores ? ops.value : ops.key); })
              .Case([&](tile::ScoresOp op) { return once(op, ops.scores); })
              .Case([&](tile::ScoreOp op) { return once(op, ops.score); })
              .Case([&](tile::MaskOp op) { return once(op, ops.mask); })
              .Case([&](tile::SoftmaxOp op) { return once(op, softmax); })
              .Case([&](tile::AccumulateOp op) { return once(op, accumulate); })
              .Case([&](tile::YieldOp) { return success(); })
              .Default([&](Operation *other) -> LogicalResult {
                bool uniform = llvm::none_of(other->getOperands(), [&](Value operand) {
                  return llvm::is_contained(ops.loop.getBody().getArguments(), operand);
                });
                if (isScalar(other) && uniform)
                  return success();
                return error(other) << "it stands inside the loop";
              });
      if (failed(result))
        return failure();
    }
    if (!ops.key || !ops.value || !ops.scores || !softmax || !accumulate)
      return error(ops.loop) << "a load, scores, softmax or accumulate is missing";
    return success();
  }

  LogicalResult expect(bool holds, Operation *op, StringRef what) {
    if (!holds)
      return error(op) << what;
    return success();
  }

  LogicalResult checkOuter() {
    tile::AttentionOp op = ops.attention;
    return success(
        succeeded(expect(ops.query.getQuery() && ops.query.getSource() == op.getQuery(), ops.query,
                         "it must load the query tile")) &&
        succeeded(expect(llvm::equal(ops.loop.getOperands().take_back(3), ops.init.getResults()),
                         ops.loop, "it must start from 'tile.init'")) &&
        succeeded(expect(llvm::equal(finish->getOperands(), ops.loop->getResults()), finish,
                         "it must finish what the loop yields")));
  }

  LogicalResult checkInner() {
    tile::AttentionOp op = ops.attention;
    Block &body = ops.loop.getBody().front();
    Value scores = ops.scores.getResult();
    if (failed(expect(!ops.key.getQuery() && ops.key.getSource() == op.getKey() &&
                          ops.key.getTile() == body.getArgument(0),
                      ops.key, "it must load the key tile")) ||
        failed(expect(!ops.value.getQuery() && ops.value.getSource() == op.getValue() &&
                          ops.value.getTile() == body.getArgument(0),
                      ops.value, "it must load the value tile")) ||
        failed(expect(ops.scores.getQuery() == ops.query.getResult() &&
                          ops.scores.getKey() == ops.key.getResult(),
                      ops.scores, "it must multiply the query and the key tile")))
      return failure();
    if (ops.score) {
      if (failed(expect(ops.score.getScores() == scores, ops.score, "it must follow the scores")))
        return failure();
      scores = ops.score.getResult();
    }
    if (ops.mask) {
      if (failed(expect(ops.mask.getScores() == scores &&
                            ops.mask.getPartial() == body.getArgument(1) &&
                            ops.mask.getListed() == body.getArgument(2),
                        ops.mask, "it must follow the scores, on partial tiles")))
        return failure();
      scores = ops.mask.getResult();
    }
    return success(
        succeeded(expect(softmax.getScores() == scores && softmax.getAcc() == body.getArgument(3) &&
                             softmax.getMax() == body.getArgument(4) &&
                             softmax.getSum() == body.getArgument(5),
                         softmax, "it must take the final scores and the loop's state")) &&
        succeeded(expect(accumulate.getWeights() == softmax.getWeights() &&
                             accumulate.getValue() == ops.value.getResult() &&
                             accumulate.getAcc() == softmax.getAccResult(),
                         accumulate, "it must multiply the weights and the value tile")) &&
        succeeded(expect(llvm::equal(body.getTerminator()->getOperands(),
                                     ValueRange{accumulate.getResult(), softmax.getMaxResult(),
                                                softmax.getSumResult()}),
                         body.getTerminator(), "it must yield the next state")));
  }

  TileOps ops;
  tile::FinishOp finish;
  tile::SoftmaxOp softmax;
  tile::AccumulateOp accumulate;
};

} // namespace

FailureOr<TileOps> matchTiles(tile::AttentionOp op) { return Matcher(op).match(); }

//===----------------------------------------------------------------------===//
// Planning
//===----------------------------------------------------------------------===//

static WarpTiles tilesOf(tile::AttentionOp op) {
  return {.queryRows = int64_t(llvm::alignTo(op.getPackedHeads() * op.getQueryRows(), 16)),
          .keyRows = op.getKeyRows(),
          .headDimQk = op.getQuery().getType().getDimSize(3),
          .headDimV = op.getValue().getType().getDimSize(3)};
}

Plan::Plan(const TileOps &ops, const Target &target)
    : WarpPlan(tilesOf(ops.attention), target.sharedBytes),
      packedHeads(tile::AttentionOp(ops.attention).getPackedHeads()) {
  tile::ScoresOp product = ops.scores;
  scale = product.getScale().convertToDouble();
  // A positive factor may move into the exponent; a score region wants the scores themselves.
  scaleFirst = ops.score || !(scale > 0);
}

static InFlightDiagnostic unsupported(tile::AttentionOp op, const Target &target) {
  return op.emitError() << "no code for '" << target.name << "': ";
}

FailureOr<Plan> planKernel(const TileOps &ops, const Target &target) {
  tile::AttentionOp op = ops.attention;
  Type element = op.getQuery().getType().getElementType();
  if (!element.isF16() && !element.isBF16())
    return unsupported(op, target) << "elements are " << element
                                   << ", allowed are 'f16' and 'bf16'; write one of those or use "
                                      "'--target=cpu'";
  for (auto [name, tensor] :
       {std::pair("query", op.getQuery()), std::pair("value", op.getValue())}) {
    int64_t dim = tensor.getType().getDimSize(3);
    if (dim % 16 != 0 || dim < 16 || dim > 256)
      return unsupported(op, target) << name << " rows have " << dim
                                     << " elements, allowed are multiples of 16 up to 256; pad "
                                        "them or use '--target=cpu'";
  }
  if (int64_t rows = op.getQueryRows();
      op.getPackedHeads() == 1 && (rows % 16 != 0 || rows > Plan::kMostRows))
    return unsupported(op, target)
           << "a query tile has " << rows << " tokens, allowed are multiples of 16 up to "
           << Plan::kMostRows << "; choose another with '--q-tile='";
  if (int64_t rows = op.getKeyRows(); rows % 16 != 0 || rows > Plan::kMostKeys)
    return unsupported(op, target) << "a key tile has " << rows
                                   << " tokens, allowed are multiples of 16 up to " << Plan::kMostKeys
                                   << "; choose another with '--k-tile='";
  Plan plan(ops, target);
  assert(plan.queryRows <= Plan::kMostRows && "as many heads are packed as fit a thread block");
  if (plan.sharedBytes() > target.sharedBytes)
    return unsupported(op, target)
           << "the tiles need " << plan.sharedBytes() << " bytes of shared memory, allowed are "
           << target.sharedBytes << "; choose a smaller one with '--k-tile='";
  return plan;
}

} // namespace attn::nvvm
