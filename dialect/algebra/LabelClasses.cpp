//===- LabelClasses.cpp - tiles of labels and classes ---------------------===//
#include "dialect/algebra/DataClasses.h"

#include <bit>
#include <cassert>
#include <map>
#include <mutex>
#include <numeric>

namespace attn {

std::span<const int32_t> contiguous(const DataView &view, std::vector<int32_t> &storage) {
  size_t count = size_t(std::max<int64_t>(view.shape[0], 0));
  if (view.strides[0] == 1 || count <= 1)
    return {static_cast<const int32_t *>(view.data), count};
  storage.resize(count);
  for (size_t i = 0; i < count; ++i)
    storage[i] = static_cast<const int32_t *>(view.data)[int64_t(i) * view.strides[0]];
  return storage;
}

namespace {

/// Calls visit(tile number, token number) for every token of every tile.
template <class Visit>
void forEachToken(const TileGeometry &geo, bool ofQueries, size_t tokens, Visit &&visit) {
  Coords grid = tileGrid(geo, ofQueries), extents = ofQueries ? geo.queries : geo.keys;
  Coords tile = ofQueries ? geo.queryTile : geo.keyTile;
  Coords at{0, 0, 0, 0};
  for (size_t token = 0; token < tokens; ++token) {
    Coords number{0, 0, 0, 0};
    for (int d = 0; d < geo.rank; ++d)
      number[d] = at[d] / tile[d];
    visit(rowMajor(number, grid, geo.rank), token);
    for (int d = geo.rank - 1; d >= 0 && ++at[d] == extents[d] && d > 0; --d)
      at[d] = 0;
  }
}

/// The distinct labels of every tile, ascending: labels of tile t lie from `first[t]` to `first[t +
/// 1]`.
struct TileLabels {
  std::vector<int32_t> labels;
  std::vector<uint32_t> first;

  TileLabels(const TileGeometry &geo, bool ofQueries, std::span<const int32_t> tokens) {
    Coords grid = tileGrid(geo, ofQueries);
    size_t tiles = 1;
    for (int64_t extent : grid)
      tiles *= size_t(extent);
    std::vector<uint32_t> count(tiles + 1, 0);
    forEachToken(geo, ofQueries, tokens.size(), [&](int64_t tile, size_t) { ++count[tile + 1]; });
    std::partial_sum(count.begin(), count.end(), count.begin());
    std::vector<uint32_t> next(count.begin(), count.end() - 1);
    std::vector<int32_t> all(tokens.size());
    forEachToken(geo, ofQueries, tokens.size(),
                 [&](int64_t tile, size_t token) { all[next[tile]++] = tokens[token]; });
    first.push_back(0);
    for (size_t t = 0; t < tiles; ++t) {
      auto begin = all.begin() + count[t], end = all.begin() + count[t + 1];
      std::sort(begin, end);
      labels.insert(labels.end(), begin, std::unique(begin, end));
      first.push_back(uint32_t(labels.size()));
    }
  }

  std::span<const int32_t> of(int64_t tile) const {
    return {labels.data() + first[tile], first[tile + 1] - first[tile]};
  }
  int64_t tiles() const { return int64_t(first.size()) - 1; }
};

/// Adds tile `t` to ascending ranges.
void addTile(std::vector<KeyTileRange> &out, int64_t t, Share share) {
  if (!out.empty() && out.back().end == t && out.back().share == share)
    ++out.back().end;
  else
    out.push_back({t, t + 1, share});
}

class LabelClasses : public DataClasses {
public:
  LabelClasses(const TileGeometry &geo, std::span<const int32_t> queryLabels,
               std::span<const int32_t> keyLabels)
      : queries(geo, true, queryLabels), keys(geo, false, keyLabels) {
    std::vector<int32_t> known(keys.labels);
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    auto numberOf = [&](int32_t label) {
      return size_t(std::lower_bound(known.begin(), known.end(), label) - known.begin());
    };
    // Tiles by label, ascending, as they are counted and filled in that order.
    firstTile.assign(known.size() + 2, 0);
    for (int32_t label : keys.labels)
      ++firstTile[numberOf(label) + 1];
    std::partial_sum(firstTile.begin(), firstTile.end(), firstTile.begin());
    std::vector<uint32_t> next(firstTile);
    tiles.resize(keys.labels.size());
    for (int64_t t = 0; t < keys.tiles(); ++t)
      for (int32_t label : keys.of(t))
        tiles[next[numberOf(label)]++] = int32_t(t);
    for (int32_t label : queries.labels) {
      size_t number = numberOf(label);
      bool isKey = number < known.size() && known[number] == label;
      numbers.push_back(uint32_t(isKey ? number : known.size())); // the last one has no tiles
    }
  }

