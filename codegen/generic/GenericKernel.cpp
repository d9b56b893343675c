#include "codegen/generic/GenericKernel.h"

#include <cmath>
#include <limits>

namespace attn::generic {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

int64_t product(const Coords &extents) {
  int64_t result = 1;
  for (int64_t extent : extents)
    result *= extent;
  return result;
}
int64_t inLanes(int64_t count) { return ceilDiv(count, kLanes) * kLanes; }

/// The parts of a worker's memory, one behind the other.
struct Scratch {
  /// Without memory, to learn how much it takes.
  Scratch(const GenericKernel &kernel, void *memory) : memory(static_cast<char *>(memory)) {
    const KernelInfo &info = kernel.info;
    rows = product(info.queryTile) * info.packedHeads;
    keys = product(info.keyTile);
    paddedKeys = inLanes(keys);
    paddedDv = inLanes(info.headDimV);
    query = take<float>(rows * info.headDimQk);
    acc = take<float>(rows * paddedDv);
    max = take<float>(rows);
    sum = take<float>(rows);
    turnedKeys = take<float>(info.headDimQk * paddedKeys);
    values = take<float>(keys * paddedDv);
    scores = take<Lanes>(paddedKeys / kLanes);
    keyCoords = take<Lanes>((info.rank + 1) * paddedKeys / kLanes);
    isKey = take<char>(paddedKeys);
    int most = 0;
    for (const auto *programs : {&kernel.masks, &kernel.zeroKeys})
      for (const LaneProgram &program : *programs)
        most = std::max(most, program.numRegisters());
    if (kernel.score)
      most = std::max(most, kernel.score->numRegisters());
    registers = take<Lanes>(most);
  }

  template <class T> T *take(int64_t count) {
    char *start = memory ? memory + bytes : nullptr;
    bytes += ceilDiv(count * int64_t(sizeof(T)), 64) * 64;
    return reinterpret_cast<T *>(start);
  }

  char *memory;
  int64_t bytes = 0;
  int64_t rows, keys, paddedKeys, paddedDv;
  float *query;      ///< [rows][Dqk]
  float *acc;        ///< [rows][paddedDv]
  float *max, *sum;  ///< [rows]
  float *turnedKeys; ///< [Dqk][paddedKeys]
  float *values;     ///< [keys][paddedDv]
  Lanes *scores;     ///< [paddedKeys], of one row
  Lanes *keyCoords;  ///< [rank + 1][paddedKeys], positions last
  char *isKey;       ///< [paddedKeys], whether the key exists
  Lanes *registers;
};

/// One ticket: a query tile of a group of heads, with a part of its keys.
class Piece {
public:
  Piece(const GenericKernel &kernel, const KernelArgs &args, int64_t ticket, void *memory)
      : kernel(kernel), info(kernel.info), args(args), scratch(kernel, memory) {
    geometry.rank = info.rank;
    geometry.queryTile = info.queryTile;
    geometry.keyTile = info.keyTile;
    for (int d = 0; d < info.rank; ++d)
      geometry.queries[d] = geometry.keys[d] = args.dims[d];
    if (info.rank == 1)
      geometry.queries[0] = args.numQueries;
    int64_t number = args.order[ticket];
    part = number % args.splits;
    tile = number / args.splits % args.queryTiles;
    int64_t batchGroup = number / args.splits / args.queryTiles;
    int64_t groups = info.heads / info.packedHeads;
    head = batchGroup % groups * info.packedHeads;
    batch = batchGroup / groups;
    kvHead = head / (info.heads / info.kvHeads);
    queryOrigin = originOf(tile, true);
  }

  void run() {
    for (int64_t row = 0; row < scratch.rows; ++row)
      enterRow(row);
    int64_t map = args.mapOfHead[batch * info.heads + head];
    const int64_t *offsets =
        args.mapOffsets + map * (int64_t(args.queryTiles) * args.splits + 1) +
        tile * args.splits + part;
    for (int64_t box = offsets[0]; box < offsets[1]; ++box)
      visitBox(box);
    for (int64_t row = 0; row < scratch.rows; ++row)
      finishRow(row);
  }

private:
  //===--- Rows -----------------------------------------------------------===//

