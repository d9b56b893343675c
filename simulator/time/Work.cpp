#include "simulator/time/Work.h"

#include "dialect/algebra/TileMap.h"

#include <algorithm>

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

/// Most visits first, each kind of tile once.
static std::vector<TileClass> merged(std::vector<TileClass> classes) {
  auto before = [](const TileClass &a, const TileClass &b) {
    return a.visited() != b.visited() ? a.visited() > b.visited() : a.full > b.full;
  };
  std::sort(classes.begin(), classes.end(), before);
  size_t kept = 0;
  for (const TileClass &c : classes) {
    if (kept > 0 && classes[kept - 1].full == c.full && classes[kept - 1].partial == c.partial)
      classes[kept - 1].tiles += c.tiles;
    else
      classes[kept++] = c;
  }
  classes.resize(kept);
  return classes;
}

std::vector<TileClass> classesOf(const TileMap &map) {
  // Most masks have a few classes, which take turns: they are not to be sorted again and again.
  constexpr size_t kFew = 8;
  std::vector<TileClass> classes;
  for (const VisitRun &run : map.visits()) {
    int64_t partial = run.visited - run.full;
    auto end = classes.begin() + int64_t(std::min(classes.size(), kFew));
    auto it = std::find_if(classes.begin(), end, [&](const TileClass &c) {
      return c.full == run.full && c.partial == partial;
    });
    if (it != end)
      it->tiles += run.queryTiles;
    else
      classes.push_back({run.queryTiles, run.full, partial});
  }
  return merged(std::move(classes));
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
    std::vector<TileClass> classes;
    for (const TileClass &one : classesOf(map))
      for (const TileClass &before : product.classes) {
        int64_t full = before.full * one.full;
        classes.push_back({before.tiles * one.tiles, full, before.visited() * one.visited() - full});
      }
    product.classes = merged(std::move(classes));
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

/// A query tile whose rows all see the keys [0, `seen`), and some [0, `most`).
static TileClass tileSeeing(int64_t seen, int64_t most, int64_t columns) {
  int64_t full = seen / columns;
  return {1, full, ceilDiv(most, columns) - full};
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
  std::vector<TileClass> classes;
  double pairs = 0;
  auto keysOf = [&](int64_t query) {
    return std::clamp<int64_t>(query + 1 + keys - queries, 0, keys);
  };
  for (int64_t first = 0; first < queries; first += rows) {
    int64_t last = std::min(first + rows, queries) - 1;
    classes.push_back(tileSeeing(keysOf(first), keysOf(last), columns));
    // Rows without a key come first, so the others form an arithmetic series.
    int64_t some = std::min(last - first + 1, keysOf(last));
    pairs += double(some) * double(keysOf(last) + keysOf(last - some + 1)) / 2;
  }
  work.groups = {{heads, merged(std::move(classes))}};
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
