#include "codegen/cpu/Amx.h"

using namespace mlir;

namespace attn::cpu {

namespace {

constexpr int64_t kRegisterRows = 16, kRowBytes = 64;

/// The registers of one block of the result; LLVM configures and allocates them, as all are of one shape.
class TileBlock {
public:
  TileBlock(Emitter &e, const TileProduct &product, Value row) : e(e), p(product), row(row) {}

  void emit() {
    Value sums[2][2];
    forSums([&](int64_t r, int64_t c) {
      sums[r][c] = p.adds ? load(sumAddress(r, c), kColumnBytes) : zero();
    });
    for (int64_t k = 0; k < p.depth; k += kTileProductDepth) {
      Value right[2], left[2];
      for (int64_t i = 0; i < 2; ++i) {
        right[i] = load(e.atByte(p.b, k * kColumnBytes + i * kRowBytes), kColumnBytes);
        left[i] = load(leftAddress(i, k), 4 * p.stride);
      }
      forSums([&](int64_t r, int64_t c) { sums[r][c] = multiply(sums[r][c], left[r], right[c]); });
    }
    forSums([&](int64_t r, int64_t c) { store(sums[r][c], sumAddress(r, c)); });
  }

private:
  /// A row of b or c: two registers wide.
  static constexpr int64_t kColumnBytes = 2 * kRowBytes;

  void forSums(llvm::function_ref<void(int64_t, int64_t)> body) {
    for (int64_t r = 0; r < 2; ++r)
      for (int64_t c = 0; c < 2; ++c)
        body(r, c);
  }
  Value sumAddress(int64_t r, int64_t c) {
    Value first = e.at(p.c, e.b.getI8Type(), e.mul(row, e.i64(kColumnBytes)));
    return e.atByte(first, r * kRegisterRows * kColumnBytes + c * kRowBytes);
  }
  Value leftAddress(int64_t r, int64_t k) {
    Value first = e.at(p.a, e.b.getI8Type(), e.mul(row, e.i64(4 * p.stride)));
    return e.atByte(first, 4 * (r * kRegisterRows * p.stride + k));
  }

  Value intrinsic(StringRef name, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(e.b, e.loc, LLVM::LLVMX86AMXType::get(e.b.getContext()),
                                         e.b.getStringAttr(name), operands)
        ->getResult(0);
  }
  Value i16(int64_t value) { return arith::ConstantIntOp::create(e.b, e.loc, value, 16); }
  Value zero() {
    return intrinsic("llvm.x86.tilezero.internal", {i16(kRegisterRows), i16(kRowBytes)});
  }
  Value load(Value address, int64_t stride) {
    return intrinsic("llvm.x86.tileloadd64.internal",
                     {i16(kRegisterRows), i16(kRowBytes), address, e.i64(stride)});
  }
  Value multiply(Value sum, Value left, Value right) {
    return intrinsic("llvm.x86.tdpbf16ps.internal",
                     {i16(kRegisterRows), i16(kRowBytes), i16(kRowBytes), sum, left, right});
  }
  void store(Value tile, Value address) {
    LLVM::CallIntrinsicOp::create(
        e.b, e.loc, e.b.getStringAttr("llvm.x86.tilestored64.internal"),
        ValueRange{i16(kRegisterRows), i16(kRowBytes), address, e.i64(kColumnBytes), tile});
  }

  Emitter &e;
  const TileProduct &p;
  Value row;
};

} // namespace

void emitTileProduct(Emitter &e, const TileProduct &product) {
  assert(e.machine.columns() == 32 && "two registers of 16 f32 are a row of the result");
  assert(product.rows % kTileProductRows == 0 && product.depth % kTileProductDepth == 0 &&
         "Scratch pads to whole registers");
  e.loop(0, product.rows, kTileProductRows, [&](Value row) {
    TileBlock(e, product, row).emit();
    if (product.finish)
      product.finish(row);
  });
}

} // namespace attn::cpu
