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
#include "runtime/emulator/ops/TensorCore.h"

#include <algorithm>
#include <limits>

namespace attn::emulator {
namespace {

using tensorcore::BFloats, tensorcore::Halves, tensorcore::TF32s, tensorcore::Tile;
using tensorcore::kColumns, tensorcore::kRows;
constexpr uint8_t kSaturateFlag = 1;

// Accumulators, to the tile and back. Element j of lane l in row l / 4 + 8 half is the tile's float
// 4 l + 2 j + half.
struct FloatResult {
  static constexpr bool kIsHalf = false;
  template <class T> ATTN_INLINE static void read(const Warp &warp, const Place *places, T &tile) {
    const uint32_t *words[4];
    for (unsigned i = 0; i < 4; ++i)
      words[i] = warp.words(places[i]);
    float *c = &tile.c[0][0][0];
    for (unsigned lane = 0; lane < kLanes; ++lane)
      for (unsigned i = 0; i < 4; ++i)
        c[4 * lane + i] = std::bit_cast<float>(words[2 * (i % 2) + i / 2][lane]);
  }
  template <class T> ATTN_INLINE static void write(Warp &warp, const Inst &inst, const T &tile) {
    const float *c = &tile.c[0][0][0];
    uint32_t words[4][kLanes];
    for (unsigned lane = 0; lane < kLanes; ++lane)
      for (unsigned i = 0; i < 4; ++i)
        words[2 * (i % 2) + i / 2][lane] = std::bit_cast<uint32_t>(c[4 * lane + i]);
    for (unsigned i = 0; i < 4; ++i)
      warp.store(inst.places[i], words[i], kAllLanes);
  }
};
struct HalfResult {
  static constexpr bool kIsHalf = true;
  template <class T> ATTN_INLINE static void read(const Warp &warp, const Place *places, T &tile) {
    float *c = &tile.c[0][0][0];
    for (unsigned half = 0; half < 2; ++half) {
      const uint32_t *words = warp.words(places[half]);
      for (unsigned lane = 0; lane < kLanes; ++lane)
        for (unsigned j = 0; j < 2; ++j)
          c[4 * lane + 2 * j + half] = halfToFloat(static_cast<uint16_t>(words[lane] >> 16 * j));
    }
  }
  template <class T> ATTN_INLINE static void write(Warp &warp, const Inst &inst, const T &tile) {
    const float *c = &tile.c[0][0][0];
    for (unsigned half = 0; half < 2; ++half) {
      uint32_t words[kLanes];
      for (unsigned lane = 0; lane < kLanes; ++lane)
        words[lane] = floatToHalf(c[4 * lane + half]) |
                      uint32_t(floatToHalf(c[4 * lane + 2 + half])) << 16;
      warp.store(inst.places[half], words, kAllLanes);
    }
  }
};

bool checkOperands(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!warp.checkWhole(inst, mask))
    return false;
  uint32_t poison = 0;
  for (unsigned i = 0; i < inst.sources; ++i)
    poison |= warp.poison(inst.source(i));
  for (unsigned i = 0; poison != 0 && i < inst.sources; ++i)
    if (!warp.checkWritten(inst, inst.source(i), mask, "an operand of the product"))
      return false;
  return true;
}

/// Registers: D, then A, B, C.
template <class Factor, class Result, unsigned kParts>
ATTN_INLINE void multiplyFloats(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!checkOperands(warp, inst, mask))
    return;
  Tile<Factor, kParts> tile;
  for (unsigned part = 0; part < kParts; ++part) {
    tile.setA(part, warp.words(inst.source(2 * part)), warp.words(inst.source(2 * part + 1)));
    tile.setB(part, warp.words(inst.source(2 * kParts + part)));
  }
  Result::read(warp, &inst.source(3 * kParts), tile);
  tensorcore::multiplyAdd<Result::kIsHalf>(tile);
  Result::write(warp, inst, tile);
}

/// The 8 rows of 16 bytes that a register holds, from column `first` on of `matrix`.
template <class Byte, unsigned kDepth>
void readRows(const uint32_t *words, int64_t (*matrix)[kDepth], unsigned first) {
  Byte bytes[8 * 16];
  std::memcpy(bytes, words, sizeof(bytes));
  for (unsigned i = 0; i < 8 * 16; ++i)
    matrix[i / 16][first + i % 16] = bytes[i];
}

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

