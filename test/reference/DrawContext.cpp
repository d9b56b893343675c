#include "test/reference/Draw.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace attn::reference {

//===----------------------------------------------------------------------===//
// Labels
//===----------------------------------------------------------------------===//

/// Runs of equal labels, as packed documents have them, and now and then one label that comes back.
static std::vector<int32_t> drawLabels(Draw &draw, int64_t tokens) {
  std::vector<int32_t> labels(tokens);
  int32_t label = 0;
  for (int32_t &entry : labels) {
    if (draw.chance(8))
      label = draw.chance(20) ? 0 : label + 1;
    entry = label;
  }
  return labels;
}

/// Few labels in any order, negative and extreme ones among them.
static std::vector<int32_t> drawWildLabels(Draw &draw, int64_t tokens) {
  std::vector<int32_t> names = {
      0, 1, -1, -7, 5, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
  names.resize(size_t(draw.between(2, int64_t(names.size()))));
  std::vector<int32_t> labels(tokens);
  for (int32_t &entry : labels)
    entry = draw.oneOf(names);
  return labels;
}

/// 0 .. count - 1, in runs or mixed.
static std::vector<int32_t> drawIndices(Draw &draw, int64_t size, int64_t count) {
  std::vector<int32_t> indices(size);
  int keep = draw.chance(50) ? 90 : 0;
  int64_t index = draw.between(0, count - 1);
  for (int32_t &entry : indices) {
    if (!draw.chance(keep))
      index = draw.between(0, count - 1);
    entry = int32_t(index);
  }
  return indices;
}

//===----------------------------------------------------------------------===//
// Mask tensors and block lists
//===----------------------------------------------------------------------===//

static int64_t elementsOf(const std::vector<int64_t> &shape) {
  int64_t result = 1;
  for (int64_t extent : shape)
    result *= extent;
  return result;
}

/// Noise, or rectangles that are empty, full or noise.
static Tensor drawMaskTensor(Draw &draw, const std::vector<int64_t> &shape) {
  Tensor tensor = {shape, std::vector<int32_t>(size_t(elementsOf(shape)))};
  int density = int(draw.between(5, 95));
  int64_t side = draw.chance(50) ? draw.between(4, 80) : 0; // of the rectangles
  int64_t rows = shape[2], columns = shape[3];
  std::vector<int> densities(size_t(side ? (rows / side + 1) * (columns / side + 1) : 0));
  for (int &entry : densities)
    entry = draw.oneOf(std::vector<int>{0, 0, 100, 100, density});
  for (int64_t i = 0; i < int64_t(tensor.values.size()); ++i) {
    int64_t q = i / columns % rows, k = i % columns;
    int here = side ? densities[size_t(q / side * (columns / side + 1) + k / side)] : density;
    tensor.values[size_t(i)] = draw.chance(here);
  }
  return tensor;
}

/// Row pointers and ascending key tiles for every list of the leading extents; the entries behind
/// the last row are not listed.
static void drawLists(Draw &draw, const Mask &node, const Shape &shape, Context &context) {
  int64_t rows = (shape.nq() + node.first - 1) / node.first;
  int64_t columns = (shape.nk() + node.first - 1) / node.first;
  std::vector<int64_t> leading;
  if (node.leading)
    leading = {node.shared[0] ? 1 : shape.batch, node.shared[1] ? 1 : shape.heads};
  Tensor rowPtr = {leading, {}}, keyTiles = {leading, {}};
  int density = int(std::clamp<int64_t>(node.second * 110 / (rows * columns), 2, 100));
  for (int64_t list = 0; list < elementsOf(leading); ++list) {
    int32_t used = 0;
    rowPtr.values.push_back(0);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; ++column)
        if (used < node.second && draw.chance(density)) {
          keyTiles.values.push_back(int32_t(column));
          ++used;
        }
      rowPtr.values.push_back(used);
    }
    keyTiles.values.insert(keyTiles.values.end(), size_t(node.second - used), 0);
  }
  rowPtr.shape.push_back(rows + 1);
  keyTiles.shape.push_back(node.second);
  context.tensors[node.input] = std::move(rowPtr);
  context.tensors[node.keyInput] = std::move(keyTiles);
}

/// Bits beyond the last block are noise: nobody may read them.
static Tensor drawBits(Draw &draw, const std::vector<int64_t> &shape) {
  Tensor tensor = {shape, std::vector<int32_t>(size_t(elementsOf(shape)))};
  int64_t kind = draw.between(0, 2); // sparse, even, dense
  for (int32_t &word : tensor.values) {
    uint64_t a = draw.next(), b = draw.next();
    word = int32_t(uint32_t(kind == 0 ? a & b : kind == 1 ? a : a | b));
  }
  return tensor;
}

//===----------------------------------------------------------------------===//
// Tables and sequences
//===----------------------------------------------------------------------===//

/// Small, negative or as large as the positions.
static std::vector<int32_t> drawTable(Draw &draw, int64_t size, int64_t nk) {
  int64_t kind = draw.between(0, 2);
  std::vector<int32_t> values(size);
  for (int32_t &entry : values)
    entry = int32_t(kind == 0   ? draw.between(0, 3)
                    : kind == 1 ? draw.between(-nk / 4, nk)
                                : draw.between(0, nk));
  return values;
}

