//===- Matrix.cpp - ldmatrix, movmatrix, mma (PTX ISA 9.7.14) -------------===//
//
// Fragment layouts, for lane l, g = l / 4, t = l % 4. Elements are counted in the order of the
// registers, the low half of a register first.
//
//===----------------------------------------------------------------------===//
#include "runtime/emulator/Block.h"
#include "runtime/emulator/Lanes.h"
#include "runtime/emulator/SoftFloat.h"

namespace attn::emulator {
namespace {

constexpr unsigned kRows = 16, kColumns = 8; // of every shape here: m16n8k..

/// Row and column of element i of the accumulator, f32 or f16.
struct Position {
  unsigned row, column;
};
constexpr Position accumulatorAt(unsigned lane, unsigned i) {
  return {lane / 4 + 8 * (i / 2), 2 * (lane % 4) + i % 2};
}
/// 16-bit A, k = 16 (8 elements) or k = 8 (4 elements): column counts along k.
constexpr Position a16At(unsigned lane, unsigned i) {
  return {lane / 4 + 8 * (i / 2 % 2), 2 * (lane % 4) + i % 2 + 8 * (i / 4)};
}
/// 16-bit B: row counts along k.
constexpr Position b16At(unsigned lane, unsigned i) {
  return {2 * (lane % 4) + i % 2 + 8 * (i / 2), lane / 4};
}
/// tf32 A and B, k = 8 or 4.
constexpr Position a32At(unsigned lane, unsigned i) {
  return {lane / 4 + 8 * (i % 2), lane % 4 + 4 * (i / 2)};
}
constexpr Position b32At(unsigned lane, unsigned i) { return {lane % 4 + 4 * i, lane / 4}; }

struct HalfInput {
  static constexpr unsigned kPerRegister = 2;
  static float value(uint32_t bits, unsigned part) {
    return halfToFloat(static_cast<uint16_t>(bits >> 16 * part));
  }
  static constexpr Position a(unsigned lane, unsigned i) { return a16At(lane, i); }
  static constexpr Position b(unsigned lane, unsigned i) { return b16At(lane, i); }
};
struct BFloatInput : HalfInput {
  static float value(uint32_t bits, unsigned part) {
    return bf16ToFloat(static_cast<uint16_t>(bits >> 16 * part));
  }
};
struct TF32Input {
  static constexpr unsigned kPerRegister = 1;
  /// The low 13 bits are ignored.
  static float value(uint32_t bits, unsigned) { return std::bit_cast<float>(bits & 0xffffe000); }
  static constexpr Position a(unsigned lane, unsigned i) { return a32At(lane, i); }
  static constexpr Position b(unsigned lane, unsigned i) { return b32At(lane, i); }
};

struct FloatAccumulator {
  static void read(const Warp &warp, const Place *places, float (&c)[kRows][kColumns]) {
    for (unsigned i = 0; i < 4; ++i) {
      const uint32_t *words = warp.words(places[i]);
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        Position at = accumulatorAt(lane, i);
        c[at.row][at.column] = std::bit_cast<float>(words[lane]);
      }
    }
  }
  static void write(Warp &warp, const Place *places, const float (&c)[kRows][kColumns]) {
    for (unsigned i = 0; i < 4; ++i) {
      uint32_t words[kLanes];
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        Position at = accumulatorAt(lane, i);
        words[lane] = std::bit_cast<uint32_t>(c[at.row][at.column]);
      }
      warp.store(places[i], words, kAllLanes);
    }
  }
};
struct HalfAccumulator {
  static void read(const Warp &warp, const Place *places, float (&c)[kRows][kColumns]) {
    for (unsigned i = 0; i < 4; ++i) {
      const uint32_t *words = warp.words(places[i / 2]);
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        Position at = accumulatorAt(lane, i);
        c[at.row][at.column] = HalfInput::value(words[lane], i % 2);
      }
    }
  }
  static void write(Warp &warp, const Place *places, const float (&c)[kRows][kColumns]) {
    for (unsigned r = 0; r < 2; ++r) {
      uint32_t words[kLanes];
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        Position low = accumulatorAt(lane, 2 * r), high = accumulatorAt(lane, 2 * r + 1);
        words[lane] = floatToHalf(c[low.row][low.column]) |
                      uint32_t(floatToHalf(c[high.row][high.column])) << 16;
      }
      warp.store(places[r], words, kAllLanes);
    }
  }
};

