//===- Lower.cpp - one tile.attention becomes one GPU kernel --------------===//
//
//   wait for the query tile
//   for each key tile:                         copies under way
//     wait for the key tile                    keys
//     start the value tile, the next key tile  values, next keys
//     scores = query . key
//     score region, mask, softmax
//     wait for the value tile                  next keys
//     acc += weights . value
//
// Of the two barriers of a step, the first says that the value tile and the other key tile are no longer read
// and may be overwritten, and both that what every thread has copied is there for all.
//
//===----------------------------------------------------------------------===//
#include "codegen/nvvm/Lower.h"

#include "codegen/nvvm/Gather.h"
#include "codegen/nvvm/Mma.h"
#include "codegen/nvvm/RegionMath.h"
#include "codegen/nvvm/Regions.h"
#include "codegen/nvvm/Softmax.h"

#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn::nvvm {
namespace {

class KernelLowering {
public:
  KernelLowering(OpBuilder &builder, TileOps ops, const Plan &plan, Value args)
      : ops(ops), op(ops.attention), plan(plan), e(builder, op.getLoc(), args),
        element(op.getQuery().getType().getElementType()), launch(op), lane(e, plan),
        queries(queryGrid(e, op)), keys(keyGrid(e, op)), shared(sharedAddress()),
        products(e, plan, lane, shared, element), at(e, plan, lane, queries, keys) {}

  void run() {
    decodeTicket();
    emitScalars();
    BoxWalk walk(e, plan, op, batch, head, queryTile);
    SoftmaxState state = forKeyTiles(walk);
    for (unsigned row = 0; row < 2 * plan.blocks; ++row)
      storeRow(state, row);
    LLVM::ReturnOp::create(e.b, e.loc, ValueRange{});
  }

private:
  /// Address of the dynamic shared memory in its own 32-bit space.
  Value sharedAddress() {
    Type pointer = e.ptr(kSharedSpace);
    Value base = LLVM::AddressOfOp::create(e.b, e.loc, pointer, kSharedName);
    return LLVM::PtrToIntOp::create(e.b, e.loc, e.b.getI32Type(), base);
  }

  /// order[ticket] = (b * Hq + h) * T + t.
  void decodeTicket() {
    Type i32 = e.b.getI32Type();
    Value ticket = NVVM::BlockIdXOp::create(e.b, e.loc, i32);
    Value offset = e.mul(e.make<arith::ExtUIOp>(e.b.getI64Type(), ticket), e.i64(4));
    Value packed = e.load(i32, e.at(e.pointerArgument(offsetof(KernelArgs, order)), offset));
    Value tiles = e.intArgument(offsetof(KernelArgs, queryTiles));
    Value heads = e.i32(op.getQuery().getType().getDimSize(1));
    queryTile = e.rem(packed, tiles);
    Value batchHead = e.div(packed, tiles);
    head = e.rem(batchHead, heads);
    batch = e.div(batchHead, heads);
    queryOrigin = originOf(e, queries, tileCoordsOf(e, queries, queryTile));
  }

  /// The body's arithmetic on batch, head and tile number, which no key tile changes.
  void emitScalars() {
    Block &body = op.getBody().front();
    for (auto [argument, value] : llvm::zip_equal(body.getArguments(), Values{batch, head, queryTile}))
      scalars[argument] = value;
    for (Block *block : {&body, &ops.loop.getBody().front()})
      for (Operation &inner : *block)
        if (isa<tile::SymbolOp>(inner) || isa<arith::ArithDialect>(inner.getDialect()))
          scalars[inner.getResult(0)] = emitScalar(inner);
  }

  Value emitScalar(Operation &inner) {
    Values operands = llvm::map_to_vector(inner.getOperands(), [&](Value v) { return scalar(v); });
    if (auto symbol = dyn_cast<tile::SymbolOp>(inner))
      return launch.readSymbol(e, symbol, operands[0], operands[1]);
    if (hasRegionMath(&inner))
      return emitRegionMath(e, &inner, operands);
    return cloneScalar(e, inner, operands);
  }

  /// The emitted value of a scalar of the body. Constants may have been hoisted out of it.
  Value scalar(Value original) {
    if (Value value = scalars.lookup(original))
      return value;
    Operation *definition = original.getDefiningOp();
    assert(definition && definition->hasTrait<OpTrait::ConstantLike>() &&
           "the body uses its own values and constants");
    return cloneScalar(e, *definition, {});
  }

  HeadSlice sliceOf(tile::LoadOp load, size_t pointer, size_t strides) {
    return headSlice(e, pointer, strides, /*elementBytes=*/2, scalar(load.getBatch()),
                     scalar(load.getHead()));
  }

  /// Starts the copies of the query tile and the first key tile, and waits for the query tile.
  void enterQueryTile(const HeadSlice &key, const KeyTile &first) {
    HeadSlice query =
        sliceOf(ops.query, offsetof(KernelArgs, q), offsetof(KernelArgs, qStride));
    copyTile(e, {queries, plan.queryRows, plan.headDimQk, plan.threads(), lane.thread}, query,
             queryOrigin, shared, e.i1(true));
    e.commitCopies();
    copyKeys(key, first, e.i32(0), e.i1(true));
    e.commitCopies();
    if (plan.queryInRegisters) {
      e.awaitCopies(1);
      e.barrier();
      products.loadQuery();
    }
  }

