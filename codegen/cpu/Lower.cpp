//===- Lower.cpp - one tile.attention becomes one CPU function ------------===//
#include "codegen/cpu/Lower.h"
#include "codegen/cpu/Math.h"
#include "codegen/cpu/Regions.h"
#include "codegen/cpu/Tiles.h"
#include "dialect/MaskFormulas.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace attn::cpu {
namespace {

constexpr float kLog2e = 1.44269504f;

/// Walks the tile ops in order; each becomes loops over the buffers of the worker's scratch memory. Every
/// tile value has one buffer, because the ops that passes/ emits form a chain.
class KernelLowering {
public:
  KernelLowering(OpBuilder &builder, tile::AttentionOp op, const Machine &machine,
                 LLVM::LLVMFuncOp function)
      : op(op), e(builder, op.getLoc(), machine), scratch(op, machine),
        args(function.getArgument(0)), ticket(function.getArgument(1)),
        memory(function.getArgument(2)), tiles(e, op, scratch, args, memory),
        f32(builder.getF32Type()) {
    launch.args = args;
    launch.headParamCount = headParamCount(op);
    launch.inputs.assign(op.getInputs().begin(), op.getInputs().end());
  }

  void run() {
    decodeTicket();
    Block &body = op.getBody().front();
    mapped[body.getArgument(0)] = batch;
    mapped[body.getArgument(1)] = head;
    mapped[body.getArgument(2)] = queryTile;
    rows = tiles.enterQueryTile(e.toI64(queryTile));
    for (Operation &inner : body)
      lower(inner);
  }

private:
  static int64_t headParamCount(tile::AttentionOp op) {
    int64_t longest = 0;
    for (const auto &row : formulasOf(op).parameters)
      longest = std::max<int64_t>(longest, row.size());
    return longest;
  }

  /// order[ticket] = (b * Hq + h) * T + t.
  void decodeTicket() {
    Type i32 = e.b.getI32Type();
    Value order = e.argument(args, e.ptr(), offsetof(KernelArgs, order));
    Value packed = e.load(i32, e.at(order, i32, ticket));
    Value count = e.argument(args, i32, offsetof(KernelArgs, queryTiles));
    Value heads = e.i32(op.getQuery().getType().getDimSize(1));
    queryTile = e.rem(packed, count);
    Value batchHead = e.div(packed, count);
    head = e.rem(batchHead, heads);
    batch = e.div(batchHead, heads);
  }

  void lower(Operation &inner) {
    TypeSwitch<Operation *>(&inner)
        .Case([&](tile::InitOp init) { lowerInit(init); })
        .Case([&](tile::LoadOp load) { lowerLoad(load); })
        .Case([&](tile::ForKeysOp loop) { lowerForKeys(loop); })
        .Case([&](tile::ScoresOp scores) { lowerScores(scores); })
        .Case([&](tile::ScoreOp score) { lowerScore(score); })
        .Case([&](tile::MaskOp mask) { lowerMask(mask); })
        .Case([&](tile::SoftmaxOp) { lowerSoftmax(); })
        .Case([&](tile::AccumulateOp) { lowerAccumulate(); })
        .Case([&](tile::FinishOp) { lowerFinish(); })
        .Case([&](tile::YieldOp) {})
        .Case([&](tile::SymbolOp symbol) { lowerSymbol(symbol); })
        .Default([&](Operation *other) { cloneScalar(*other); });
  }

  /// The emitted value of a scalar of the body. Constants may have been hoisted out of it.
  Value lookup(Value value) {
    if (Value found = mapped.lookup(value))
      return found;
    Operation *definition = value.getDefiningOp();
    assert(definition && definition->hasTrait<OpTrait::ConstantLike>() &&
           "the body uses its own values and constants");
    return e.b.clone(*definition)->getResult(0);
  }

  /// Arithmetic on batch, head and tile numbers.
  void cloneScalar(Operation &inner) {
    SmallVector<Value> operands =
        llvm::map_to_vector(inner.getOperands(), [&](Value value) { return lookup(value); });
    Operation *clone = e.b.clone(inner);
    clone->setOperands(operands);
    mapped[inner.getResult(0)] = clone->getResult(0);
  }

