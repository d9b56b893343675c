//===- Mma.cpp - mma.sync (PTX ISA 9.7.14.5) ------------------------------===//
//
// D = A B + C for m16n8k.. shapes. A is row-major, B column-major; fragments of lane l, g = l / 4,
// t = l % 4. A register across the warp, its 128 bytes in order, is 8 rows (g) of 16 bytes:
//
//   A, register r     rows g + 8 (r % 2), elements of k from (r / 2) * 16 bytes
//   B, register r     columns g, elements of k from r * 16 bytes
//   C and D, 32 bits  registers 2 h and 2 h + 1: row g + 8 h, columns 2 t and 2 t + 1
//   C and D, f16      register h: row g + 8 h, columns 2 t and 2 t + 1
//
//===----------------------------------------------------------------------===//
#include "runtime/emulator/Lanes.h"
#include "runtime/emulator/SoftFloat.h"

#include <algorithm>
#include <limits>

namespace attn::emulator {
namespace {

constexpr unsigned kRows = 16, kColumns = 8;
constexpr uint8_t kSaturateFlag = 1;

// What the 16 bytes of a row hold, and what they are summed in.
template <class E, class Sum> struct Elements {
  using Element = E;
  using Accumulated = Sum;
  static constexpr unsigned kPerRow = 16 / sizeof(E);
};
struct Halves : Elements<uint16_t, float> {
  static float value(uint16_t bits) { return halfToFloat(bits); }
};
struct BFloats : Elements<uint16_t, float> {
  static float value(uint16_t bits) { return bf16ToFloat(bits); }
};
struct TF32s : Elements<uint32_t, float> {
  /// The low 13 bits are ignored.
  static float value(uint32_t bits) { return std::bit_cast<float>(bits & 0xffffe000); }
};
template <class E> struct Bytes : Elements<E, int64_t> {
  static int64_t value(E byte) { return byte; }
};

/// The 8 rows that a register holds, from column `first` on of `matrix`, whose rows have kDepth
/// elements.
template <class In, unsigned kDepth, class Matrix>
ATTN_INLINE void readRows(const uint32_t *words, Matrix &matrix, unsigned firstRow,
                          unsigned first) {
  typename In::Element elements[8 * In::kPerRow];
  std::memcpy(elements, words, sizeof(elements));
  for (unsigned i = 0; i < 8 * In::kPerRow; ++i)
    matrix[firstRow + i / In::kPerRow][first + i % In::kPerRow] = In::value(elements[i]);
}

struct FloatResult {
  using Matrix = float[kRows][kColumns];
  ATTN_INLINE static void read(const Warp &warp, const Place *places, Matrix &c) {
    for (unsigned half = 0; half < 2; ++half) {
      const uint32_t *even = warp.words(places[2 * half]), *odd = warp.words(places[2 * half + 1]);
      float *rows = c[8 * half];
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        rows[2 * lane] = std::bit_cast<float>(even[lane]);
        rows[2 * lane + 1] = std::bit_cast<float>(odd[lane]);
      }
    }
  }
  ATTN_INLINE static void write(Warp &warp, const Inst &inst, const Matrix &c) {
    for (unsigned i = 0; i < 4; ++i) {
      const float *rows = c[8 * (i / 2)] + i % 2;
      uint32_t words[kLanes];
      for (unsigned lane = 0; lane < kLanes; ++lane)
        words[lane] = std::bit_cast<uint32_t>(rows[2 * lane]);
      warp.store(inst.places[i], words, kAllLanes);
    }
  }
};
struct HalfResult {
  using Matrix = float[kRows][kColumns];
  ATTN_INLINE static void read(const Warp &warp, const Place *places, Matrix &c) {
    for (unsigned half = 0; half < 2; ++half)
      readRows<Halves, kColumns>(warp.words(places[half]), c, 8 * half, 0);
  }
  ATTN_INLINE static void write(Warp &warp, const Inst &inst, const Matrix &c) {
    for (unsigned half = 0; half < 2; ++half) {
      const float *rows = c[8 * half];
      uint16_t rounded[64];
      for (unsigned i = 0; i < 64; ++i)
        rounded[i] = floatToHalf(rows[i]);
      uint32_t words[kLanes];
      std::memcpy(words, rounded, sizeof(words));
      warp.store(inst.places[half], words, kAllLanes);
    }
  }
};
/// Sums are exact in 64 bits, then wrap, or stop at the ends of s32 with .satfinite.
struct IntResult {
  using Matrix = int64_t[kRows][kColumns];
  ATTN_INLINE static void read(const Warp &warp, const Place *places, Matrix &c) {
    for (unsigned i = 0; i < 4; ++i) {
      int64_t *rows = c[8 * (i / 2)] + i % 2;
      for (unsigned lane = 0; lane < kLanes; ++lane)
        rows[2 * lane] = static_cast<int32_t>(warp.words(places[i])[lane]);
    }
  }
  ATTN_INLINE static void write(Warp &warp, const Inst &inst, const Matrix &c) {
    using Limits = std::numeric_limits<int32_t>;
    for (unsigned i = 0; i < 4; ++i) {
      const int64_t *rows = c[8 * (i / 2)] + i % 2;
      uint32_t words[kLanes];
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        int64_t sum = rows[2 * lane];
        if (inst.flags & kSaturateFlag)
          sum = std::clamp<int64_t>(sum, Limits::min(), Limits::max());
        words[lane] = static_cast<uint32_t>(sum);
      }
      warp.store(inst.places[i], words, kAllLanes);
    }
  }
};

