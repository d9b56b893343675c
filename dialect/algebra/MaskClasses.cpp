//===- MaskClasses.cpp - tiles of bool tensors and listed blocks ----------===//
#include "dialect/algebra/DataClasses.h"

#include <cassert>
#include <cstring>

namespace attn {
namespace {

class MaskClasses : public DataClasses {
public:
  MaskClasses(const TileGeometry &geometry, const DataView &mask, int64_t batch, int64_t head)
      : geo(geometry), view(mask), grid(tileGrid(geometry, false)) {
    assert(mask.rank == 4 && mask.isBool && "a mask is a bool tensor of four dimensions");
    base = static_cast<const uint8_t *>(mask.data) + batch * mask.strides[0] +
           head * mask.strides[1];
    tiles = geo.numKeyTiles();
  }

  void rangesOf(int64_t queryTile, std::vector<KeyTileRange> &out) const override {
    if (tiles == 0)
      return;
    thread_local std::vector<uint8_t> some, hidden;
    some.assign(size_t(tiles), 0);
    hidden.assign(size_t(tiles), 0);
    TokenBox rows = tokensOfTile(geo, coordsAt(queryTile, tileGrid(geo, true), geo.rank), true);
    // A row that all queries share is read once.
    bool shared = view.strides[2] == 0;
    forEachRun(rows, geo.queries, [&](int64_t first, int64_t count) {
      for (int64_t q = first; q < first + (shared ? 1 : count); ++q)
        if (!geo.bounded || q < geo.numQueries)
          addRow(base + q * view.strides[2], some, hidden);
    });
    for (int64_t t = 0; t < tiles; ++t) {
      if (!some[size_t(t)])
        continue;
      Share share = hidden[size_t(t)] ? Share::Some : Share::All;
      if (!out.empty() && out.back().end == t && out.back().share == share)
        ++out.back().end;
      else
        out.push_back({t, t + 1, share});
    }
  }

private:
  /// Calls visit(first, count) for runs of row-major neighbours in the box.
  template <class Visit>
  void forEachRun(const TokenBox &box, const Coords &extents, Visit &&visit) const {
    int last = geo.rank - 1;
    Coords at = box.lo;
    for (int d = 0; d >= 0;) {
      visit(rowMajor(at, extents, geo.rank), box.hi[last] - box.lo[last]);
      for (d = last - 1; d >= 0 && ++at[d] == box.hi[d]; --d)
        at[d] = box.lo[d];
    }
  }

  /// Runs of keys that lie in one tile: neighbours in the last dimension.
  void addRow(const uint8_t *row, std::vector<uint8_t> &some, std::vector<uint8_t> &hidden) const {
    int last = geo.rank - 1;
    int64_t length = geo.keys[last], extent = geo.keyTile[last];
    TokenBox lines;
    lines.hi = geo.keys;
    lines.hi[last] = 1;
    forEachRun(lines, geo.keys, [&](int64_t first, int64_t) {
      Coords at = coordsAt(first, geo.keys, geo.rank);
      Coords tile{0, 0, 0, 0};
      for (int d = 0; d < geo.rank; ++d)
        tile[d] = at[d] / geo.keyTile[d];
      size_t number = size_t(rowMajor(tile, grid, geo.rank));
      for (int64_t begin = 0; begin < length; begin += extent, ++number) {
        int64_t end = std::min(begin + extent, length);
        if (geo.bounded)
          end = std::min(end, geo.numKeys - first);
        if (begin < end && !(some[number] && hidden[number]))
          addKeys(row, first + begin, end - begin, some[number], hidden[number]);
      }
    });
  }

  void addKeys(const uint8_t *row, int64_t first, int64_t count, uint8_t &some,
               uint8_t &hidden) const {
    int64_t stride = view.strides[3];
    if (stride == 1) {
      const uint8_t *keys = row + first;
      hidden |= std::memchr(keys, 0, size_t(count)) != nullptr;
      some |= std::any_of(keys, keys + count, [](uint8_t seen) { return seen != 0; });
      return;
    }
    for (int64_t k = first; k < first + count; ++k)
      (row[k * stride] ? some : hidden) = 1;
  }

  TileGeometry geo;
  DataView view;
  Coords grid;
  const uint8_t *base;
  int64_t tiles;
};

class BlockClasses : public DataClasses {
public:
  BlockClasses(const TileGeometry &geo, int64_t blockSize, const DataView &rows,
               const DataView *keyBlocks, int64_t batch, int64_t head)
      : rows(rows), batch(batch), head(head) {
    assert(geo.rank == 1 && blockSize % geo.queryTile[0] == 0 && blockSize % geo.keyTile[0] == 0 &&
           "tiles divide the listed blocks");
    queryTiles = blockSize / geo.queryTile[0];
    keyTiles = blockSize / geo.keyTile[0];
    lastTile = geo.keyTiles(0);
    blocks = ceilDiv(geo.keys[0], blockSize);
    if (keyBlocks)
      keys = *keyBlocks;
  }

  bool isUniform() const override { return true; }

  void rangesOf(int64_t queryTile, std::vector<KeyTileRange> &out) const override {
    thread_local std::vector<int64_t> listed;
    listed.clear();
    int64_t row = queryTile / queryTiles;
    if (keys.data || keys.rank)
      for (int64_t i = at(rows, row); i < at(rows, row + 1); ++i)
        listed.push_back(at(keys, i));
    else
      for (int64_t block = 0; block < blocks; ++block)
        if (uint32_t(bits(row, block / 32)) >> (block % 32) & 1)
          listed.push_back(block);
    std::sort(listed.begin(), listed.end());
    listed.erase(std::unique(listed.begin(), listed.end()), listed.end());
    for (int64_t block : listed) {
      int64_t begin = block * keyTiles, end = std::min(begin + keyTiles, lastTile);
      if (!out.empty() && out.back().end == begin)
        out.back().end = end;
      else
        out.push_back({begin, end, Share::All});
    }
  }

private:
  int64_t at(const DataView &view, int64_t i) const {
    return view.rank == 1 ? view.at(std::array<int64_t, 1>{i})
                          : view.at(std::array<int64_t, 3>{batch, head, i});
  }
  int64_t bits(int64_t row, int64_t word) const {
    return rows.rank == 2 ? rows.at(std::array<int64_t, 2>{row, word})
                          : rows.at(std::array<int64_t, 4>{batch, head, row, word});
  }

  DataView rows, keys;
  int64_t batch, head, queryTiles, keyTiles, lastTile, blocks;
};

} // namespace

std::shared_ptr<const DataClasses> maskClasses(const TileGeometry &geometry, const DataView &mask,
                                               int64_t batch, int64_t head) {
  return std::make_shared<MaskClasses>(geometry, mask, batch, head);
}

std::shared_ptr<const DataClasses> blockClasses(const TileGeometry &geometry, int64_t blockSize,
                                                const DataView &rows, const DataView *keys,
                                                int64_t batch, int64_t head) {
  return std::make_shared<BlockClasses>(geometry, blockSize, rows, keys, batch, head);
}

} // namespace attn
