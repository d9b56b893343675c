//===- Emitter.h - small words for building GPU code -------------*- C++ -*-===//
//
// Scalars are arith, memory and matrices are LLVM and NVVM. Positions and shared addresses are i32, global
// addresses pointers of address space 1. Shared memory is addressed through inline PTX with 32-bit
// registers and an immediate offset: LLVM's shared pointers have 64 bits, twice the registers.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/KernelInfo.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Builders.h"

#include <cstddef>

namespace attn::nvvm {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<Value>;

constexpr unsigned kGlobalSpace = 1, kSharedSpace = 3; ///< address spaces of PTX in LLVM
constexpr float kLog2e = 1.44269504f;
constexpr float kLn2 = 0.693147181f;

class Emitter {
public:
  /// `args` is the by-value kernel parameter, a pointer to it.
  Emitter(mlir::OpBuilder &builder, mlir::Location loc, Value args)
      : b(builder), loc(loc), args(args) {}

  // Constants.
  Value i1(bool value) { return mlir::arith::ConstantIntOp::create(b, loc, value, 1); }
  Value i32(int64_t value) { return mlir::arith::ConstantIntOp::create(b, loc, value, 32); }
  Value i64(int64_t value) { return mlir::arith::ConstantIntOp::create(b, loc, value, 64); }
  Value f32(float value) {
    return mlir::arith::ConstantFloatOp::create(b, loc, b.getF32Type(), llvm::APFloat(value));
  }
  Value negativeInfinity() { return f32(-std::numeric_limits<float>::infinity()); }

  // Types.
  Type ptr(unsigned space = 0) { return mlir::LLVM::LLVMPointerType::get(b.getContext(), space); }

  // Arithmetic on equal types, folded where it is constant.
  template <class Op, class... Args> Value make(Args &&...arguments) {
    return b.createOrFold<Op>(loc, std::forward<Args>(arguments)...);
  }
  Value add(Value x, Value y) { return make<mlir::arith::AddIOp>(x, y); }
  Value sub(Value x, Value y) { return make<mlir::arith::SubIOp>(x, y); }
  Value mul(Value x, Value y) { return make<mlir::arith::MulIOp>(x, y); }
  Value div(Value x, Value y) { return make<mlir::arith::DivUIOp>(x, y); }
  Value rem(Value x, Value y) { return make<mlir::arith::RemUIOp>(x, y); }
  Value add(Value x, int64_t y) { return y ? add(x, i32(y)) : x; }
  Value mul(Value x, int64_t y) { return mul(x, i32(y)); }
  Value div(Value x, int64_t y) { return div(x, i32(y)); }
  Value rem(Value x, int64_t y) { return y == 1 ? i32(0) : rem(x, i32(y)); }
  Value bitAnd(Value x, int64_t mask) { return make<mlir::arith::AndIOp>(x, i32(mask)); }
  Value bitXor(Value x, Value y) { return make<mlir::arith::XOrIOp>(x, y); }
  Value bitXor(Value x, int64_t y) { return y ? bitXor(x, i32(y)) : x; }
  Value both(Value x, Value y) { return make<mlir::arith::AndIOp>(x, y); }
  Value either(Value x, Value y) { return make<mlir::arith::OrIOp>(x, y); }
  Value lessThan(Value x, Value y) {
    return make<mlir::arith::CmpIOp>(mlir::arith::CmpIPredicate::slt, x, y);
  }
  Value equal(Value x, Value y) {
    return make<mlir::arith::CmpIOp>(mlir::arith::CmpIPredicate::eq, x, y);
  }
  Value negate(Value x) { return make<mlir::arith::XOrIOp>(x, i1(true)); }
  Value select(Value c, Value x, Value y) { return make<mlir::arith::SelectOp>(c, x, y); }
  /// ceil(x / y) of non-negative i32.
  Value ceilDiv(Value x, int64_t y) { return div(add(x, y - 1), y); }
  Value addF(Value x, Value y) { return mlir::arith::AddFOp::create(b, loc, x, y); }
  Value subF(Value x, Value y) { return mlir::arith::SubFOp::create(b, loc, x, y); }
  Value mulF(Value x, Value y) { return mlir::arith::MulFOp::create(b, loc, x, y); }
  Value maxF(Value x, Value y) { return mlir::arith::MaxNumFOp::create(b, loc, x, y); }
  Value fma(Value x, Value y, Value z) { return mlir::LLVM::FMAOp::create(b, loc, x, y, z); }
  /// False for NaN.
  Value lessThanF(Value x, Value y) {
    return mlir::arith::CmpFOp::create(b, loc, mlir::arith::CmpFPredicate::OLT, x, y);
  }
  Value equalF(Value x, Value y) {
    return mlir::arith::CmpFOp::create(b, loc, mlir::arith::CmpFPredicate::OEQ, x, y);
  }
  /// Approximations of the special function unit, subnormals flushed: 2^x, log2 x, 1 / x, at most
  /// 2 ulp, 2^-22 absolute near 1, 1 ulp wrong (PTX ISA, "Floating Point Instructions").
  Value exp2(Value x) { return intrinsic("llvm.nvvm.ex2.approx.ftz.f", x); }
  Value log2(Value x) { return intrinsic("llvm.nvvm.lg2.approx.ftz.f", x); }
  Value reciprocal(Value x) { return mlir::NVVM::RcpApproxFtzF32Op::create(b, loc, x.getType(), x); }
  /// Two f32 rounded to `element` and packed, `low` in the low half.
  Value pack(Value low, Value high, Type element);
  Value toI64(Value x) { return make<mlir::arith::ExtSIOp>(b.getI64Type(), x); }
  Value toI32(Value x) { return make<mlir::arith::TruncIOp>(b.getI32Type(), x); }

