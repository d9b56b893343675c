//===- Wmma.cpp - wmma.load, mma and store of m16n16k16 (PTX ISA 9.7.14.4) -===//
//
// Which lane holds which element of a fragment is for the machine to say; programs may only treat
// all elements alike. Here element e of a lane is element 32 e + lane of the matrix, row after row.
// Fragments of f16 factors have twice the registers that they need: the second half repeats the
// first.
//
//===----------------------------------------------------------------------===//
#include "runtime/emulator/Block.h"
#include "runtime/emulator/Lanes.h"
#include "runtime/emulator/ops/TensorCore.h"

namespace attn::emulator {
namespace {

constexpr unsigned kSide = 16, kElements = kSide * kSide / kLanes;
constexpr uint8_t kColumnMajor = 1;

/// Bytes of an element, and registers of a fragment.
struct Fragment {
  Type type = Type::F32;
  unsigned registers = kElements;
  bool isWide() const { return type == Type::F32; }
};
Fragment factor(Type type) { return {type, type == Type::F16 ? kElements : kElements / 2}; }

/// Addresses of element `e` of every lane; the first source is the base, the last one the elements
/// from one row, or column, to the next.
LaneAddresses elementAddresses(const Warp &warp, const Inst &inst, unsigned e, unsigned bytes) {
  LaneAddresses at = warp.addresses(inst, kAllLanes);
  const uint32_t *stride = warp.words(inst.source(inst.sources - 1u));
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    unsigned row = (kLanes * e + lane) / kSide, column = (kLanes * e + lane) % kSide;
    if (inst.flags & kColumnMajor)
      std::swap(row, column);
    at[lane] += bytes * (uint64_t(row) * stride[lane] + column);
  }
  return at;
}

bool checkOperands(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!warp.checkWhole(inst, mask))
    return false;
  for (unsigned i = 0; i < inst.sources; ++i)
    if (!warp.checkWritten(inst, inst.source(i), mask, "an operand"))
      return false;
  return true;
}

template <bool kWide> void load(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!checkOperands(warp, inst, mask))
    return;
  constexpr unsigned kBytes = kWide ? 4 : 2;
  uint32_t words[kElements][kLanes] = {};
  for (unsigned e = 0; e < kElements; ++e) {
    LanePointers from;
    if (!warp.access(inst, inst.space, elementAddresses(warp, inst, e, kBytes), mask, kBytes,
                     Access::Read, from))
      return;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      uint32_t bits = 0;
      std::memcpy(&bits, from[lane], kBytes);
      words[kWide ? e : e / 2][lane] |= kWide ? bits : bits << 16 * (e % 2);
    }
  }
  for (unsigned r = 0; r < inst.destinations; ++r) {
    warp.store(inst.places[r], words[kWide ? r : r % (kElements / 2)], mask);
    warp.setPoison(inst.places[r], 0, mask);
  }
}

void store(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!checkOperands(warp, inst, mask))
    return;
  for (unsigned e = 0; e < kElements; ++e) {
    LanePointers to;
    if (!warp.access(inst, inst.space, elementAddresses(warp, inst, e, 4), mask, 4, Access::Write,
                     to))
      return;
    const uint32_t *words = warp.words(inst.source(1 + e));
    for (unsigned lane = 0; lane < kLanes; ++lane)
      std::memcpy(to[lane], &words[lane], 4);
  }
}

using Matrix = uint16_t[kSide][kSide];

void readFactor(const Warp &warp, const Place *places, Matrix &matrix) {
  for (unsigned e = 0; e < kElements; ++e) {
    const uint32_t *words = warp.words(places[e / 2]);
    for (unsigned lane = 0; lane < kLanes; ++lane)
      matrix[(kLanes * e + lane) / kSide][lane % kSide] =
          static_cast<uint16_t>(words[lane] >> 16 * (e % 2));
  }
}

/// 8 rows of 8 values, as the registers of mma.sync hold them.
struct Rows {
  uint32_t words[kLanes];
  template <class At> explicit Rows(At at) {
    for (unsigned lane = 0; lane < kLanes; ++lane)
      words[lane] = at(lane / 4, 2 * (lane % 4)) | uint32_t(at(lane / 4, 2 * (lane % 4) + 1)) << 16;
  }
};

