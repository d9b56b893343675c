#include "runtime/BoxTable.h"

namespace attn {

/// Query tiles of a map that one worker makes at a time.
static constexpr int64_t kChunk = 512;

/// For the boxes that most masks have, so that memory that grows is not copied.
void BoxTable::reserve() {
  size_t boxes = size_t(queryTiles) * (rank > 1 ? 6 : 3);
  if (rank > 1)
    narrow.reserve(narrow.size() + boxes * size_t(2 * rank + 1));
  else
    wide.reserve(wide.size() + boxes * 3);
  offsetList.reserve(offsetList.size() + size_t(queryTiles) + 1);
}

void BoxTable::add(const TileMap *map, WorkerPool *pool, std::vector<TileCount> &counts) {
  reserve();
  counts.reserve(counts.size() + size_t(queryTiles));
  int64_t chunks = ceilDiv(queryTiles, kChunk);
  if (map && pool && pool->size() > 1 && chunks > 1) {
    addInParallel(*map, *pool, chunks, counts);
  } else {
    std::vector<KeyBox> list;
    for (int64_t t = 0; t < queryTiles; ++t) {
      if (map)
        map->boxes(t, list);
      counts.push_back(addBoxes(list));
    }
  }
  offsetList.push_back(numBoxes());
}

void BoxTable::addInParallel(const TileMap &map, WorkerPool &pool, int64_t chunks,
                             std::vector<TileCount> &counts) {
  struct Chunk {
    std::vector<KeyBox> boxes;
    std::vector<uint32_t> count; ///< of each query tile
  };
  std::vector<Chunk> made(static_cast<size_t>(chunks));
  pool.run(uint64_t(chunks), [&](uint64_t number, unsigned) {
    std::vector<KeyBox> list;
    Chunk &chunk = made[size_t(number)];
    int64_t first = int64_t(number) * kChunk;
    for (int64_t t = first; t < std::min(first + kChunk, queryTiles); ++t) {
      map.boxes(t, list);
      chunk.boxes.insert(chunk.boxes.end(), list.begin(), list.end());
      chunk.count.push_back(uint32_t(list.size()));
    }
  });
  for (Chunk &chunk : made) {
    const KeyBox *next = chunk.boxes.data();
    for (uint32_t count : chunk.count) {
      counts.push_back(addBoxes({next, count}));
      next += count;
    }
    chunk = {};
  }
}

int64_t BoxTable::numBoxes() const {
  return int64_t(rank > 1 ? narrow.size() : wide.size()) / (2 * rank + 1);
}

template <class Word>
static void addWords(std::span<const KeyBox> list, int rank, std::vector<Word> &words) {
  size_t size = words.size();
  words.resize(size + list.size() * size_t(2 * rank + 1));
  Word *next = words.data() + size;
  for (const KeyBox &box : list) {
    for (int d = 0; d < rank; ++d)
      *next++ = Word(box.lo[d]);
    for (int d = 0; d < rank; ++d)
      *next++ = Word(box.hi[d]);
    *next++ = Word(uint32_t(box.full) | box.listed << 1);
  }
}

/// The boxes of the next query tile.
BoxTable::TileCount BoxTable::addBoxes(std::span<const KeyBox> list) {
  offsetList.push_back(numBoxes());
  if (rank > 1)
    addWords(list, rank, narrow);
  else
    addWords(list, rank, wide);
  TileCount count;
  for (const KeyBox &box : list) {
    int64_t size = box.size();
    count.visited += size;
    count.full += box.full ? size : 0;
  }
  return count;
}

//===----------------------------------------------------------------------===//
// Splitting
//===----------------------------------------------------------------------===//

template <class Word> static KeyBox readBox(const Word *words, int rank) {
  KeyBox box;
  for (int d = 0; d < rank; ++d) {
    box.lo[size_t(d)] = words[d];
    box.hi[size_t(d)] = words[rank + d];
  }
  box.full = words[2 * rank] & 1;
  box.listed = uint32_t(words[2 * rank]) >> 1;
  return box;
}

/// Entry `entry` of the list of offsets must be followed by another one of its map.
std::vector<KeyBox> BoxTable::boxesOf(int64_t entry) const {
  std::vector<KeyBox> list;
  for (int64_t i = offsetList[size_t(entry)]; i < offsetList[size_t(entry) + 1]; ++i) {
    size_t word = size_t(i) * size_t(2 * rank + 1);
    list.push_back(rank > 1 ? readBox(&narrow[word], rank) : readBox(&wide[word], rank));
  }
  return list;
}

/// Parts a box in its first `count` tiles and the rest, last dimension fastest; 0 < count < box.size().
static void cutBox(const KeyBox &box, int64_t count, size_t dim, std::vector<KeyBox> &front,
                   std::vector<KeyBox> &back) {
  int64_t inner = 1;
  for (size_t d = dim + 1; d < box.lo.size(); ++d)
    inner *= box.hi[d] - box.lo[d];
  int64_t cut = box.lo[dim] + count / inner;
  KeyBox part = box;
  if (part.hi[dim] = cut; cut > box.lo[dim])
    front.push_back(part);
  if (count % inner != 0) {
    part.lo[dim] = cut;
    part.hi[dim] = ++cut;
    cutBox(part, count % inner, dim + 1, front, back);
  }
  part.lo[dim] = cut;
  part.hi[dim] = box.hi[dim];
  if (cut < box.hi[dim])
    back.push_back(part);
}

/// Takes the first `count` tiles from the front of `list`.
static std::vector<KeyBox> takeTiles(std::vector<KeyBox> &list, int64_t count) {
  std::vector<KeyBox> taken, back;
  size_t next = 0;
  for (; count > 0 && next < list.size(); ++next) {
    int64_t size = list[next].size();
    if (size <= count)
      taken.push_back(list[next]);
    else
      cutBox(list[next], count, 0, taken, back);
    count -= std::min(size, count);
  }
  back.insert(back.end(), list.begin() + int64_t(next), list.end());
  list = std::move(back);
  return taken;
}

BoxTable BoxTable::splitKeys(int64_t splits, std::vector<TileCount> &counts) const {
  BoxTable result(rank, queryTiles * splits);
  std::vector<TileCount> parts;
  for (int64_t map = 0; map < numMaps(); ++map) {
    for (int64_t tile = 0; tile < queryTiles; ++tile) {
      std::vector<KeyBox> list = boxesOf(map * (queryTiles + 1) + tile);
      int64_t total = counts[size_t(map * queryTiles + tile)].visited;
      for (int64_t s = 0; s < splits; ++s)
        parts.push_back(
            result.addBoxes(takeTiles(list, total * (s + 1) / splits - total * s / splits)));
    }
    result.offsetList.push_back(result.numBoxes());
  }
  counts = std::move(parts);
  return result;
}

} // namespace attn
