#include "runtime/BoxTable.h"

namespace attn {

/// Query tiles of a map that one worker makes at a time.
static constexpr int64_t kChunk = 512;

void BoxTable::add(const TileMap *map, WorkerPool *pool) {
  struct Chunk {
    std::vector<KeyBox> boxes;
    std::vector<uint32_t> count; ///< of each query tile
  };
  std::vector<Chunk> chunks(size_t(ceilDiv(queryTiles, kChunk)));
  auto fill = [&](uint64_t number, unsigned) {
    std::vector<KeyBox> list;
    Chunk &chunk = chunks[size_t(number)];
    int64_t first = int64_t(number) * kChunk;
    for (int64_t t = first; t < std::min(first + kChunk, queryTiles); ++t) {
      if (map)
        map->boxes(t, list);
      chunk.boxes.insert(chunk.boxes.end(), list.begin(), list.end());
      chunk.count.push_back(uint32_t(list.size()));
    }
  };
  bool isParallel = pool && pool->size() > 1 && chunks.size() > 1;
  if (isParallel)
    pool->run(chunks.size(), fill);
  for (size_t i = 0; i < chunks.size(); ++i) {
    if (!isParallel)
      fill(i, 0);
    const KeyBox *next = chunks[i].boxes.data();
    for (uint32_t count : chunks[i].count) {
      offsetList.push_back(numBoxes());
      addBoxes({next, count});
      next += count;
    }
    chunks[i] = {};
  }
  offsetList.push_back(numBoxes());
}

int64_t BoxTable::numBoxes() const {
  return int64_t(rank > 1 ? narrow.size() : wide.size()) / (2 * rank + 1);
}

void BoxTable::addBoxes(std::span<const KeyBox> list) {
  TileCount count;
  auto addWords = [&](auto &words) {
    for (const KeyBox &box : list) {
      for (const Coords *corner : {&box.lo, &box.hi})
        for (int d = 0; d < rank; ++d)
          words.push_back(static_cast<std::remove_reference_t<decltype(words[0])>>((*corner)[d]));
      words.push_back(static_cast<std::remove_reference_t<decltype(words[0])>>(uint32_t(box.full) |
                                                                               box.listed << 1));
      count.visited += box.size();
      count.full += box.full ? box.size() : 0;
    }
  };
  if (rank > 1)
    addWords(narrow);
  else
    addWords(wide);
  tileCounts.push_back(count);
}

} // namespace attn
