#include "test/reference/Draw.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>
#include <set>

namespace attn::reference {

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

/// splitmix64 (Steele, Lea, Flood 2014).
uint64_t Draw::next() {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

int64_t Draw::between(int64_t lo, int64_t hi) {
  assert(lo <= hi && "there is something to draw from");
  return lo + int64_t(next() % uint64_t(hi - lo + 1));
}

bool Draw::chance(int percent) { return between(0, 99) < percent; }

double Draw::uniform() { return double(next() >> 11) * 0x1p-53; }

/// Box-Muller; 1 - u keeps the logarithm away from 0.
double Draw::normal() {
  double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

std::vector<double> Draw::normals(size_t count, Type type) {
  std::vector<double> values(count);
  for (double &value : values)
    value = roundTo(type, normal());
  return values;
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

static int64_t product(const std::vector<int64_t> &dims) {
  int64_t result = 1;
  for (int64_t length : dims)
    result *= length;
  return result;
}

int64_t Shape::nq() const { return product(tokens); }
int64_t Shape::nk() const { return oneLayout() ? nq() : product(kvTokens); }

Problem Shape::problem() const {
  Problem problem;
  problem.batch = batch;
  problem.heads = heads;
  problem.kvHeads = kvHeads;
  problem.nq = nq();
  problem.nk = nk();
  problem.qkDim = problem.vDim = headDim;
  return problem;
}

static int64_t drawLength(Draw &draw, int64_t tile, int64_t maximum) {
  std::vector<int64_t> lengths = {1, tile - 1, tile, tile + 1, 2 * tile - 1, 2 * tile + 1};
  lengths.push_back(draw.between(1, maximum));
  lengths.push_back(draw.between(0, (maximum - 1) / 2) * 2 + 1); // odd
  return std::clamp<int64_t>(draw.oneOf(lengths), 1, maximum);
}

/// `rank` dimensions of at most `maximum` tokens in all.
static std::vector<int64_t> drawLayout(Draw &draw, int rank, int64_t maximum) {
  int64_t longest = std::max<int64_t>(2, int64_t(2 * std::pow(double(maximum), 1.0 / rank)));
  std::vector<int64_t> dims(rank);
  for (int64_t &length : dims)
    length = draw.chance(10) ? 1 : draw.between(2, longest);
  while (product(dims) > maximum)
    --*std::max_element(dims.begin(), dims.end());
  return dims;
}

Shape drawShape(Draw &draw, const ShapeOptions &options) {
  Shape shape;
  shape.batch = draw.between(1, options.maxBatch);
  shape.kvHeads = draw.between(1, options.maxHeads);
  shape.heads = shape.kvHeads * draw.between(1, options.maxHeads / shape.kvHeads);
  shape.headDim = draw.oneOf(options.headDims);
  shape.dtype = options.dtype;
  int rank = int(draw.between(1, options.maxRank));
  if (rank > 1) {
    shape.tokens = drawLayout(draw, rank, options.maxTokens);
    return shape;
  }
  shape.tokens = {drawLength(draw, options.tileQ, options.maxTokens)};
  if (options.cross && draw.chance(40))
    shape.kvTokens = {drawLength(draw, options.tileK, options.maxTokens)};
  return shape;
}

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

static Mask drawNeighborhood(Draw &draw, const std::vector<int64_t> &dims) {
  std::vector<NeighborhoodDim> result;
  for (int64_t length : dims) {
    NeighborhoodDim dim;
    dim.window = draw.between(1, length);
    dim.stride = draw.chance(40) ? 1 : draw.between(1, dim.window);
    dim.dilation = draw.chance(50) ? 1 : draw.between(1, length / dim.window);
    dim.causal = draw.chance(33);
    result.push_back(dim);
  }
  return neighborhood(result);
}

static Mask drawLeaf(Draw &draw, const Shape &shape, const MaskOptions &options) {
  int64_t nk = shape.nk();
  std::vector<MaskKind> kinds = {MaskKind::All,         MaskKind::Causal, MaskKind::CausalTopLeft,
                                 MaskKind::Window,      MaskKind::Window, MaskKind::WindowSides,
                                 MaskKind::WindowSides, MaskKind::Sink,   MaskKind::Prefix};
  if (options.batchInputs)
    kinds.push_back(MaskKind::PrefixInput);
  if (options.keyLengths)
    kinds.push_back(MaskKind::KeyLength);
  if (options.labels && shape.oneLayout())
    kinds.push_back(MaskKind::Same);
  if (options.neighborhoods && shape.oneLayout() && shape.tokens.size() <= 3)
    kinds.insert(kinds.end(), shape.tokens.size() > 1 ? 5 : 2, MaskKind::Neighborhood);
  switch (draw.oneOf(kinds)) {
  case MaskKind::Causal:
    return causal();
  case MaskKind::CausalTopLeft:
    return causalTopLeft();
  case MaskKind::Window:
    return window(draw.between(1, nk));
  case MaskKind::WindowSides: {
    int64_t left = draw.between(0, nk), right = draw.between(0, nk / 2);
    return window(left, right);
  }
  case MaskKind::Sink:
    return sink(draw.between(1, std::min<int64_t>(nk, 20)));
  case MaskKind::Prefix:
    return prefix(draw.between(1, nk));
  case MaskKind::PrefixInput:
    return prefix("len");
  case MaskKind::KeyLength:
    return keyLength("kl");
  case MaskKind::Neighborhood:
    return drawNeighborhood(draw, shape.tokens);
  case MaskKind::Same:
    return same("doc");
  default:
    return all();
  }
}

static Mask drawTree(Draw &draw, const Shape &shape, const MaskOptions &options, int depth) {
  if (depth == 0 || draw.chance(25))
    return drawLeaf(draw, shape, options);
  if (draw.chance(20))
    return !drawTree(draw, shape, options, depth - 1);
  Mask a = drawTree(draw, shape, options, depth - 1);
  Mask b = drawTree(draw, shape, options, depth - 1);
  return draw.chance(50) ? a & b : a | b;
}

Mask drawMask(Draw &draw, const Shape &shape, const MaskOptions &options) {
  return drawTree(draw, shape, options, options.depth);
}

//===----------------------------------------------------------------------===//
// Inputs and text
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

Context drawContext(Draw &draw, const Shape &shape, const Mask &mask) {
  Context context = crossContext(shape.nq(), shape.nk());
  if (shape.oneLayout())
    context.dims = shape.tokens;
  forEachNode(mask, [&](const Mask &node) {
    if (node.kind == MaskKind::Same && !context.labels.count(node.input))
      context.labels[node.input] = drawLabels(draw, shape.nk());
    bool perBatch = node.kind == MaskKind::PrefixInput || node.kind == MaskKind::KeyLength;
    if (!perBatch || context.batchInputs.count(node.input))
      return;
    std::vector<int32_t> &lengths = context.batchInputs[node.input];
    for (int64_t b = 0; b < shape.batch; ++b)
      lengths.push_back(int32_t(draw.chance(15) ? 0 : draw.between(1, shape.nk())));
  });
  return context;
}

static std::string layoutSpec(const std::vector<int64_t> &dims) {
  std::string text;
  for (int64_t length : dims)
    text += (text.empty() ? "" : ", ") + std::to_string(length);
  return "[" + text + "]";
}

static std::string inputSpecs(const Mask &mask) {
  std::set<std::string> lines;
  forEachNode(mask, [&](const Mask &node) {
    if (node.kind == MaskKind::Same)
      lines.insert("  input " + node.input + " : i32[tokens]\n");
    if (node.kind == MaskKind::PrefixInput || node.kind == MaskKind::KeyLength)
      lines.insert("  input " + node.input + " : i32[batch]\n");
  });
  std::string text;
  for (const std::string &line : lines)
    text += line;
  return text;
}

std::string toSpec(const std::string &name, const Shape &shape, const Mask &mask) {
  std::string text = "kernel " + name + " {\n";
  text += "  batch " + std::to_string(shape.batch) + "   heads " + std::to_string(shape.heads) +
          "   kv_heads " + std::to_string(shape.kvHeads) + "   head_dim " +
          std::to_string(shape.headDim) + "   dtype " + toSpec(shape.dtype) + "\n";
  text += "  tokens " + layoutSpec(shape.tokens) + "\n";
  if (!shape.oneLayout())
    text += "  kv_tokens " + layoutSpec(shape.kvTokens) + "\n";
  return text + inputSpecs(mask) + "  mask " + toSpec(mask) + "\n}\n";
}

} // namespace attn::reference
