#include "test/reference/Mask.h"

#include <cassert>
#include <utility>

namespace attn::reference {

//===----------------------------------------------------------------------===//
// Building masks
//===----------------------------------------------------------------------===//

static Mask numbered(MaskKind kind, int64_t first, int64_t second = 0) {
  Mask mask;
  mask.kind = kind;
  mask.first = first;
  mask.second = second;
  return mask;
}

static Mask named(MaskKind kind, std::string input) {
  Mask mask;
  mask.kind = kind;
  mask.input = std::move(input);
  return mask;
}

static Mask combined(MaskKind kind, std::vector<Mask> operands) {
  Mask mask;
  mask.kind = kind;
  mask.operands = std::move(operands);
  return mask;
}

Mask all() { return numbered(MaskKind::All, 0); }
Mask causal() { return numbered(MaskKind::Causal, 0); }
Mask causalTopLeft() { return numbered(MaskKind::CausalTopLeft, 0); }
Mask window(int64_t width) { return numbered(MaskKind::Window, width); }
Mask window(int64_t left, int64_t right) { return numbered(MaskKind::WindowSides, left, right); }
Mask sink(int64_t count) { return numbered(MaskKind::Sink, count); }
Mask prefix(int64_t count) { return numbered(MaskKind::Prefix, count); }
Mask prefix(std::string input) { return named(MaskKind::PrefixInput, std::move(input)); }
Mask keyLength(std::string input) { return named(MaskKind::KeyLength, std::move(input)); }
Mask causalDim(int64_t dim) { return numbered(MaskKind::CausalDim, dim); }
Mask global(int64_t first, int64_t count) { return numbered(MaskKind::Global, first, count); }
Mask keys(int64_t first, int64_t count) { return numbered(MaskKind::Keys, first, count); }
Mask queries(int64_t first, int64_t count) { return numbered(MaskKind::Queries, first, count); }
Mask strided(int64_t step) { return numbered(MaskKind::Strided, step); }
Mask fixed(int64_t length, int64_t count) { return numbered(MaskKind::Fixed, length, count); }
Mask same(std::string input) { return named(MaskKind::Same, std::move(input)); }

Mask dilatedWindow(int64_t width, int64_t dilation) {
  Mask mask = window(width);
  mask.dilation = dilation;
  return mask;
}

Mask dilatedWindow(int64_t left, int64_t right, int64_t dilation) {
  Mask mask = window(left, right);
  mask.dilation = dilation;
  return mask;
}

static Mask ofGroup(MaskKind kind, std::string &group) {
  Mask mask = numbered(kind, 0);
  mask.group = std::move(group);
  return mask;
}

Mask keys(std::string group) { return ofGroup(MaskKind::KeysGroup, group); }
Mask queries(std::string group) { return ofGroup(MaskKind::QueriesGroup, group); }

Mask block(std::vector<int64_t> sizes, std::vector<int64_t> offsets) {
  Mask mask = numbered(MaskKind::Block, 0);
  mask.sizes = std::move(sizes);
  mask.offsets = std::move(offsets);
  return mask;
}

Mask neighborhood(std::vector<NeighborhoodDim> dims, Border border) {
  Mask mask = numbered(MaskKind::Neighborhood, 0);
  mask.neighborhood = std::move(dims);
  mask.border = border;
  return mask;
}

Mask same(std::string queryInput, std::string keyInput) {
  Mask mask = named(MaskKind::Same, std::move(queryInput));
  mask.keyInput = std::move(keyInput);
  return mask;
}

Mask classes(std::string input, std::vector<std::vector<int>> allow) {
  Mask mask = named(MaskKind::Classes, std::move(input));
  mask.allow = std::move(allow);
  return mask;
}

Mask from(std::string input, std::array<bool, 4> shared) {
  Mask mask = named(MaskKind::From, std::move(input));
  mask.shared = shared;
  return mask;
}

Mask blocks(std::string rowPtr, std::string keyTiles, int64_t size, int64_t entries, bool leading,
            std::array<bool, 4> shared) {
  Mask mask = named(MaskKind::BlockList, std::move(rowPtr));
  mask.keyInput = std::move(keyTiles);
  mask.first = size;
  mask.second = entries;
  mask.leading = leading;
  mask.shared = shared;
  return mask;
}

Mask blockBits(std::string input, int64_t size, bool leading, std::array<bool, 4> shared) {
  Mask mask = named(MaskKind::BlockBits, std::move(input));
  mask.first = size;
  mask.leading = leading;
  mask.shared = shared;
  return mask;
}

Mask predicate(Expr expr) {
  Mask mask = numbered(MaskKind::Predicate, 0);
  mask.predicate = std::move(expr);
  return mask;
}

Mask spans(std::vector<double> alphas, std::vector<double> betas, int64_t maxNewTokens,
           std::string planFile, int64_t layer) {
  Mask mask = numbered(MaskKind::Spans, 0);
  mask.alphas = std::move(alphas);
  mask.betas = std::move(betas);
  mask.maxNewTokens = maxNewTokens;
  mask.planFile = std::move(planFile);
  mask.layer = layer;
  return mask;
}

Mask operator&(Mask a, Mask b) { return combined(MaskKind::And, {std::move(a), std::move(b)}); }
Mask operator|(Mask a, Mask b) { return combined(MaskKind::Or, {std::move(a), std::move(b)}); }
Mask operator!(Mask a) { return combined(MaskKind::Not, {std::move(a)}); }

void forEachNode(const Mask &mask, const std::function<void(const Mask &)> &visit) {
  visit(mask);
  for (const Mask &operand : mask.operands)
    forEachNode(operand, visit);
}

bool contains(const Mask &mask, MaskKind kind) {
  bool found = false;
  forEachNode(mask, [&](const Mask &node) { found |= node.kind == kind; });
  return found;
}

//===----------------------------------------------------------------------===//
// Contexts
//===----------------------------------------------------------------------===//

static int64_t product(const std::vector<int64_t> &dims) {
  int64_t result = 1;
  for (int64_t length : dims)
    result *= length;
  return result;
}

int64_t TokenGroup::count() const { return product(dims); }

Context selfContext(std::vector<int64_t> dims) {
  Context context;
  context.nq = context.nk = product(dims);
  context.dims = std::move(dims);
  return context;
}

Context crossContext(int64_t nq, int64_t nk) {
  Context context;
  context.dims = {nk};
  context.nq = nq;
  context.nk = nk;
  context.qOffset = nk - nq;
  return context;
}

std::vector<int64_t> virtualLayout(const std::vector<TokenGroup> &groups) {
  assert(!groups.empty() && !groups[0].dims.empty() && "there is a first group with a layout");
  std::vector<int64_t> dims = groups[0].dims;
  int64_t more = 0;
  for (size_t g = 1; g < groups.size(); ++g)
    more += groups[g].count();
  int64_t slice = product(dims) / dims[0]; // tokens with one coordinate of dimension 0
  dims[0] += (more + slice - 1) / slice;
  return dims;
}

Context groupContext(std::vector<TokenGroup> groups) {
  Context context;
  context.dims = virtualLayout(groups);
  for (const TokenGroup &group : groups)
    context.nk += group.count();
  context.nq = context.nk;
  context.groups = std::move(groups);
  return context;
}

Context packedContext(std::vector<int32_t> cuQueries, std::vector<int32_t> cuKeys) {
  Context context;
  context.nq = cuQueries.back();
  context.nk = cuKeys.empty() ? cuQueries.back() : cuKeys.back();
  context.dims = {context.nk};
  context.cuQueries = std::move(cuQueries);
  context.cuKeys = std::move(cuKeys);
  return context;
}

} // namespace attn::reference
