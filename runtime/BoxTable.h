//===- BoxTable.h - tile maps as kernels read them ---------------*- C++ -*-===//
#pragma once

#include "dialect/algebra/TileMap.h"
#include "runtime/WorkerPool.h"

#include <span>

namespace attn {

/// The boxes of tile maps, one after the other: KernelArgs::mapOffsets and KernelArgs::boxes. Its
/// size follows the query tiles and their boxes, not pairs of tiles. Not thread-safe.
class BoxTable {
public:
  struct TileCount {
    int64_t visited = 0, full = 0;
  };

  BoxTable() = default;
  BoxTable(int rank, int64_t queryTiles) : rank(rank), queryTiles(queryTiles) {}

  /// Appends a map, null where there are no keys, and to `counts` what each of its query tiles visits. A
  /// pool makes it in parallel.
  void add(const TileMap *map, WorkerPool *pool, std::vector<TileCount> &counts);

  /// The same boxes with the key tiles of each query tile in `splits` runs of nearly equal length, each the
  /// boxes of a query tile of the result: number t * splits + s. `counts` are those of this table, and then
  /// of the result.
  BoxTable splitKeys(int64_t splits, std::vector<TileCount> &counts) const;

  int64_t numMaps() const { return int64_t(offsetList.size()) / (queryTiles + 1); }
  const int64_t *offsets() const { return offsetList.data(); }
  const void *boxes() const {
    return rank > 1 ? static_cast<const void *>(narrow.data()) : wide.data();
  }
  int64_t offsetBytes() const { return int64_t(offsetList.size() * sizeof(int64_t)); }
  int64_t boxBytes() const {
    return int64_t(wide.size() * sizeof(int32_t) + narrow.size() * sizeof(uint16_t));
  }
  /// What a kernel reads of it.
  int64_t bytes() const { return offsetBytes() + boxBytes(); }

private:
  void reserve();
  void addInParallel(const TileMap &map, WorkerPool &pool, int64_t chunks,
                     std::vector<TileCount> &counts);
  TileCount addBoxes(std::span<const KeyBox> list);
  int64_t numBoxes() const;
  std::vector<KeyBox> boxesOf(int64_t entry) const;

  int rank = 1;
  int64_t queryTiles = 0;
  std::vector<int64_t> offsetList; ///< [maps][queryTiles + 1]
  std::vector<int32_t> wide;       ///< of a layout of one dimension
  std::vector<uint16_t> narrow;    ///< of others
};

} // namespace attn