template <class ByteA, class ByteB, unsigned kDepth>
ATTN_INLINE void multiplyIntegers(Warp &warp, const Inst &inst, uint32_t mask) {
  constexpr unsigned kParts = kDepth / 16;
  if (!checkOperands(warp, inst, mask))
    return;
  int64_t a[kRows][kDepth], b[kColumns][kDepth];
  IntResult::Matrix c;
  for (unsigned r = 0; r < 2 * kParts; ++r)
    readRows<ByteA, kDepth>(warp.words(inst.source(r)), a + 8 * (r % 2), r / 2 * 16);
  for (unsigned r = 0; r < kParts; ++r)
    readRows<ByteB, kDepth>(warp.words(inst.source(2 * kParts + r)), b, r * 16);
  IntResult::read(warp, &inst.source(3 * kParts), c);
  for (unsigned row = 0; row < kRows; ++row)
    for (unsigned column = 0; column < kColumns; ++column)
      for (unsigned k = 0; k < kDepth; ++k)
        c[row][column] += a[row][k] * b[column][k];
  IntResult::write(warp, inst, c);
}

template <class Factor, class Result, unsigned kParts>
void mma(Warp &warp, const Inst &inst, uint32_t mask) {
  multiplyFloats<Factor, Result, kParts>(warp, inst, mask);
}
template <class Factor, class Result, unsigned kParts>
ATTN_WIDE void mmaWide(Warp &warp, const Inst &inst, uint32_t mask) {
  multiplyFloats<Factor, Result, kParts>(warp, inst, mask);
}
template <class Factor, class Result, unsigned kParts>
constexpr Form kMma{mma<Factor, Result, kParts>, mmaWide<Factor, Result, kParts>};

template <class ByteA, class ByteB, unsigned kDepth>
void mmaBytes(Warp &warp, const Inst &inst, uint32_t mask) {
  multiplyIntegers<ByteA, ByteB, kDepth>(warp, inst, mask);
}
template <class ByteA, class ByteB, unsigned kDepth>
ATTN_WIDE void mmaBytesWide(Warp &warp, const Inst &inst, uint32_t mask) {
  multiplyIntegers<ByteA, ByteB, kDepth>(warp, inst, mask);
}
template <class ByteA, class ByteB, unsigned kDepth>
constexpr Form kMmaBytes{mmaBytes<ByteA, ByteB, kDepth>, mmaBytesWide<ByteA, ByteB, kDepth>};

/// The forms there are, by the types of D, A, B and C.
struct MmaForm {
  unsigned depth;
  Type d, a, b;
  Form form;
};
const MmaForm kForms[] = {
    {16, Type::F32, Type::F16, Type::F16, kMma<Halves, FloatResult, 2>},
    {8, Type::F32, Type::F16, Type::F16, kMma<Halves, FloatResult, 1>},
    {16, Type::F16, Type::F16, Type::F16, kMma<Halves, HalfResult, 2>},
    {8, Type::F16, Type::F16, Type::F16, kMma<Halves, HalfResult, 1>},
    {16, Type::F32, Type::BF16, Type::BF16, kMma<BFloats, FloatResult, 2>},
    {8, Type::F32, Type::BF16, Type::BF16, kMma<BFloats, FloatResult, 1>},
    {8, Type::F32, Type::TF32, Type::TF32, kMma<TF32s, FloatResult, 2>},
    {4, Type::F32, Type::TF32, Type::TF32, kMma<TF32s, FloatResult, 1>},
    {16, Type::S32, Type::S8, Type::S8, kMmaBytes<int8_t, int8_t, 16>},
    {16, Type::S32, Type::S8, Type::U8, kMmaBytes<int8_t, uint8_t, 16>},
    {16, Type::S32, Type::U8, Type::S8, kMmaBytes<uint8_t, int8_t, 16>},
    {16, Type::S32, Type::U8, Type::U8, kMmaBytes<uint8_t, uint8_t, 16>},
    {32, Type::S32, Type::S8, Type::S8, kMmaBytes<int8_t, int8_t, 32>},
    {32, Type::S32, Type::S8, Type::U8, kMmaBytes<int8_t, uint8_t, 32>},
    {32, Type::S32, Type::U8, Type::S8, kMmaBytes<uint8_t, int8_t, 32>},
    {32, Type::S32, Type::U8, Type::U8, kMmaBytes<uint8_t, uint8_t, 32>},
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
