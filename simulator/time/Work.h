//===- Work.h - what a mask leaves to do, as classes of query tiles -*- C++ -*-===//
#pragma once

#include <cstdint>
#include <vector>

namespace attn {

struct Formula;
struct TileGeometry;
class TileMap;

/// Query tiles of one head that visit the same numbers of key tiles.
struct TileClass {
  int64_t tiles = 0;
  int64_t full = 0, partial = 0; ///< key tiles that each of them visits
  int64_t visited() const { return full + partial; }
  bool operator==(const TileClass &) const = default;
};

/// Heads that share a mask.
struct HeadWork {
  int64_t heads = 1;
  std::vector<TileClass> classes; ///< most visits first
};

/// All heads of an attention. Lengths are in tokens.
struct Work {
  std::vector<HeadWork> groups;
  int64_t batch = 1, kvHeads = 1;
  int64_t queries = 0, keys = 0;        ///< of one head and batch entry
  int64_t queryTiles = 0, keyTiles = 0; ///< of one head, visited or not
  double visiblePairs = 0;              ///< over all heads and batch entries

  int64_t heads() const;
  /// Tiles over all heads and batch entries.
  double visitedTiles() const;
  double partialTiles() const;
};

/// The same work in smaller tiles: each query tile in so many parts that visit what it visits, each key tile in so many.
Work cutInto(Work work, int64_t ofQueries, int64_t ofKeys);

/// Most visits first.
std::vector<TileClass> classesOf(const TileMap &map);
/// One dimension of a formula, as a formula of its own.
Formula sliceOf(const Formula &formula, int dim);
TileGeometry sliceOf(const TileGeometry &geometry, int dim);
/// Whether a query sees a key exactly where it does in the slice of every dimension: one box, and no
/// places without a token. Tiles, full ones and pairs are then products over the dimensions.
bool isProduct(const Formula &formula, const TileGeometry &geometry);

/// Of a product, from maps of its dimensions, which are far smaller than its own.
struct ProductCounts {
  std::vector<TileClass> classes; ///< most visits first
  double visiblePairs = 0;
};
ProductCounts countsOfProduct(const Formula &formula, const TileGeometry &geometry,
                              const std::vector<int64_t> &symbolValues);

/// The same attention without a mask; `rows` x `keys` tokens a tile.
Work denseWork(int64_t queries, int64_t keys, int64_t rows, int64_t columns, int64_t heads,
               int64_t kvHeads, int64_t batch);
/// Query i sees the keys up to i + keys - queries.
Work causalWork(int64_t queries, int64_t keys, int64_t rows, int64_t columns, int64_t heads,
                int64_t kvHeads, int64_t batch);

} // namespace attn
