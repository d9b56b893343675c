#include "runtime/Npy.h"
#include "tools/MaskText.h"
#include "tools/ShowFormats.h"

#include <algorithm>

namespace attn::tools {

namespace {

constexpr int64_t kMostElements = int64_t(1) << 28;

int64_t product(llvm::ArrayRef<int64_t> dims) {
  int64_t n = 1;
  for (int64_t dim : dims)
    n *= dim;
  return n;
}

/// All pairs of a map, row-major in the layout.
void fillElements(const TileMap &map, int64_t queries, uint8_t *out) {
  const TileGeometry &g = map.geometry();
  int64_t keys = 1;
  for (int d = 0; d < g.rank; ++d)
    keys *= g.keys[d];
  for (int64_t q = 0; q < queries; ++q) {
    Coords at{};
    int64_t rest = q;
    for (int d = g.rank - 1; d >= 0; --d) {
      at[d] = rest % g.queries[d];
      rest /= g.queries[d];
    }
    map.row(at, out + q * keys);
  }
}

} // namespace

Status writeElements(const Picture &picture, std::optional<int64_t> head, const std::string &path) {
  const Problem &p = picture.problem;
  int64_t nq = product(p.tiles.layout), nk = product(p.tiles.kvLayout), heads = head ? 1 : p.heads;
  for (const MaskGroup *group : picture.groups)
    if (group->readsInputs)
      return makeError("the mask '{}' reads run-time inputs, whose values are not known here",
                       maskText(group->mask));
  if (nq > 0 && nk > 0 && (nq > kMostElements / nk || nq * nk > kMostElements / heads))
    return makeError("{} x {} x {} elements are more than 2^28, the most that are written", heads,
                     nq, nk)
        .withNote("'--head=' takes one head, and '--format=json' writes tiles");
  std::vector<int64_t> shape{nq, nk};
  if (!head)
    shape.insert(shape.begin(), heads);
  Expected<Tensor> elements = Tensor::zeros(shape, DType::Bool);
  if (!elements)
    return elements.takeError();
  auto *bytes = static_cast<uint8_t *>(elements->data());
  for (const MaskGroup *group : picture.groups) {
    uint8_t *first = bytes + (head ? 0 : group->heads.front()) * nq * nk;
    fillElements(group->map, nq, first);
    if (!head)
      for (int64_t other : llvm::ArrayRef(group->heads).drop_front())
        std::copy_n(first, nq * nk, bytes + other * nq * nk);
  }
  return writeNpy(path, elements->view());
}

} // namespace attn::tools