  void lowerSymbol(tile::SymbolOp symbol) {
    assert(symbol.getKind() == tile::SymbolKindEnum::HeadFormula &&
           "other symbols are read inside regions");
    Type i32 = e.b.getI32Type();
    Value table = e.argument(args, e.ptr(), offsetof(KernelArgs, formulaOfHead));
    mapped[symbol.getResult()] =
        e.load(i32, e.at(table, i32, e.toI64(lookup(symbol.getHead()))));
  }

  Matrix matrix(int64_t offset, int64_t stride) { return {e.atByte(memory, offset), stride}; }
  Matrix scores() { return matrix(scratch.scores, scratch.paddedKeys); }
  Matrix acc() { return matrix(scratch.acc, scratch.paddedDv); }
  Value element(Matrix m, Value row, Value column) {
    return e.at(m.base, f32, e.add(e.mul(row, e.i64(m.stride)), column));
  }
  Value columnEntry(int64_t offset, Value row) { return e.at(e.atByte(memory, offset), f32, row); }
  void forRows(llvm::function_ref<void(Value)> body) {
    e.loop(e.i64(0), rows, e.i64(1), body);
  }
  void forColumns(int64_t columns, llvm::function_ref<void(Value)> body) {
    e.loop(0, columns, e.machine.width, body);
  }

  /// The body for the region that is the head's.
  void withFormula(MutableArrayRef<Region> formulas, Value number,
                   llvm::function_ref<void(Block &)> body) {
    if (formulas.size() == 1)
      return body(formulas.front().front());
    for (auto [i, region] : llvm::enumerate(formulas))
      e.when(e.equal(number, e.i32(i)), [&] { body(region.front()); });
  }

  void lowerInit(tile::InitOp init) {
    Value zero = e.splat(e.f32(0));
    forRows([&](Value row) {
      forColumns(scratch.paddedDv, [&](Value j) { e.store(zero, element(acc(), row, j)); });
      e.store(e.negativeInfinity(), columnEntry(scratch.max, row));
      e.store(e.f32(0), columnEntry(scratch.sum, row));
    });
    if (!init.getFormulas().empty())
      withFormula(init.getFormulas(), lookup(init.getFormula()),
                  [&](Block &formula) { addZeroKeys(formula); });
  }

  /// Rows that start with keys whose score is 0.
  void addZeroKeys(Block &formula) {
    SmallVector<unsigned> rowArguments;
    for (unsigned d = 0; d < op.getRank(); ++d)
      rowArguments.push_back(2 + d);
    ElementRegion region(e, launch, formula, rowArguments, {});
    region.bind(0, batch);
    region.bind(1, head);
    region.emitTileLevel();
    forRows([&](Value row) {
      SmallVector<Value> coords = tiles.queryRow(row).coords;
      for (auto [argument, coord] : llvm::zip_equal(rowArguments, coords))
        region.bind(argument, e.toI32(coord));
      region.emitRowLevel();
      Value count = region.rowResult();
      e.when(e.lessThan(e.i32(0), count), [&] {
        e.store(e.f32(0), columnEntry(scratch.max, row));
        e.store(arith::SIToFPOp::create(e.b, e.loc, f32, count), columnEntry(scratch.sum, row));
      });
    });
  }

  void lowerLoad(tile::LoadOp load) {
    Value b = e.toI64(lookup(load.getBatch())), h = e.toI64(lookup(load.getHead()));
    if (load.getQuery())
      return tiles.loadQuery(b, h, scaleOf());
    // By use, not by source: keys and values may be one tensor.
    auto feeds = [&](auto isUser) { return llvm::any_of(load->getUsers(), isUser); };
    if (feeds([](Operation *user) { return isa<tile::ScoresOp>(user); }))
      tiles.loadKeys(b, h);
    if (feeds([](Operation *user) { return isa<tile::AccumulateOp>(user); }))
      tiles.loadValues(b, h);
  }

  /// The scale is folded into the query tile, once per tile instead of once per score.
  float scaleOf() {
    float scale = 1;
    op.walk([&](tile::ScoresOp s) { scale = s.getScale().convertToDouble(); });
    return scale;
  }

  void lowerForKeys(tile::ForKeysOp loop) {
    Block &body = loop.getBody().front();
    tiles.forKeyTiles(e.toI64(batch), e.toI64(head), e.toI64(queryTile),
                      [&](const VisitedTile &tile) {
                        mapped[body.getArgument(0)] = tile.number;
                        mapped[body.getArgument(1)] = tile.partial;
                        mapped[body.getArgument(2)] = tile.listed;
                        for (Operation &inner : body)
                          lower(inner);
                      });
  }

