#include "passes/Passes.h"

#include "dialect/MaskFormulas.h"
#include "dialect/Targets.h"
#include "dialect/WarpPlan.h"
#include "simulator/CpuTiles.h"
#include "simulator/Problem.h"
#include "simulator/TileChooser.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {
#define GEN_PASS_DEF_TILEATTENTION
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t kMaxTileRows = 1024;

/// Distinct masks in the order of the heads, and each head's number.
struct HeadMasks {
  explicit HeadMasks(AttentionOp op) : maskOfHead(op.getNumHeads()) {
    for (auto &[mask, heads] : groupHeads(op)) {
      for (int64_t head : heads)
        maskOfHead[head] = int32_t(masks.size());
      masks.push_back(mask);
    }
  }
  bool areLinear() const {
    return llvm::all_of(
        masks, [](Attribute mask) { return cast<MaskAttrInterface>(mask).isLinear(); });
  }

  SmallVector<Attribute> masks;
  SmallVector<int32_t> maskOfHead;
};

/// The module's target; null where it has none.
const Target *targetOf(AttentionOp op) {
  auto name = op->getParentOfType<ModuleOp>()->getAttrOfType<StringAttr>(kTargetAttrName);
  return name ? findTarget(name.getValue()) : nullptr;
}

/// The same where it is a GPU, which holds scores and outputs in registers; else null.
const Target *gpuOf(AttentionOp op) {
  const Target *target = targetOf(op);
  return target && target->scoresInRegisters ? target : nullptr;
}

/// Whether the mask may differ between heads that have the same formula and parameters.
bool readsHead(const Formula &formula) {
  return llvm::any_of(formula.symbols,
                      [](const Symbol &symbol) { return symbol.kind == SymbolKind::HeadInput; }) ||
         llvm::any_of(formula.atoms, [](const Atom &atom) {
           return atom.kind == AtomKind::Mask || atom.kind == AtomKind::Listed ||
                  atom.kind == AtomKind::Predicate;
         });
}

/// Heads that share a key head and can be worked on together: all of them or one.
int64_t packableHeads(AttentionOp op, const HeadMasks &heads, const TileChoice &tiles) {
  int64_t group = op.getNumHeads() / op.getNumKvHeads();
  if (!op.getScore().empty() && !op.getScore().front().getArgument(2).use_empty())
    return 1;
  for (auto [head, mask] : llvm::enumerate(heads.maskOfHead))
    if (mask != heads.maskOfHead[head / group * group])
      return 1;
  for (Attribute mask : heads.masks) {
    std::optional<Formula> formula = formulaOf(mask, tiles.keyLayoutOf(op), op.getMaskInputs());
    if (!formula || readsHead(*formula))
      return 1;
  }
  return group;
}

/// Shrinks a tile of one dimension that is longer than all queries. On a GPU, with the rows of all packable
/// heads it still keeps four warps busy; on a processor few queries are those of decoding.
void fitToFewQueries(TileChoice &tiles, int64_t packable, bool isGpu) {
  constexpr int64_t kDecoded = 16;
  int64_t queries = tiles.layout.front();
  if (tiles.layout.size() != 1 || ShapedType::isDynamic(queries) || queries == 0 ||
      (!isGpu && queries > kDecoded))
    return;
  int64_t tokens = llvm::PowerOf2Ceil(queries);
  while (isGpu && tokens * packable < WarpPlan::kFewRows)
    tokens *= 2;
  tiles.queryTile.front() = std::min(tiles.queryTile.front(), tokens);
}

/// Of the packable heads as many as fit a tile, where it has few tokens.
int64_t packedHeads(const TileChoice &tiles, int64_t packable, bool isGpu) {
  int64_t tokens = productOf(tiles.queryTile);
  if (tokens >= WarpPlan::kFewRows || (!isGpu && tiles.layout.size() != 1))
    return 1;
  int64_t packed = packable;
  while (packed > 1 && (packable % packed != 0 || packed * tokens > WarpPlan::kMostRows))
    --packed;
  return packed;
}

/// The GPU that tiles are chosen for when nobody names one: the first that runs code of the target.
constexpr const char *kFirstMachine = "a100";

LogicalResult suitGpu(AttentionOp op, TileChoice &tiles, AskedTiles asked, const Target &target, StringRef name) {
  Expected<Machine> machine = builtinMachine(name.empty() ? kFirstMachine : name.str());
  if (!machine)
    return op.emitError() << machine.error().message << "; known are " << builtinMachineNames();
  suitGpu(op, tiles, asked, target, *machine);
  return success();
}

