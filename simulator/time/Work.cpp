#include "simulator/time/Work.h"

#include "dialect/algebra/TileMap.h"

#include <algorithm>
#include <map>

namespace attn {

int64_t Work::heads() const {
  int64_t sum = 0;
  for (const HeadWork &group : groups)
    sum += group.heads;
  return sum;
}

template <class Count> static double sumOver(const Work &work, Count count) {
  double sum = 0;
  for (const HeadWork &group : work.groups)
    for (const TileClass &c : group.classes)
      sum += double(group.heads) * double(c.tiles) * double(count(c));
  return sum * double(work.batch);
}

double Work::visitedTiles() const {
  return sumOver(*this, [](const TileClass &c) { return c.visited(); });
}
double Work::partialTiles() const {
  return sumOver(*this, [](const TileClass &c) { return c.partial; });
}

/// By (visited, full).
using Counted = std::map<std::pair<int64_t, int64_t>, int64_t, std::greater<>>;

static std::vector<TileClass> listed(const Counted &counted) {
  std::vector<TileClass> classes;
  for (const auto &[key, tiles] : counted)
    classes.push_back({tiles, key.second, key.first - key.second});
  return classes;
}

std::vector<TileClass> classesOf(const TileMap &map) {
  Counted counted;
  std::vector<KeyBox> boxes;
  for (int64_t t = 0, count = map.geometry().numQueryTiles(); t < count; ++t) {
    map.boxes(t, boxes);
    int64_t visited = 0, full = 0;
    for (const KeyBox &box : boxes) {
      visited += box.size();
      full += box.full ? box.size() : 0;
    }
    ++counted[{visited, full}];
  }
  return listed(counted);
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

Formula sliceOf(const Formula &formula, int dim) {
  Formula slice = formula;
  slice.rank = 1;
  slice.dags = {formula.dags[size_t(dim)]};
  slice.taps.clear();
  for (Atom &atom : slice.atoms)
    atom.dims = {AtomDim(atom.dims[size_t(dim)])};
  return slice;
}

TileGeometry sliceOf(const TileGeometry &geometry, int dim) {
  TileGeometry slice;
  size_t d = size_t(dim);
  slice.queries[0] = geometry.queries[d];
  slice.keys[0] = geometry.keys[d];
  slice.queryTile[0] = geometry.queryTile[d];
  slice.keyTile[0] = geometry.keyTile[d];
  return slice;
}

bool isProduct(const Formula &formula, const TileGeometry &geometry) {
  return formula.atoms.size() == 1 && formula.atoms.front().kind == AtomKind::Box &&
         formula.truthOf(1) && !formula.truthOf(0) && !geometry.bounded;
}

ProductCounts countsOfProduct(const Formula &formula, const TileGeometry &geometry,
                              const std::vector<int64_t> &symbolValues) {
  ProductCounts product{{{1, 1, 0}}, 1};
  for (int d = 0; d < geometry.rank; ++d) {
    TileMap map(sliceOf(formula, d), sliceOf(geometry, d), symbolValues);
    product.visiblePairs *= double(map.visiblePairs());
    Counted counted;
    for (const TileClass &one : classesOf(map))
      for (const TileClass &before : product.classes)
        counted[{before.visited() * one.visited(), before.full * one.full}] +=
            before.tiles * one.tiles;
    product.classes = listed(counted);
  }
  return product;
}

static Work emptyWork(int64_t queries, int64_t keys, int64_t rows, int64_t columns, int64_t kvHeads,
                      int64_t batch) {
  Work work;
  work.batch = batch;
  work.kvHeads = kvHeads;
  work.queries = queries;
  work.keys = keys;
  work.queryTiles = ceilDiv(queries, rows);
  work.keyTiles = ceilDiv(keys, columns);
  return work;
}

/// Keys [0, `seen`) of all rows and [0, `most`) of some.
static void countTile(Counted &counted, int64_t seen, int64_t most, int64_t columns) {
  ++counted[{ceilDiv(most, columns), seen / columns}];
}

Work denseWork(int64_t queries, int64_t keys, int64_t rows, int64_t columns, int64_t heads,
               int64_t kvHeads, int64_t batch) {
  Work work = emptyWork(queries, keys, rows, columns, kvHeads, batch);
  int64_t full = keys / columns;
  work.groups = {{heads, {{work.queryTiles, full, work.keyTiles - full}}}};
  work.visiblePairs = double(batch) * double(heads) * double(queries) * double(keys);
  return work;
}

Work causalWork(int64_t queries, int64_t keys, int64_t rows, int64_t columns, int64_t heads,
                int64_t kvHeads, int64_t batch) {
  Work work = emptyWork(queries, keys, rows, columns, kvHeads, batch);
  Counted counted;
  double pairs = 0;
  auto keysOf = [&](int64_t query) {
    return std::clamp<int64_t>(query + 1 + keys - queries, 0, keys);
  };
  for (int64_t first = 0; first < queries; first += rows) {
    int64_t last = std::min(first + rows, queries) - 1;
    countTile(counted, keysOf(first), keysOf(last), columns);
    // Rows without a key come first, so the others form an arithmetic series.
    int64_t some = std::min(last - first + 1, keysOf(last));
    pairs += double(some) * double(keysOf(last) + keysOf(last - some + 1)) / 2;
  }
  work.groups = {{heads, listed(counted)}};
  work.visiblePairs = double(batch) * double(heads) * pairs;
  return work;
}

Work cutInto(Work work, int64_t ofQueries, int64_t ofKeys) {
  for (HeadWork &group : work.groups)
    for (TileClass &c : group.classes)
      c = {c.tiles * ofQueries, c.full * ofKeys, c.partial * ofKeys};
  work.queryTiles *= ofQueries;
  work.keyTiles *= ofKeys;
  return work;
}

} // namespace attn
