#include "runtime/LaunchChecks.h"

#include "runtime/InputChecks.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace attn {

std::string shapeText(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t d = 0; d < shape.size(); ++d)
    text += (d ? ", " : "") + (shape[d] < 0 ? std::string("?") : std::to_string(shape[d]));
  return text + "]";
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

/// Product of the lengths, or -1 where it exceeds kMaxTokens.
static int64_t tokenCount(const std::vector<int64_t> &layout) {
  if (std::find(layout.begin(), layout.end(), 0) != layout.end())
    return 0;
  int64_t count = 1;
  for (int64_t length : layout)
    if (__builtin_mul_overflow(count, length, &count) || count > kMaxTokens)
      return -1;
  return count;
}

Expected<std::vector<int64_t>> bindLayout(const std::vector<int64_t> &layout, int64_t length,
                                          const char *what) {
  std::vector<int64_t> fixed, bound = layout;
  for (int64_t extent : layout)
    if (extent >= 0)
      fixed.push_back(extent);
  if (layout.size() > fixed.size() + 1)
    return makeError("'{}' {} has more than one '?', which a length of {} does not bind", what,
                     shapeText(layout), length)
        .withNote("say them all, for example as '{}=30x48x80'",
                  std::string_view(what) == "tokens" ? "--tokens" : "--kv-tokens");
  int64_t product = tokenCount(fixed);
  bool fits = fixed.size() == layout.size()
                  ? product == length
                  : (product > 0 ? length % product == 0 : product == 0 && length == 0);
  if (!fits || length < 0)
    return makeError("'{}' {} cannot have {} tokens", what, shapeText(layout), length);
  for (int64_t &extent : bound)
    if (extent < 0)
      extent = product ? length / product : 0;
  return bound;
}

Expected<std::vector<int64_t>> groupLayout(const KernelInfo &info, int64_t length) {
  bool fits = info.tokenUnit ? length >= info.tokenBase &&
                                   (length - info.tokenBase) % info.tokenUnit == 0
                             : length == info.tokenBase;
  if (!fits && info.tokenUnit)
    return makeError("the token groups of 'tokens' cannot have {} tokens: they have {} and multiples "
                     "of {} more",
                     length, info.tokenBase, info.tokenUnit);
  if (!fits)
    return makeError("'tokens' have {} tokens in all their groups, not {}", info.tokenBase, length);
  std::vector<int64_t> layout = info.tokens;
  int64_t slab = 1;
  for (size_t d = 1; d < layout.size(); ++d)
    slab *= layout[d];
  layout[0] = ceilDiv(length, slab);
  return layout;
}

/// The layout of one side: given by the caller or read off the tensor `name`.
static Expected<std::vector<int64_t>> layoutOf(const KernelInfo &info,
                                               const std::vector<int64_t> &spec,
                                               const std::vector<int64_t> &given,
                                               const TensorView &tensor, const char *name,
                                               const char *what) {
  if (tensor.rank() != 4)
    return makeError("'{}' has {} dimensions, but [batch, heads, tokens, head_dim] is wanted", name,
                     tensor.rank());
  if (info.bounded)
    return groupLayout(info, tensor.shape[2]);
  if (given.empty())
    return bindLayout(spec, tensor.shape[2], what);
  bool fits = given.size() == spec.size();
  for (size_t d = 0; fits && d < spec.size(); ++d)
    fits = given[d] >= 0 && (spec[d] < 0 || spec[d] == given[d]);
  if (!fits)
    return makeError("{} {} do not fit the spec, which says {}", what, shapeText(given),
                     shapeText(spec));
  return given;
}

static Expected<int64_t> countOf(const std::vector<int64_t> &layout, const char *what) {
  int64_t count = tokenCount(layout);
  if (count < 0)
    return makeError("{} {} are more than 2^28 tokens, the most a kernel takes", what,
                     shapeText(layout));
  return count;
}

static Expected<int64_t> offsetOf(const KernelInfo &info, const Bindings &bindings,
                                  const LaunchSizes &sizes) {
  int64_t offset = sizes.numKeys - sizes.numQueries;
  if (info.queryOffset)
    offset = *info.queryOffset;
  if (bindings.queryOffset) {
    if (info.queryOffset && *bindings.queryOffset != *info.queryOffset)
      return makeError("q_offset is {} here, but the spec fixes it at {}", *bindings.queryOffset,
                       *info.queryOffset);
    offset = *bindings.queryOffset;
  }
  if (offset < -kMaxTokens || offset > kMaxTokens)
    return makeError("q_offset {} is beyond 2^28, the farthest a kernel goes", offset);
  return offset;
}