/// D = A B + C. Registers: D, then A (row-major 16 x K), B (column-major K x 8), C.
template <class Input, class Accumulator, unsigned kDepth>
void mma(Warp &warp, const Inst &inst, uint32_t mask) {
  constexpr unsigned kPer = Input::kPerRegister;
  constexpr unsigned kARegisters = kRows * kDepth / kLanes / kPer;
  constexpr unsigned kBRegisters = kColumns * kDepth / kLanes / kPer;
  if (!warp.checkWhole(inst, mask))
    return;
  for (unsigned i = 0; i < inst.sources; ++i)
    if (!warp.checkWritten(inst, inst.source(i), mask, "an operand of the product"))
      return;
  float a[kRows][kDepth], b[kDepth][kColumns], c[kRows][kColumns];
  for (unsigned i = 0; i < kARegisters * kPer; ++i) {
    const uint32_t *words = warp.words(inst.source(i / kPer));
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      Position at = Input::a(lane, i);
      a[at.row][at.column] = Input::value(words[lane], i % kPer);
    }
  }
  for (unsigned i = 0; i < kBRegisters * kPer; ++i) {
    const uint32_t *words = warp.words(inst.source(kARegisters + i / kPer));
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      Position at = Input::b(lane, i);
      b[at.row][at.column] = Input::value(words[lane], i % kPer);
    }
  }
  Accumulator::read(warp, &inst.source(kARegisters + kBRegisters), c);
  // Products of two significands of at most 11 bits are exact in float.
  for (unsigned row = 0; row < kRows; ++row)
    for (unsigned k = 0; k < kDepth; ++k)
      for (unsigned column = 0; column < kColumns; ++column)
        c[row][column] += a[row][k] * b[k][column];
  Accumulator::write(warp, &inst.places[0], c);
}

template <class Input, unsigned kDepth> ExecFn mmaForm(Type d, Type c) {
  if (d == Type::F32 && c == Type::F32)
    return mma<Input, FloatAccumulator, kDepth>;
  if constexpr (std::is_same_v<Input, HalfInput>) {
    if (d == Type::F16 && c == Type::F16)
      return mma<Input, HalfAccumulator, kDepth>;
  }
  return nullptr;
}

ExecFn decodeMma(InstDecoder &decoder) {
  decoder.expectOneOf({"sync"});
  decoder.expectOneOf({"aligned"});
  constexpr unsigned kDepths[] = {16, 8, 4};
  unsigned depth = kDepths[decoder.expectOneOf({"m16n8k16", "m16n8k8", "m16n8k4"})];
  decoder.expectOneOf({"row"});
  decoder.expectOneOf({"col"});
  Type d = decoder.takeType({Type::F16, Type::F32});
  Type a = decoder.takeType({Type::F16, Type::BF16, Type::TF32});
  Type b = decoder.takeType({Type::F16, Type::BF16, Type::TF32});
  Type c = decoder.takeType({Type::F16, Type::F32});
  ExecFn exec = nullptr;
  if (a == b && a == Type::F16)
    exec = depth == 16  ? mmaForm<HalfInput, 16>(d, c)
           : depth == 8 ? mmaForm<HalfInput, 8>(d, c)
                        : nullptr;
  else if (a == b && a == Type::BF16)
    exec = depth == 16  ? mmaForm<BFloatInput, 16>(d, c)
           : depth == 8 ? mmaForm<BFloatInput, 8>(d, c)
                        : nullptr;
  else if (a == b)
    exec = depth == 8   ? mmaForm<TF32Input, 8>(d, c)
           : depth == 4 ? mmaForm<TF32Input, 4>(d, c)
                        : nullptr;
  if (exec == nullptr)
    decoder.fail("mma of these types and this shape is not supported");
  unsigned perRegister = a == Type::TF32 ? 1 : 2;
  decoder.writeVector(Type::B32, d == Type::F32 ? 4 : 2);
  decoder.readVector(Type::B32, kRows * depth / kLanes / perRegister);
  // A vector of one register may be written without braces.
  unsigned bRegisters = kColumns * depth / kLanes / perRegister;
  if (decoder.peekOperand() && decoder.peekOperand()->kind == Operand::Kind::Name &&
      bRegisters == 1)
    decoder.read(Type::B32);
  else
    decoder.readVector(Type::B32, bRegisters);
  decoder.readVector(Type::B32, c == Type::F32 ? 4 : 2);
  return exec;
}

