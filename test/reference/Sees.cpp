#include "test/reference/Mask.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>

namespace attn::reference {

namespace {

/// One pair as a mask kind sees it: inside its sequence, if the tokens are packed.
struct Pair {
  const Context &context;
  int64_t batch, head;
  int64_t tokenQ, tokenK; // numbers of the tokens
  int64_t q, k;           // numbers inside the sequence
  int64_t nq, nk, qOffset;

  int64_t position() const { return q + qOffset; }
};

/// Coordinates of a query and a key in one layout.
struct Located {
  std::vector<int64_t> dims, query, key;
};

} // namespace

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

static int64_t valueOf(const std::map<std::string, std::vector<int32_t>> &inputs,
                       const std::string &name, int64_t index) {
  auto found = inputs.find(name);
  assert(found != inputs.end() && "the context holds every input that the mask names");
  assert(index >= 0 && index < int64_t(found->second.size()) && "the input has this entry");
  return found->second[size_t(index)];
}

static const Tensor &tensorOf(const Context &context, const std::string &name) {
  auto found = context.tensors.find(name);
  assert(found != context.tensors.end() && "the context holds every input that the mask names");
  return found->second;
}

/// One entry; under `broadcast` an extent of 1 serves all of its dimension.
static int64_t entryOf(const Tensor &tensor, const std::vector<int64_t> &at, bool broadcast) {
  assert(at.size() == tensor.shape.size() && "one index for each extent");
  int64_t linear = 0;
  for (size_t d = 0; d < at.size(); ++d) {
    int64_t index = broadcast && tensor.shape[d] == 1 ? 0 : at[d];
    assert(index >= 0 && index < tensor.shape[d] && "the input has this entry");
    linear = linear * tensor.shape[d] + index;
  }
  return tensor.values.at(size_t(linear));
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

std::vector<int64_t> coordinates(const std::vector<int64_t> &dims, int64_t linear) {
  std::vector<int64_t> result(dims.size());
  for (size_t d = dims.size(); d-- > 0;) { // the last dimension runs fastest
    result[d] = linear % dims[d];
    linear /= dims[d];
  }
  return result;
}

/// The layout that kinds of several dimensions are about.
static std::vector<int64_t> layoutOf(const Context &context, int64_t nk) {
  if (!context.groups.empty())
    return context.groups[0].dims;
  if (!context.cuQueries.empty())
    return {nk};
  return context.dims;
}

/// Query and key in the layout that they share, if both are in it.
static std::optional<Located> locate(const Pair &pair) {
  assert(pair.nq == pair.nk && "kinds of several dimensions need one layout for both sides");
  Located located;
  located.dims = layoutOf(pair.context, pair.nk);
  if (!pair.context.groups.empty()) {
    int64_t count = pair.context.groups[0].count();
    if (pair.q >= count || pair.k >= count)
      return std::nullopt;
  }
  located.query = coordinates(located.dims, pair.q);
  located.key = coordinates(located.dims, pair.k);
  return located;
}

static bool isIn(const Context &context, const std::string &name, int64_t token) {
  int64_t begin = 0;
  for (const TokenGroup &group : context.groups) {
    if (group.name == name)
      return begin <= token && token < begin + group.count();
    begin += group.count();
  }
  assert(false && "the context holds every group that the mask names");
  return false;
}

//===----------------------------------------------------------------------===//
// Neighbourhoods
//===----------------------------------------------------------------------===//

namespace {

/// g + d * t for start <= t < end, and how many places the window has, up to the query's own if causal,
/// inside the layout or not.
struct DimKeys {
  int64_t g, d, start, end, places;

  int64_t count() const { return std::max<int64_t>(end - start, 0); }
  bool has(int64_t k) const { return k % d == g && start <= k / d && k / d < end; }
};

} // namespace

static DimKeys dimKeysOf(const NeighborhoodDim &dim, int64_t length, int64_t i, Border border) {
  int64_t g = i % dim.dilation;                               // dilation group of the query
  int64_t p = i / dim.dilation;                               // its position in the group
  int64_t n = (length - g + dim.dilation - 1) / dim.dilation; // tokens of the group
  if (dim.window == -1)
    return {g, dim.dilation, 0, dim.causal ? p + 1 : n, dim.causal ? p + 1 : n};
  int64_t w = border == Border::Shift ? std::min(dim.window, n) : dim.window;
  int64_t firstOfStrideGroup = p / dim.stride * dim.stride;
  if (dim.causal) {
    int64_t leader = std::min(firstOfStrideGroup + dim.stride - 1, n - 1);
    int64_t start = leader - w + 1;
    return {g, dim.dilation, std::max<int64_t>(start, 0), std::min(p + 1, n), p + 1 - start};
  }
  int64_t leader = std::min(firstOfStrideGroup + dim.stride / 2, n - 1);
  int64_t start = leader - w / 2, end = start + w;
  if (border != Border::Shift)
    return {g, dim.dilation, std::max<int64_t>(start, 0), std::min(end, n), w};
  if (start < 0)
    start = 0; // shifted inside at the left border
  if (start + w > n)
    start = n - w; // and at the right one
  return {g, dim.dilation, start, start + w, w};
}

std::vector<int64_t> neighborhoodKeys(const NeighborhoodDim &dim, int64_t length, int64_t i,
                                      Border border) {
  DimKeys range = dimKeysOf(dim, length, i, border);
  std::vector<int64_t> keys;
  for (int64_t t = range.start; t < range.end; ++t)
    keys.push_back(range.g + range.d * t);
  return keys;
}

static bool seesNeighborhood(const Mask &mask, const Pair &pair) {
  std::optional<Located> at = locate(pair);
  if (!at)
    return false;
  assert(mask.neighborhood.size() == at->dims.size() && "one entry per layout dimension");
  for (size_t d = 0; d < at->dims.size(); ++d)
    if (!dimKeysOf(mask.neighborhood[d], at->dims[d], at->query[d], mask.border).has(at->key[d]))
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// Other kinds of several dimensions
//===----------------------------------------------------------------------===//

static bool sameBlock(const Mask &mask, size_t d, int64_t q, int64_t k) {
  auto entry = [&](const std::vector<int64_t> &list) { return list[list.size() == 1 ? 0 : d]; };
  int64_t offset = mask.offsets.empty() ? 0 : entry(mask.offsets);
  return floorDiv(q - offset, entry(mask.sizes)) == floorDiv(k - offset, entry(mask.sizes));
}

static bool isOneDimensional(const Context &context) {
  return context.groups.empty() && context.dims.size() <= 1;
}

static bool seesBlock(const Mask &mask, const Pair &pair) {
  if (isOneDimensional(pair.context))
    return sameBlock(mask, 0, pair.position(), pair.k);
  std::optional<Located> at = locate(pair);
  if (!at)
    return false;
  for (size_t d = 0; d < at->dims.size(); ++d)
    if (!sameBlock(mask, d, at->query[d], at->key[d]))
      return false;
  return true;
}

static bool seesCausalDim(const Mask &mask, const Pair &pair) {
  if (isOneDimensional(pair.context)) {
    assert(mask.first == 0 && "one dimension");
    return pair.k <= pair.position();
  }
  std::optional<Located> at = locate(pair);
  size_t d = size_t(mask.first);
  return at && at->key.at(d) <= at->query.at(d);
}

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

static bool seesSame(const Mask &mask, const Pair &pair) {
  const std::map<std::string, std::vector<int32_t>> &labels = pair.context.labels;
  assert((!mask.keyInput.empty() || pair.context.nq == pair.context.nk) &&
         "one vector of labels needs one layout for queries and keys");
  const std::string &keys = mask.keyInput.empty() ? mask.input : mask.keyInput;
  return valueOf(labels, mask.input, pair.tokenQ) == valueOf(labels, keys, pair.tokenK);
}

static bool seesClasses(const Mask &mask, const Pair &pair) {
  const std::map<std::string, std::vector<int32_t>> &labels = pair.context.labels;
  assert((!mask.keyInput.empty() || pair.context.nq == pair.context.nk) &&
         "one vector of classes needs one layout for queries and keys");
  const std::string &keys = mask.keyInput.empty() ? mask.input : mask.keyInput;
  int64_t query = valueOf(labels, mask.input, pair.tokenQ);
  int64_t key = valueOf(labels, keys, pair.tokenK), count = int64_t(mask.allow.size());
  if (query < 0 || query >= count || key < 0 || key >= count)
    return false; // a class outside of the table
  return mask.allow[size_t(query)][size_t(key)] != 0;
}

static bool seesFrom(const Mask &mask, const Pair &pair) {
  return entryOf(tensorOf(pair.context, mask.input),
                 {pair.batch, pair.head, pair.tokenQ, pair.tokenK}, true) != 0;
}

/// An entry of a block input; extents for batch and heads stand before `at` where the tensor has
/// them. They broadcast, the others do not.
static int64_t blockEntry(const Tensor &tensor, const Pair &pair, std::vector<int64_t> at) {
  if (tensor.shape.size() > at.size()) {
    assert(tensor.shape.size() == at.size() + 2 && "extents for both batch and heads, or none");
    at.insert(at.begin(),
              {tensor.shape[0] == 1 ? 0 : pair.batch, tensor.shape[1] == 1 ? 0 : pair.head});
  }
  return entryOf(tensor, at, false);
}

static bool seesBlockList(const Mask &mask, const Pair &pair) {
  const Tensor &rowPtr = tensorOf(pair.context, mask.input);
  const Tensor &keyTiles = tensorOf(pair.context, mask.keyInput);
  int64_t row = pair.tokenQ / mask.first, column = pair.tokenK / mask.first;
  int64_t end = blockEntry(rowPtr, pair, {row + 1});
  for (int64_t i = blockEntry(rowPtr, pair, {row}); i < end; ++i)
    if (blockEntry(keyTiles, pair, {i}) == column)
      return true;
  return false;
}

static bool seesBlockBits(const Mask &mask, const Pair &pair) {
  int64_t row = pair.tokenQ / mask.first, column = pair.tokenK / mask.first;
  uint32_t word =
      uint32_t(blockEntry(tensorOf(pair.context, mask.input), pair, {row, column / 32}));
  return word >> (column % 32) & 1;
}

//===----------------------------------------------------------------------===//
// Predicates and spans
//===----------------------------------------------------------------------===//

static int64_t tableEntry(const Context &context, const std::string &name,
                          const std::vector<int64_t> &at) {
  if (context.tensors.count(name))
    return entryOf(context.tensors.at(name), at, true);
  assert(at.size() == 1 && "labels and batch inputs have one extent");
  return valueOf(context.labels.count(name) ? context.labels : context.batchInputs, name, at[0]);
}

/// In one dimension the coordinate is the position.
static std::array<int64_t, 4> coordinatesAt(const std::vector<int64_t> &dims, int64_t token,
                                            int64_t position) {
  std::array<int64_t, 4> at = {};
  if (dims.size() <= 1) {
    at[0] = position;
    return at;
  }
  std::vector<int64_t> found = coordinates(dims, token);
  std::copy(found.begin(), found.end(), at.begin());
  return at;
}

static bool seesPredicate(const Mask &mask, const Pair &pair) {
  const Context &context = pair.context;
  ExprPoint point;
  point.q = pair.position();
  point.k = pair.k;
  point.row = pair.tokenQ;
  point.column = pair.tokenK;
  point.queryAt =
      coordinatesAt(context.queryDims.empty() ? context.dims : context.queryDims, pair.q, point.q);
  point.keyAt = coordinatesAt(context.dims, pair.k, point.k);
  point.head = pair.head;
  point.batch = pair.batch;
  point.nq = pair.nq;
  point.nk = pair.nk;
  point.entry = [&](const std::string &name, const std::vector<int64_t> &at) {
    return tableEntry(context, name, at);
  };
  return evaluate(mask.predicate, point) != 0;
}

Span spanOf(double alpha, double beta, int64_t keys, int64_t maxNewTokens) {
  int64_t n = keys + maxNewTokens;
  int64_t wanted = std::min(int64_t(alpha + beta * double(n)), n); // cut towards zero
  Span span;
  span.cache = (std::max<int64_t>(wanted, 128) + 63) / 64 * 64;
  span.sink = std::min<int64_t>(span.cache, 64);
  span.local = span.cache - span.sink;
  return span;
}

static bool seesSpans(const Mask &mask, const Pair &pair) {
  size_t head = size_t(pair.head);
  Span span = spanOf(mask.alphas.at(head), mask.betas.at(head), pair.nk, mask.maxNewTokens);
  int64_t queryBlock = floorDiv(pair.position(), 64), keyBlock = pair.k / 64;
  bool kept = keyBlock < span.sink / 64 || keyBlock >= queryBlock + 1 - span.local / 64;
  return kept && pair.k <= pair.position();
}

//===----------------------------------------------------------------------===//
// All kinds
//===----------------------------------------------------------------------===//

static bool isInRange(const Mask &mask, int64_t position) {
  return mask.first <= position && position < mask.first + mask.second;
}

/// k - q in -left * d .. right * d and a multiple of d.
static bool seesWindow(const Mask &mask, const Pair &pair, int64_t left, int64_t right) {
  int64_t distance = pair.k - pair.position(), d = mask.dilation;
  return -left * d <= distance && distance <= right * d && distance % d == 0;
}

static bool seesPair(const Mask &mask, const Pair &pair) {
  int64_t q = pair.position(), k = pair.k;
  switch (mask.kind) {
  case MaskKind::All:
    return true;
  case MaskKind::Causal:
    return k <= q;
  case MaskKind::CausalTopLeft:
    return k <= pair.q;
  case MaskKind::CausalDim:
    return seesCausalDim(mask, pair);
  case MaskKind::Window:
    return seesWindow(mask, pair, mask.first - 1, mask.first - 1);
  case MaskKind::WindowSides:
    return seesWindow(mask, pair, mask.first, mask.second);
  case MaskKind::Sink:
  case MaskKind::Prefix:
    return k < mask.first;
  case MaskKind::PrefixInput:
  case MaskKind::KeyLength:
    return k < valueOf(pair.context.batchInputs, mask.input, pair.batch);
  case MaskKind::Global:
    return isInRange(mask, q) || isInRange(mask, k);
  case MaskKind::Keys:
    return isInRange(mask, k);
  case MaskKind::Queries:
    return isInRange(mask, q);
  case MaskKind::KeysGroup:
    return isIn(pair.context, mask.group, pair.tokenK);
  case MaskKind::QueriesGroup:
    return isIn(pair.context, mask.group, pair.tokenQ);
  case MaskKind::Block:
    return seesBlock(mask, pair);
  case MaskKind::Strided:
    return floorMod(q - k, mask.first) == 0;
  case MaskKind::Fixed:
    return floorMod(k, mask.first) >= mask.first - mask.second;
  case MaskKind::Neighborhood:
    return seesNeighborhood(mask, pair);
  case MaskKind::Same:
    return seesSame(mask, pair);
  case MaskKind::Classes:
    return seesClasses(mask, pair);
  case MaskKind::From:
    return seesFrom(mask, pair);
  case MaskKind::BlockList:
    return seesBlockList(mask, pair);
  case MaskKind::BlockBits:
    return seesBlockBits(mask, pair);
  case MaskKind::Predicate:
    return seesPredicate(mask, pair);
  case MaskKind::Spans:
    return seesSpans(mask, pair);
  case MaskKind::And:
    return seesPair(mask.operands[0], pair) && seesPair(mask.operands[1], pair);
  case MaskKind::Or:
    return seesPair(mask.operands[0], pair) || seesPair(mask.operands[1], pair);
  case MaskKind::Not:
    return !seesPair(mask.operands[0], pair);
  }
  assert(false && "every kind has a meaning");
  return false;
}

//===----------------------------------------------------------------------===//
// Sequences
//===----------------------------------------------------------------------===//

/// The sequence of a token: the one with cu[s] <= token < cu[s + 1]; -1 for tokens of none.
static int64_t sequenceOf(const std::vector<int32_t> &cu, int64_t token) {
  for (size_t s = 0; s + 1 < cu.size(); ++s)
    if (cu[s] <= token && token < cu[s + 1])
      return int64_t(s);
  return -1;
}

/// The pair inside its sequence, if it has one.
static std::optional<Pair> pairOf(const Context &context, int64_t batch, int64_t head, int64_t q,
                                  int64_t k) {
  Pair pair = {context, batch, head, q, k, q, k, context.nq, context.nk, context.qOffset};
  if (context.cuQueries.empty())
    return pair;
  assert(context.dims.size() <= 1 && context.groups.empty() && "sequences have one dimension");
  const std::vector<int32_t> &cuKeys = context.cuKeys.empty() ? context.cuQueries : context.cuKeys;
  int64_t s = sequenceOf(context.cuQueries, q);
  if (s < 0 || s != sequenceOf(cuKeys, k))
    return std::nullopt;
  pair.q -= context.cuQueries[size_t(s)];
  pair.k -= cuKeys[size_t(s)];
  pair.nq = context.cuQueries[size_t(s) + 1] - context.cuQueries[size_t(s)];
  pair.nk = cuKeys[size_t(s) + 1] - cuKeys[size_t(s)];
  pair.qOffset = context.sequenceOffset.value_or(pair.nk - pair.nq);
  return pair;
}

bool sees(const Mask &mask, const Context &context, int64_t batch, int64_t head, int64_t q,
          int64_t k) {
  assert(q >= 0 && q < context.nq && k >= 0 && k < context.nk && "the pair exists");
  std::optional<Pair> pair = pairOf(context, batch, head, q, k);
  return pair && seesPair(mask, *pair);
}

bool sees(const Mask &mask, const Context &context, int64_t batch, int64_t q, int64_t k) {
  return sees(mask, context, batch, context.head, q, k);
}

//===----------------------------------------------------------------------===//
// Zeros beyond the border
//===----------------------------------------------------------------------===//

int64_t zeroKeys(const Mask &mask, const Context &context, int64_t q) {
  if (mask.kind != MaskKind::Neighborhood || mask.border != Border::Zero) {
    forEachNode(mask, [](const Mask &node) {
      assert(node.border != Border::Zero && "a border of zeros is a whole mask");
      (void)node;
    });
    return 0;
  }
  // The diagonal pair lies in the query's own sequence.
  std::optional<Pair> pair = pairOf(context, 0, context.head, q, q);
  std::optional<Located> found = pair ? locate(*pair) : std::nullopt;
  if (!found)
    return 0;
  const std::vector<int64_t> &at = found->query, &dims = found->dims;
  int64_t places = 1, visible = 1;
  for (size_t d = 0; d < at.size(); ++d) {
    DimKeys range = dimKeysOf(mask.neighborhood[d], dims[d], at[d], mask.border);
    places *= range.places;
    visible *= range.count();
  }
  return places - visible;
}

} // namespace attn::reference