  Coords originOf(int64_t number, bool ofQueries) const {
    Coords origin = coordsAt(number, tileGrid(geometry, ofQueries), info.rank);
    for (int d = 0; d < info.rank; ++d)
      origin[d] *= ofQueries ? info.queryTile[d] : info.keyTile[d];
    return origin;
  }

  /// Row `row` of a tile: its coordinates, its position, and whether there is such a token.
  struct Token {
    Coords coords;
    int64_t position;
    bool exists;
  };
  Token tokenAt(const Coords &origin, int64_t row, bool ofQueries) const {
    const Coords &lengths = ofQueries ? geometry.queries : geometry.keys;
    Token token{coordsAt(row, ofQueries ? info.queryTile : info.keyTile, info.rank), 0, true};
    for (int d = 0; d < info.rank; ++d) {
      token.coords[d] += origin[d];
      token.exists = token.exists && token.coords[d] < lengths[d];
    }
    token.position = rowMajor(token.coords, lengths, info.rank);
    if (kernel.isBounded)
      token.exists = token.exists && token.position < (ofQueries ? args.numQueries : args.numKeys);
    return token;
  }
  Token queryAt(int64_t row) const {
    return tokenAt(queryOrigin, row % product(info.queryTile), true);
  }
  int64_t headOf(int64_t row) const { return head + row / product(info.queryTile); }

  /// Elements of a token's row, as f32, `stride` apart.
  void loadRow(const void *tensor, const int64_t (&strides)[3], int64_t ofHead, int64_t position,
               int64_t count, float *target, int64_t stride) const {
    int64_t first = batch * strides[0] + ofHead * strides[1] + position * strides[2];
    auto copy = [&](auto *elements, auto convert) {
      for (int64_t d = 0; d < count; ++d)
        target[d * stride] = convert(elements[first + d]);
    };
    if (info.dtype == DType::F32)
      return copy(static_cast<const float *>(tensor), [](float x) { return x; });
    auto *halves = static_cast<const uint16_t *>(tensor);
    return info.dtype == DType::BF16 ? copy(halves, bf16ToF32) : copy(halves, f16ToF32);
  }

  void enterRow(int64_t row) {
    Token token = queryAt(row);
    std::fill_n(scratch.acc + row * scratch.paddedDv, scratch.paddedDv, 0.0f);
    scratch.max[row] = -kInfinity;
    scratch.sum[row] = 0;
    if (!token.exists)
      return;
    loadRow(args.q, args.qStride, headOf(row), token.position, info.headDimQk,
            scratch.query + row * info.headDimQk, 1);
    if (kernel.zeroKeys.empty())
      return;
    const LaneProgram &formula = formulaOf(kernel.zeroKeys, headOf(row));
    setHead(headOf(row));
    for (int d = 0; d < info.rank; ++d)
      scratch.registers[2 + d] = splat(int32_t(token.coords[d]));
    if (int32_t count = formula.run(args, info, scratch.registers)[0]; count > 0) {
      scratch.max[row] = 0;
      scratch.sum[row] = float(count);
    }
  }