/// The tiles asked for, or chosen ones that suit the target.
FailureOr<TileChoice> tilesFor(AttentionOp op, bool linear, ArrayRef<int64_t> queryTile,
                               ArrayRef<int64_t> keyTile, StringRef machine) {
  FailureOr<TileChoice> choice = tilesOf(op, linear, queryTile, keyTile, kMaxTileRows);
  if (failed(choice))
    return failure();
  // Kernels find queries and keys of a box on one layout.
  if (choice->layout.size() > 1 && choice->layout != choice->kvLayout)
    return op.emitError() << "tokens " << layoutText(choice->layout) << " and kv_tokens "
                          << layoutText(choice->kvLayout)
                          << " differ, but tiles of several dimensions need one layout";
  AskedTiles asked{!queryTile.empty(), !keyTile.empty()};
  if (const Target *gpu = gpuOf(op); gpu && failed(suitGpu(op, *choice, asked, *gpu, machine)))
    return failure();
  if (const Target *target = targetOf(op);
      target && target->kind == TargetKind::Cpu && !asked.query && !asked.key) {
    bool isBF16 = op.getKey().getType().getElementType().isBF16();
    if (std::optional<CpuTileCosts> costs = cpuTileCosts(machine, isBF16))
      suitCpu(op, *choice, *costs);
  }
  return choice;
}

/// Builds the body of one tile.attention.
class TileBuilder {
public:
  TileBuilder(OpBuilder &builder, AttentionOp op, const HeadMasks &heads, const TileChoice &tiles,
              int64_t packed)
      : builder(builder), loc(op.getLoc()), op(op), heads(heads), tiles(tiles), packed(packed) {}

  tile::AttentionOp build() {
    tiled = tile::AttentionOp::create(
        builder, loc, op.getOutput().getType(), op.getLse().getType(), op.getQuery(), op.getKey(),
        op.getValue(), op.getInputs(), op.getInputNamesAttr(), tiles.queryLayoutOf(op),
        tiles.keyLayoutOf(op), builder.getDenseI64ArrayAttr(tiles.queryTile),
        builder.getDenseI64ArrayAttr(tiles.keyTile), builder.getArrayAttr(heads.masks),
        builder.getDenseI32ArrayAttr(heads.maskOfHead), op.getQOffsetAttr(),
        builder.getI64IntegerAttr(packed));
    OpBuilder::InsertionGuard guard(builder);
    Block *body = builder.createBlock(&tiled.getBody());
    for (Value *argument : {&batch, &head, &queryTile})
      *argument = body->addArgument(builder.getI32Type(), loc);
    buildQueryTile();
    return tiled;
  }

private:
  void buildQueryTile() {
    int64_t rows = tiled.getQueryRows(), valueDim = op.getValue().getType().getDimSize(3);
    Value q = loadTile(op.getQuery(), head, queryTile, /*query=*/true);
    tile::InitOp init = buildInit(f32({rows, valueDim}), f32({rows}));
    Value group = constant(op.getNumHeads() / op.getNumKvHeads());
    Value kvHead = arith::DivUIOp::create(builder, loc, head, group);
    auto loop = tile::ForKeysOp::create(builder, loc, init.getAcc().getType(),
                                        init.getMax().getType(), init.getSum().getType(), batch,
                                        head, queryTile, init.getAcc(), init.getMax(),
                                        init.getSum());
    buildKeyTile(loop, q, kvHead);
    tile::FinishOp::create(builder, loc, loop.getAccResult(), loop.getMaxResult(),
                           loop.getSumResult());
  }

  /// With a region per formula where some mask has keys outside the layout that count as zeros.
  tile::InitOp buildInit(Type acc, Type column) {
    ParameterizedFormulas formulas = formulasOf(tiled);
    auto hasTaps = [](const Formula &formula) { return !formula.taps.empty(); };
    if (llvm::none_of(formulas.formulas, hasTaps))
      return tile::InitOp::create(builder, loc, acc, column, column, Value(), Value(), Value(),
                                  Value(), 0);
    Value number = symbol(tile::SymbolKindEnum::HeadFormula, batch, head);
    auto init = tile::InitOp::create(builder, loc, acc, column, column, batch, head, queryTile,
                                     number, formulas.formulas.size());
    for (auto [region, formula] : llvm::zip_equal(init.getFormulas(), formulas.formulas)) {
      OpBuilder::InsertionGuard guard(builder);
      Block *body = builder.createBlock(&region);
      for (int i = 0; i < 2 + formula.rank; ++i)
        body->addArgument(builder.getI32Type(), loc);
      Value count = constant(0);
      if (hasTaps(formula))
        count = emitZeroKeys(builder, loc, formula, body->getArgument(0), body->getArgument(1),
                             body->getArguments().drop_front(2), tiled.getInputs());
      tile::YieldOp::create(builder, loc, ValueRange{count});
    }
    return init;
  }