/// Two products of 16x8, summed as those of mma.sync.
template <class Format, unsigned kRegisters>
void multiply(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!checkOperands(warp, inst, mask))
    return;
  Matrix a, b;
  readFactor(warp, &inst.source(0), a);
  readFactor(warp, &inst.source(kRegisters), b);
  uint32_t result[kElements][kLanes];
  for (unsigned first = 0; first < kSide; first += tensorcore::kColumns) {
    tensorcore::Tile<Format, 2> tile;
    for (unsigned part = 0; part < 2; ++part) {
      Rows upper([&](unsigned row, unsigned k) { return a[row][8 * part + k]; });
      Rows lower([&](unsigned row, unsigned k) { return a[row + 8][8 * part + k]; });
      Rows columns([&](unsigned column, unsigned k) { return b[8 * part + k][first + column]; });
      tile.setA(part, upper.words, lower.words);
      tile.setB(part, columns.words);
    }
    // Row 2 e + lane / 16 and column lane % 16 of the matrix.
    auto element = [&](unsigned e, unsigned lane) -> float & {
      unsigned row = 2 * e + lane / kSide;
      return tile.c[row % 8][lane % kSide - first][row / 8];
    };
    auto inTile = [&](unsigned lane) {
      return lane % kSide >= first && lane % kSide < first + tensorcore::kColumns;
    };
    for (unsigned e = 0; e < kElements; ++e)
      for (unsigned lane = 0; lane < kLanes; ++lane)
        if (inTile(lane))
          element(e, lane) =
              std::bit_cast<float>(warp.words(inst.source(2 * kRegisters + e))[lane]);
    tensorcore::multiplyAdd<false>(tile);
    for (unsigned e = 0; e < kElements; ++e)
      for (unsigned lane = 0; lane < kLanes; ++lane)
        if (inTile(lane))
          result[e][lane] = std::bit_cast<uint32_t>(element(e, lane));
  }
  for (unsigned e = 0; e < kElements; ++e)
    warp.store(inst.places[e], result[e], mask);
}

void takeMemory(InstDecoder &decoder) {
  if (decoder.expectOneOf({"row", "col"}) == 1)
    decoder.inst.flags |= kColumnMajor;
  decoder.expectOneOf({"m16n16k16"});
  int space = decoder.takeOneOf({"global", "shared", "shared::cta"});
  decoder.inst.space = space < 0 ? Space::Generic : space == 0 ? Space::Global : Space::Shared;
}

/// Without a stride rows follow one another.
void readStride(InstDecoder &decoder) { decoder.readOr(Type::B32, kSide); }

ExecFn decodeLoad(InstDecoder &decoder) {
  bool isAccumulator = decoder.expectOneOf({"a", "b", "c"}) == 2;
  takeMemory(decoder);
  Fragment fragment;
  if (isAccumulator)
    decoder.takeType({Type::F32});
  else
    fragment = factor(decoder.takeType({Type::F16, Type::BF16}));
  decoder.writeVector(Type::B32, fragment.registers);
  decoder.readAddress();
  readStride(decoder);
  decoder.inst.instClass = InstClass::LoadMatrix;
  decoder.inst.poisonRule = PoisonRule::Operation;
  return fragment.isWide() ? load<true> : load<false>;
}

ExecFn decodeStore(InstDecoder &decoder) {
  decoder.expectOneOf({"d"});
  takeMemory(decoder);
  decoder.takeType({Type::F32});
  decoder.readAddress();
  decoder.readVector(Type::B32, kElements);
  readStride(decoder);
  decoder.inst.instClass = InstClass::StoreOther;
  return store;
}

/// Both factors row-major or column-major in memory: the fragment is the same.
ExecFn decodeMultiply(InstDecoder &decoder) {
  decoder.expectOneOf({"row", "col"});
  decoder.expectOneOf({"row", "col"});
  decoder.expectOneOf({"m16n16k16"});
  decoder.takeType({Type::F32});
  // Of f16 factors only the types of D and C are said.
  bool isBFloat = decoder.take("bf16") && decoder.take("bf16");
  decoder.takeType({Type::F32});
  unsigned registers = factor(isBFloat ? Type::BF16 : Type::F16).registers;
  decoder.writeVector(Type::B32, kElements);
  decoder.readVector(Type::B32, registers);
  decoder.readVector(Type::B32, registers);
  decoder.readVector(Type::B32, kElements);
  return isBFloat ? multiply<tensorcore::BFloats, kElements / 2>
                  : multiply<tensorcore::Halves, kElements>;
}

ExecFn decode(InstDecoder &decoder) {
  int which = decoder.expectOneOf({"load", "store", "mma"});
  decoder.expectOneOf({"sync"});
  decoder.expectOneOf({"aligned"});
  return which == 0   ? decodeLoad(decoder)
         : which == 1 ? decodeStore(decoder)
                      : decodeMultiply(decoder);
}

constexpr OpRow kRows[] = {
    {"wmma", TypeClass::Any, InstClass::Mma, decode},
};

} // namespace

std::span<const OpRow> wmmaOps() { return kRows; }

} // namespace attn::emulator
