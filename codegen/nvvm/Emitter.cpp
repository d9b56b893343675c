#include "codegen/nvvm/Emitter.h"

using namespace mlir;

namespace attn::nvvm {

Value Emitter::intrinsic(StringRef name, Value x) {
  return LLVM::CallIntrinsicOp::create(b, loc, x.getType(), b.getStringAttr(name), ValueRange{x})
      .getResults();
}

Value Emitter::pack(Value low, Value high, Type element) {
  auto pair = VectorType::get({2}, element);
  auto rounding = NVVM::FPRoundingModeAttr::get(b.getContext(), NVVM::FPRoundingMode::RN);
  Value packed;
  if (element.isBF16()) {
    auto op = NVVM::ConvertF32x2ToBF16x2Op::create(b, loc, pair, high, low, Value());
    op.setRndAttr(rounding);
    packed = op;
  } else {
    auto op = NVVM::ConvertF32x2ToF16x2Op::create(b, loc, pair, high, low, Value());
    op.setRndAttr(rounding);
    packed = op;
  }
  return LLVM::BitcastOp::create(b, loc, b.getI32Type(), packed);
}

Value Emitter::pointerArgument(size_t offset) {
  return LLVM::AddrSpaceCastOp::create(b, loc, ptr(kGlobalSpace), argument(ptr(), offset));
}

Value Emitter::shuffleXor(Value x, int mask) {
  return NVVM::ShflOp::create(b, loc, x.getType(), i32(-1), x, i32(mask), i32(31),
                              NVVM::ShflKind::bfly, UnitAttr());
}

Value Emitter::anyLane(Value condition) {
  return NVVM::VoteSyncOp::create(b, loc, b.getI1Type(), i32(-1), condition, NVVM::VoteSyncKind::any);
}

Value Emitter::sharedPtx(Type result, StringRef text, StringRef constraints, ValueRange operands) {
  auto op = LLVM::InlineAsmOp::create(
      b, loc, result ? TypeRange(result) : TypeRange(), operands, text, constraints,
      /*has_side_effects=*/true, /*is_align_stack=*/false, LLVM::TailCallKind::None,
      LLVM::AsmDialectAttr(), ArrayAttr());
  return result ? op.getRes() : Value();
}

Block *Emitter::appendBlock(TypeRange arguments) {
  OpBuilder::InsertionGuard guard(b);
  Region *function = b.getInsertionBlock()->getParent();
  SmallVector<Location> locations(arguments.size(), loc);
  return b.createBlock(function, function->end(), arguments, locations);
}

Values Emitter::when(Value condition, ValueRange values, llvm::function_ref<Values()> then) {
  Block *yes = appendBlock();
  Block *after = appendBlock(values.getTypes());
  branch(condition, yes, {}, after, values);
  b.setInsertionPointToStart(yes);
  jump(after, then());
  b.setInsertionPointToStart(after);
  return Values(after->args_begin(), after->args_end());
}

LLVM::LLVMFuncOp createEntry(OpBuilder &b, Location loc, StringRef name, int64_t threads) {
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
                 b.getDenseI32ArrayAttr({int32_t(threads), 1, 1}));
  // Without it ptxas gives up registers, to the point of spilling, for more thread blocks at once than shared
  // memory has room for.
  entry->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(1));
  return entry;
}

} // namespace attn::nvvm
