//===- Matrix.cpp - ldmatrix, stmatrix, movmatrix (PTX ISA 9.7.14.5) ------===//
//
// Matrices of 8 x 8 16-bit elements across a warp: register j of lane l holds the elements
// 2 (l % 4) and the next of row l / 4 of matrix j, the first in its low half.
//
//===----------------------------------------------------------------------===//
#include "runtime/emulator/Block.h"
#include "runtime/emulator/Lanes.h"

namespace attn::emulator {
namespace {

/// The lanes that give the addresses of `count` matrices: lane 8 j + r that of row r of matrix j.
constexpr uint32_t addressingLanes(unsigned count) {
  return count == 4 ? kAllLanes : (1u << 8 * count) - 1;
}

/// .trans: lanes receive columns instead of rows.
template <bool kTranspose>
ATTN_INLINE void loadMatrixRows(Warp &warp, const Inst &inst, uint32_t mask) {
  const unsigned count = inst.destinations;
  const uint32_t addressing = addressingLanes(count);
  LanePointers at;
  if (!warp.checkWhole(inst, mask) ||
      !warp.checkWritten(inst, inst.source(0), addressing, "the address") ||
      !warp.access(inst, inst.space, warp.addresses(inst, addressing), addressing, 16,
                   Access::Read, at))
    return;
  for (unsigned j = 0; j < count; ++j) {
    uint32_t result[kLanes];
    if (!kTranspose) {
      for (unsigned row = 0; row < 8; ++row)
        std::memcpy(result + 4 * row, at[8 * j + row], 16);
    } else {
      uint16_t rows[8][8], columns[8][8];
      for (unsigned row = 0; row < 8; ++row)
        std::memcpy(rows[row], at[8 * j + row], 16);
      for (unsigned row = 0; row < 8; ++row)
        for (unsigned column = 0; column < 8; ++column)
          columns[column][row] = rows[row][column];
      std::memcpy(result, columns, sizeof(result));
    }
    warp.store(inst.places[j], result, mask);
    warp.setPoison(inst.places[j], 0, mask);
  }
}
template <bool kTranspose> void loadMatrix(Warp &warp, const Inst &inst, uint32_t mask) {
  loadMatrixRows<kTranspose>(warp, inst, mask);
}
template <bool kTranspose>
ATTN_WIDE void loadMatrixWide(Warp &warp, const Inst &inst, uint32_t mask) {
  loadMatrixRows<kTranspose>(warp, inst, mask);
}
template <bool kTranspose>
constexpr Form kLoadMatrix{loadMatrix<kTranspose>, loadMatrixWide<kTranspose>};

/// What stands before the operands of ldmatrix and stmatrix; the number of matrices.
size_t takeShape(InstDecoder &decoder, bool &transpose) {
  decoder.expectOneOf({"sync"});
  decoder.expectOneOf({"aligned"});
  decoder.expectOneOf({"m8n8"});
  constexpr size_t kCounts[] = {1, 2, 4};
  size_t count = kCounts[decoder.expectOneOf({"x1", "x2", "x4"})];
  transpose = decoder.take("trans");
  decoder.inst.space =
      decoder.takeOneOf({"shared", "shared::cta"}) < 0 ? Space::Generic : Space::Shared;
  decoder.takeType({Type::B16});
  decoder.inst.poisonRule = PoisonRule::Operation;
  return count;
}
/// A vector of one register may be written without braces.
bool isBare(const InstDecoder &decoder) {
  const Operand *operand = decoder.peekOperand();
  return operand != nullptr && operand->kind == Operand::Kind::Name;
}

ExecFn decodeLoadMatrix(InstDecoder &decoder) {
  bool transpose;
  size_t count = takeShape(decoder, transpose);
  if (count == 1 && isBare(decoder))
    decoder.write(Type::B32);
  else
    decoder.writeVector(Type::B32, count);
  decoder.readAddress();
  if (transpose)
    return kLoadMatrix<true>;
  return kLoadMatrix<false>;
}

/// The inverse of ldmatrix.
template <bool kTranspose> void storeMatrix(Warp &warp, const Inst &inst, uint32_t mask) {
  const unsigned count = inst.sources - 1u;
  const uint32_t addressing = addressingLanes(count);
  if (!warp.checkWhole(inst, mask) ||
      !warp.checkWritten(inst, inst.source(0), addressing, "the address"))
    return;
  for (unsigned j = 0; j < count; ++j)
    if (!warp.checkWritten(inst, inst.source(1 + j), mask, "an element of the matrix"))
      return;
  LanePointers at;
  if (!warp.access(inst, inst.space, warp.addresses(inst, addressing), addressing, 16,
                   Access::Write, at))
    return;
  for (unsigned j = 0; j < count; ++j) {
    const uint32_t *words = warp.words(inst.source(1 + j));
    for (unsigned lane = 0; lane < kLanes; ++lane)
      for (unsigned half = 0; half < 2; ++half) {
        unsigned row = lane / 4, column = 2 * (lane % 4) + half;
        if (kTranspose)
          std::swap(row, column);
        uint16_t element = static_cast<uint16_t>(words[lane] >> 16 * half);
        std::memcpy(at[8 * j + row] + 2 * column, &element, 2);
      }
  }
}
ExecFn decodeStoreMatrix(InstDecoder &decoder) {
  bool transpose;
  size_t count = takeShape(decoder, transpose);
  decoder.readAddress();
  if (count == 1 && isBare(decoder))
    decoder.read(Type::B32);
  else
    decoder.readVector(Type::B32, count);
  return transpose ? storeMatrix<true> : storeMatrix<false>;
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
    {"ldmatrix", TypeClass::Any, InstClass::LoadMatrix, decodeLoadMatrix},
    {"stmatrix", TypeClass::Any, InstClass::StoreShared, decodeStoreMatrix},
    {"movmatrix", TypeClass::Any, InstClass::LoadMatrix, decodeMoveMatrix},
};

} // namespace

std::span<const OpRow> matrixOps() { return kTable; }

} // namespace attn::emulator