  void buildKeyTile(tile::ForKeysOp loop, Value q, Value kvHead) {
    OpBuilder::InsertionGuard guard(builder);
    Block *body = builder.createBlock(&loop.getBody());
    keyTile = body->addArgument(builder.getI32Type(), loc);
    partial = body->addArgument(builder.getI1Type(), loc);
    listed = body->addArgument(builder.getI32Type(), loc);
    Value acc = body->addArgument(loop.getAcc().getType(), loc);
    Value max = body->addArgument(loop.getMax().getType(), loc);
    Value sum = body->addArgument(loop.getSum().getType(), loc);

    Value k = loadTile(op.getKey(), kvHead, keyTile, /*query=*/false);
    Value scores = tile::ScoresOp::create(
        builder, loc, f32({tiled.getQueryRows(), tiled.getKeyRows()}), q, k,
        builder.getF64FloatAttr(op.getEffectiveScale()));
    scores = buildMask(buildScore(scores));
    auto softmax = tile::SoftmaxOp::create(builder, loc, scores.getType(), acc.getType(),
                                           max.getType(), sum.getType(), scores, acc, max, sum);
    Value v = loadTile(op.getValue(), kvHead, keyTile, /*query=*/false);
    Value next = tile::AccumulateOp::create(builder, loc, acc.getType(), softmax.getWeights(), v,
                                            softmax.getAccResult());
    tile::YieldOp::create(builder, loc,
                          ValueRange{next, softmax.getMaxResult(), softmax.getSumResult()});
  }

  /// The score region of attn.attention with q_offset added to its query position; attn.row is the
  /// position without it.
  Value buildScore(Value scores) {
    if (op.getScore().empty())
      return scores;
    auto score = tile::ScoreOp::create(builder, loc, scores.getType(), scores, batch, head,
                                       queryTile, keyTile);
    OpBuilder::InsertionGuard guard(builder);
    Block &source = op.getScore().front();
    Block *body = builder.createBlock(&score.getBody());
    IRMapping map;
    for (BlockArgument argument : source.getArguments())
      map.map(argument, body->addArgument(argument.getType(), loc));
    if (!source.getArgument(3).use_empty()) {
      Value offset = symbol(tile::SymbolKindEnum::QueryOffset, body->getArgument(1),
                            body->getArgument(2));
      map.map(source.getArgument(3),
              arith::AddIOp::create(builder, loc, body->getArgument(3), offset).getResult());
    }
    for (Operation &inner : source.without_terminator())
      if (auto row = dyn_cast<RowOp>(inner))
        map.map(row.getResult(), body->getArgument(3));
      else
        builder.clone(inner, map);
    Value result = map.lookup(cast<YieldOp>(source.getTerminator()).getScore());
    tile::YieldOp::create(builder, loc, ValueRange{result});
    return score;
  }

  Value buildMask(Value scores) {
    ParameterizedFormulas formulas = formulasOf(tiled);
    Value formula = symbol(tile::SymbolKindEnum::HeadFormula, batch, head);
    auto mask = tile::MaskOp::create(builder, loc, scores.getType(), scores, batch, head, queryTile,
                                     keyTile, partial, listed, formula,
                                     formulas.formulas.size());
    for (auto [region, predicate] : llvm::zip_equal(mask.getFormulas(), formulas.formulas))
      buildPredicate(region, predicate);
    return mask;
  }

  void buildPredicate(Region &region, const Formula &formula) {
    OpBuilder::InsertionGuard guard(builder);
    int rank = formula.rank;
    Block *body = builder.createBlock(&region);
    for (int i = 0; i < 3 + 2 * rank; ++i)
      body->addArgument(builder.getI32Type(), loc);
    Value b = body->getArgument(0), h = body->getArgument(1);
    ValueRange q = body->getArguments().slice(2, rank);
    ValueRange k = body->getArguments().slice(2 + rank, rank);
    Value visible = emitFormula(builder, loc, formula, b, h, q, k, tiled.getInputs(),
                                body->getArgument(2 + 2 * rank));
    visible = arith::AndIOp::create(builder, loc, visible, insideLayout(k, b, h));
    tile::YieldOp::create(builder, loc, ValueRange{visible});
  }

