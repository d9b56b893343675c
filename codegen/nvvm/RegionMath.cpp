#include "codegen/nvvm/RegionMath.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn::nvvm {
namespace {

LLVM::FastmathFlagsAttr approximate(Emitter &e) {
  return LLVM::FastmathFlagsAttr::get(e.b.getContext(), LLVM::FastmathFlags::afn);
}

Value divide(Emitter &e, Value x, Value y) {
  return LLVM::FDivOp::create(e.b, e.loc, x.getType(), x, y, approximate(e));
}

Value exponential(Emitter &e, Value x) { return e.exp2(e.mulF(x, e.f32(kLog2e))); }

/// sign(x) * (1 - 2 / (exp(2 |x|) + 1)): absolute error of some 1e-7, also where the exponential is infinite.
/// tanh.approx.f32 would be wrong by 2^-11, too much for a log-sum-exp after softcap.
Value hyperbolicTangent(Emitter &e, Value x) {
  Value magnitude = LLVM::FAbsOp::create(e.b, e.loc, x.getType(), x);
  Value power = e.exp2(e.mulF(magnitude, e.f32(2 * kLog2e)));
  Value small = e.mulF(e.f32(2), e.reciprocal(e.addF(power, e.f32(1))));
  return LLVM::CopySignOp::create(e.b, e.loc, x.getType(), e.subF(e.f32(1), small), x);
}

using Builder = Value (*)(Emitter &, ValueRange);
struct Row {
  StringLiteral name;
  bool isFloat; ///< takes f32; else i32
  Builder build;
};

constexpr Row kTable[] = {
    {"math.absf", true,
     [](Emitter &e, ValueRange x) -> Value {
       return LLVM::FAbsOp::create(e.b, e.loc, x[0].getType(), x[0]);
     }},
    {"math.absi", false,
     [](Emitter &e, ValueRange x) -> Value {
       return LLVM::AbsOp::create(e.b, e.loc, x[0].getType(), x[0], /*is_int_min_poison=*/false);
     }},
    {"math.ceil", true,
     [](Emitter &e, ValueRange x) -> Value {
       return LLVM::FCeilOp::create(e.b, e.loc, x[0].getType(), x[0]);
     }},
    {"math.exp", true, [](Emitter &e, ValueRange x) { return exponential(e, x[0]); }},
    {"math.exp2", true, [](Emitter &e, ValueRange x) { return e.exp2(x[0]); }},
    {"math.floor", true,
     [](Emitter &e, ValueRange x) -> Value {
       return LLVM::FFloorOp::create(e.b, e.loc, x[0].getType(), x[0]);
     }},
    {"math.fma", true, [](Emitter &e, ValueRange x) { return e.fma(x[0], x[1], x[2]); }},
    {"math.log", true,
     [](Emitter &e, ValueRange x) { return e.mulF(e.log2(x[0]), e.f32(kLn2)); }},
    {"math.log2", true, [](Emitter &e, ValueRange x) { return e.log2(x[0]); }},
    {"math.rsqrt", true,
     [](Emitter &e, ValueRange x) -> Value {
       Value root = LLVM::SqrtOp::create(e.b, e.loc, x[0].getType(), x[0], approximate(e));
       return divide(e, e.f32(1), root);
     }},
    {"math.sqrt", true,
     [](Emitter &e, ValueRange x) -> Value {
       return LLVM::SqrtOp::create(e.b, e.loc, x[0].getType(), x[0], approximate(e));
     }},
    {"math.tanh", true, [](Emitter &e, ValueRange x) { return hyperbolicTangent(e, x[0]); }},
    {"arith.divf", true, [](Emitter &e, ValueRange x) { return divide(e, x[0], x[1]); }},
};

const Row *find(Operation *op) {
  StringRef name = op->getName().getStringRef();
  const Row *row = llvm::find_if(kTable, [&](const Row &r) { return r.name == name; });
  if (row == std::end(kTable))
    return nullptr;
  bool fits = llvm::all_of(op->getOperandTypes(), [&](Type type) {
    return row->isFloat ? type.isF32() : type.isInteger(32);
  });
  return fits ? row : nullptr;
}

} // namespace

bool hasRegionMath(Operation *op) { return find(op); }

std::string regionMathNames() {
  std::string names;
  for (const Row &row : kTable) {
    if (row.name.starts_with("arith."))
      continue;
    names += (names.empty() ? "'" : ", '") + row.name.str() + "'";
  }
  return names;
}

Value emitRegionMath(Emitter &e, Operation *op, ValueRange operands) {
  const Row *row = find(op);
  assert(row && "regions are checked before they are emitted");
  return row->build(e, operands);
}

Value cloneScalar(Emitter &e, Operation &op, ValueRange operands) {
  auto constant = dyn_cast<arith::ConstantOp>(op);
  if (constant && constant.getType().isIndex())
    return e.i64(cast<IntegerAttr>(constant.getValue()).getInt());
  Operation *clone = e.b.clone(op);
  clone->setOperands(operands);
  Value result = clone->getResult(0);
  if (result.getType().isIndex())
    result.setType(e.b.getI64Type());
  return result;
}

Value emitIndexCast(Emitter &e, Operation &op, Value operand) {
  Type source = operand.getType();
  Type target = op.getResult(0).getType();
  if (target.isIndex())
    target = e.b.getI64Type();
  if (source == target)
    return operand;
  if (source.getIntOrFloatBitWidth() > target.getIntOrFloatBitWidth())
    return e.make<arith::TruncIOp>(target, operand);
  if (isa<arith::IndexCastUIOp>(op))
    return e.make<arith::ExtUIOp>(target, operand);
  return e.make<arith::ExtSIOp>(target, operand);
}

} // namespace attn::nvvm