  void finishRow(int64_t row) {
    Token token = queryAt(row);
    if (!token.exists)
      return;
    float sum = scratch.sum[row], *acc = scratch.acc + row * scratch.paddedDv;
    float lse = sum == 0 ? -kInfinity : scratch.max[row] + std::log(sum);
    for (int64_t d = 0; d < info.headDimV; ++d)
      acc[d] = sum == 0 ? 0 : acc[d] / sum;
    int64_t index[3] = {batch, headOf(row), token.position};
    if (args.splits > 1) {
      int64_t entry = ((part * args.batch + index[0]) * info.heads + index[1]) * args.numQueries +
                      index[2];
      args.partialLse[entry] = lse;
      std::copy_n(acc, info.headDimV, args.partialO + entry * info.headDimV);
      return;
    }
    auto offsetIn = [&](const int64_t (&strides)[3]) {
      return index[0] * strides[0] + index[1] * strides[1] + index[2] * strides[2];
    };
    args.lse[offsetIn(args.lseStride)] = lse;
    int64_t size = dtypeSize(info.dtype);
    char *target = static_cast<char *>(args.o) + offsetIn(args.oStride) * size;
    for (int64_t d = 0; d < info.headDimV; ++d)
      storeElement(info.dtype, target + d * size, acc[d]);
  }

  //===--- Key tiles ------------------------------------------------------===//

  int32_t boxWord(int64_t box, int word) const {
    int64_t index = box * (2 * info.rank + 1) + word;
    return info.rank == 1 ? static_cast<const int32_t *>(args.boxes)[index]
                          : static_cast<const uint16_t *>(args.boxes)[index];
  }

  void visitBox(int64_t box) {
    int rank = info.rank;
    Coords lo{0, 0, 0, 0}, extents{1, 1, 1, 1};
    for (int d = 0; d < rank; ++d) {
      lo[d] = boxWord(box, d);
      extents[d] = boxWord(box, rank + d) - lo[d];
    }
    int32_t flags = boxWord(box, 2 * rank);
    isPartial = !(flags & 1);
    listed = int32_t(uint32_t(flags) >> 1);
    for (int64_t i = 0; i < product(extents); ++i) {
      Coords at = coordsAt(i, extents, rank);
      for (int d = 0; d < rank; ++d)
        at[d] = (at[d] + lo[d]) * info.keyTile[d];
      loadKeys(at);
      for (int64_t row = 0; row < scratch.rows; ++row)
        if (Token query = queryAt(row); query.exists)
          attend(row, query);
    }
  }

  void loadKeys(const Coords &origin) {
    int rank = info.rank;
    for (int64_t row = 0; row < scratch.paddedKeys; ++row) {
      Token token = tokenAt(origin, row, false);
      token.exists = token.exists && row < scratch.keys;
      scratch.isKey[row] = token.exists;
      for (int d = 0; d <= rank; ++d)
        scratch.keyCoords[(d * scratch.paddedKeys + row) / kLanes][size_t(row % kLanes)] =
            int32_t(d < rank ? token.coords[d] : token.position);
      if (token.exists) {
        loadRow(args.k, args.kStride, kvHead, token.position, info.headDimQk,
                scratch.turnedKeys + row, scratch.paddedKeys);
        loadRow(args.v, args.vStride, kvHead, token.position, info.headDimV,
                scratch.values + row * scratch.paddedDv, 1);
      } else {
        for (int64_t d = 0; d < info.headDimQk; ++d)
          scratch.turnedKeys[d * scratch.paddedKeys + row] = 0;
      }
    }
  }

  //===--- One query and the keys of a tile -------------------------------===//

  void attend(int64_t row, const Token &query) {
    for (int64_t key = 0; key < scratch.paddedKeys; key += kLanes) {
      Lanes &scores = scratch.scores[key / kLanes];
      multiply(row, key, scores);
      if (kernel.score)
        applyScore(headOf(row), query, key, scores);
      if (isPartial && !kernel.masks.empty())
        applyMask(headOf(row), query, key, scores);
      for (int i = 0; i < kLanes; ++i)
        if (!scratch.isKey[key + i])
          scores[size_t(i)] = bitsOf(-kInfinity);
    }
    accumulate(row);
  }

  void multiply(int64_t row, int64_t key, Lanes &scores) const {
    const float *query = scratch.query + row * info.headDimQk, *keys = scratch.turnedKeys + key;
    float sums[kLanes] = {};
    for (int64_t d = 0; d < info.headDimQk; ++d, keys += scratch.paddedKeys)
      for (int i = 0; i < kLanes; ++i)
        sums[i] += query[d] * keys[i];
    for (int i = 0; i < kLanes; ++i)
      scores[size_t(i)] = bitsOf(sums[i] * kernel.scale);
  }

