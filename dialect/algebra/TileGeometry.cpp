#include "dialect/algebra/TileGeometry.h"

namespace attn {

int64_t TileGeometry::numQueryTiles() const {
  int64_t n = 1;
  for (int d = 0; d < rank; ++d)
    n *= queryTiles(d);
  return n;
}

int64_t TileGeometry::numKeyTiles() const {
  int64_t n = 1;
  for (int d = 0; d < rank; ++d)
    n *= keyTiles(d);
  return n;
}

std::vector<TokenBox> boxesBelow(int64_t count, const Coords &lengths, int rank) {
  std::vector<TokenBox> boxes;
  TokenBox prefix; // one coordinate in the dimensions before d
  for (int d = 0; d < rank; ++d) {
    int64_t slab = 1;
    for (int inner = d + 1; inner < rank; ++inner)
      slab *= lengths[inner];
    int64_t whole = slab ? count / slab : 0;
    TokenBox box = prefix;
    box.lo[d] = 0;
    box.hi[d] = whole;
    for (int inner = d + 1; inner < rank; ++inner)
      box.hi[inner] = lengths[inner];
    if (whole > 0)
      boxes.push_back(box);
    prefix.lo[d] = whole;
    prefix.hi[d] = whole + 1;
    count -= whole * slab;
  }
  return boxes;
}

std::vector<int64_t> splitLengths(std::span<const int64_t> lengths,
                                  std::span<const int64_t> steps) {
  std::vector<int64_t> dims;
  for (size_t d = 0; d < lengths.size(); ++d) {
    int64_t length = lengths[d], step = d < steps.size() ? steps[d] : 1;
    dims.push_back(length < 0 ? length : ceilDiv(length, step));
    if (step > 1)
      dims.push_back(step);
  }
  return dims;
}

bool isUnevenSplit(std::span<const int64_t> lengths, std::span<const int64_t> steps) {
  return !steps.empty() && steps[0] > 1 && (lengths[0] < 0 || lengths[0] % steps[0] != 0);
}

} // namespace attn