/// c += a b, in order of k. Products of two significands of at most 11 bits are exact in float.
template <unsigned kDepth, class T>
ATTN_INLINE void multiply(const T (&a)[kRows][kDepth], const T (&b)[kDepth][kColumns],
                          T (&c)[kRows][kColumns]) {
  typedef T Row __attribute__((vector_size(sizeof(T) * kColumns)));
  constexpr unsigned kTogether = 8; // rows that are in registers at once
  for (unsigned first = 0; first < kRows; first += kTogether) {
    Row sums[kTogether];
    std::memcpy(sums, c[first], sizeof(sums));
    for (unsigned k = 0; k < kDepth; ++k) {
      Row factors;
      std::memcpy(&factors, b[k], sizeof(factors));
      for (unsigned row = 0; row < kTogether; ++row)
        sums[row] += a[first + row][k] * factors;
    }
    std::memcpy(c[first], sums, sizeof(sums));
  }
}

/// Registers: D, then A, B, C.
template <class InA, class InB, class Result, unsigned kDepth>
ATTN_INLINE void multiplyWarp(Warp &warp, const Inst &inst, uint32_t mask) {
  using Sum = typename InA::Accumulated;
  constexpr unsigned kPerRow = InA::kPerRow, kBRegisters = kDepth / kPerRow,
                     kARegisters = 2 * kBRegisters;
  if (!warp.checkWhole(inst, mask))
    return;
  for (unsigned i = 0; i < inst.sources; ++i)
    if (!warp.checkWritten(inst, inst.source(i), mask, "an operand of the product"))
      return;
  alignas(64) Sum a[kRows][kDepth], bColumns[kColumns][kDepth], b[kDepth][kColumns];
  alignas(64) typename Result::Matrix c;
  for (unsigned r = 0; r < kARegisters; ++r)
    readRows<InA, kDepth>(warp.words(inst.source(r)), a, 8 * (r % 2), r / 2 * kPerRow);
  for (unsigned r = 0; r < kBRegisters; ++r)
    readRows<InB, kDepth>(warp.words(inst.source(kARegisters + r)), bColumns, 0, r * kPerRow);
  for (unsigned k = 0; k < kDepth; ++k)
    for (unsigned column = 0; column < kColumns; ++column)
      b[k][column] = bColumns[column][k];
  Result::read(warp, &inst.source(kARegisters + kBRegisters), c);
  multiply<kDepth>(a, b, c);
  Result::write(warp, inst, c);
}
template <class InA, class InB, class Result, unsigned kDepth>
void mma(Warp &warp, const Inst &inst, uint32_t mask) {
  multiplyWarp<InA, InB, Result, kDepth>(warp, inst, mask);
}
template <class InA, class InB, class Result, unsigned kDepth>
ATTN_WIDE void mmaWide(Warp &warp, const Inst &inst, uint32_t mask) {
  multiplyWarp<InA, InB, Result, kDepth>(warp, inst, mask);
}
template <class InA, class InB, class Result, unsigned kDepth>
constexpr Form kMma{mma<InA, InB, Result, kDepth>, mmaWide<InA, InB, Result, kDepth>};

