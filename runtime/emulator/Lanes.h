//===- Lanes.h - operations over 32 lanes -----------------------*- C++ -*-===//
//
// An operation is a struct with a static `apply` on values. All lanes are computed, then those in
// the mask are stored: the loops have no branches and the compiler vectorises them. So `apply` must
// be defined for every value.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/emulator/Decode.h"
#include "runtime/emulator/Warp.h"

#include <bit>
#include <type_traits>

namespace attn::emulator {

template <class T> T fromSlot(Slot<T> slot) {
  if constexpr (std::is_floating_point_v<T>)
    return std::bit_cast<T>(slot);
  else
    return static_cast<T>(slot);
}
template <class T> Slot<T> toSlot(T value) {
  if constexpr (std::is_floating_point_v<T>)
    return std::bit_cast<Slot<T>>(value);
  else
    return static_cast<std::make_unsigned_t<T>>(value); // zero-extends narrow ones
}

/// For this function the compiler may use AVX2, FMA and F16C, whatever it is told for the rest.
#if defined(__x86_64__)
#define ATTN_WIDE __attribute__((target("avx2,fma,f16c,bmi,bmi2")))
inline bool hasWide() {
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                          __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                          __builtin_cpu_supports("f16c");
  return has;
}
#else
#define ATTN_WIDE
inline bool hasWide() { return false; }
#endif
#define ATTN_INLINE __attribute__((always_inline)) inline

/// One operation, compiled for every processor and again for those of the last ten years; becomes
/// the one for this machine.
struct Form {
  ExecFn any, wide;
  operator ExecFn() const { return hasWide() ? wide : any; }
};

/// place 0 = F(source 0), and so on.
template <class R, class A, class F>
ATTN_INLINE void unaryLanes(Warp &warp, const Inst &inst, uint32_t mask) {
  const Slot<A> *a = warp.lanes<A>(inst.places[1]);
  Slot<R> result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    result[lane] = toSlot<R>(F::apply(fromSlot<A>(a[lane])));
  warp.store(inst.places[0], result, mask);
}
template <class R, class A, class B, class F>
ATTN_INLINE void binaryLanes(Warp &warp, const Inst &inst, uint32_t mask) {
  const Slot<A> *a = warp.lanes<A>(inst.places[1]);
  const Slot<B> *b = warp.lanes<B>(inst.places[2]);
  Slot<R> result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    result[lane] = toSlot<R>(F::apply(fromSlot<A>(a[lane]), fromSlot<B>(b[lane])));
  warp.store(inst.places[0], result, mask);
}
template <class R, class A, class B, class C, class F>
ATTN_INLINE void ternaryLanes(Warp &warp, const Inst &inst, uint32_t mask) {
  const Slot<A> *a = warp.lanes<A>(inst.places[1]);
  const Slot<B> *b = warp.lanes<B>(inst.places[2]);
  const Slot<C> *c = warp.lanes<C>(inst.places[3]);
  Slot<R> result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    result[lane] =
        toSlot<R>(F::apply(fromSlot<A>(a[lane]), fromSlot<B>(b[lane]), fromSlot<C>(c[lane])));
  warp.store(inst.places[0], result, mask);
}
template <class R, class A, class F> void unary(Warp &warp, const Inst &inst, uint32_t mask) {
  unaryLanes<R, A, F>(warp, inst, mask);
}
template <class R, class A, class B, class F>
void binary(Warp &warp, const Inst &inst, uint32_t mask) {
  binaryLanes<R, A, B, F>(warp, inst, mask);
}
template <class R, class A, class B, class C, class F>
void ternary(Warp &warp, const Inst &inst, uint32_t mask) {
  ternaryLanes<R, A, B, C, F>(warp, inst, mask);
}
template <class R, class A, class F>
ATTN_WIDE void unaryWide(Warp &warp, const Inst &inst, uint32_t mask) {
  unaryLanes<R, A, F>(warp, inst, mask);
}
template <class R, class A, class B, class F>
ATTN_WIDE void binaryWide(Warp &warp, const Inst &inst, uint32_t mask) {
  binaryLanes<R, A, B, F>(warp, inst, mask);
}
template <class R, class A, class B, class C, class F>
ATTN_WIDE void ternaryWide(Warp &warp, const Inst &inst, uint32_t mask) {
  ternaryLanes<R, A, B, C, F>(warp, inst, mask);
}
/// The same type throughout.
template <class T, class F> constexpr Form kUnary{unary<T, T, F>, unaryWide<T, T, F>};
template <class T, class F> constexpr Form kBinary{binary<T, T, T, F>, binaryWide<T, T, T, F>};
template <class T, class F>
constexpr Form kTernary{ternary<T, T, T, T, F>, ternaryWide<T, T, T, T, F>};

/// Calls `make` with a value of the C++ type of an integer type, s16 to u64 (bits count as
/// unsigned).
template <class Make> ExecFn byIntegerType(Type type, Make make) {
  switch (type) {
  case Type::S16:
    return make(int16_t());
  case Type::U16:
  case Type::B16:
    return make(uint16_t());
  case Type::S32:
    return make(int32_t());
  case Type::U32:
  case Type::B32:
    return make(uint32_t());
  case Type::S64:
    return make(int64_t());
  case Type::U64:
  case Type::B64:
    return make(uint64_t());
  default:
    return nullptr;
  }
}

/// One write and `reads` reads of `type`.
inline void sameType(InstDecoder &decoder, Type type, unsigned reads) {
  decoder.write(type);
  for (unsigned i = 0; i < reads; ++i)
    decoder.read(type);
}

} // namespace attn::emulator
