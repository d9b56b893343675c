#include "codegen/cpu/Regions.h"

using namespace mlir;

namespace attn::cpu {

ElementRegion::ElementRegion(Emitter &emitter, const LaunchValues &launch, Block &block,
                             ArrayRef<unsigned> rowArguments, ArrayRef<unsigned> columnArguments)
    : e(emitter), launch(launch), block(block) {
  DenseMap<Value, Level> argumentLevels;
  for (unsigned i : rowArguments)
    argumentLevels[block.getArgument(i)] = Level::Row;
  for (unsigned i : columnArguments)
    argumentLevels[block.getArgument(i)] = Level::Column;
  for (Operation &op : block) {
    Level level = Level::Tile;
    for (Value operand : op.getOperands()) {
      Operation *definition = operand.getDefiningOp();
      Level of = definition ? levels.lookup(definition) : argumentLevels.lookup(operand);
      level = std::max(level, of);
    }
    levels[&op] = level;
  }
}

void ElementRegion::emitLevel(Level level) {
  for (Operation &op : block.without_terminator()) {
    if (levels[&op] != level)
      continue;
    if (level == Level::Column)
      emitVector(op);
    else
      emitScalar(op);
  }
}

Value ElementRegion::emitColumnLevel() {
  emitLevel(Level::Column);
  return asVector(block.getTerminator()->getOperand(0));
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
  if (isa<tile::SymbolOp>(op)) {
    values[op.getResult(0)] = readSymbol(op);
    return;
  }
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    auto indices = llvm::map_to_vector(extract.getIndices(), [&](Value v) { return resolve(v); });
    values[op.getResult(0)] =
        loadElement(op.getResult(0).getType(), elementAddress(op, indices));
    return;
  }
  SmallVector<Value> operands =
      llvm::map_to_vector(op.getOperands(), [&](Value v) { return resolve(v); });
  Operation *clone = e.b.clone(op);
  clone->setOperands(operands);
  values[op.getResult(0)] = clone->getResult(0);
}

/// Every op of a region but those handled by name is elementwise: it means the same on vectors.
void ElementRegion::emitVector(Operation &op) {
  if (isa<tensor::ExtractOp>(op)) {
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

/// Address of input[indices]. Rows outside the layout ask for positions beyond the end: they are
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
    // Token dimensions come last: queries before keys where there are both.
    bool queries = type.getRank() > 1 && d + 2 == size_t(type.getRank());
    bool tokens = queries || d + 1 == size_t(type.getRank());
    if (tokens) {
      size_t field = queries ? offsetof(KernelArgs, numQueries) : offsetof(KernelArgs, numKeys);
      Value length = e.toI64(e.argument(launch.args, e.b.getI32Type(), field));
      Value last = e.sub(length, e.i64(1));
      position = arith::MinSIOp::create(e.b, e.loc, position, last);
    }
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

Value ElementRegion::gather(Operation &extract) {
  auto op = cast<tensor::ExtractOp>(extract);
  SmallVector<Value> vectors;
  for (Value index : op.getIndices())
    vectors.push_back(asVector(index));
  Type element = op.getResult().getType();
  Value result;
  for (int64_t lane = 0; lane < e.machine.width; ++lane) {
    SmallVector<Value> indices;
    for (Value vector : vectors)
      indices.push_back(vector::ExtractOp::create(e.b, e.loc, vector, lane));
    Value value = loadElement(element, elementAddress(extract, indices));
    if (!result)
      result = e.splat(value);
    else
      result = vector::InsertOp::create(e.b, e.loc, value, result, lane);
  }
  return result;
}

} // namespace attn::cpu
