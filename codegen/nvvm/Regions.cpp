#include "codegen/nvvm/Regions.h"

#include "codegen/nvvm/RegionMath.h"
#include "dialect/MaskFormulas.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn::nvvm {

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

static LogicalResult checkRegion(Block &block, TileOps ops, const Target &target) {
  for (Operation &op : block.without_terminator()) {
    auto extract = dyn_cast<tensor::ExtractOp>(op);
    bool known = extract ? llvm::is_contained(ops.attention.getInputs(), extract.getTensor())
                         : isa<tile::SymbolOp, tile::TableOp>(op) || isa<arith::ArithDialect>(op.getDialect()) ||
                               hasRegionMath(&op);
    if (!known)
      return op.emitError() << "no code for '" << target.name << "': '" << op.getName()
                            << "' in a score or mask; allowed are arith, elements of run-time "
                            << "inputs, and " << regionMathNames() << "; use '--target=cpu'";
    if (op.getNumResults() != 1 || op.getNumRegions() != 0)
      return op.emitError() << "ops of a score or mask have one result and no region";
  }
  return success();
}

LogicalResult checkRegions(TileOps ops, const Target &target) {
  if (ops.score && failed(checkRegion(ops.score.getBody().front(), ops, target)))
    return failure();
  auto check = [&](Region &formula) {
    return succeeded(checkRegion(formula.front(), ops, target));
  };
  return success(llvm::all_of(ops.init.getFormulas(), check) &&
                 (!ops.mask || llvm::all_of(ops.mask.getFormulas(), check)));
}

//===----------------------------------------------------------------------===//
// Numbers of the launch
//===----------------------------------------------------------------------===//

LaunchValues::LaunchValues(tile::AttentionOp op) : op(op), headParamCount(0) {
  for (const auto &row : formulasOf(op).parameters)
    headParamCount = std::max<int64_t>(headParamCount, row.size());
}

Value LaunchValues::readSymbol(Emitter &e, tile::SymbolOp symbol, Value batch, Value head) {
  Type i32 = e.b.getI32Type();
  int64_t index = symbol.getIndex();
  auto tableEntry = [&](size_t table, Value entry) {
    return e.load(i32, e.at(e.pointerArgument(table), e.mul(e.toI64(entry), e.i64(4))));
  };
  switch (symbol.getKind()) {
  case tile::SymbolKindEnum::NumQueries: return e.intArgument(offsetof(KernelArgs, numQueries));
  case tile::SymbolKindEnum::NumKeys: return e.intArgument(offsetof(KernelArgs, numKeys));
  case tile::SymbolKindEnum::QueryOffset: return e.intArgument(offsetof(KernelArgs, queryOffset));
  case tile::SymbolKindEnum::Dim: return e.intArgument(offsetof(KernelArgs, dims) + 4 * index);
  case tile::SymbolKindEnum::HeadParam:
    return tableEntry(offsetof(KernelArgs, headParams), e.add(e.mul(head, headParamCount), index));
  case tile::SymbolKindEnum::BatchInput: {
    Value stride =
        e.argument(e.b.getI64Type(), offsetof(KernelArgs, inputStrides) + 32 * index);
    Value base = e.pointerArgument(offsetof(KernelArgs, inputs) + 8 * index);
    return readElement(e, i32, base, e.mul(e.toI64(batch), stride));
  }
  case tile::SymbolKindEnum::HeadFormula:
    return tableEntry(offsetof(KernelArgs, formulaOfHead), head);
  }
  return {};
}

Value LaunchValues::readTable(Emitter &e, tile::TableOp table, Value query) {
  Value count = e.intArgument(offsetof(KernelArgs, numQueries));
  // Unsigned: a negative position is beyond the end, too.
  Value position = e.make<arith::MinUIOp>(query, e.add(count, -1));
  Value base = e.pointerArgument(offsetof(KernelArgs, tables) + 8 * table.getIndex());
  return readElement(e, e.b.getI32Type(), base, e.toI64(position));
}

/// `offset` counts elements. Booleans are stored as bytes.
Value LaunchValues::readElement(Emitter &e, Type element, Value base, Value offset) {
  bool boolean = element.isInteger(1);
  Type stored = boolean ? Type(e.b.getI8Type()) : element;
  int64_t bytes = stored.getIntOrFloatBitWidth() / 8;
  Value value = e.load(stored, e.at(base, e.mul(offset, e.i64(bytes))));
  if (!boolean)
    return value;
  Value zero = arith::ConstantIntOp::create(e.b, e.loc, 0, 8);
  return e.make<arith::CmpIOp>(arith::CmpIPredicate::ne, value, zero);
}