  void lowerScores(tile::ScoresOp) {
    emitProduct(e, matrix(scratch.query, scratch.headDimQk),
                matrix(scratch.keyPanel, scratch.paddedKeys), scores(), rows, scratch.paddedKeys,
                scratch.headDimQk, /*accumulate=*/false);
    if (scratch.paddedKeys == scratch.keyRows)
      return;
    // Columns that only pad the registers are no keys.
    forRows([&](Value row) {
      e.loop(scratch.keyRows, scratch.paddedKeys, 1, [&](Value j) {
        e.store(e.negativeInfinity(), element(scores(), row, j));
      });
    });
  }

  void lowerScore(tile::ScoreOp score) {
    ElementRegion region(e, launch, score.getBody().front(), {3}, {0, 4});
    region.bind(1, batch);
    region.bind(2, head);
    region.emitTileLevel();
    forRows([&](Value row) {
      region.bind(3, e.toI32(tiles.queryRow(row).position));
      region.emitRowLevel();
      forColumns(scratch.paddedKeys, [&](Value j) {
        Value target = element(scores(), row, j);
        region.bind(0, e.load(e.vec(f32), target));
        region.bind(4, tiles.keyCoordinate(op.getRank(), j));
        e.store(region.emitColumnLevel(), target);
      });
    });
    // A score region may move -inf of the padding; the mask and the softmax must still see it.
    if (scratch.paddedKeys != scratch.keyRows)
      forRows([&](Value row) {
        e.loop(scratch.keyRows, scratch.paddedKeys, 1, [&](Value j) {
          e.store(e.negativeInfinity(), element(scores(), row, j));
        });
      });
  }

  void lowerMask(tile::MaskOp mask) {
    e.when(lookup(mask.getPartial()), [&] {
      withFormula(mask.getFormulas(), lookup(mask.getFormula()),
                  [&](Block &formula) { lowerFormula(formula, lookup(mask.getListed())); });
    });
  }

  void lowerFormula(Block &formula, Value listed) {
    unsigned rank = op.getRank();
    SmallVector<unsigned> rowArguments, columnArguments;
    for (unsigned d = 0; d < rank; ++d) {
      rowArguments.push_back(2 + d);
      columnArguments.push_back(2 + rank + d);
    }
    ElementRegion region(e, launch, formula, rowArguments, columnArguments);
    region.bind(0, batch);
    region.bind(1, head);
    region.bind(2 + 2 * rank, listed);
    region.emitTileLevel();
    Value hidden = e.splat(e.negativeInfinity());
    forRows([&](Value row) {
      SmallVector<Value> coords = tiles.queryRow(row).coords;
      for (unsigned d = 0; d < rank; ++d)
        region.bind(rowArguments[d], e.toI32(coords[d]));
      region.emitRowLevel();
      forColumns(scratch.paddedKeys, [&](Value j) {
        for (unsigned d = 0; d < rank; ++d)
          region.bind(columnArguments[d], tiles.keyCoordinate(d, j));
        Value target = element(scores(), row, j);
        Value visible = region.emitColumnLevel();
        e.store(e.select(visible, e.load(e.vec(f32), target), hidden), target);
      });
    });
  }

  /// max' = max(max, row maximum), as a scalar.
  Value rowMaximum(Value row, Value before) {
    SmallVector<Value> best = e.loopCarrying(
        e.i64(0), e.i64(scratch.paddedKeys), e.i64(e.machine.width), {e.splat(before)},
        [&](Value j, ValueRange carried) -> SmallVector<Value> {
          return {e.maxF(carried[0], e.load(e.vec(f32), element(scores(), row, j)))};
        });
    return vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::MAXNUMF, best[0]);
  }