  /// Rows of a ragged tile lie beyond the layout; their zero scores must not take softmax mass.
  Value insideLayout(ValueRange k, Value b, Value h) {
    Value inside = arith::ConstantIntOp::create(builder, loc, 1, 1);
    auto addBound = [&](Value position, Value end) {
      Value here = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, position, end);
      inside = arith::AndIOp::create(builder, loc, inside, here);
    };
    auto lengthOf = [&](int64_t d) {
      int64_t length = tiles.kvLayout[d];
      return ShapedType::isDynamic(length) ? symbol(tile::SymbolKindEnum::Dim, b, h, int32_t(d))
                                           : constant(length);
    };
    for (auto [d, coord] : llvm::enumerate(k)) {
      int64_t length = tiles.kvLayout[d];
      if (ShapedType::isDynamic(length) || length % tiles.keyTile[d] != 0)
        addBound(coord, lengthOf(d));
    }
    if (!tiled.isBounded())
      return inside;
    Value position = k.front();
    for (size_t d = 1; d < k.size(); ++d)
      position = arith::AddIOp::create(
          builder, loc, arith::MulIOp::create(builder, loc, position, lengthOf(d)), k[d]);
    addBound(position, symbol(tile::SymbolKindEnum::NumKeys, b, h));
    return inside;
  }

  Value loadTile(Value source, Value ofHead, Value number, bool query) {
    auto type = cast<RankedTensorType>(source.getType());
    int64_t rows = query ? tiled.getQueryRows() : tiled.getKeyRows();
    auto tileType = RankedTensorType::get({rows, type.getDimSize(3)}, type.getElementType());
    return tile::LoadOp::create(builder, loc, tileType, source, batch, ofHead, number, query);
  }

  Value symbol(tile::SymbolKindEnum kind, Value b, Value h, int32_t index = 0) {
    return tile::SymbolOp::create(builder, loc, builder.getI32Type(), kind, index, b, h);
  }
  Value constant(int64_t value) { return arith::ConstantIntOp::create(builder, loc, value, 32); }
  RankedTensorType f32(ArrayRef<int64_t> shape) {
    return RankedTensorType::get(shape, builder.getF32Type());
  }

  OpBuilder &builder;
  Location loc;
  AttentionOp op;
  const HeadMasks &heads;
  const TileChoice &tiles;
  int64_t packed; ///< heads worked on together
  tile::AttentionOp tiled;
  Value batch, head, queryTile, keyTile, partial, listed;
};

struct TileAttention : impl::TileAttentionBase<TileAttention> {
  using TileAttentionBase::TileAttentionBase;

  void runOnOperation() override {
    SmallVector<AttentionOp> ops;
    getOperation().walk([&](AttentionOp op) { ops.push_back(op); });
    for (AttentionOp op : ops)
      if (failed(tileOne(op)))
        return signalPassFailure();
  }

  LogicalResult tileOne(AttentionOp op) {
    HeadMasks heads(op);
    FailureOr<TileChoice> tiles = tilesFor(op, heads.areLinear(), queryTile, keyTile, machine);
    if (failed(tiles))
      return failure();
    MaskInputs inputs = op.getMaskInputs();
    for (Attribute mask : heads.masks)
      if (!formulaOf(mask, tiles->keyLayoutOf(op), inputs))
        return op.emitError() << "mask has more than " << kMaxAtoms
                              << " atoms; split it over several kernels or simplify it";
    int64_t packed = 1;
    if (const Target *target = targetOf(op)) {
      int64_t packable = packableHeads(op, heads, *tiles);
      if (queryTile.empty())
        fitToFewQueries(*tiles, packable, target->scoresInRegisters);
      packed = packedHeads(*tiles, packable, target->scoresInRegisters);
    }
    OpBuilder builder(op);
    tile::AttentionOp tiled = TileBuilder(builder, op, heads, *tiles, packed).build();
    op.replaceAllUsesWith(tiled.getResults());
    op.erase();
    return success();
  }
};

} // namespace
} // namespace attn