  void rangesOf(int64_t queryTile, std::vector<KeyTileRange> &out) const override {
    thread_local std::vector<uint64_t> seen; // a bit for each key tile
    seen.assign(size_t(keys.tiles() + 63) / 64, 0);
    size_t labels = queries.of(queryTile).size();
    for (size_t i = queries.first[size_t(queryTile)]; i < queries.first[size_t(queryTile) + 1]; ++i)
      for (uint32_t at = firstTile[numbers[i]]; at < firstTile[numbers[i] + 1]; ++at)
        seen[size_t(tiles[at]) / 64] |= uint64_t(1) << (tiles[at] % 64);
    for (size_t word = 0; word < seen.size(); ++word)
      for (uint64_t bits = seen[word]; bits; bits &= bits - 1) {
        int64_t t = int64_t(word) * 64 + std::countr_zero(bits);
        bool all = labels == 1 && keys.of(t).size() == 1;
        addTile(out, t, all ? Share::All : Share::Some);
      }
  }

private:
  TileLabels queries, keys;
  std::vector<uint32_t> firstTile; ///< of each number of a label
  std::vector<int32_t> tiles;      ///< that have the label, one label after the other
  std::vector<uint32_t> numbers;   ///< of queries.labels
};

class TableClasses : public DataClasses {
public:
  TableClasses(const TileGeometry &geo, const ClassTable &table,
               std::span<const int32_t> queryClasses, std::span<const int32_t> keyClasses)
      : table(table), queries(geo, true, queryClasses), keys(geo, false, keyClasses) {}

  /// Query tiles with the same classes share their ranges, where there are few kinds of tiles.
  void rangesOf(int64_t queryTile, std::vector<KeyTileRange> &out) const override {
    std::span<const int32_t> classes = queries.of(queryTile);
    std::vector<int32_t> key(classes.begin(), classes.end());
    {
      std::lock_guard lock(mutex);
      if (auto it = known.find(key); it != known.end()) {
        out = it->second;
        return;
      }
    }
    Seen seen = seenBy(classes);
    for (int64_t t = 0; t < keys.tiles(); ++t)
      if (Share share = shareOf(seen, keys.of(t)); share != Share::None)
        addTile(out, t, share);
    std::lock_guard lock(mutex);
    if (known.size() < kMaxKnown)
      known.try_emplace(std::move(key), out);
  }

private:
  /// Of each class of keys, whether some and whether all of the queries' classes see it.
  struct Seen {
    std::vector<uint8_t> some, all;
  };

  Seen seenBy(std::span<const int32_t> classes) const {
    size_t count = size_t(table.count);
    Seen seen{std::vector<uint8_t>(count, 0), std::vector<uint8_t>(count, 1)};
    for (int32_t q : classes)
      for (size_t k = 0; k < count; ++k) {
        uint8_t allowed = isClass(q) && table.allow[size_t(q) * count + k];
        seen.some[k] |= allowed;
        seen.all[k] &= allowed;
      }
    return seen;
  }

  Share shareOf(const Seen &seen, std::span<const int32_t> classes) const {
    bool some = false, all = true;
    for (int32_t k : classes) {
      some |= isClass(k) && seen.some[size_t(k)];
      all &= isClass(k) && seen.all[size_t(k)];
    }
    return !some ? Share::None : all ? Share::All : Share::Some;
  }

  /// Others see nothing and are not seen.
  bool isClass(int32_t number) const { return number >= 0 && number < table.count; }

  static constexpr size_t kMaxKnown = 64; // so that memory does not grow with tiles times tiles
  ClassTable table;
  TileLabels queries, keys;
  mutable std::mutex mutex;
  mutable std::map<std::vector<int32_t>, std::vector<KeyTileRange>> known;
};

} // namespace

std::shared_ptr<const DataClasses> labelClasses(const TileGeometry &geometry,
                                                std::span<const int32_t> queryLabels,
                                                std::span<const int32_t> keyLabels) {
  return std::make_shared<LabelClasses>(geometry, queryLabels, keyLabels);
}

std::shared_ptr<const DataClasses> tableClasses(const TileGeometry &geometry,
                                                const ClassTable &table,
                                                std::span<const int32_t> queryClasses,
                                                std::span<const int32_t> keyClasses) {
  return std::make_shared<TableClasses>(geometry, table, queryClasses, keyClasses);
}

} // namespace attn
