//===- Emitter.h - small words for building CPU code -------------*- C++ -*-===//
//
// Addresses are LLVM pointers, loops are scf.for over i64, arithmetic is arith on scalars and 1-D vectors.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/cpu/Machine.h"
#include "runtime/KernelInfo.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <cstddef>

namespace attn::cpu {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

class Emitter {
public:
  Emitter(mlir::OpBuilder &builder, mlir::Location loc, const Machine &machine)
      : b(builder), loc(loc), machine(machine) {}

  // Constants.
  Value i64(int64_t value) { return mlir::arith::ConstantIntOp::create(b, loc, value, 64); }
  Value i32(int64_t value) { return mlir::arith::ConstantIntOp::create(b, loc, value, 32); }
  Value f32(float value) {
    return mlir::arith::ConstantFloatOp::create(b, loc, b.getF32Type(), llvm::APFloat(value));
  }
  Value negativeInfinity() { return f32(-std::numeric_limits<float>::infinity()); }

  // Types.
  mlir::VectorType vec(Type element) { return mlir::VectorType::get({machine.width}, element); }
  Type ptr() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }

  // Arithmetic on equal types.
  Value add(Value x, Value y) { return mlir::arith::AddIOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return mlir::arith::SubIOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return mlir::arith::MulIOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return mlir::arith::DivUIOp::create(b, loc, x, y); }
  Value rem(Value x, Value y) { return mlir::arith::RemUIOp::create(b, loc, x, y); }
  Value both(Value x, Value y) { return mlir::arith::AndIOp::create(b, loc, x, y); }
  Value lessThan(Value x, Value y) {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::slt, x, y);
  }
  Value equal(Value x, Value y) {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::eq, x, y);
  }
  Value addF(Value x, Value y) { return mlir::arith::AddFOp::create(b, loc, x, y); }
  Value subF(Value x, Value y) { return mlir::arith::SubFOp::create(b, loc, x, y); }
  Value mulF(Value x, Value y) { return mlir::arith::MulFOp::create(b, loc, x, y); }
  /// The larger; y where one is NaN, as x86's instruction has it.
  Value maxF(Value x, Value y) {
    return select(compareF(mlir::arith::CmpFPredicate::OGT, x, y), x, y);
  }
  Value select(Value c, Value x, Value y) {
    return mlir::arith::SelectOp::create(b, loc, c, x, y);
  }
  Value compareF(mlir::arith::CmpFPredicate predicate, Value x, Value y) {
    return mlir::arith::CmpFOp::create(b, loc, predicate, x, y);
  }
  /// x * y + z, fused where the machine can.
  Value fma(Value x, Value y, Value z);
  Value toI64(Value x) { return mlir::arith::ExtSIOp::create(b, loc, b.getI64Type(), x); }
  Value toI32(Value x) { return mlir::arith::TruncIOp::create(b, loc, b.getI32Type(), x); }
  Value splat(Value scalar) {
    return mlir::vector::BroadcastOp::create(b, loc, vec(scalar.getType()), scalar);
  }

  // Memory. Offsets count elements of `element`.
  Value at(Value base, Type element, Value offset) {
    return mlir::LLVM::GEPOp::create(b, loc, ptr(), element, base,
                                     llvm::ArrayRef<mlir::LLVM::GEPArg>{offset});
  }
  Value atByte(Value base, int64_t bytes) {
    if (bytes == 0)
      return base;
    return mlir::LLVM::GEPOp::create(b, loc, ptr(), b.getI8Type(), base,
                                     llvm::ArrayRef<mlir::LLVM::GEPArg>{int32_t(bytes)});
  }
  Value load(Type type, Value address) { return load(type, address, alignmentOf(type)); }
  Value load(Type type, Value address, unsigned alignment) {
    return mlir::LLVM::LoadOp::create(b, loc, type, address, alignment);
  }
  void store(Value value, Value address) {
    mlir::LLVM::StoreOp::create(b, loc, value, address, alignmentOf(value.getType()));
  }
  /// Asks for the cache lines of `bytes` bytes, which will be read.
  void prefetch(Value address, int64_t bytes) {
    constexpr int64_t kLine = 64;
    for (int64_t offset = 0; offset < bytes; offset += kLine)
      mlir::LLVM::Prefetch::create(b, loc, atByte(address, offset), /*rw=*/0, /*hint=*/2,
                                   /*cache=*/1);
  }
  /// A field of KernelArgs at a byte offset.
  Value argument(Value args, Type type, size_t offset) { return load(type, atByte(args, offset)); }

  // Control.
  void loop(Value from, Value to, Value step, llvm::function_ref<void(Value)> body);
  void loop(int64_t from, int64_t to, int64_t step, llvm::function_ref<void(Value)> body) {
    loop(i64(from), i64(to), i64(step), body);
  }
  /// A loop that carries values; the body returns the next ones.
  llvm::SmallVector<Value>
  loopCarrying(Value from, Value to, Value step, ValueRange init,
               llvm::function_ref<llvm::SmallVector<Value>(Value, ValueRange)> body);
  void when(Value condition, llvm::function_ref<void()> then);

  mlir::OpBuilder &b;
  mlir::Location loc;
  const Machine &machine;

private:
  /// Vectors are aligned as their elements: tensors may have any strides.
  static unsigned alignmentOf(Type type);
};

} // namespace attn::cpu