  // Memory. Byte offsets are i64 or constants.
  Value at(Value base, Value byteOffset) {
    return mlir::LLVM::GEPOp::create(b, loc, base.getType(), b.getI8Type(), base,
                                     llvm::ArrayRef<mlir::LLVM::GEPArg>{byteOffset});
  }
  Value at(Value base, int64_t byteOffset) {
    if (!byteOffset)
      return base;
    return mlir::LLVM::GEPOp::create(b, loc, base.getType(), b.getI8Type(), base,
                                     llvm::ArrayRef<mlir::LLVM::GEPArg>{int32_t(byteOffset)});
  }
  /// Reads what nobody writes while the kernel runs.
  Value load(Type type, Value address) {
    return mlir::LLVM::LoadOp::create(b, loc, type, address, /*alignment=*/0, /*isVolatile=*/false,
                                      /*isNonTemporal=*/false, /*isInvariant=*/true);
  }
  void store(Value value, Value address) { mlir::LLVM::StoreOp::create(b, loc, value, address); }
  /// A field of KernelArgs at a byte offset.
  Value argument(Type type, size_t offset) { return load(type, at(args, int64_t(offset))); }
  Value intArgument(size_t offset) { return argument(b.getI32Type(), offset); }
  /// A field that points to global memory.
  Value pointerArgument(size_t offset);

  // Threads.
  Value threadIndex() { return mlir::NVVM::ThreadIdXOp::create(b, loc, b.getI32Type()); }
  /// The number of the thread block, which LLVM does not take for one that it has already.
  Value blockIndexAnew() { return sharedPtx(b.getI32Type(), "mov.u32 $0, %ctaid.x;", "=r", {}); }
  void barrier() { mlir::NVVM::Barrier0Op::create(b, loc); }
  void commitCopies() { mlir::NVVM::CpAsyncCommitGroupOp::create(b, loc); }
  /// Waits until at most `pending` of this thread's groups of copies are under way.
  void awaitCopies(int pending) { mlir::NVVM::CpAsyncWaitGroupOp::create(b, loc, pending); }
  /// The value of the lane whose number differs in the bits of `mask`.
  Value shuffleXor(Value x, int mask);
  /// Whether `condition` holds in some lane of the warp.
  Value anyLane(Value condition);

  /// Inline PTX that reads or writes shared memory.
  Value sharedPtx(Type result, llvm::StringRef text, llvm::StringRef constraints,
                  ValueRange operands);
  Value field(Value aggregate, int64_t index) {
    return mlir::LLVM::ExtractValueOp::create(b, loc, aggregate, index);
  }

  // Control. Blocks are appended to the function; the builder moves on to the last one.
  mlir::Block *appendBlock(mlir::TypeRange arguments = {});
  void jump(mlir::Block *target, ValueRange operands = {}) {
    mlir::LLVM::BrOp::create(b, loc, operands, target);
  }
  void branch(Value condition, mlir::Block *yes, ValueRange yesOperands, mlir::Block *no,
              ValueRange noOperands) {
    mlir::LLVM::CondBrOp::create(b, loc, condition, yes, yesOperands, no, noOperands);
  }
  /// `values`, or where the condition holds what `then` makes of them.
  Values when(Value condition, ValueRange values, llvm::function_ref<Values()> then);
  void when(Value condition, llvm::function_ref<void()> then) {
    when(condition, {}, [&] { return then(), Values(); });
  }

  mlir::OpBuilder &b;
  mlir::Location loc;
  Value args;

private:
  Value intrinsic(llvm::StringRef name, Value x);
};

/// An empty kernel, void name(KernelArgs by value), for thread blocks of so many threads.
mlir::LLVM::LLVMFuncOp createEntry(mlir::OpBuilder &b, mlir::Location loc, llvm::StringRef name,
                                   int64_t threads);

} // namespace attn::nvvm
