#include "test/reference/Draw.h"

#include <algorithm>
#include <cassert>

namespace attn::reference {

MaskOptions MaskOptions::everything(std::string planFile) {
  MaskOptions options;
  options.causalDims = options.dilatedWindows = options.ranges = options.blocks = true;
  options.strides = options.borders = options.zeroBorders = options.labelPairs = true;
  options.anyLabels = options.classes = options.maskTensors = options.blockLists = true;
  options.predicates = true;
  options.planFile = std::move(planFile);
  return options;
}

//===----------------------------------------------------------------------===//
// Kinds with numbers
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

/// Cut at the border, or with dimensions that are whole.
static Mask drawBorder(Draw &draw, const Shape &shape) {
  Mask mask = drawNeighborhood(draw, shape.tokens);
  if (draw.chance(60)) {
    mask.border = Border::Clip;
    return mask;
  }
  for (NeighborhoodDim &dim : mask.neighborhood)
    if (dim.dilation == 1 && draw.chance(60))
      dim.window = -1;
  return mask;
}

static Mask drawDilatedWindow(Draw &draw, int64_t nk) {
  int64_t dilation = draw.between(2, 9);
  int64_t steps = std::max<int64_t>(nk / dilation, 1);
  if (draw.chance(50))
    return dilatedWindow(draw.between(1, steps), dilation);
  int64_t left = draw.between(0, steps), right = draw.between(0, steps / 2);
  return dilatedWindow(left, right, dilation);
}

static Mask drawRange(Draw &draw, int64_t nk) {
  int64_t first = draw.chance(40) ? 0 : draw.between(0, nk - 1);
  int64_t count = draw.between(1, std::max<int64_t>(nk / 3, 1));
  int64_t kind = draw.between(0, 2);
  return kind == 0 ? global(first, count) : kind == 1 ? keys(first, count) : queries(first, count);
}

static Mask drawBlock(Draw &draw, const Shape &shape) {
  if (draw.chance(25)) // one size for all dimensions
    return block({draw.between(1, *std::max_element(shape.tokens.begin(), shape.tokens.end()))});
  std::vector<int64_t> sizes, offsets;
  bool shifted = draw.chance(50);
  for (int64_t length : shape.tokens) {
    sizes.push_back(draw.between(1, length));
    offsets.push_back(shifted ? draw.between(0, sizes.back() - 1) : 0);
  }
  return block(sizes, offsets);
}

/// A packed sequence has no fixed positions.
static Mask drawStride(Draw &draw, const Shape &shape) {
  int64_t length = draw.between(1, std::min<int64_t>(shape.nk(), 24));
  return shape.isPacked() || draw.chance(50) ? strided(length)
                                             : fixed(length, draw.between(1, length));
}

static Mask drawGroupMask(Draw &draw, const Shape &shape) {
  const std::string &name = draw.oneOf(shape.groups).name;
  return draw.chance(50) ? keys(name) : queries(name);
}

//===----------------------------------------------------------------------===//
// Kinds that are data. The name of an input says its extents and what its entries mean.
//===----------------------------------------------------------------------===//

static Mask drawClasses(Draw &draw) {
  int64_t count = draw.between(2, 4);
  std::vector<std::vector<int>> allow;
  for (int64_t row = 0; row < count; ++row) {
    allow.emplace_back();
    for (int64_t column = 0; column < count; ++column)
      allow.back().push_back(draw.chance(50));
  }
  return classes("cls" + std::to_string(count), allow);
}

/// Which of the first `count` extents are 1, and the letters for them.
static std::string drawShared(Draw &draw, int count, std::array<bool, 4> &shared) {
  std::string letters;
  for (int d = 0; d < count; ++d) {
    shared[size_t(d)] = draw.chance(d < 2 ? 60 : 12);
    if (shared[size_t(d)])
      letters += "bhqk"[d];
  }
  return letters.empty() ? "" : "_" + letters;
}

static Mask drawMaskTensor(Draw &draw) {
  std::array<bool, 4> shared = {};
  std::string letters = drawShared(draw, 4, shared);
  return from("seen" + letters, shared);
}

static Mask drawBlockList(Draw &draw, const Shape &shape, const MaskOptions &options) {
  int64_t size = draw.oneOf(options.blockSizes);
  bool leading = draw.chance(40);
  std::array<bool, 4> shared = {};
  std::string name = std::to_string(size) + (leading ? "x" + drawShared(draw, 2, shared) : "");
  if (draw.chance(40))
    return blockBits("bits" + name, size, leading, shared);
  int64_t pairs = ((shape.nq() + size - 1) / size) * ((shape.nk() + size - 1) / size);
  int64_t entries = draw.between(1, std::max<int64_t>(pairs * 2 / 3, 1));
  name += "_" + std::to_string(entries);
  return blocks("rows" + name, "cols" + name, size, entries, leading, shared);
}

/// Pairs as in published plans, and some that matter for short sequences.
static Mask drawSpans(Draw &draw, const Shape &shape, const MaskOptions &options) {
  std::vector<std::pair<double, double>> pairs = {{0, 0.125}, {0, 0.625},      {0, 0.25},
                                                  {-1024, 1}, {1024, 0.125},   {0, 1},
                                                  {-64, 1},   {-10.5, 0.9375}, {150, 0.1}};
  std::vector<double> alphas, betas;
  for (int64_t h = 0; h < shape.heads; ++h) {
    std::pair<double, double> pair = draw.oneOf(pairs);
    alphas.push_back(pair.first);
    betas.push_back(pair.second);
  }
  int64_t more = draw.chance(50) ? 0 : draw.between(1, 256);
  return spans(alphas, betas, more, options.planFile);
}

//===----------------------------------------------------------------------===//
// Leaves
//===----------------------------------------------------------------------===//

static std::vector<MaskKind> leafKinds(const Shape &shape, const MaskOptions &options) {
  std::vector<MaskKind> kinds = {MaskKind::All,         MaskKind::Causal, MaskKind::CausalTopLeft,
                                 MaskKind::Window,      MaskKind::Window, MaskKind::WindowSides,
                                 MaskKind::WindowSides, MaskKind::Sink,   MaskKind::Prefix};
  if (options.batchInputs)
    kinds.push_back(MaskKind::PrefixInput);
  if (options.keyLengths)
    kinds.push_back(MaskKind::KeyLength);
  if (options.labels && shape.oneLayout())
    kinds.push_back(MaskKind::Same);
  if (options.neighborhoods && shape.oneLayout())
    kinds.insert(kinds.end(), shape.tokens.size() > 1 ? 5 : 2, MaskKind::Neighborhood);
  return kinds;
}

static Mask drawPlainLeaf(Draw &draw, const Shape &shape, const MaskOptions &options) {
  int64_t nk = shape.nk();
  switch (draw.oneOf(leafKinds(shape, options))) {
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

/// One entry for each family that is wanted and fits the shape.
static std::vector<std::function<Mask()>> familiesOf(Draw &draw, const Shape &shape,
                                                     const MaskOptions &options) {
  bool severalDims = shape.tokens.size() > 1;
  // Kinds that know one dimension, and sequences that queries and keys share.
  bool oneRow = !severalDims && (!shape.isPacked() || shape.oneLayout());
  std::vector<std::function<Mask()>> families;
  auto add = [&](bool wanted, std::function<Mask()> family) {
    if (wanted)
      families.push_back(std::move(family));
  };
  add(options.causalDims && severalDims && shape.oneLayout(),
      [&] { return causalDim(draw.between(0, int64_t(shape.tokens.size()) - 1)); });
  add(options.dilatedWindows && oneRow, [&] { return drawDilatedWindow(draw, shape.nk()); });
  add(options.ranges, [&] { return drawRange(draw, shape.nk()); });
  add(options.blocks && (shape.oneLayout() || !severalDims),
      [&] { return drawBlock(draw, shape); });
  add(options.strides && oneRow, [&] { return drawStride(draw, shape); });
  add(options.borders && shape.oneLayout(), [&] { return drawBorder(draw, shape); });
  add(!shape.groups.empty(), [&] { return drawGroupMask(draw, shape); });
  add(options.labelPairs, [] { return same("q_doc", "k_doc"); });
  add(options.classes && shape.oneLayout(), [&] { return drawClasses(draw); });
  add(options.maskTensors && !shape.isPacked(), [&] { return drawMaskTensor(draw); });
  add(options.blockLists && !severalDims && !shape.isPacked(), [&] { return drawBlockList(draw, shape, options); });
  for (int n = 0; n < 3; ++n) // the widest family
    add(options.predicates,
        [&] { return predicate(drawPredicate(draw, shape, 2, options.tables)); });
  add(!options.planFile.empty() && !severalDims && !shape.isPacked(),
      [&] { return drawSpans(draw, shape, options); });
  return families;
}

static Mask drawLeaf(Draw &draw, const Shape &shape, const MaskOptions &options) {
  std::vector<std::function<Mask()>> families = familiesOf(draw, shape, options);
  if (families.empty() || draw.chance(35))
    return drawPlainLeaf(draw, shape, options);
  return draw.oneOf(families)();
}

//===----------------------------------------------------------------------===//
// Trees and kernels
//===----------------------------------------------------------------------===//

static Mask drawTree(Draw &draw, const Shape &shape, const MaskOptions &options, int depth) {
  if (depth == 0 || draw.chance(25))
    return drawLeaf(draw, shape, options);
  if (draw.chance(20))
    return !drawTree(draw, shape, options, depth - 1);
  Mask a = drawTree(draw, shape, options, depth - 1);
  Mask b = drawTree(draw, shape, options, depth - 1);
  return draw.chance(50) ? a & b : a | b;
}

/// Gives every node with spans its own layer of the plan.
static void numberLayers(Mask &mask, int64_t &next) {
  if (mask.kind == MaskKind::Spans)
    mask.layer = next++;
  for (Mask &operand : mask.operands)
    numberLayers(operand, next);
}

Mask drawMask(Draw &draw, const Shape &shape, const MaskOptions &options) {
  bool zeroBorder = options.zeroBorders && options.neighborhoods && shape.oneLayout() &&
                    shape.groups.empty() && !shape.isPacked();
  if (zeroBorder && draw.chance(6)) {
    Mask mask = drawNeighborhood(draw, shape.tokens);
    mask.border = Border::Zero;
    return mask;
  }
  Mask mask = drawTree(draw, shape, options, options.depth);
  int64_t layers = 0;
  numberLayers(mask, layers);
  return mask;
}

Kernel drawKernel(Draw &draw, const ShapeOptions &shapeOptions, const MaskOptions &maskOptions) {
  Kernel kernel;
  kernel.shape = drawShape(draw, shapeOptions);
  kernel.mask = drawMask(draw, kernel.shape, maskOptions);
  std::vector<HeadMask> lists(size_t(draw.chance(40) ? draw.between(1, 2) : 0));
  for (HeadMask &list : lists)
    list.mask = drawMask(draw, kernel.shape, maskOptions);
  for (int64_t h = 0; h < kernel.shape.heads && !lists.empty(); ++h)
    if (draw.chance(60))
      lists[size_t(draw.between(0, int64_t(lists.size()) - 1))].heads.push_back(h);
  for (HeadMask &list : lists)
    if (!list.heads.empty())
      kernel.headMasks.push_back(std::move(list));
  int64_t layers = 0;
  numberLayers(kernel.mask, layers);
  for (HeadMask &list : kernel.headMasks)
    numberLayers(list.mask, layers);
  return kernel;
}

const Mask &Kernel::maskOf(int64_t head) const {
  for (const HeadMask &list : headMasks)
    if (std::find(list.heads.begin(), list.heads.end(), head) != list.heads.end())
      return list.mask;
  return mask;
}

Mask Kernel::everyMask() const {
  Mask result = mask;
  for (const HeadMask &list : headMasks)
    result = result & list.mask;
  return result;
}

Sees seesOf(Kernel kernel, Context context) {
  return [kernel = std::move(kernel), context = std::move(context)](int64_t batch, int64_t head,
                                                                    int64_t q, int64_t k) {
    return sees(kernel.maskOf(head), context, batch, head, q, k);
  };
}

ZeroKeys zeroKeysOf(Kernel kernel, Context context) {
  return
      [kernel = std::move(kernel), context = std::move(context)](int64_t, int64_t head, int64_t q) {
        return zeroKeys(kernel.maskOf(head), context, q);
      };
}

} // namespace attn::reference