  /// Overwrites the row with its weights exp2(log2e * (s - pivot)) and returns their sum.
  Value rowWeights(Value row, Value pivot) {
    Value shift = e.splat(e.mulF(pivot, e.f32(-kLog2e))), log2e = e.splat(e.f32(kLog2e));
    SmallVector<Value> sum = e.loopCarrying(
        e.i64(0), e.i64(scratch.paddedKeys), e.i64(e.machine.width), {e.splat(e.f32(0))},
        [&](Value j, ValueRange carried) -> SmallVector<Value> {
          Value target = element(scores(), row, j);
          Value weight = emitExp2(e, e.fma(e.load(e.vec(f32), target), log2e, shift));
          e.store(weight, target);
          return {e.addF(carried[0], weight)};
        });
    return vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::ADD, sum[0]);
  }

  void lowerSoftmax() {
    forRows([&](Value row) {
      Value maxAddress = columnEntry(scratch.max, row), sumAddress = columnEntry(scratch.sum, row);
      Value before = e.load(f32, maxAddress);
      Value now = rowMaximum(row, before);
      // A row that has seen no key yet subtracts 0: its weights are exp(-inf) = 0, not NaN.
      Value none = e.compareF(arith::CmpFPredicate::OEQ, now, e.negativeInfinity());
      Value pivot = e.select(none, e.f32(0), now);
      Value sum = rowWeights(row, pivot);
      Value change = e.splat(e.mulF(e.subF(before, pivot), e.f32(kLog2e)));
      Value rescale = emitExp2(e, change);
      Value factor = vector::ExtractOp::create(e.b, e.loc, rescale, 0);
      e.store(now, maxAddress);
      e.store(e.addF(e.mulF(e.load(f32, sumAddress), factor), sum), sumAddress);
      Value moved = e.compareF(arith::CmpFPredicate::UNE, factor, e.f32(1));
      e.when(moved, [&] {
        forColumns(scratch.paddedDv, [&](Value j) {
          Value target = element(acc(), row, j);
          e.store(e.mulF(e.load(e.vec(f32), target), rescale), target);
        });
      });
    });
  }

  void lowerAccumulate() {
    emitProduct(e, scores(), matrix(scratch.value, scratch.paddedDv), acc(), rows,
                scratch.paddedDv, scratch.keyRows, /*accumulate=*/true);
  }

  void lowerFinish() {
    forRows([&](Value row) {
      RowPosition position = tiles.queryRow(row);
      e.when(position.inside, [&] { storeRow(row, position.position); });
    });
  }

  void storeRow(Value row, Value token) {
    Value max = e.load(f32, columnEntry(scratch.max, row));
    Value sum = e.load(f32, columnEntry(scratch.sum, row));
    Value empty = e.compareF(arith::CmpFPredicate::OEQ, sum, e.f32(0));
    Value inverse = e.select(empty, e.f32(0),
                             arith::DivFOp::create(e.b, e.loc, e.f32(1), sum));
    Value lse = e.addF(max, math::LogOp::create(e.b, e.loc, sum));
    tiles.storeLse(batch, head, token, e.select(empty, e.negativeInfinity(), lse));
    tiles.storeOutput(batch, head, token, inverse, [&](Value d, bool vector) {
      Type type = vector ? Type(e.vec(f32)) : f32;
      return e.load(type, element(acc(), row, d));
    });
  }

  tile::AttentionOp op;
  Emitter e;
  Scratch scratch;
  Value args, ticket, memory;
  Tiles tiles;
  Type f32;
  LaunchValues launch;
  Value batch, head, queryTile; ///< i32
  Value rows;                   ///< rows of the query tile to compute, a multiple of machine.rows
  DenseMap<Value, Value> mapped;
};

/// void entry(KernelArgs *, i64, void *), with 512-bit registers where the level has them.
LLVM::LLVMFuncOp createEntry(OpBuilder &b, Location loc, StringRef name) {
  Type ptr = LLVM::LLVMPointerType::get(b.getContext());
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                          {ptr, b.getI64Type(), ptr});
  auto function = LLVM::LLVMFuncOp::create(b, loc, name, type);
  auto pair = [&](StringRef key, StringRef value) {
    return b.getStrArrayAttr({key, value});
  };
  function.setPassthroughAttr(b.getArrayAttr(
      {pair("prefer-vector-width", "512"), pair("min-legal-vector-width", "512")}));
  for (unsigned i : {0u, 2u})
    function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
  return function;
}

} // namespace


LogicalResult lowerAttention(tile::AttentionOp op, const Machine &machine) {
  auto source = op->getParentOfType<func::FuncOp>();
  OpBuilder builder(source);
  LLVM::LLVMFuncOp entry = createEntry(builder, op.getLoc(), source.getName());
  source.setName((source.getName() + ".source").str());
  Block *block = entry.addEntryBlock(builder);
  builder.setInsertionPointToStart(block);
  KernelLowering(builder, op, machine, entry).run();
  LLVM::ReturnOp::create(builder, op.getLoc(), ValueRange{});
  source.erase();
  return success();
}

} // namespace attn::cpu