TileGeometry geometryOf(const KernelInfo &info, const LaunchSizes &sizes) {
  TileGeometry geo;
  geo.rank = info.rank;
  geo.numQueries = sizes.numQueries;
  geo.numKeys = sizes.numKeys;
  geo.queryTile = info.queryTile;
  geo.keyTile = info.keyTile;
  if (info.rank == 1) {
    geo.queries[0] = sizes.numQueries;
    geo.keys[0] = sizes.numKeys;
    return geo;
  }
  geo.bounded = info.bounded || isUnevenSplit(sizes.tokens, info.steps);
  std::vector<int64_t> dims = splitLengths(sizes.tokens, info.steps);
  assert(int(dims.size()) == info.rank && "the tiled layout follows from the spec's");
  std::copy(dims.begin(), dims.end(), geo.keys.begin());
  geo.queries = geo.keys;
  return geo;
}

Expected<LaunchSizes> launchSizes(const KernelInfo &info, const Bindings &bindings) {
  LaunchSizes sizes;
  auto tokens = layoutOf(info, info.tokens, bindings.tokens, bindings.q, "q", "tokens");
  if (!tokens)
    return tokens.takeError();
  auto kvTokens = layoutOf(info, info.kvTokens, bindings.kvTokens, bindings.k, "k", "kv_tokens");
  if (!kvTokens)
    return kvTokens.takeError();
  sizes.tokens = *tokens;
  sizes.kvTokens = *kvTokens;
  auto queries = countOf(sizes.tokens, "tokens"), keys = countOf(sizes.kvTokens, "kv_tokens");
  if (!queries)
    return queries.takeError();
  if (!keys)
    return keys.takeError();
  sizes.numQueries = info.bounded ? bindings.q.shape[2] : *queries;
  sizes.numKeys = info.bounded ? bindings.k.shape[2] : *keys;
  if (info.bounded && sizes.numQueries != sizes.numKeys)
    return makeError("there are {} queries and {} keys, but token groups are a layout that both share",
                     sizes.numQueries, sizes.numKeys);
  if ((info.needsSameLayout || info.rank > 1) && sizes.tokens != sizes.kvTokens)
    return makeError(
        "tokens {} and kv_tokens {} differ, but this mask needs queries and keys on one "
        "layout",
        shapeText(sizes.tokens), shapeText(sizes.kvTokens));
  sizes.batch = info.batch < 0 ? bindings.q.shape[0] : info.batch;
  auto offset = offsetOf(info, bindings, sizes);
  if (!offset)
    return offset.takeError();
  sizes.queryOffset = *offset;
  return sizes;
}

//===----------------------------------------------------------------------===//
// One tensor
//===----------------------------------------------------------------------===//

Expected<ByteRange> byteRange(const TensorView &view, std::string_view name) {
  ByteRange range;
  if (std::find(view.shape.begin(), view.shape.end(), 0) != view.shape.end())
    return range;
  int64_t size = dtypeSize(view.dtype);
  range.end = size;
  for (size_t d = 0; d < view.rank(); ++d) {
    int64_t reach;
    bool overflow = __builtin_mul_overflow(view.shape[d] - 1, view.strides[d], &reach) ||
                    __builtin_mul_overflow(reach, size, &reach);
    int64_t &side = reach < 0 ? range.begin : range.end;
    if (overflow || __builtin_add_overflow(side, reach, &side))
      return makeError("'{}' of shape {} and strides {} reaches beyond 63 bits", name,
                       shapeText(view.shape), shapeText(view.strides));
  }
  return range;
}