  void copyKeys(const HeadSlice &slice, const KeyTile &tile, Value stage, Value valid) {
    copyTile(e, {keys, plan.keyRows, plan.headDimQk, plan.threads(), lane.thread}, slice,
             originOf(e, keys, tile.coords), e.add(e.add(shared, plan.keyOffset()), stage), valid);
  }

  void copyValues(const HeadSlice &slice, const KeyTile &tile) {
    copyTile(e, {keys, plan.keyRows, plan.headDimV, plan.threads(), lane.thread}, slice,
             originOf(e, keys, tile.coords), e.add(shared, plan.valueOffset()), e.i1(true));
  }

  SoftmaxState startState() {
    MutableArrayRef<Region> formulas = ops.init.getFormulas();
    if (formulas.empty())
      return initialState(e, plan);
    TilePair tiles{batch, head, queryOrigin, {}, {}};
    Values types(at.rows(), e.i32(0));
    Values counts = withFormula(formulas, scalar(ops.init.getFormula()), ValueRange(types).getTypes(),
                                [&](Block &formula) {
                                  return countZeroKeys(e, launch, at, formula, tiles);
                                });
    return stateAfterZeroKeys(e, plan, lane, counts);
  }

  /// The loop over key tiles. It carries the tile, the next one, the byte offset of the tile's keys and the
  /// state of the softmax.
  SoftmaxState forKeyTiles(BoxWalk &walk) {
    HeadSlice key = sliceOf(ops.key, offsetof(KernelArgs, k), offsetof(KernelArgs, kStride));
    HeadSlice value = sliceOf(ops.value, offsetof(KernelArgs, v), offsetof(KernelArgs, vStride));
    Values initial = startState().flat();
    Block *enter = e.appendBlock();
    Block *exit = e.appendBlock(ValueRange(initial).getTypes());
    e.branch(walk.any(), enter, {}, exit, initial);

    e.b.setInsertionPointToStart(enter);
    KeyTile first = walk.first();
    enterQueryTile(key, first);
    Values carried = first.flat();
    llvm::append_range(carried, walk.next(first).flat());
    carried.push_back(e.i32(0));
    llvm::append_range(carried, initial);
    Block *loop = e.appendBlock(ValueRange(carried).getTypes());
    e.jump(loop, carried);

    e.b.setInsertionPointToStart(loop);
    ValueRange arguments = loop->getArguments();
    size_t tileSize = first.flat().size();
    KeyTile tile = KeyTile::unflatten(arguments.take_front(tileSize));
    KeyTile next = KeyTile::unflatten(arguments.slice(tileSize, tileSize));
    Value stage = arguments[2 * tileSize];
    arguments = arguments.drop_front(2 * tileSize + 1);
    SoftmaxState state = SoftmaxState::unflatten(arguments, plan);

    Value more = walk.exists(next);
    Value otherStage = e.sub(e.i32(plan.keyTileBytes()), stage);
    TilePair tiles{batch, head, queryOrigin, originOf(e, keys, tile.coords), walk.flags(tile)};
    state = keyTileStep(key, value, tile, next, tiles, more, stage, otherStage, state);
    carried = next.flat();
    llvm::append_range(carried, walk.next(next).flat());
    carried.push_back(otherStage);
    llvm::append_range(carried, state.flat());
    e.branch(more, loop, carried, exit, state.flat());

    e.b.setInsertionPointToStart(exit);
    ValueRange results = exit->getArguments();
    return SoftmaxState::unflatten(results, plan);
  }

  SoftmaxState keyTileStep(const HeadSlice &key, const HeadSlice &value, const KeyTile &tile,
                           const KeyTile &next, const TilePair &tiles, Value more, Value stage,
                           Value otherStage, const SoftmaxState &state) {
    e.awaitCopies(0);
    e.barrier();
    copyValues(value, tile);
    e.commitCopies();
    copyKeys(key, next, otherStage, more);
    e.commitCopies();

    Accumulator scores = products.scores(stage);
    finishScores(scores, tiles);
    SoftmaxState after = onlineSoftmax(e, plan, scores, state);

    e.awaitCopies(1);
    e.barrier();
    after.acc = products.accumulate(scores, after.acc);
    return after;
  }

  /// Scale, score region and mask.
  void finishScores(Accumulator &scores, const TilePair &tiles) {
    if (plan.scaleFirst) {
      Value scale = e.f32(plan.scale);
      for (auto &row : scores)
        for (Fragment &fragment : row)
          for (Value &s : fragment)
            s = e.mulF(s, scale);
    }
    if (ops.score)
      applyScore(e, launch, at, ops.score, tiles, scores);
    if (ops.mask)
      applyMask(scores, tiles);
  }

