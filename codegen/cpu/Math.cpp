#include "codegen/cpu/Math.h"

using namespace mlir;

namespace attn::cpu {

//===----------------------------------------------------------------------===//
// Matrix product
//===----------------------------------------------------------------------===//

/// One block of machine.rows x machine.vectors accumulators over the whole depth.
static void emitBlock(Emitter &e, Matrix a, Matrix b, Matrix c, Value row, Value column,
                      int64_t depth, bool accumulate) {
  Type f32 = e.b.getF32Type();
  VectorType vector = e.vec(f32);
  const Machine &m = e.machine;
  auto address = [&](Matrix matrix, Value i, Value j) {
    return e.at(matrix.base, f32, e.add(e.mul(i, e.i64(matrix.stride)), j));
  };
  SmallVector<Value> targets, aRows;
  for (int64_t r = 0; r < m.rows; ++r) {
    Value i = e.add(row, e.i64(r));
    aRows.push_back(address(a, i, e.i64(0)));
    for (int64_t v = 0; v < m.vectors; ++v)
      targets.push_back(address(c, i, e.add(column, e.i64(v * m.width))));
  }
  SmallVector<Value> init;
  for (Value target : targets)
    init.push_back(accumulate ? e.load(vector, target) : e.splat(e.f32(0)));
  SmallVector<Value> sums = e.loopCarrying(
      e.i64(0), e.i64(depth), e.i64(1), init, [&](Value k, ValueRange carried) {
        SmallVector<Value> panel, next;
        for (int64_t v = 0; v < m.vectors; ++v)
          panel.push_back(e.load(vector, address(b, k, e.add(column, e.i64(v * m.width)))));
        for (int64_t r = 0; r < m.rows; ++r) {
          Value broadcast = e.splat(e.load(f32, e.at(aRows[r], f32, k)));
          for (int64_t v = 0; v < m.vectors; ++v)
            next.push_back(e.fma(broadcast, panel[v], carried[r * m.vectors + v]));
        }
        return next;
      });
  for (auto [sum, target] : llvm::zip_equal(sums, targets))
    e.store(sum, target);
}

void emitProduct(Emitter &e, Matrix a, Matrix b, Matrix c, Value rows, int64_t columns,
                 int64_t depth, bool accumulate) {
  // Columns outside: a panel of b (depth x 32 floats, 16 KB at depth 128) stays in L1 for all rows.
  e.loop(0, columns, e.machine.columns(), [&](Value column) {
    e.loop(e.i64(0), rows, e.i64(e.machine.rows), [&](Value row) {
      emitBlock(e, a, b, c, row, column, depth, accumulate);
    });
  });
}

//===----------------------------------------------------------------------===//
// Exponential
//===----------------------------------------------------------------------===//

Value emitExp2(Emitter &e, Value x) {
  auto vector = [&](float value) { return e.splat(e.f32(value)); };
  auto integer = [&](int64_t value) { return e.splat(e.i32(value)); };
  Type ints = e.vec(e.b.getI32Type()), floats = e.vec(e.b.getF32Type());
  auto bits = [&](Type type, Value value) {
    return arith::BitcastOp::create(e.b, e.loc, type, value);
  };
  Value tiny = e.compareF(arith::CmpFPredicate::OLT, x, vector(-126.0f));
  Value bounded = e.select(tiny, vector(-126.0f), x);
  // Adding 1.5 * 2^23 rounds to an integer n and leaves n in the low bits; NaN passes through.
  Value magic = vector(12582912.0f);
  Value shifted = e.addF(bounded, magic);
  Value fraction = e.subF(bounded, e.subF(shifted, magic)); // in [-1/2, 1/2]
  // Taylor series of 2^f: the first term left out is (ln 2 / 2)^7 / 7! = 1.2e-7 at the ends.
  constexpr float coefficients[] = {1.5403530e-4f, 1.3333558e-3f, 9.6181291e-3f, 5.5504109e-2f,
                                    2.4022651e-1f, 6.9314718e-1f, 1.0f};
  Value power = vector(coefficients[0]);
  for (float coefficient : llvm::drop_begin(coefficients))
    power = e.fma(power, fraction, vector(coefficient));
  Value exponent = arith::ShLIOp::create(e.b, e.loc, bits(ints, shifted), integer(23));
  Value scale = bits(floats, e.add(exponent, integer(0x3F800000)));
  return e.select(tiny, vector(0.0f), e.mulF(power, scale));
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

/// `scalar`, or a vector of it where `like` is a vector.
static Type shapedLike(Type like, Type scalar) {
  if (auto vector = dyn_cast<VectorType>(like))
    return vector.clone(scalar);
  return scalar;
}

static Value constantLike(Emitter &e, Type like, int64_t value, unsigned width) {
  Value scalar = arith::ConstantIntOp::create(e.b, e.loc, value, width);
  return isa<VectorType>(like) ? e.splat(scalar) : scalar;
}

Value emitLoadAsF32(Emitter &e, Value address, Type element, bool vector) {
  OpBuilder &b = e.b;
  Type f32 = vector ? Type(e.vec(b.getF32Type())) : Type(b.getF32Type());
  if (element.isF32())
    return e.load(f32, address);
  if (element.isF16())
    return arith::ExtFOp::create(b, e.loc, f32, e.load(shapedLike(f32, element), address));
  // bf16 is the upper half of an f32.
  Value half = e.load(shapedLike(f32, b.getI16Type()), address);
  Value wide = arith::ExtUIOp::create(b, e.loc, shapedLike(f32, b.getI32Type()), half);
  Value shifted = arith::ShLIOp::create(b, e.loc, wide, constantLike(e, f32, 16, 32));
  return arith::BitcastOp::create(b, e.loc, f32, shifted);
}

void emitStoreFromF32(Emitter &e, Value value, Value address, Type element) {
  OpBuilder &b = e.b;
  Type f32 = value.getType();
  if (element.isF32())
    return e.store(value, address);
  if (element.isF16())
    return e.store(arith::TruncFOp::create(b, e.loc, shapedLike(f32, element), value), address);
  // Round the lower half away to nearest even; a NaN stays one.
  auto constant = [&](int64_t bits) { return constantLike(e, f32, bits, 32); };
  Value bits = arith::BitcastOp::create(b, e.loc, shapedLike(f32, b.getI32Type()), value);
  Value upper = arith::ShRUIOp::create(b, e.loc, bits, constant(16));
  Value bias = e.add(e.both(upper, constant(1)), constant(0x7FFF));
  Value rounded = arith::ShRUIOp::create(b, e.loc, e.add(bits, bias), constant(16));
  Value isNan = e.compareF(arith::CmpFPredicate::UNO, value, value);
  Value chosen = e.select(isNan, constant(0x7FC0), rounded);
  e.store(arith::TruncIOp::create(b, e.loc, shapedLike(f32, b.getI16Type()), chosen), address);
}

} // namespace attn::cpu