Value LaunchValues::readInput(Emitter &e, tensor::ExtractOp extract, ValueRange indices) {
  size_t number = llvm::find(op.getInputs(), extract.getTensor()) - op.getInputs().begin();
  auto type = cast<RankedTensorType>(extract.getTensor().getType());
  Value base = e.pointerArgument(offsetof(KernelArgs, inputs) + 8 * number);
  Value offset = e.i64(0);
  for (auto [d, index] : llvm::enumerate(indices)) {
    size_t field = offsetof(KernelArgs, inputExtents) + 16 * number + 4 * d;
    Value length = type.isDynamicDim(d) ? e.toI64(e.intArgument(field))
                                        : e.i64(type.getDimSize(d));
    // Unsigned: a negative position is beyond the end, too.
    Value position = e.make<arith::MinUIOp>(index, e.sub(length, e.i64(1)));
    Value stride = e.argument(e.b.getI64Type(),
                              offsetof(KernelArgs, inputStrides) + 32 * number + 8 * d);
    offset = e.add(offset, e.mul(position, stride));
  }
  return readElement(e, type.getElementType(), base, offset);
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

ElementRegion::Level ElementRegion::levelOf(Value value) const { return levels.lookup(value); }

void ElementRegion::enterTile(Mapping bound) {
  tile = std::move(bound);
  for (Operation &op : block.without_terminator()) {
    uint8_t level = Tile;
    for (Value operand : op.getOperands())
      level |= levelOf(operand);
    levels[op.getResult(0)] = Level(level);
  }
  emitLevel(Tile, {{}, tile});
}

ElementRegion::Mapping ElementRegion::enterRow(Mapping bound) {
  emitLevel(Row, {{&tile}, bound});
  return bound;
}

ElementRegion::Mapping ElementRegion::enterColumn(Mapping bound) {
  emitLevel(Column, {{&tile}, bound});
  return bound;
}

Value ElementRegion::ofRow(Mapping row) {
  return resolve(block.getTerminator()->getOperand(0), {{&tile}, row});
}

Value ElementRegion::element(const Mapping &row, const Mapping &column, Mapping bound) {
  const Mapping *outer[] = {&tile, &row, &column};
  Scope scope{outer, bound};
  emitLevel(Element, scope);
  return resolve(block.getTerminator()->getOperand(0), scope);
}

void ElementRegion::emitLevel(Level level, Scope scope) {
  for (Operation &op : block.without_terminator())
    if (levelOf(op.getResult(0)) == level)
      scope.own[op.getResult(0)] = emit(op, scope);
}

Value ElementRegion::emit(Operation &op, Scope scope) {
  Values operands =
      llvm::map_to_vector(op.getOperands(), [&](Value v) { return resolve(v, scope); });
  if (auto symbol = dyn_cast<tile::SymbolOp>(op))
    return launch.readSymbol(e, symbol, operands[0], operands[1]);
  if (auto table = dyn_cast<tile::TableOp>(op))
    return launch.readTable(e, table, operands[0]);
  if (auto extract = dyn_cast<tensor::ExtractOp>(op))
    return launch.readInput(e, extract, ArrayRef(operands).drop_front());
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp>(op))
    return emitIndexCast(e, op, operands[0]);
  if (hasRegionMath(&op))
    return emitRegionMath(e, &op, operands);
  return cloneScalar(e, op, operands);
}