Status checkTensor(const TensorView &view, std::string_view name, DType dtype,
                   const std::vector<int64_t> &shape, bool contiguousLast) {
  if (view.dtype != dtype)
    return makeError("'{}' is {}, but the kernel takes {}", name, dtypeName(view.dtype),
                     dtypeName(dtype));
  if (view.shape != shape)
    return makeError("'{}' has shape {}, but {} is wanted", name, shapeText(view.shape),
                     shapeText(shape));
  if (view.strides.size() != view.shape.size())
    return makeError("'{}' has {} strides for {} dimensions", name, view.strides.size(),
                     view.shape.size());
  auto range = byteRange(view, name);
  if (!range)
    return range.takeError();
  if (range->begin == range->end)
    return {};
  if (!view.data)
    return makeError("'{}' of shape {} has no memory", name, shapeText(shape));
  if (reinterpret_cast<uintptr_t>(view.data) % size_t(dtypeSize(dtype)))
    return makeError("'{}' starts at an address that is no multiple of {} bytes", name,
                     dtypeSize(dtype));
  if (contiguousLast && shape.back() > 1 && view.strides.back() != 1)
    return makeError("the last dimension of '{}' has stride {}, but it must be contiguous", name,
                     view.strides.back());
  return {};
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

namespace {
/// A dimension of more than one element, in bytes.
struct Axis {
  int64_t stride, length;
};

/// Innermost first.
std::vector<Axis> axesOf(const TensorView &view) {
  std::vector<Axis> axes;
  for (size_t d = 0; d < view.rank(); ++d)
    if (view.shape[d] > 1)
      axes.push_back({std::abs(view.strides[d]) * dtypeSize(view.dtype), view.shape[d]});
  std::sort(axes.begin(), axes.end(), [](Axis a, Axis b) { return a.stride < b.stride; });
  return axes;
}

/// Bytes that the axes of strides below `limit` reach over, and the greatest common divisor of the
/// other strides with `step`.
std::pair<int64_t, int64_t> splitAt(const TensorView &view, int64_t limit, int64_t step) {
  int64_t reach = dtypeSize(view.dtype);
  for (Axis axis : axesOf(view))
    if (axis.stride < limit)
      reach += (axis.length - 1) * axis.stride;
    else
      step = std::gcd(step, axis.stride);
  return {reach, step};
}
} // namespace

/// Whether no two elements share a byte, proven by strides that nest.
static bool elementsDistinct(const TensorView &view) {
  int64_t reach = dtypeSize(view.dtype);
  for (Axis axis : axesOf(view)) {
    if (axis.stride < reach)
      return false;
    reach += (axis.length - 1) * axis.stride;
  }
  return true;
}

/// Either the hulls lie apart, or the views are interleaved: above some stride both repeat every
/// `step` bytes, and within a step they occupy different stretches.
bool provenDisjoint(const TensorView &a, const TensorView &b) {
  ByteRange ra = *byteRange(a, ""), rb = *byteRange(b, "");
  intptr_t startA = reinterpret_cast<intptr_t>(a.data) + ra.begin;
  intptr_t startB = reinterpret_cast<intptr_t>(b.data) + rb.begin;
  if (ra.begin == ra.end || rb.begin == rb.end || startA + ra.end - ra.begin <= startB ||
      startB + rb.end - rb.begin <= startA)
    return true;
  std::vector<Axis> limits = axesOf(a);
  for (Axis axis : axesOf(b))
    limits.push_back(axis);
  for (Axis limit : limits) {
    auto [reachA, stepA] = splitAt(a, limit.stride, 0);
    auto [reachB, step] = splitAt(b, limit.stride, stepA);
    if (step == 0)
      continue;
    int64_t gap = (startB - startA) % step;
    gap += gap < 0 ? step : 0;
    if (reachA <= gap && gap + reachB <= step)
      return true;
  }
  return false;
}

using Named = std::pair<std::string, const TensorView *>;

static Status checkOutputMemory(const std::vector<Named> &written, const std::vector<Named> &read) {
  for (size_t i = 0; i < written.size(); ++i) {
    const auto &[name, view] = written[i];
    if (!elementsDistinct(*view))
      return makeError("elements of '{}', which is written, share memory: its shape is {}, its "
                       "strides are {}",
                       name, shapeText(view->shape), shapeText(view->strides));
    for (const auto &[other, otherView] : read)
      if (!provenDisjoint(*view, *otherView))
        return makeError("'{}', which is written, overlaps '{}' in memory", name, other);
    for (size_t j = 0; j < i; ++j)
      if (!provenDisjoint(*view, *written[j].second))
        return makeError("'{}' and '{}', which are written, overlap in memory", written[j].first,
                         name);
  }
  return {};
}

//===----------------------------------------------------------------------===//
// All tensors
//===----------------------------------------------------------------------===//

Status checkTensors(const KernelInfo &info, const Bindings &bindings, const LaunchSizes &sizes) {
  int64_t b = sizes.batch, nq = sizes.numQueries, nk = sizes.numKeys;
  struct Wanted {
    const char *name;
    const TensorView *view;
    std::vector<int64_t> shape;
  };
  for (const auto &[name, view, shape] :
       {Wanted{"q", &bindings.q, {b, info.heads, nq, info.headDimQk}},
        Wanted{"k", &bindings.k, {b, info.kvHeads, nk, info.headDimQk}},
        Wanted{"v", &bindings.v, {b, info.kvHeads, nk, info.headDimV}},
        Wanted{"o", &bindings.o, {b, info.heads, nq, info.headDimV}}})
    if (Status status = checkTensor(*view, name, info.dtype, shape, true); !status)
      return status;
  std::vector<Named> written{{"o", &bindings.o}};
  std::vector<Named> read{{"q", &bindings.q}, {"k", &bindings.k}, {"v", &bindings.v}};
  if (bindings.lse) {
    std::vector<int64_t> shape{b, info.heads, nq};
    if (Status status = checkTensor(*bindings.lse, "lse", DType::F32, shape, false); !status)
      return status;
    written.emplace_back("lse", &*bindings.lse);
  }
  if (Status status = checkInputs(info, bindings, sizes); !status)
    return status;
  for (const auto &[name, view] : bindings.inputs)
    read.emplace_back(name, &view);
  return checkOutputMemory(written, read);
}

} // namespace attn
