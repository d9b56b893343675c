//===- DataClasses.h - what run-time data shows on tiles ---------*- C++ -*-===//
//
// Labels, bool masks, lists of blocks and free predicates have no bounds that could be swept. Their
// tiles are classified from the data: on a query tile, each key tile sees none, some or all of its
// pairs. Memory is O(tokens) beside the data.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/Formula.h"
#include "dialect/algebra/TileGeometry.h"

#include <memory>

namespace attn {

enum class Share : uint8_t { None, Some, All };

/// Key tiles begin <= t < end by row-major number.
struct KeyTileRange {
  int64_t begin, end;
  Share share;
  bool operator==(const KeyTileRange &) const = default;
};

/// Thread-safe.
class DataClasses {
public:
  virtual ~DataClasses() = default;
  /// Ranges in ascending order, disjoint, none of them Share::None: key tiles in no range have none of
  /// their pairs.
  virtual void rangesOf(int64_t queryTile, std::vector<KeyTileRange> &out) const = 0;
  /// None and All are always safe; whether Some is never said of a tile with none or all.
  virtual bool exact() const { return true; }
  /// Whether no tile has some of its pairs.
  virtual bool isUniform() const { return false; }
};

/// label[q] == label[k], labels in any order.
std::shared_ptr<const DataClasses> labelClasses(const TileGeometry &geometry,
                                                std::span<const int32_t> queryLabels,
                                                std::span<const int32_t> keyLabels);
/// allow[class[q]][class[k]]. The table is copied.
std::shared_ptr<const DataClasses> tableClasses(const TileGeometry &geometry,
                                                const ClassTable &table,
                                                std::span<const int32_t> queryClasses,
                                                std::span<const int32_t> keyClasses);
/// A bool tensor [B|1, H|1, Nq|1, Nk] at one batch entry and head.
std::shared_ptr<const DataClasses> maskClasses(const TileGeometry &geometry, const DataView &mask,
                                               int64_t batch, int64_t head);
/// Listed blocks, which tiles divide; rank 1. `keys` is null where `rows` are bits.
std::shared_ptr<const DataClasses> blockClasses(const TileGeometry &geometry, int64_t blockSize,
                                                const DataView &rows, const DataView *keys,
                                                int64_t batch, int64_t head);
/// A free predicate, whose range is evaluated on boxes of pairs, smaller ones until it is decided or
/// the budget of the query tile is spent. Symbols, tables and inputs stay valid while it is used.
std::shared_ptr<const DataClasses> predicateClasses(const TileGeometry &geometry,
                                                    const PairExpr &predicate,
                                                    const PairEnvironment &env,
                                                    int64_t queryOffset);

/// A vector i32[n] as it lies in memory, or copied into `storage` where its stride is not 1.
std::span<const int32_t> contiguous(const DataView &view, std::vector<int32_t> &storage);

} // namespace attn
