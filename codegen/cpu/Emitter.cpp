#include "codegen/cpu/Emitter.h"

using namespace mlir;

namespace attn::cpu {

Value Emitter::fma(Value x, Value y, Value z) {
  // Without the instruction an fma would become a call per element.
  if (!machine.fma)
    return addF(mulF(x, y), z);
  return LLVM::FMAOp::create(b, loc, z.getType(), x, y, z);
}

unsigned Emitter::alignmentOf(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    type = vector.getElementType();
  return type.isIntOrFloat() ? std::max(1u, type.getIntOrFloatBitWidth() / 8) : 8;
}

void Emitter::loop(Value from, Value to, Value step, llvm::function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(b, loc, from, to, step);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  body(loop.getInductionVar());
}

SmallVector<Value>
Emitter::loopCarrying(Value from, Value to, Value step, ValueRange init,
                      llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(
      b, loc, from, to, step, init,
      [&](OpBuilder &inner, Location, Value iv, ValueRange carried) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPoint(inner.getInsertionBlock(), inner.getInsertionPoint());
        SmallVector<Value> next = body(iv, carried);
        scf::YieldOp::create(b, loc, next);
        inner.setInsertionPointToEnd(inner.getInsertionBlock());
      });
  return SmallVector<Value>(loop.getResults());
}

void Emitter::when(Value condition, llvm::function_ref<void()> then) {
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  then();
}

} // namespace attn::cpu