/// The emitted value of a value of the region. Constants may have been hoisted out of it; tensors stand for
/// themselves.
Value ElementRegion::resolve(Value original, Scope scope) {
  if (Value value = scope.own.lookup(original))
    return value;
  for (const Mapping *mapping : scope.outer)
    if (Value value = mapping->lookup(original))
      return value;
  if (isa<TensorType>(original.getType()))
    return original;
  Operation *definition = original.getDefiningOp();
  assert(definition && definition->hasTrait<OpTrait::ConstantLike>() &&
         "regions capture constants and inputs only");
  return cloneScalar(e, *definition, {});
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

Token ElementPositions::query(ValueRange origin, unsigned row) {
  // Row g or g + 8 of the row block.
  int64_t first = int64_t(row / 2) * 16 + int64_t(row % 2) * 8;
  Value rest = e.add(lane.firstRow, lane.group);
  // The warp's first row is a multiple of the rows of a warp, which is what `bound` has to cover.
  RowIndex index{first, rest, plan.queryRows - plan.rowsPerWarp() + 8};
  return tokenOf(e, queries, origin, localCoords(e, queries, index));
}

Token ElementPositions::key(ValueRange origin, int64_t n, unsigned i) {
  // Columns 8 n + 2 t and the next one.
  RowIndex index{n * 8, e.add(e.mul(lane.quad, 2), i), 8};
  return tokenOf(e, keys, origin, localCoords(e, keys, index));
}

/// What a lane has of the scores, as columns of elements: calls `visit` with the column's mapping.
static void forElements(Emitter &e, ElementRegion &region, Accumulator &scores,
                        llvm::function_ref<ElementRegion::Mapping(unsigned)> rowArguments,
                        llvm::function_ref<ElementRegion::Mapping(int64_t, unsigned)> columnArguments,
                        llvm::function_ref<void(Value &, const ElementRegion::Mapping &,
                                                const ElementRegion::Mapping &)>
                            visit) {
  SmallVector<ElementRegion::Mapping> rows;
  for (unsigned row = 0; row < 2 * scores.size(); ++row)
    rows.push_back(region.enterRow(rowArguments(row)));
  for (int64_t n = 0; n < int64_t(scores.front().size()); ++n)
    for (unsigned i = 0; i < 2; ++i) {
      ElementRegion::Mapping column = region.enterColumn(columnArguments(n, i));
      for (unsigned row = 0; row < rows.size(); ++row)
        visit(scores[row / 2][n][2 * (row % 2) + i], rows[row], column);
    }
}

/// Arguments first, first + 1, .. of the block and these values.
static ElementRegion::Mapping mapArguments(Block &block, unsigned first, ValueRange values) {
  ElementRegion::Mapping mapping;
  for (auto [i, value] : llvm::enumerate(values))
    mapping[block.getArgument(first + i)] = value;
  return mapping;
}

Values countZeroKeys(Emitter &e, LaunchValues &launch, ElementPositions &at, Block &formula,
                     const TilePair &tiles) {
  ElementRegion region(e, launch, formula);
  for (unsigned d = 0; d < tiles.queryOrigin.size(); ++d)
    region.declare(2 + d, ElementRegion::Row);
  region.enterTile(mapArguments(formula, 0, {tiles.batch, tiles.head}));
  Values counts;
  for (unsigned row = 0; row < at.rows(); ++row)
    counts.push_back(region.ofRow(region.enterRow(
        mapArguments(formula, 2, at.query(tiles.queryOrigin, row).coords))));
  return counts;
}

void applyScore(Emitter &e, LaunchValues &launch, ElementPositions &at, tile::ScoreOp op,
                const TilePair &tiles, Accumulator &scores) {
  Block &block = op.getBody().front();
  ElementRegion region(e, launch, block);
  region.declare(0, ElementRegion::Element);
  region.declare(3, ElementRegion::Row);
  region.declare(4, ElementRegion::Column);
  region.enterTile({{block.getArgument(1), tiles.batch}, {block.getArgument(2), tiles.head}});
  forElements(
      e, region, scores,
      [&](unsigned row) -> ElementRegion::Mapping {
        return {{block.getArgument(3), at.query(tiles.queryOrigin, row).position}};
      },
      [&](int64_t n, unsigned i) -> ElementRegion::Mapping {
        return {{block.getArgument(4), at.key(tiles.keyOrigin, n, i).position}};
      },
      [&](Value &s, const auto &row, const auto &column) {
        s = region.element(row, column, {{block.getArgument(0), s}});
      });
}

void applyFormula(Emitter &e, LaunchValues &launch, ElementPositions &at, Block &formula,
                  const TilePair &tiles, Accumulator &scores) {
  unsigned rank = tiles.queryOrigin.size();
  ElementRegion region(e, launch, formula);
  for (unsigned d = 0; d < rank; ++d) {
    region.declare(2 + d, ElementRegion::Row);
    region.declare(2 + rank + d, ElementRegion::Column);
  }
  ElementRegion::Mapping ofTile = mapArguments(formula, 0, {tiles.batch, tiles.head});
  ofTile[formula.getArgument(2 + 2 * rank)] =
      e.make<arith::ShRUIOp>(tiles.flags, e.i32(1)); // the listed atoms
  region.enterTile(ofTile);
  Value hidden = e.negativeInfinity();
  forElements(
      e, region, scores,
      [&](unsigned row) {
        return mapArguments(formula, 2, at.query(tiles.queryOrigin, row).coords);
      },
      [&](int64_t n, unsigned i) {
        return mapArguments(formula, 2 + rank, at.key(tiles.keyOrigin, n, i).coords);
      },
      [&](Value &s, const auto &row, const auto &column) {
        s = e.select(region.element(row, column, ElementRegion::Mapping()), s, hidden);
      });
}

} // namespace attn::nvvm
