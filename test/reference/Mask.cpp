#include "test/reference/Mask.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
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
Mask same(std::string input) { return named(MaskKind::Same, std::move(input)); }

Mask neighborhood(std::vector<NeighborhoodDim> dims) {
  Mask mask;
  mask.kind = MaskKind::Neighborhood;
  mask.neighborhood = std::move(dims);
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

Context selfContext(std::vector<int64_t> dims) {
  int64_t tokens = 1;
  for (int64_t length : dims)
    tokens *= length;
  Context context;
  context.dims = std::move(dims);
  context.nq = context.nk = tokens;
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

//===----------------------------------------------------------------------===//
// What they mean
//===----------------------------------------------------------------------===//

std::vector<int64_t> coordinates(const std::vector<int64_t> &dims, int64_t linear) {
  std::vector<int64_t> result(dims.size());
  for (size_t d = dims.size(); d-- > 0;) { // the last dimension runs fastest
    result[d] = linear % dims[d];
    linear /= dims[d];
  }
  return result;
}

std::vector<int64_t> neighborhoodKeys(const NeighborhoodDim &dim, int64_t length, int64_t i) {
  int64_t g = i % dim.dilation;                               // dilation group of the query
  int64_t p = i / dim.dilation;                               // its position in the group
  int64_t n = (length - g + dim.dilation - 1) / dim.dilation; // tokens of the group
  int64_t w = std::min(dim.window, n);
  int64_t firstOfStrideGroup = p / dim.stride * dim.stride;
  int64_t start, end;
  if (dim.causal) {
    int64_t leader = std::min(firstOfStrideGroup + dim.stride - 1, n - 1);
    start = std::max<int64_t>(leader - w + 1, 0);
    end = std::min(p + 1, n);
  } else {
    int64_t leader = std::min(firstOfStrideGroup + dim.stride / 2, n - 1);
    start = leader - w / 2;
    if (start < 0)
      start = 0; // shifted inside at the left border
    if (start + w > n)
      start = n - w; // and at the right one
    end = start + w;
  }
  std::vector<int64_t> keys;
  for (int64_t t = start; t < end; ++t)
    keys.push_back(g + dim.dilation * t);
  return keys;
}

static bool seesNeighborhood(const Mask &mask, const Context &context, int64_t q, int64_t k) {
  assert(context.nq == context.nk && "neighbourhoods need one layout for queries and keys");
  assert(mask.neighborhood.size() == context.dims.size() && "one entry per layout dimension");
  std::vector<int64_t> query = coordinates(context.dims, q);
  std::vector<int64_t> key = coordinates(context.dims, k);
  for (size_t d = 0; d < context.dims.size(); ++d) {
    std::vector<int64_t> keys = neighborhoodKeys(mask.neighborhood[d], context.dims[d], query[d]);
    if (std::find(keys.begin(), keys.end(), key[d]) == keys.end())
      return false;
  }
  return true;
}

static int64_t valueOf(const std::map<std::string, std::vector<int32_t>> &inputs,
                       const std::string &name, int64_t index) {
  auto found = inputs.find(name);
  assert(found != inputs.end() && "the context holds every input that the mask names");
  assert(index >= 0 && index < int64_t(found->second.size()) && "the input has this entry");
  return found->second[index];
}

bool sees(const Mask &mask, const Context &context, int64_t batch, int64_t q, int64_t k) {
  assert(q >= 0 && q < context.nq && k >= 0 && k < context.nk && "the pair exists");
  int64_t position = q + context.qOffset;
  auto operand = [&](size_t i) { return sees(mask.operands[i], context, batch, q, k); };
  switch (mask.kind) {
  case MaskKind::All:
    return true;
  case MaskKind::Causal:
    return k <= position;
  case MaskKind::CausalTopLeft:
    return k <= q;
  case MaskKind::Window:
    return std::abs(position - k) < mask.first;
  case MaskKind::WindowSides:
    return position - mask.first <= k && k <= position + mask.second;
  case MaskKind::Sink:
  case MaskKind::Prefix:
    return k < mask.first;
  case MaskKind::PrefixInput:
  case MaskKind::KeyLength:
    return k < valueOf(context.batchInputs, mask.input, batch);
  case MaskKind::Neighborhood:
    return seesNeighborhood(mask, context, q, k);
  case MaskKind::Same:
    assert(context.nq == context.nk && "labels need one layout for queries and keys");
    return valueOf(context.labels, mask.input, q) == valueOf(context.labels, mask.input, k);
  case MaskKind::And:
    return operand(0) && operand(1);
  case MaskKind::Or:
    return operand(0) || operand(1);
  case MaskKind::Not:
    return !operand(0);
  }
  assert(false && "every kind has a meaning");
  return false;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static std::string neighborhoodSpec(const std::vector<NeighborhoodDim> &dims) {
  std::string window, stride, dilation, causal;
  for (const NeighborhoodDim &dim : dims) {
    const char *comma = window.empty() ? "" : ", ";
    window += comma + std::to_string(dim.window);
    stride += comma + std::to_string(dim.stride);
    dilation += comma + std::to_string(dim.dilation);
    causal += comma + std::string(dim.causal ? "true" : "false");
  }
  return "neighborhood(window = [" + window + "], stride = [" + stride + "], dilation = [" +
         dilation + "], causal = [" + causal + "])";
}

/// Connectives get parentheses inside other connectives, so no reader needs the precedences.
static std::string operandSpec(const Mask &mask) {
  bool connective =
      mask.kind == MaskKind::And || mask.kind == MaskKind::Or || mask.kind == MaskKind::Not;
  return connective ? "(" + toSpec(mask) + ")" : toSpec(mask);
}

std::string toSpec(const Mask &mask) {
  std::string first = std::to_string(mask.first), second = std::to_string(mask.second);
  switch (mask.kind) {
  case MaskKind::All:
    return "all";
  case MaskKind::Causal:
    return "causal";
  case MaskKind::CausalTopLeft:
    return "causal(top_left)";
  case MaskKind::Window:
    return "window(" + first + ")";
  case MaskKind::WindowSides:
    return "window(left = " + first + ", right = " + second + ")";
  case MaskKind::Sink:
    return "sink(" + first + ")";
  case MaskKind::Prefix:
    return "prefix(" + first + ")";
  case MaskKind::PrefixInput:
    return "prefix(" + mask.input + ")";
  case MaskKind::KeyLength:
    return "key_length(" + mask.input + ")";
  case MaskKind::Neighborhood:
    return neighborhoodSpec(mask.neighborhood);
  case MaskKind::Same:
    return "same(" + mask.input + ")";
  case MaskKind::And:
    return operandSpec(mask.operands[0]) + " & " + operandSpec(mask.operands[1]);
  case MaskKind::Or:
    return operandSpec(mask.operands[0]) + " | " + operandSpec(mask.operands[1]);
  case MaskKind::Not:
    return "!" + operandSpec(mask.operands[0]);
  }
  assert(false && "every kind has a spelling");
  return "";
}

} // namespace attn::reference