/// The forms there are, by the types of D, A, B and C.
struct MmaForm {
  unsigned depth;
  Type d, a, b;
  Form form;
};
const MmaForm kForms[] = {
    {16, Type::F32, Type::F16, Type::F16, kMma<Halves, Halves, FloatResult, 16>},
    {8, Type::F32, Type::F16, Type::F16, kMma<Halves, Halves, FloatResult, 8>},
    {16, Type::F16, Type::F16, Type::F16, kMma<Halves, Halves, HalfResult, 16>},
    {8, Type::F16, Type::F16, Type::F16, kMma<Halves, Halves, HalfResult, 8>},
    {16, Type::F32, Type::BF16, Type::BF16, kMma<BFloats, BFloats, FloatResult, 16>},
    {8, Type::F32, Type::BF16, Type::BF16, kMma<BFloats, BFloats, FloatResult, 8>},
    {8, Type::F32, Type::TF32, Type::TF32, kMma<TF32s, TF32s, FloatResult, 8>},
    {4, Type::F32, Type::TF32, Type::TF32, kMma<TF32s, TF32s, FloatResult, 4>},
    {16, Type::S32, Type::S8, Type::S8, kMma<Bytes<int8_t>, Bytes<int8_t>, IntResult, 16>},
    {16, Type::S32, Type::S8, Type::U8, kMma<Bytes<int8_t>, Bytes<uint8_t>, IntResult, 16>},
    {16, Type::S32, Type::U8, Type::S8, kMma<Bytes<uint8_t>, Bytes<int8_t>, IntResult, 16>},
    {16, Type::S32, Type::U8, Type::U8, kMma<Bytes<uint8_t>, Bytes<uint8_t>, IntResult, 16>},
    {32, Type::S32, Type::S8, Type::S8, kMma<Bytes<int8_t>, Bytes<int8_t>, IntResult, 32>},
    {32, Type::S32, Type::S8, Type::U8, kMma<Bytes<int8_t>, Bytes<uint8_t>, IntResult, 32>},
    {32, Type::S32, Type::U8, Type::S8, kMma<Bytes<uint8_t>, Bytes<int8_t>, IntResult, 32>},
    {32, Type::S32, Type::U8, Type::U8, kMma<Bytes<uint8_t>, Bytes<uint8_t>, IntResult, 32>},
};

ExecFn decodeMma(InstDecoder &decoder) {
  decoder.expectOneOf({"sync"});
  decoder.expectOneOf({"aligned"});
  constexpr unsigned kDepths[] = {32, 16, 8, 4};
  unsigned depth = kDepths[decoder.expectOneOf({"m16n8k32", "m16n8k16", "m16n8k8", "m16n8k4"})];
  decoder.expectOneOf({"row"});
  decoder.expectOneOf({"col"});
  bool saturates = decoder.take("satfinite");
  Type d = decoder.takeType(), a = decoder.takeType(), b = decoder.takeType(),
       c = decoder.takeType();
  auto found = std::find_if(std::begin(kForms), std::end(kForms), [&](const MmaForm &form) {
    return form.depth == depth && form.d == d && form.a == a && form.b == b && c == d;
  });
  if (found == std::end(kForms) || (saturates && d != Type::S32)) {
    decoder.fail("mma of these types and this shape is not supported");
    return nullptr;
  }
  decoder.inst.flags = saturates ? kSaturateFlag : 0;
  unsigned bRegisters = depth * byteSize(a) / 16;
  size_t results = d == Type::F16 ? 2 : 4;
  decoder.writeVector(Type::B32, results);
  decoder.readVector(Type::B32, 2 * bRegisters);
  // A vector of one register may be written without braces.
  if (decoder.peekOperand() && decoder.peekOperand()->kind == Operand::Kind::Name &&
      bRegisters == 1)
    decoder.read(Type::B32);
  else
    decoder.readVector(Type::B32, bRegisters);
  decoder.readVector(Type::B32, results);
  return found->form;
}

constexpr OpRow kTable[] = {{"mma", TypeClass::Any, InstClass::Mma, decodeMma}};

} // namespace

std::span<const OpRow> mmaOps() { return kTable; }

} // namespace attn::emulator
