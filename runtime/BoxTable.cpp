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

} // namespace attn
