#include "codegen/cpu/Regions.h"

using namespace mlir;

namespace attn::cpu {

ElementRegion::ElementRegion(Emitter &emitter, const LaunchValues &launch, Block &block,
                             ArrayRef<unsigned> queryArguments, ArrayRef<unsigned> keyArguments,
                             ArrayRef<unsigned> elementArguments)
    : e(emitter), launch(launch), block(block) {
  DenseMap<Value, unsigned> argumentLevels;
  auto put = [&](ArrayRef<unsigned> arguments, Level level) {
    for (unsigned i : arguments)
      argumentLevels[block.getArgument(i)] = unsigned(level);
  };
  put(queryArguments, Level::Query);
  put(keyArguments, Level::Key);
  put(elementArguments, Level::Element);
  for (Operation &op : block) {
    unsigned level = unsigned(Level::Tile);
    for (Value operand : op.getOperands()) {
      Operation *definition = operand.getDefiningOp();
      level |= definition ? unsigned(levels.lookup(definition)) : argumentLevels.lookup(operand);
    }
    levels[&op] = Level(level);
  }
}

void ElementRegion::emitLevel(Level level) {
  for (Operation &op : block.without_terminator()) {
    if (levels[&op] != level)
      continue;
    if (level == Level::Query || level == Level::Element)
      emitVector(op);
    else
      emitScalar(op);
  }
}

/// The emitted value of a value of the region. Constants may have been hoisted out of it.
Value ElementRegion::resolve(Value original) {
  if (Value value = values.lookup(original))
    return value;
  Operation *definition = original.getDefiningOp();
  assert(definition && definition->hasTrait<OpTrait::ConstantLike>() &&
         "regions capture constants and inputs only");
  return e.b.clone(*definition)->getResult(0);
}

Value ElementRegion::asVector(Value original) {
  Value value = resolve(original);
  return isa<VectorType>(value.getType()) ? value : e.splat(value);
}

void ElementRegion::emitScalar(Operation &op) {
  // A tensor stands for itself.
  SmallVector<Value> operands = llvm::map_to_vector(op.getOperands(), [&](Value v) {
    return isa<TensorType>(v.getType()) ? v : resolve(v);
  });
  values[op.getResult(0)] = scalarOf(op, operands);
}

Value ElementRegion::scalarOf(Operation &op, ArrayRef<Value> operands) {
  if (isa<tile::SymbolOp>(op))
    return readSymbol(op);
  if (isa<tile::TableOp>(op))
    return readTable(op, operands[0]);
  if (isa<tensor::ExtractOp>(op))
    return loadElement(op.getResult(0).getType(), elementAddress(op, operands.drop_front()));
  Operation *clone = e.b.clone(op);
  clone->setOperands(operands);
  return clone->getResult(0);
}

/// Every op of a region but those handled by name is elementwise: it means the same on vectors.
void ElementRegion::emitVector(Operation &op) {
  if (isa<tensor::ExtractOp, tile::TableOp>(op)) {
    values[op.getResult(0)] = gather(op);
    return;
  }
  OperationState state(e.loc, op.getName());
  for (Value operand : op.getOperands())
    state.operands.push_back(asVector(operand));
  state.types.push_back(e.vec(op.getResult(0).getType()));
  state.attributes = op.getAttrs();
  values[op.getResult(0)] = e.b.create(state)->getResult(0);
}

Value ElementRegion::readSymbol(Operation &op) {
  auto symbol = cast<tile::SymbolOp>(op);
  Type i32 = e.b.getI32Type();
  Value batch = resolve(symbol.getBatch()), head = resolve(symbol.getHead());
  auto field = [&](size_t offset) { return e.argument(launch.args, i32, offset); };
  auto table = [&](size_t offset) { return e.argument(launch.args, e.ptr(), offset); };
  int64_t index = symbol.getIndex();
  switch (symbol.getKind()) {
  case tile::SymbolKindEnum::NumQueries: return field(offsetof(KernelArgs, numQueries));
  case tile::SymbolKindEnum::NumKeys: return field(offsetof(KernelArgs, numKeys));
  case tile::SymbolKindEnum::QueryOffset: return field(offsetof(KernelArgs, queryOffset));
  case tile::SymbolKindEnum::Dim: return field(offsetof(KernelArgs, dims) + 4 * index);
  case tile::SymbolKindEnum::HeadParam: {
    Value row = e.mul(e.toI64(head), e.i64(launch.headParamCount));
    return e.load(i32, e.at(table(offsetof(KernelArgs, headParams)), i32,
                            e.add(row, e.i64(index))));
  }
  case tile::SymbolKindEnum::BatchInput: {
    Value input = table(offsetof(KernelArgs, inputs) + 8 * index);
    Value stride = e.argument(launch.args, e.b.getI64Type(),
                              offsetof(KernelArgs, inputStrides) + 32 * index);
    return e.load(i32, e.at(input, i32, e.mul(e.toI64(batch), stride)));
  }
  case tile::SymbolKindEnum::HeadFormula:
    return e.load(i32, e.at(table(offsetof(KernelArgs, formulaOfHead)), i32, e.toI64(head)));
  }
  return {};
}

/// Positions of rows outside the layout are answered with the last query's entry.
Value ElementRegion::readTable(Operation &op, Value query) {
  int64_t index = cast<tile::TableOp>(op).getIndex();
  Type i32 = e.b.getI32Type();
  Value table = e.argument(launch.args, e.ptr(), offsetof(KernelArgs, tables) + 8 * index);
  Value count = e.argument(launch.args, i32, offsetof(KernelArgs, numQueries));
  // Unsigned: a negative position is beyond the end, too.
  Value position = arith::MinUIOp::create(e.b, e.loc, query, e.sub(count, e.i32(1)));
  return e.load(i32, e.at(table, i32, e.toI64(position)));
}

/// Address of input[indices]. Rows outside the layout ask for positions beyond an end: they are
/// answered with the last one, and their scores are hidden or never stored.
Value ElementRegion::elementAddress(Operation &extract, ArrayRef<Value> indices) {
  auto op = cast<tensor::ExtractOp>(extract);
  auto *input = llvm::find(launch.inputs, op.getTensor());
  assert(input != launch.inputs.end() && "regions read inputs of the attention only");
  int64_t number = input - launch.inputs.begin();
  auto type = cast<RankedTensorType>(op.getTensor().getType());
  Value base = e.argument(launch.args, e.ptr(), offsetof(KernelArgs, inputs) + 8 * number);
  Value offset = e.i64(0);
  for (auto [d, index] : llvm::enumerate(indices)) {
    Value position = index;
    if (isa<IndexType>(position.getType()))
      position = arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(), position);
    Value extent = e.argument(launch.args, e.b.getI32Type(),
                              offsetof(KernelArgs, inputExtents) + 16 * number + 4 * d);
    // Unsigned: a negative position is beyond the end, too.
    position = arith::MinUIOp::create(e.b, e.loc, position, e.sub(e.toI64(extent), e.i64(1)));
    Value stride = e.argument(launch.args, e.b.getI64Type(),
                              offsetof(KernelArgs, inputStrides) + 32 * number + 8 * d);
    offset = e.add(offset, e.mul(position, stride));
  }
  Type stored = type.getElementType().isInteger(1) ? Type(e.b.getI8Type()) : type.getElementType();
  return e.at(base, stored, offset);
}

Value ElementRegion::loadElement(Type type, Value address) {
  if (!type.isInteger(1))
    return e.load(type, address);
  Value byte = e.load(e.b.getI8Type(), address);
  Value zero = arith::ConstantIntOp::create(e.b, e.loc, 0, 8);
  return arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::ne, byte, zero);
}

/// The op lane by lane.
Value ElementRegion::gather(Operation &op) {
  SmallVector<Value> operands = llvm::map_to_vector(op.getOperands(), [&](Value v) {
    return isa<TensorType>(v.getType()) ? v : asVector(v);
  });
  Value result;
  for (int64_t lane = 0; lane < e.machine.width; ++lane) {
    SmallVector<Value> scalars = llvm::map_to_vector(operands, [&](Value operand) -> Value {
      if (isa<TensorType>(operand.getType()))
        return operand;
      return vector::ExtractOp::create(e.b, e.loc, operand, lane);
    });
    Value value = scalarOf(op, scalars);
    if (!result)
      result = e.splat(value);
    else
      result = vector::InsertOp::create(e.b, e.loc, value, result, lane);
  }
  return result;
}

} // namespace attn::cpu
