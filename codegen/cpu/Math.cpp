#include "codegen/cpu/Math.h"

using namespace mlir;

namespace attn::cpu {

//===----------------------------------------------------------------------===//
// Matrix product
//===----------------------------------------------------------------------===//

static Type pairsType(Emitter &e) {
  return VectorType::get({2 * e.machine.width}, e.b.getBF16Type());
}

/// x * y + z; x and y hold pairs of bf16. llvm.x86.avx512bf16.dpbf16ps: denormals count as zeros.
static Value dotPairs(Emitter &e, Value x, Value y, Value z) {
  auto pairs = [&](Value value) {
    return LLVM::BitcastOp::create(e.b, e.loc, pairsType(e), value).getResult();
  };
  return LLVM::CallIntrinsicOp::create(
             e.b, e.loc, z.getType(), e.b.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512"),
             ValueRange{z, pairs(x), pairs(y)})
      ->getResult(0);
}

Value emitPairs(Emitter &e, Value low, Value high) {
  Value halves = LLVM::CallIntrinsicOp::create(
                     e.b, e.loc, pairsType(e),
                     e.b.getStringAttr("llvm.x86.avx512bf16.cvtne2ps2bf16.512"),
                     ValueRange{high, low})
                     ->getResult(0);
  SmallVector<int64_t> interleaved;
  for (int64_t i = 0; i < e.machine.width; ++i)
    interleaved.append({i, e.machine.width + i});
  Value pairs = vector::ShuffleOp::create(e.b, e.loc, halves, halves, interleaved);
  return LLVM::BitcastOp::create(e.b, e.loc, e.vec(e.b.getF32Type()), pairs);
}

/// One step of the depth: machine.rows broadcasts times machine.vectors vectors of the panel. Addresses are
/// a pointer of the step and constants, so that x86 folds them into the instructions.
static SmallVector<Value> emitStep(Emitter &e, llvm::function_ref<Value(int64_t)> addressOf,
                                   Value b, Value k, bool pairs, ValueRange sums) {
  Type f32 = e.b.getF32Type();
  const Machine &m = e.machine;
  Value bStep = e.at(b, f32, e.mul(k, e.i64(m.columns())));
  SmallVector<Value> panel, next;
  for (int64_t v = 0; v < m.vectors; ++v)
    panel.push_back(e.load(e.vec(f32), e.atByte(bStep, 4 * v * m.width)));
  for (int64_t r = 0; r < m.rows; ++r) {
    Value broadcast = e.splat(e.load(f32, addressOf(r), pairs ? 2 : 4));
    for (int64_t v = 0; v < m.vectors; ++v) {
      Value sum = sums[r * m.vectors + v];
      next.push_back(pairs ? dotPairs(e, broadcast, panel[v], sum)
                           : e.fma(broadcast, panel[v], sum));
    }
  }
  return next;
}

/// The sums of machine.rows rows from `row` on.
static SmallVector<Value> emitBlock(Emitter &e, const Broadcasts &a, Value b, Value row, Range depth,
                                    bool pairs, ValueRange begin) {
  Type f32 = e.b.getF32Type();
  auto line = [&](Value i) { return e.load(e.ptr(), e.at(a.table, e.ptr(), i)); };
  SmallVector<Value> lines;
  for (int64_t r = 0; a.linesAreRows && r < e.machine.rows; ++r)
    lines.push_back(line(e.add(row, e.i64(r))));
  return e.loopCarrying(
      depth.from, depth.to, e.i64(1), begin, [&](Value k, ValueRange carried) {
        Value inLine = a.linesAreRows ? Value() : e.at(line(k), f32, row);
        auto addressOf = [&](int64_t r) {
          return a.linesAreRows ? e.at(lines[r], f32, k) : e.atByte(inLine, 4 * r);
        };
        return emitStep(e, addressOf, b, k, pairs, carried);
      });
}

void emitProduct(Emitter &e, const Broadcasts &a, Value b, Range rows, Range depth, bool pairs,
                 const Sums &sums) {
  const Machine &m = e.machine;
  e.loop(rows.from, rows.to, e.i64(m.rows), [&](Value row) {
    if (sums.prepare)
      sums.prepare(row);
    auto forAccumulators = [&](llvm::function_ref<void(Value, int64_t)> visit) {
      for (int64_t r = 0; r < m.rows; ++r)
        for (int64_t v = 0; v < m.vectors; ++v)
          visit(e.add(row, e.i64(r)), v);
    };
    SmallVector<Value> begin;
    forAccumulators([&](Value r, int64_t v) {
      begin.push_back(sums.begin ? sums.begin(r, v) : e.splat(e.f32(0)));
    });
    SmallVector<Value> ends = emitBlock(e, a, b, row, depth, pairs, begin);
    const Value *next = ends.begin();
    forAccumulators([&](Value r, int64_t v) { sums.end(*next++, r, v); });
  });
}

SmallVector<Value> emitTransposed(Emitter &e, SmallVector<Value> rows) {
  int64_t width = e.machine.width;
  // Squares of `half` x `half` change places across the diagonal of squares twice as large.
  for (int64_t half = 1; half < width; half *= 2) {
    SmallVector<int64_t> upper, lower;
    for (int64_t j = 0; j < width; ++j) {
      bool left = (j & half) == 0;
      upper.push_back(left ? j : width + j - half);
      lower.push_back(left ? j + half : width + j);
    }
    for (int64_t i = 0; i < width; ++i) {
      if (i & half)
        continue;
      Value x = rows[i], y = rows[i + half];
      rows[i] = vector::ShuffleOp::create(e.b, e.loc, x, y, upper);
      rows[i + half] = vector::ShuffleOp::create(e.b, e.loc, x, y, lower);
    }
  }
  return rows;
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
  Value tiny = e.compareF(arith::CmpFPredicate::OLT, x, vector(-127.0f));
  Value bounded = e.select(tiny, vector(-127.0f), x);
  // Adding 1.5 * 2^23 rounds to an integer n and leaves n in the low bits; NaN passes through.
  Value magic = vector(12582912.0f);
  Value shifted = e.addF(bounded, magic);
  Value fraction = e.subF(bounded, e.subF(shifted, magic)); // in [-1/2, 1/2]
  // Of the polynomials of degree 5 with p(0) = 1 the one whose relative error from 2^f on [-1/2, 1/2] is
  // least, 9.1e-8. That 2^0 is exactly 1 keeps what is rescaled without a new maximum as it was.
  constexpr float coefficients[] = {1.32647273e-3f, 9.67151299e-3f, 5.55073358e-2f,
                                    2.40222424e-1f, 6.93147004e-1f, 1.0f};
  Value power = vector(coefficients[0]);
  for (float coefficient : llvm::drop_begin(coefficients))
    power = e.fma(power, fraction, vector(coefficient));
  Value exponent = arith::ShLIOp::create(e.b, e.loc, bits(ints, shifted), integer(23));
  // n = -127 leaves no bits: the factor is 0.
  Value scale = bits(floats, e.add(exponent, integer(0x3F800000)));
  return e.mulF(power, scale);
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