  const LaneProgram &formulaOf(const std::vector<LaneProgram> &formulas, int64_t ofHead) const {
    return formulas.size() == 1 ? formulas.front()
                                : formulas[size_t(args.formulaOfHead[ofHead])];
  }
  /// The first two arguments of mask regions.
  void setHead(int64_t ofHead) {
    scratch.registers[0] = splat(int32_t(batch));
    scratch.registers[1] = splat(int32_t(ofHead));
  }

  /// (s, b, h, q, k)
  void applyScore(int64_t ofHead, const Token &query, int64_t key, Lanes &scores) {
    Lanes *registers = scratch.registers;
    registers[0] = scores;
    registers[1] = splat(int32_t(batch));
    registers[2] = splat(int32_t(ofHead));
    registers[3] = splat(int32_t(query.position));
    registers[4] = scratch.keyCoords[(info.rank * scratch.paddedKeys + key) / kLanes];
    scores = kernel.score->run(args, info, registers);
  }

  /// (b, h, q0 .., k0 .., listed)
  void applyMask(int64_t ofHead, const Token &query, int64_t key, Lanes &scores) {
    Lanes *registers = scratch.registers;
    int rank = info.rank;
    setHead(ofHead);
    for (int d = 0; d < rank; ++d) {
      registers[2 + d] = splat(int32_t(query.coords[d]));
      registers[2 + rank + d] = scratch.keyCoords[(d * scratch.paddedKeys + key) / kLanes];
    }
    registers[2 + 2 * rank] = splat(listed);
    const Lanes &sees = formulaOf(kernel.masks, ofHead).run(args, info, registers);
    for (int i = 0; i < kLanes; ++i)
      if (!sees[size_t(i)])
        scores[size_t(i)] = bitsOf(-kInfinity);
  }

  /// tile.softmax and tile.accumulate. A score that is not a number makes the row so.
  void accumulate(int64_t row) {
    auto scoreOf = [&](int64_t key) {
      return realOf(scratch.scores[key / kLanes][size_t(key % kLanes)]);
    };
    float before = scratch.max[row], now = before;
    for (int64_t key = 0; key < scratch.keys; ++key)
      now = std::max(now, scoreOf(key));
    float pivot = now == -kInfinity ? 0 : now, rescale = std::exp(before - pivot), sum = 0;
    float *acc = scratch.acc + row * scratch.paddedDv;
    for (int64_t d = 0; d < scratch.paddedDv; ++d)
      acc[d] *= rescale;
    for (int64_t key = 0; key < scratch.keys; ++key) {
      if (scoreOf(key) == -kInfinity)
        continue; // hidden: whatever its value is
      float weight = std::exp(scoreOf(key) - pivot);
      sum += weight;
      const float *values = scratch.values + key * scratch.paddedDv;
      for (int64_t d = 0; d < scratch.paddedDv; d += kLanes)
        for (int i = 0; i < kLanes; ++i)
          acc[d + i] += weight * values[d + i];
    }
    scratch.sum[row] = scratch.sum[row] * rescale + sum;
    scratch.max[row] = now;
  }

  const GenericKernel &kernel;
  const KernelInfo &info;
  const KernelArgs &args;
  Scratch scratch;
  TileGeometry geometry;
  int64_t part, tile, head, batch, kvHead;
  Coords queryOrigin;
  bool isPartial = false; ///< of the key tile that is visited
  int32_t listed = 0;
};

} // namespace

int64_t GenericKernel::scratchBytes() const {
  return Scratch(*this, nullptr).bytes;
}

void GenericKernel::run(const KernelArgs &args, int64_t ticket, void *scratch) const {
  Piece(*this, args, ticket, scratch).run();
}

} // namespace attn::generic
