//===- Lower.cpp - one tile.attention becomes one GPU kernel --------------===//
//
//   copy and wait for the query tile
//   for each key tile:
//     wait for its keys, start further copies (KeyStages.h)
//     scores = query . key
//     score region, mask, softmax
//     wait for its values
//     acc += weights . value
//   store the output, or the part of it that belongs to the piece's keys
//
//===----------------------------------------------------------------------===//
#include "codegen/nvvm/Lower.h"

#include "codegen/nvvm/Gather.h"
#include "codegen/nvvm/KeyStages.h"
#include "codegen/nvvm/Merge.h"
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
        queries(queryGrid(e, op, plan)), keys(keyGrid(e, op)), shared(sharedAddress()),
        products(e, plan, lane, shared, element), at(e, plan, lane, queries, keys) {}

  void run() {
    decodeTicket(NVVM::BlockIdXOp::create(e.b, e.loc, e.b.getI32Type()));
    emitScalars();
    BoxWalk walk(e, plan, op, batch, head, e.add(e.mul(queryTile, splits), split),
                 e.mul(e.intArgument(offsetof(KernelArgs, queryTiles)), splits));
    SoftmaxState state = forKeyTiles(walk);
    // Found again instead of carried through the loop, for want of registers.
    decodeTicket(e.blockIndexAnew());
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

  /// order[ticket] = ((b * Hg + g) * T + t) * S + s, as KernelArgs says. The head is the first of group g.
  void decodeTicket(Value ticket) {
    Type i32 = e.b.getI32Type();
    Value offset = e.mul(e.make<arith::ExtUIOp>(e.b.getI64Type(), ticket), e.i64(4));
    Value packed = e.load(i32, e.at(e.pointerArgument(offsetof(KernelArgs, order)), offset));
    Value tiles = e.intArgument(offsetof(KernelArgs, queryTiles));
    splits = e.intArgument(offsetof(KernelArgs, splits));
    split = e.rem(packed, splits);
    Value tile = e.div(packed, splits);
    queryTile = e.rem(tile, tiles);
    Value groups = e.i32(numHeads() / plan.packedHeads), group = e.div(tile, tiles);
    head = e.mul(e.rem(group, groups), plan.packedHeads);
    batch = e.div(group, groups);
    queryOrigin = originOf(e, queries, tileCoordsOf(e, queries, queryTile));
  }

  int64_t numHeads() { return op.getQuery().getType().getDimSize(1); }

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

  void copyQuery() {
    HeadSlice query =
        sliceOf(ops.query, offsetof(KernelArgs, q), offsetof(KernelArgs, qStride));
    copyTile(e, {queries, plan.queryRows, plan.headDimQk, plan.threads(), lane.thread}, query,
             queryOrigin, shared, e.i1(true));
    e.commitCopies();
  }

  /// Waits for the query tile, which was copied before `pending` other groups.
  void enterQueryTile(int pending) {
    if (!plan.queryInRegisters)
      return;
    e.awaitCopies(pending);
    e.barrier();
    products.loadQuery();
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
    // The first part of the keys has them.
    Value first = e.equal(split, e.i32(0));
    for (Value &count : counts)
      count = e.select(first, count, e.i32(0));
    return stateAfterZeroKeys(e, plan, lane, counts);
  }

  /// The loop over key tiles. It carries what the copies need and the state of the softmax.
  SoftmaxState forKeyTiles(BoxWalk &walk) {
    KeyStages stages(e, plan, keys, shared, lane.thread,
                     sliceOf(ops.key, offsetof(KernelArgs, k), offsetof(KernelArgs, kStride)),
                     sliceOf(ops.value, offsetof(KernelArgs, v), offsetof(KernelArgs, vStride)),
                     walk);
    Values initial = startState().flat();
    Block *enter = e.appendBlock();
    Block *exit = e.appendBlock(ValueRange(initial).getTypes());
    e.branch(walk.any(), enter, {}, exit, initial);

    e.b.setInsertionPointToStart(enter);
    copyQuery();
    Values carried = stages.begin().flat();
    enterQueryTile(stages.groupsAhead());
    llvm::append_range(carried, initial);
    Block *loop = e.appendBlock(ValueRange(carried).getTypes());
    e.jump(loop, carried);

    e.b.setInsertionPointToStart(loop);
    ValueRange arguments = loop->getArguments();
    StageState stage = StageState::unflatten(arguments, keys.rank());
    SoftmaxState state = keyTileStep(stages, stage, walk.flags(stage.tile),
                                     SoftmaxState::unflatten(arguments, plan));
    StageState next = stages.next(stage);
    carried = next.flat();
    llvm::append_range(carried, state.flat());
    e.branch(walk.exists(next.tile), loop, carried, exit, state.flat());

    e.b.setInsertionPointToStart(exit);
    ValueRange results = exit->getArguments();
    return SoftmaxState::unflatten(results, plan);
  }

  SoftmaxState keyTileStep(KeyStages &stages, const StageState &stage, Value flags,
                           const SoftmaxState &state) {
    stages.enterStep(stage);
    Accumulator scores = products.scores(stage.slot);
    TilePair tiles{batch, head, queryOrigin, originOf(e, keys, stage.tile.coords), flags};
    finishScores(scores, tiles);
    SoftmaxState after = onlineSoftmax(e, plan, scores, state);
    stages.enterValues();
    after.acc = products.accumulate(scores, after.acc, stages.valueSlot(stage));
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
    Values elements;
    for (const Fragment &fragment : state.acc[row / 2])
      for (unsigned i = 0; i < 2; ++i)
        elements.push_back(e.mulF(fragment[2 * (row % 2) + i], result.inverse));
    Value whole = e.equal(splits, e.i32(1));
    e.when(e.both(token.inside, whole), [&] { storeOutput(elements, result.lse, token); });
    e.when(e.both(token.inside, e.negate(whole)), [&] { storePart(elements, result.lse, token); });
  }

  void storeOutput(ArrayRef<Value> elements, Value lse, const Token &token) {
    HeadSlice output =
        headSlice(e, offsetof(KernelArgs, o), offsetof(KernelArgs, oStride), 2, batch, head);
    Value address = e.at(tokenAddress(e, output, token.position, token.head),
                         e.toI64(e.mul(lane.quad, 4)));
    for (size_t i = 0; i < elements.size(); i += 2)
      e.store(e.pack(elements[i], elements[i + 1], element), e.at(address, int64_t(8 * i)));
    e.when(e.equal(lane.quad, e.i32(0)), [&] {
      HeadSlice slice = headSlice(e, offsetof(KernelArgs, lse), offsetof(KernelArgs, lseStride), 4,
                                  batch, head);
      e.store(lse, tokenAddress(e, slice, token.position, token.head));
    });
  }

  /// To KernelArgs::partialO and partialLse, in f32.
  void storePart(ArrayRef<Value> elements, Value lse, const Token &token) {
    Value count = e.toI64(e.intArgument(offsetof(KernelArgs, numQueries)));
    Value entry = e.add(e.mul(split, e.intArgument(offsetof(KernelArgs, batch))), batch);
    Value ofHead = token.head ? e.add(head, token.head) : head;
    Value slice = e.add(e.mul(e.toI64(entry), e.i64(numHeads())), e.toI64(ofHead));
    Value row = e.add(e.mul(slice, count), e.toI64(token.position));
    Value first = e.add(e.mul(row, e.i64(4 * plan.headDimV)), e.toI64(e.mul(lane.quad, 8)));
    Value address = e.at(e.pointerArgument(offsetof(KernelArgs, partialO)), first);
    for (auto [i, value] : llvm::enumerate(elements))
      e.store(value, e.at(address, int64_t(i / 2 * 32 + i % 2 * 4)));
    e.when(e.equal(lane.quad, e.i32(0)), [&] {
      Value base = e.pointerArgument(offsetof(KernelArgs, partialLse));
      e.store(lse, e.at(base, e.mul(row, e.i64(4))));
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
  Value split, splits;          ///< i32, the part of the keys and how many there are
  Values queryOrigin;           ///< first token of the query tile
  DenseMap<Value, Value> scalars;
};

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
  LLVM::LLVMFuncOp entry = createEntry(builder, loc, name, plan.threads());
  builder.setInsertionPointToStart(entry.addEntryBlock(builder));
  KernelLowering(builder, ops, plan, entry.getArgument(0)).run();
  builder.setInsertionPoint(source);
  emitMerge(builder, loc, name + kMergeSuffix, ops.attention);
  source.erase();
}

} // namespace attn::nvvm
