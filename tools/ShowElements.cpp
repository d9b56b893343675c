#include "tools/ShowFormats.h"

#include "dialect/MaskFormulas.h"
#include "runtime/Npy.h"

namespace attn::tools {

namespace {

constexpr int64_t kMostElements = int64_t(1) << 28;

Coords coordsOf(int64_t token, llvm::ArrayRef<int64_t> layout) {
  Coords coords{};
  for (size_t d = layout.size(); d-- > 0;) {
    coords[d] = token % layout[d];
    token /= layout[d];
  }
  return coords;
}

} // namespace

Status writeElements(const Picture &picture, const std::string &path) {
  const Problem &p = picture.problem;
  int64_t nq = 1, nk = 1, groups = int64_t(picture.groups.size());
  for (int64_t length : p.tiles.layout)
    nq *= length;
  for (int64_t length : p.tiles.kvLayout)
    nk *= length;
  if (nq > 0 && nk > kMostElements / nq / groups)
    return makeError("the mask of {} x {} x {} elements is too large, at most 2^28 are written; show its "
                     "tiles with --format=json",
                     groups, nq, nk);
  Expected<Tensor> elements = Tensor::zeros({groups, nq, nk}, DType::Bool);
  if (!elements)
    return elements.error();
  auto *next = static_cast<uint8_t *>(elements->view().data);
  for (const MaskGroup *group : picture.groups) {
    if (group->readsInputs)
      return makeError("the mask reads run-time inputs, which are not known here");
    for (int64_t q = 0; q < nq; ++q) {
      Coords cq = coordsOf(q, p.tiles.layout);
      for (int64_t k = 0; k < nk; ++k) {
        Coords ck = coordsOf(k, p.tiles.kvLayout);
        *next++ = group->map.sees(cq, ck);
      }
    }
  }
  return writeNpy(path, elements->view());
}

} // namespace attn::tools
