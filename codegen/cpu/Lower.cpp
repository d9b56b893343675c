//===- Lower.cpp - one tile.attention becomes one CPU function ------------===//
#include "codegen/cpu/Lower.h"
#include "codegen/cpu/Amx.h"
#include "codegen/cpu/Masks.h"
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
        masks(e, op, scratch, tiles, launch, memory),
        f32(builder.getF32Type()) {
    launch.args = args;
    launch.headParamCount = headParamCount(op);
    launch.inputs.assign(op.getInputs().begin(), op.getInputs().end());
    op.walk([&](Operation *inner) {
      hasScore |= isa<tile::ScoreOp>(inner);
      hasMask |= isa<tile::MaskOp>(inner);
      hasZeroKeys |= isa<tile::InitOp>(inner) && inner->getNumRegions() > 0;
    });
  }

  void run() {
    decodeTicket();
    Block &body = op.getBody().front();
    mapped[body.getArgument(0)] = batch;
    mapped[body.getArgument(1)] = head;
    mapped[body.getArgument(2)] = queryTile;
    rows = tiles.enterQueryTile(e.toI64(queryTile));
    if (hasScore || hasMask || hasZeroKeys)
      tiles.fillQueryCoordinates();
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

  /// order[ticket] = ((b * Hg + g) * T + t) * S + s, see KernelArgs.
  void decodeTicket() {
    Type i32 = e.b.getI32Type();
    Value order = e.argument(args, e.ptr(), offsetof(KernelArgs, order));
    Value number = e.load(i32, e.at(order, i32, ticket));
    Value count = e.argument(args, i32, offsetof(KernelArgs, queryTiles));
    Value parts = e.argument(args, i32, offsetof(KernelArgs, splits));
    int64_t packed = op.getPackedHeads();
    Value groups = e.i32(op.getQuery().getType().getDimSize(1) / packed);
    splits = e.toI64(parts);
    split = e.toI64(e.rem(number, parts));
    Value tile = e.div(number, parts);
    queryTile = e.rem(tile, count);
    Value batchGroup = e.div(tile, count);
    head = e.mul(e.rem(batchGroup, groups), e.i32(packed));
    batch = e.div(batchGroup, groups);
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

  Value buffer(int64_t offset) { return e.atByte(memory, offset); }
  /// The part of a buffer of `floats` floats per query that is the present block's.
  Value ofBlock(int64_t offset, int64_t floats) {
    return e.at(buffer(offset), f32, e.mul(block, e.i64(floats)));
  }
  /// A vector of row `row` of [rows][columns].
  Value inColumns(Value base, Value row, Value column) {
    return e.at(base, f32, e.add(e.mul(row, e.i64(scratch.columns)), column));
  }
  Value scores(Value key, Value column) {
    return inColumns(buffer(scratch.scores), key, column);
  }
  Value scores(Value key, int64_t vector) {
    return scores(key, e.i64(vector * e.machine.width));
  }
  Value acc(Value row, Value column) {
    return inColumns(ofBlock(scratch.acc, scratch.accRows), row, column);
  }
  Value acc(Value row, int64_t vector) { return acc(row, e.i64(vector * e.machine.width)); }
  Value ofQuery(int64_t offset, Value row) { return e.at(buffer(offset), f32, row); }
  Value ofQuery(int64_t offset, int64_t vector) {
    return ofQuery(offset, e.add(block, e.i64(vector * e.machine.width)));
  }
  Type vector() { return e.vec(f32); }

  /// Sets `block` to the first query of each block in turn.
  void forBlocks(llvm::function_ref<void()> body) {
    e.loop(e.i64(0), rows, e.i64(scratch.columns), [&](Value first) {
      block = first;
      body();
    });
  }
  /// The keys that some query of the block sees.
  void forKeys(llvm::function_ref<void(Value)> body) { e.loop(keys.from, keys.to, e.i64(1), body); }

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
    e.loop(e.i64(0), e.mul(rows, e.i64(scratch.accRows)), e.i64(e.machine.width),
           [&](Value i) { e.store(zero, e.at(buffer(scratch.acc), f32, i)); });
    e.loop(e.i64(0), rows, e.i64(e.machine.width), [&](Value row) {
      e.store(e.splat(e.negativeInfinity()), ofQuery(scratch.max, row));
      e.store(zero, ofQuery(scratch.sum, row));
    });
    if (!init.getFormulas().empty())
      withFormula(init.getFormulas(), lookup(init.getFormula()),
                  [&](Block &formula) { addZeroKeys(formula); });
  }

  /// Rows that start with keys whose score is 0.
  void addZeroKeys(Block &formula) {
    SmallVector<unsigned> queryArguments;
    for (unsigned d = 0; d < op.getRank(); ++d)
      queryArguments.push_back(2 + d);
    ElementRegion region(e, launch, formula, queryArguments, {});
    region.bind(0, batch);
    region.bind(1, head);
    region.emitTileLevel();
    e.loop(e.i64(0), rows, e.i64(e.machine.width), [&](Value row) {
      for (auto [d, argument] : llvm::enumerate(queryArguments))
        region.bind(argument, tiles.queryCoordinates(d, row));
      region.emitQueryLevel();
      Value count = region.result();
      Value some = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sgt, count,
                                         e.splat(e.i32(0)));
      Value sum = arith::SIToFPOp::create(e.b, e.loc, vector(), count);
      Value zero = e.splat(e.f32(0));
      e.store(e.select(some, zero, e.splat(e.negativeInfinity())), ofQuery(scratch.max, row));
      e.store(e.select(some, sum, zero), ofQuery(scratch.sum, row));
    });
  }

  void lowerLoad(tile::LoadOp load) {
    Value b = e.toI64(lookup(load.getBatch())), h = e.toI64(lookup(load.getHead()));
    if (load.getQuery())
      return tiles.loadQuery(b, h);
    // By use, not by source: keys and values may be one tensor.
    auto feeds = [&](auto isUser) { return llvm::any_of(load->getUsers(), isUser); };
    if (feeds([](Operation *user) { return isa<tile::ScoresOp>(user); }))
      tiles.loadKeys(b, kvHead = h);
    if (feeds([](Operation *user) { return isa<tile::AccumulateOp>(user); }))
      tiles.loadValues(b, h);
  }

  /// The tiles are loaded once; what is computed of them, block after block of queries.
  void lowerForKeys(tile::ForKeysOp loop) {
    Block &body = loop.getBody().front();
    auto isComputed = [](Operation &inner) {
      return isa<tile::ScoresOp, tile::ScoreOp, tile::MaskOp, tile::SoftmaxOp,
                 tile::AccumulateOp>(inner);
    };
    tiles.forKeyTiles(e.toI64(batch), e.toI64(head), e.toI64(queryTile), split, splits,
                      [&](const VisitedTile &tile) {
                        mapped[body.getArgument(0)] = tile.number;
                        mapped[body.getArgument(1)] = tile.partial;
                        mapped[body.getArgument(2)] = tile.listed;
                        if (hasScore)
                          tiles.fillKeyCoordinates();
                        else if (hasMask)
                          e.when(tile.partial, [&] { tiles.fillKeyCoordinates(); });
                        for (Operation &inner : body)
                          if (!isComputed(inner))
                            lower(inner);
                        forBlocks([&] {
                          findKeys(body);
                          e.when(e.lessThan(keys.from, keys.to), [&] {
                            for (Operation &inner : body)
                              if (isComputed(inner))
                                lower(inner);
                          });
                        });
                      });
  }

  /// Sets `keys` to those of the tile that the present block has to do with: in a partial tile from the first to the
  /// last one that a query of the block sees.
  void findKeys(Block &body) {
    keys = {e.i64(0), e.i64(scratch.paddedKeys)};
    for (tile::MaskOp mask : body.getOps<tile::MaskOp>()) {
      Value partial = lookup(mask.getPartial());
      e.when(partial, [&] {
        withFormula(mask.getFormulas(), lookup(mask.getFormula()),
                    [&](Block &formula) { masks.findVisible(formula, placeOf(mask)); });
      });
      Range visible = masks.visible();
      Value isNone = e.equal(visible.from, visible.to);
      // Tile products have no ends in the middle of a tile.
      Range some = scratch.tileProducts ? Range{keys.from, e.select(isNone, keys.from, keys.to)} : visible;
      keys = {e.select(partial, some.from, keys.from), e.select(partial, some.to, keys.to)};
    }
  }

  MaskPlace placeOf(tile::MaskOp mask) { return {batch, head, block, lookup(mask.getListed())}; }

  /// The softmax wants scores times log2 e: weights are powers of 2. Where nobody looks at scores before,
  /// it scales them itself, in the instruction that subtracts the maximum. A factor that is not positive
  /// would not keep their order.
  void lowerScores(tile::ScoresOp op) {
    float scale = op.getScale().convertToDouble();
    Value factor = e.splat(e.f32(hasScore ? scale : scale * kLog2e));
    bool isLate = !hasScore && scale > 0;
    lateFactor = isLate ? factor : Value();
    if (scratch.tileProducts)
      return scoresInTiles(isLate ? Value() : factor);
    emitProduct(e, {buffer(scratch.keyTable), /*linesAreRows=*/true},
                ofBlock(scratch.query, scratch.panelRows), keys, {e.i64(0), e.i64(scratch.depthQk)},
                scratch.pairs,
                {nullptr,
                 [&](Value sum, Value key, int64_t v) {
                   e.store(isLate ? sum : e.mulF(sum, factor), scores(key, v));
                 },
                 [&](Value key) { tiles.prefetchNext(e.toI64(batch), kvHead, block, key); }});
  }

  /// Without asking for the next tile: keys are copied once, in order, which the processor foresees.
  void scoresInTiles(Value factor) {
    auto scaleRows = [&](Value first) {
      e.loop(first, e.add(first, e.i64(kTileProductRows)), e.i64(1), [&](Value key) {
        for (int64_t v = 0; v < e.machine.vectors; ++v)
          e.store(e.mulF(e.load(vector(), scores(key, v)), factor), scores(key, v));
      });
    };
    TileProduct product{buffer(scratch.keys), scratch.keyStride,
                        ofBlock(scratch.query, scratch.panelRows), buffer(scratch.scores),
                        scratch.paddedKeys, scratch.depthQk, /*adds=*/false, nullptr};
    if (factor)
      product.finish = scaleRows;
    emitTileProduct(e, product);
  }

  void lowerScore(tile::ScoreOp score) {
    ElementRegion region(e, launch, score.getBody().front(), {3}, {4}, {0});
    region.bind(1, batch);
    region.bind(2, head);
    region.emitTileLevel();
    Value log2e = e.splat(e.f32(kLog2e));
    forBlockVectors([&](Value column) {
      region.bind(3, tiles.queryCoordinates(op.getRank(), e.add(block, column)));
      region.emitQueryLevel();
      forKeys([&](Value key) {
        Value target = scores(key, column);
        region.bind(0, e.load(vector(), target));
        region.bind(4, tiles.keyCoordinate(op.getRank(), key));
        region.emitKeyLevel();
        e.store(e.mulF(region.result(), log2e), target);
      });
    });
  }

  void forBlockVectors(llvm::function_ref<void(Value)> body) {
    e.loop(0, scratch.columns, e.machine.width, body);
  }

  void lowerMask(tile::MaskOp mask) {
    e.when(lookup(mask.getPartial()), [&] {
      withFormula(mask.getFormulas(), lookup(mask.getFormula()),
                  [&](Block &formula) { masks.hide(formula, placeOf(mask), keys); });
    });
  }

  /// Rows of scores that only pad the registers are no keys.
  void hidePadding() {
    e.loop(scratch.keyRows, scratch.paddedKeys, 1, [&](Value key) {
      for (int64_t v = 0; v < e.machine.vectors; ++v)
        e.store(e.splat(e.negativeInfinity()), scores(key, v));
    });
  }

  /// max' = max(max, greatest score of each query), for each vector of the block.
  SmallVector<Value> newMaxima(ValueRange before) {
    if (!lateFactor)
      return greatestScores(before);
    SmallVector<Value> none(before.size(), e.splat(e.negativeInfinity())), maxima;
    for (auto [greatest, old] : llvm::zip_equal(greatestScores(none), before))
      maxima.push_back(e.maxF(old, e.mulF(greatest, lateFactor)));
    return maxima;
  }

  /// Or what is in `before`, where it is greater.
  SmallVector<Value> greatestScores(ValueRange before) {
    const Machine &m = e.machine;
    return e.loopCarrying(
        keys.from, keys.to, e.i64(m.rows), before,
        [&](Value key, ValueRange carried) {
          SmallVector<Value> next;
          for (int64_t v = 0; v < m.vectors; ++v) {
            SmallVector<Value> tree{carried[v]};
            for (int64_t r = 0; r < m.rows; ++r)
              tree.push_back(e.load(vector(), scores(e.add(key, e.i64(r)), v)));
            for (; tree.size() > 1; tree.erase(tree.begin(), tree.begin() + 2))
              tree.push_back(e.maxF(tree[0], tree[1]));
            next.push_back(tree[0]);
          }
          return next;
        });
  }

  /// Overwrites scores with their weights exp2(s - pivot) and returns the sum of each query's. Pairs of
  /// weights lie in the first half of the rows.
  SmallVector<Value> toWeights(ValueRange pivots) {
    const int64_t step = scratch.pairs ? 2 : 1;
    SmallVector<Value> zeros(e.machine.vectors, e.splat(e.f32(0))), shifts;
    for (Value pivot : pivots)
      shifts.push_back(e.subF(zeros[0], pivot));
    return e.loopCarrying(
        keys.from, keys.to, e.i64(step), zeros,
        [&](Value key, ValueRange carried) {
          SmallVector<Value> next;
          for (int64_t v = 0; v < e.machine.vectors; ++v) {
            auto weightOf = [&](int64_t i) {
              Value score = e.load(vector(), scores(e.add(key, e.i64(i)), v));
              return emitExp2(e, lateFactor ? e.fma(score, lateFactor, shifts[v])
                                            : e.addF(score, shifts[v]));
            };
            Value weight = weightOf(0), sum = e.addF(carried[v], weight);
            if (scratch.pairs) {
              Value second = weightOf(1);
              sum = e.addF(sum, second);
              weight = emitPairs(e, weight, second);
            }
            e.store(weight, scores(e.div(key, e.i64(step)), v));
            next.push_back(sum);
          }
          return next;
        });
  }

  void lowerSoftmax() {
    hidePadding();
    const int64_t vectors = e.machine.vectors;
    SmallVector<Value> before, pivots;
    for (int64_t v = 0; v < vectors; ++v)
      before.push_back(e.load(vector(), ofQuery(scratch.max, v)));
    SmallVector<Value> now = newMaxima(before);
    Value infinity = e.splat(e.negativeInfinity());
    for (Value max : now) {
      // A query that has seen no key yet subtracts 0: its weights are exp(-inf) = 0, not NaN.
      Value none = e.compareF(arith::CmpFPredicate::OEQ, max, infinity);
      pivots.push_back(e.select(none, e.splat(e.f32(0)), max));
    }
    SmallVector<Value> sums = toWeights(pivots);
    rescale.clear();
    for (int64_t v = 0; v < vectors; ++v) {
      rescale.push_back(emitExp2(e, e.subF(before[v], pivots[v])));
      e.store(now[v], ofQuery(scratch.max, v));
      Value sum = e.load(vector(), ofQuery(scratch.sum, v));
      e.store(e.fma(sum, rescale[v], sums[v]), ofQuery(scratch.sum, v));
    }
  }

  /// Takes the rescaling of what is there along.
  void lowerAccumulate() {
    if (scratch.tileProducts)
      return accumulateInTiles();
    Value unit = e.i64(scratch.pairs ? 2 : 1);
    Value end = arith::MinSIOp::create(e.b, e.loc, e.div(keys.to, unit), e.i64(scratch.depthKeys));
    emitProduct(e, {buffer(scratch.valueTable), /*linesAreRows=*/false}, buffer(scratch.scores),
                {e.i64(0), e.i64(scratch.paddedDv)}, {e.div(keys.from, unit), end}, scratch.pairs,
                {[&](Value d, int64_t v) {
                   return e.mulF(e.load(vector(), acc(d, v)), rescale[v]);
                 },
                 [&](Value sum, Value d, int64_t v) { e.store(sum, acc(d, v)); }, nullptr});
  }

  /// Registers of tiles are not scaled, so what is there is, in memory, where a maximum has grown.
  void accumulateInTiles() {
    Value grown;
    for (Value scale : rescale) {
      Value here = e.compareF(arith::CmpFPredicate::UNE, scale, e.splat(e.f32(1)));
      grown = grown ? arith::OrIOp::create(e.b, e.loc, grown, here).getResult() : here;
    }
    e.when(vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::OR, grown), [&] {
      e.loop(0, scratch.paddedDv, 1, [&](Value d) {
        for (int64_t v = 0; v < e.machine.vectors; ++v)
          e.store(e.mulF(e.load(vector(), acc(d, v)), rescale[v]), acc(d, v));
      });
    });
    emitTileProduct(e, {buffer(scratch.values), scratch.turnedStride, buffer(scratch.scores),
                        ofBlock(scratch.acc, scratch.accRows), scratch.paddedDv, scratch.depthKeys,
                        /*adds=*/true, nullptr});
  }

  void lowerFinish() {
    forBlocks([&] { forBlockVectors([&](Value column) { finishVector(column); }); });
    tiles.storeRows(e.toI64(batch), e.toI64(head), rows, split, splits,
                    [&](Value row) { return lseOf(row); });
  }

  /// acc / sum of a vector of queries, as rows, to the staging memory.
  void finishVector(Value column) {
    const int64_t width = e.machine.width;
    Value firstRow = e.add(block, column);
    Value sum = e.load(vector(), ofQuery(scratch.sum, firstRow));
    Value zero = e.splat(e.f32(0));
    Value empty = e.compareF(arith::CmpFPredicate::OEQ, sum, zero);
    Value inverse = e.select(
        empty, zero, arith::DivFOp::create(e.b, e.loc, e.splat(e.f32(1)), sum));
    e.loop(0, scratch.accRows, width, [&](Value d) {
      SmallVector<Value> columns;
      for (int64_t i = 0; i < width; ++i)
        columns.push_back(e.mulF(e.load(vector(), acc(e.add(d, e.i64(i)), column)), inverse));
      for (auto [i, row] : llvm::enumerate(emitTransposed(e, columns))) {
        Value offset = e.mul(e.add(firstRow, e.i64(i)), e.i64(scratch.valueStride));
        e.store(row, e.at(buffer(scratch.staging), f32, e.add(offset, d)));
      }
    });
  }

  Value lseOf(Value row) {
    Value max = e.load(f32, ofQuery(scratch.max, row)), sum = e.load(f32, ofQuery(scratch.sum, row));
    Value empty = e.compareF(arith::CmpFPredicate::OEQ, sum, e.f32(0));
    Value lse = e.addF(e.mulF(max, e.f32(1 / kLog2e)), math::LogOp::create(e.b, e.loc, sum));
    return e.select(empty, e.negativeInfinity(), lse);
  }

  tile::AttentionOp op;
  Emitter e;
  Scratch scratch;
  Value args, ticket, memory;
  Tiles tiles;
  MaskEmitter masks;
  Type f32;
  LaunchValues launch;
  Value batch, head, queryTile; ///< i32
  Value split, splits; ///< i64: the part of the tile's keys, and how many there are
  Value kvHead; ///< i64
  Value rows;  ///< of the query tile to compute, a multiple of the block
  Value block; ///< first query of the present block
  Range keys;  ///< of the tile that the present block has to do with
  Value lateFactor;           ///< of scores in memory, for the softmax to multiply with, or null
  SmallVector<Value> rescale; ///< of the present block: what its earlier weights lose, per vector
  bool hasScore = false, hasMask = false, hasZeroKeys = false;
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