/// The bounds of `count` sequences of `tokens` tokens in all; some are empty.
static std::vector<int32_t> drawBounds(Draw &draw, int64_t count, int64_t tokens) {
  std::vector<int32_t> bounds = {0};
  for (int64_t s = 1; s < count; ++s)
    bounds.push_back(draw.chance(25) ? bounds.back() : int32_t(draw.between(0, tokens)));
  bounds.push_back(int32_t(tokens));
  std::sort(bounds.begin(), bounds.end());
  return bounds;
}

/// Tables of a predicate that are not there yet; first those that serve as indices of others.
static void drawTables(Draw &draw, const Expr &predicate, const Shape &shape, Context &context) {
  forEachNode(predicate, [&](const Expr &node) {
    if (node.kind != ExprKind::Lookup)
      return;
    std::vector<int64_t> extents = extentsOf(shape, Input{node.table, false, extentsOf(node)});
    for (size_t i = 0; i < node.operands.size(); ++i) {
      const Expr &index = node.operands[i];
      if (index.kind == ExprKind::Lookup && !context.labels.count(index.table))
        context.labels[index.table] = drawIndices(draw, shape.nk(), extents[i]);
    }
    if (!context.labels.count(node.table) && !context.tensors.count(node.table))
      context.tensors[node.table] = {extents, drawTable(draw, elementsOf(extents), shape.nk())};
  });
}

//===----------------------------------------------------------------------===//
// Contexts
//===----------------------------------------------------------------------===//

static Context emptyContext(Draw &draw, const Shape &shape) {
  if (!shape.groups.empty())
    return groupContext(shape.groups);
  Context context = crossContext(shape.nq(), shape.nk());
  if (shape.oneLayout())
    context.dims = shape.tokens;
  if (shape.isPacked())
    context.cuQueries = drawBounds(draw, shape.sequences, shape.nq());
  if (shape.isPacked() && !shape.oneLayout())
    context.cuKeys = drawBounds(draw, shape.sequences, shape.nk());
  return context;
}

static void drawSame(Draw &draw, const Mask &node, const Shape &shape, const MaskOptions &options,
                     Context &context) {
  bool wild = options.anyLabels && draw.chance(50);
  auto labels = [&](const std::string &name, int64_t tokens) {
    if (!context.labels.count(name))
      context.labels[name] = wild ? drawWildLabels(draw, tokens) : drawLabels(draw, tokens);
  };
  labels(node.input, shape.nq());
  if (!node.keyInput.empty())
    labels(node.keyInput, shape.nk());
}

static void drawLengths(Draw &draw, const Mask &node, const Shape &shape, Context &context) {
  std::vector<int32_t> &lengths = context.batchInputs[node.input];
  for (int64_t b = int64_t(lengths.size()); b < shape.batch; ++b)
    lengths.push_back(int32_t(draw.chance(15) ? 0 : draw.between(1, shape.nk())));
}

static void drawTensor(Draw &draw, const Mask &node, const Shape &shape, Context &context) {
  if (context.tensors.count(node.input))
    return;
  if (node.kind == MaskKind::BlockList)
    return drawLists(draw, node, shape, context);
  Shape plain = shape;
  plain.sequences = 0; // leaves the one input of the node
  std::vector<int64_t> extents = extentsOf(shape, inputsOf(plain, node).front());
  context.tensors[node.input] =
      node.kind == MaskKind::From ? drawMaskTensor(draw, extents) : drawBits(draw, extents);
}

Context drawContext(Draw &draw, const Shape &shape, const Mask &mask, const MaskOptions &options) {
  Context context = emptyContext(draw, shape);
  forEachNode(mask, [&](const Mask &node) {
    switch (node.kind) {
    case MaskKind::Same:
      return drawSame(draw, node, shape, options, context);
    case MaskKind::PrefixInput:
    case MaskKind::KeyLength:
      return drawLengths(draw, node, shape, context);
    case MaskKind::Classes:
      if (!context.labels.count(node.input))
        context.labels[node.input] = drawIndices(draw, shape.nk(), int64_t(node.allow.size()));
      return;
    case MaskKind::From:
    case MaskKind::BlockList:
    case MaskKind::BlockBits:
      return drawTensor(draw, node, shape, context);
    case MaskKind::Predicate:
      return drawTables(draw, node.predicate, shape, context);
    default:
      return;
    }
  });
  return context;
}

Tensor inputOf(const Context &context, const std::string &name) {
  if (auto found = context.tensors.find(name); found != context.tensors.end())
    return found->second;
  const std::vector<int32_t> *values = nullptr;
  if (auto found = context.labels.find(name); found != context.labels.end())
    values = &found->second;
  else if (auto batch = context.batchInputs.find(name); batch != context.batchInputs.end())
    values = &batch->second;
  else if (name == "cu" || name == "cu_q")
    values = &context.cuQueries;
  else if (name == "cu_k")
    values = &context.cuKeys;
  assert(values && "the context holds every input of the kernel");
  return {{int64_t(values->size())}, *values};
}

} // namespace attn::reference