/// Matrix j of 8 x 8 16-bit elements: the address of row r comes from lane 8 j + r. Lane l receives
/// the elements 2 (l % 4) and the next of row l / 4 (.trans: of that column) in register j.
template <bool kTranspose> void loadMatrix(Warp &warp, const Inst &inst, uint32_t mask) {
  const unsigned count = inst.destinations;
  uint32_t addressing = count == 4 ? kAllLanes : (1u << 8 * count) - 1;
  const Place &base = inst.source(0);
  if (!warp.checkWhole(inst, mask) || !warp.checkWritten(inst, base, addressing, "the address"))
    return;
  uint16_t matrix[4][8][8];
  for (unsigned lane = 0; lane < 8 * count; ++lane) {
    uint64_t address = warp.address(inst, base, inst.wideAddress, inst.immediate, lane);
    const uint8_t *row = warp.access(inst, inst.space, address, 16, Access::Read, lane);
    if (row == nullptr)
      return;
    std::memcpy(matrix[lane / 8][lane % 8], row, 16);
  }
  for (unsigned j = 0; j < count; ++j) {
    uint32_t result[kLanes];
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      unsigned row = lane / 4, column = 2 * (lane % 4);
      auto element = [&](unsigned c) { return kTranspose ? matrix[j][c][row] : matrix[j][row][c]; };
      result[lane] = element(column) | uint32_t(element(column + 1)) << 16;
    }
    warp.store(inst.places[j], result, mask);
    warp.setPoison(inst.places[j], 0, mask);
  }
}
ExecFn decodeLoadMatrix(InstDecoder &decoder) {
  decoder.expectOneOf({"sync"});
  decoder.expectOneOf({"aligned"});
  decoder.expectOneOf({"m8n8"});
  constexpr size_t kCounts[] = {1, 2, 4};
  size_t count = kCounts[decoder.expectOneOf({"x1", "x2", "x4"})];
  bool transpose = decoder.take("trans");
  decoder.inst.space =
      decoder.takeOneOf({"shared", "shared::cta"}) < 0 ? Space::Generic : Space::Shared;
  decoder.takeType({Type::B16});
  if (count == 1 && decoder.peekOperand() && decoder.peekOperand()->kind == Operand::Kind::Name)
    decoder.write(Type::B32);
  else
    decoder.writeVector(Type::B32, count);
  decoder.readAddress();
  decoder.inst.poisonRule = PoisonRule::Operation;
  return transpose ? loadMatrix<true> : loadMatrix<false>;
}

/// Transposes an 8 x 8 matrix of 16-bit elements that lies across the warp as ldmatrix leaves it.
void moveMatrix(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!warp.checkWhole(inst, mask) ||
      !warp.checkWritten(inst, inst.places[1], mask, "an element of the matrix"))
    return;
  const uint32_t *a = warp.words(inst.places[1]);
  auto element = [&](unsigned row, unsigned column) {
    return a[4 * row + column / 2] >> 16 * (column % 2) & 0xffff;
  };
  uint32_t result[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    result[lane] = element(2 * (lane % 4), lane / 4) | element(2 * (lane % 4) + 1, lane / 4) << 16;
  warp.store(inst.places[0], result, mask);
}
ExecFn decodeMoveMatrix(InstDecoder &decoder) {
  for (std::string_view name : {"sync", "aligned", "m8n8", "trans"})
    decoder.expectOneOf({name});
  decoder.takeType({Type::B16});
  sameType(decoder, Type::B32, 1);
  return moveMatrix;
}

constexpr OpRow kTable[] = {
    {"mma", TypeClass::Any, InstClass::Mma, decodeMma},
    {"ldmatrix", TypeClass::Any, InstClass::LoadMatrix, decodeLoadMatrix},
    {"movmatrix", TypeClass::Any, InstClass::LoadMatrix, decodeMoveMatrix},
};

} // namespace

std::span<const OpRow> matrixOps() { return kTable; }

} // namespace attn::emulator
