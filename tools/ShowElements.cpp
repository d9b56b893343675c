#include "runtime/Npy.h"
#include "tools/MaskText.h"
#include "tools/ShowFormats.h"

#include <algorithm>

namespace attn::tools {

namespace {

constexpr int64_t kMostElements = int64_t(1) << 28;

/// Elements of a mask that is data, whose tiles of one token say it all; false where some are open.
bool fillFromTiles(const TileMap &map, int64_t queries, int64_t keys, uint8_t *out) {
  const TileGeometry &g = map.geometry();
  std::vector<KeyBox> boxes;
  for (int64_t q = 0; q < queries; ++q) {
    map.boxes(q, boxes);
    for (const KeyBox &box : boxes) {
      if (!box.full)
        return false;
      Coords at = box.lo;
      for (int d = 0; d >= 0;) {
        if (int64_t key = numberOf(at, g, false); key < keys)
          out[q * keys + key] = 1;
        for (d = g.rank - 1; d >= 0 && ++at[d] == box.hi[d]; --d)
          at[d] = box.lo[d];
      }
    }
  }
  return true;
}

/// All pairs of tokens that exist, row-major; a layout of token groups has more places than tokens.
void fillElements(const TileMap &map, int64_t queries, int64_t keys, uint8_t *out) {
  const TileGeometry &g = map.geometry();
  int64_t places = 1;
  for (int d = 0; d < g.rank; ++d)
    places *= g.keys[d];
  std::vector<uint8_t> row(places);
  for (int64_t q = 0; q < queries; ++q) {
    map.row(coordsAt(q, g.queries, g.rank), row.data());
    std::copy_n(row.begin(), keys, out + q * keys);
  }
}

Status fillGroup(const Picture &picture, const MaskGroup &group, uint8_t *out) {
  const Problem &p = picture.problem;
  if (group.dataAtoms == 0)
    return fillElements(group.map, p.numQueries, p.numKeys, out), Status();
  mlir::FailureOr<MaskGroup> elements = mapElements(picture.attention, group, p);
  if (failed(elements) || !fillFromTiles(elements->map, p.numQueries, p.numKeys, out))
    return makeError("the mask '{}' cannot be decided for every element", maskText(group.mask))
        .withNote("'--format=json' writes tiles");
  return {};
}

} // namespace

Status writeElements(const Picture &picture, std::optional<int64_t> head, const std::string &path) {
  const Problem &p = picture.problem;
  int64_t nq = p.numQueries, nk = p.numKeys, heads = head ? 1 : p.heads;
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
    if (Status status = fillGroup(picture, *group, first); !status)
      return status;
    if (!head)
      for (int64_t other : llvm::ArrayRef(group->heads).drop_front())
        std::copy_n(first, nq * nk, bytes + other * nq * nk);
  }
  return writeNpy(path, elements->view());
}

} // namespace attn::tools