  void applyMask(Accumulator &scores, const TilePair &tiles) {
    Value partial = e.equal(e.bitAnd(tiles.flags, 1), e.i32(0));
    Value formula = scalar(ops.mask.getFormula());
    Values flat = flatten(scores);
    Values masked = e.when(partial, flat, [&] {
      return withFormula(ops.mask.getFormulas(), formula, ValueRange(flat).getTypes(),
                         [&](Block &region) {
                           Accumulator result = scores;
                           applyFormula(e, launch, at, region, tiles, result);
                           return flatten(result);
                         });
    });
    ValueRange values = masked;
    scores = unflatten(values, plan.blocks, plan.keyRows / 8);
  }

  /// What `body` makes of the region that is the head's.
  Values withFormula(MutableArrayRef<Region> formulas, Value number, TypeRange types,
                     llvm::function_ref<Values(Block &)> body) {
    if (formulas.size() == 1)
      return body(formulas.front().front());
    Block *after = e.appendBlock(types);
    for (auto [i, region] : llvm::enumerate(formulas.drop_back())) {
      Block *here = e.appendBlock(), *other = e.appendBlock();
      e.branch(e.equal(number, e.i32(i)), here, {}, other, {});
      e.b.setInsertionPointToStart(here);
      e.jump(after, body(region.front()));
      e.b.setInsertionPointToStart(other);
    }
    e.jump(after, body(formulas.back().front()));
    e.b.setInsertionPointToStart(after);
    return Values(after->args_begin(), after->args_end());
  }

  /// Output and log-sum-exp of one of the lane's rows; a lane has a pair of every 8 columns.
  void storeRow(const SoftmaxState &state, unsigned row) {
    RowResult result = finishRow(e, plan, state, row);
    Token token = at.query(queryOrigin, row);
    e.when(token.inside, [&] {
      HeadSlice output =
          headSlice(e, offsetof(KernelArgs, o), offsetof(KernelArgs, oStride), 2, batch, head);
      Value address = e.at(tokenAddress(e, output, token.position),
                           e.toI64(e.mul(lane.quad, 4)));
      for (auto [n, fragment] : llvm::enumerate(state.acc[row / 2])) {
        unsigned i = 2 * (row % 2);
        e.store(e.pack(e.mulF(fragment[i], result.inverse),
                       e.mulF(fragment[i + 1], result.inverse), element),
                e.at(address, int64_t(16 * n)));
      }
      e.when(e.equal(lane.quad, e.i32(0)), [&] {
        HeadSlice lse = headSlice(e, offsetof(KernelArgs, lse), offsetof(KernelArgs, lseStride), 4,
                                  batch, head);
        e.store(result.lse, tokenAddress(e, lse, token.position));
      });
    });
  }

  TileOps ops;
  tile::AttentionOp op;
  const Plan &plan;
  Emitter e;
  Type element;
  LaunchValues launch;
  Lane lane;
  Grid queries, keys;
  Value shared;
  WarpProducts products;
  ElementPositions at;
  Value batch, head, queryTile; ///< i32
  Values queryOrigin;           ///< first token of the query tile
  DenseMap<Value, Value> scalars;
};

/// void entry(KernelArgs by value) with the plan's threads.
LLVM::LLVMFuncOp createEntry(OpBuilder &b, Location loc, StringRef name, const Plan &plan) {
  MLIRContext *context = b.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context);
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), {pointer});
  auto entry = LLVM::LLVMFuncOp::create(b, loc, name, type);
  Type bytes = LLVM::LLVMArrayType::get(b.getI8Type(), sizeof(KernelArgs));
  entry.setArgAttr(0, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(bytes));
  entry.setArgAttr(0, LLVM::LLVMDialect::getAlignAttrName(),
                   b.getI64IntegerAttr(alignof(KernelArgs)));
  entry.setArgAttr(0, NVVM::NVVMDialect::getGridConstantAttrName(), b.getUnitAttr());
  entry->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
  entry->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                 b.getDenseI32ArrayAttr({int32_t(plan.threads()), 1, 1}));
  return entry;
}

void declareShared(OpBuilder &b, Location loc, ModuleOp module) {
  if (module.lookupSymbol(kSharedName))
    return;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(module.getBody());
  LLVM::GlobalOp::create(b, loc, LLVM::LLVMArrayType::get(b.getI8Type(), 0), /*isConstant=*/false,
                         LLVM::Linkage::External, kSharedName, /*value=*/Attribute(),
                         /*alignment=*/128, kSharedSpace);
}

} // namespace

void lowerAttention(TileOps ops, const Plan &plan) {
  auto source = ops.attention->getParentOfType<FunctionOpInterface>();
  OpBuilder builder(source);
  Location loc = ops.attention.getLoc();
  declareShared(builder, loc, source->getParentOfType<ModuleOp>());
  std::string name = source.getName().str();
  source.setName(name + ".source");
  LLVM::LLVMFuncOp entry = createEntry(builder, loc, name, plan);
  builder.setInsertionPointToStart(entry.addEntryBlock(builder));
  KernelLowering(builder, ops, plan, entry.getArgument(0)).run();
  source.erase();
}

} // namespace attn::nvvm
