#include "test/reference/Draw.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>

namespace attn::reference {

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

static std::string blocksOf(int64_t tokens, int64_t size, int64_t perWord = 1) {
  int64_t blocks = (tokens + size - 1) / size;
  return std::to_string((blocks + perWord - 1) / perWord);
}

static void addBlockInputs(const Shape &shape, const Mask &node, std::vector<Input> &inputs) {
  std::vector<std::string> leading;
  if (node.leading)
    leading = {node.shared[0] ? "1" : "batch", node.shared[1] ? "1" : "heads"};
  auto add = [&](const std::string &name, std::vector<std::string> extents) {
    extents.insert(extents.begin(), leading.begin(), leading.end());
    inputs.push_back({name, false, std::move(extents)});
  };
  if (node.kind == MaskKind::BlockBits)
    return add(node.input,
               {blocksOf(shape.nq(), node.first), blocksOf(shape.nk(), node.first, 32)});
  int64_t rows = (shape.nq() + node.first - 1) / node.first;
  add(node.input, {std::to_string(rows + 1)});
  add(node.keyInput, {std::to_string(node.second)});
}

static void addInputs(const Shape &shape, const Mask &node, std::vector<Input> &inputs) {
  static const char *const extents[] = {"batch", "heads", "tokens", "kv_tokens"};
  switch (node.kind) {
  case MaskKind::Same:
    if (!node.keyInput.empty())
      inputs.push_back({node.keyInput, false, {"kv_tokens"}});
    [[fallthrough]];
  case MaskKind::Classes:
    inputs.push_back({node.input, false, {"tokens"}});
    return;
  case MaskKind::PrefixInput:
  case MaskKind::KeyLength:
    inputs.push_back({node.input, false, {"batch"}});
    return;
  case MaskKind::From:
    inputs.push_back({node.input, true, {}});
    for (size_t d = 0; d < 4; ++d)
      inputs.back().extents.push_back(node.shared[d] ? "1" : extents[d]);
    return;
  case MaskKind::BlockList:
  case MaskKind::BlockBits:
    return addBlockInputs(shape, node, inputs);
  case MaskKind::Predicate:
    forEachNode(node.predicate, [&](const Expr &expr) {
      if (expr.kind == ExprKind::Lookup)
        inputs.push_back({expr.table, false, extentsOf(expr)});
    });
    return;
  default:
    return;
  }
}

std::vector<Input> inputsOf(const Shape &shape, const Mask &mask) {
  std::vector<Input> inputs;
  forEachNode(mask, [&](const Mask &node) { addInputs(shape, node, inputs); });
  if (shape.isPacked())
    for (const char *name : {"cu", "cu_q", "cu_k"})
      if ((name == std::string("cu")) == shape.oneLayout())
        inputs.push_back({name, false, {std::to_string(shape.sequences + 1)}});
  std::sort(inputs.begin(), inputs.end(),
            [](const Input &a, const Input &b) { return a.name < b.name; });
  auto last = std::unique(inputs.begin(), inputs.end(), [](const Input &a, const Input &b) {
    assert((a.name != b.name || (a.extents == b.extents && a.isBool == b.isBool)) &&
           "one name means one kind of input");
    return a.name == b.name;
  });
  inputs.erase(last, inputs.end());
  return inputs;
}

std::vector<int64_t> extentsOf(const Shape &shape, const Input &input) {
  std::vector<int64_t> extents;
  for (const std::string &extent : input.extents)
    extents.push_back(extent == "batch"       ? shape.batch
                      : extent == "heads"     ? shape.heads
                      : extent == "tokens"    ? shape.nq()
                      : extent == "kv_tokens" ? shape.nk()
                                              : std::atoll(extent.c_str()));
  return extents;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static std::string joined(const std::vector<std::string> &parts) {
  std::string text;
  for (const std::string &part : parts)
    text += (text.empty() ? "" : ", ") + part;
  return text;
}

static std::string layoutSpec(const std::vector<int64_t> &dims) {
  std::vector<std::string> lengths;
  for (int64_t length : dims)
    lengths.push_back(std::to_string(length));
  return "[" + joined(lengths) + "]";
}

static std::string tokensSpec(const Shape &shape) {
  if (shape.groups.empty())
    return layoutSpec(shape.tokens);
  std::string text;
  for (const TokenGroup &group : shape.groups)
    text += (text.empty() ? "" : " + ") + group.name + layoutSpec(group.dims);
  return text;
}

/// 0, 3..5, 9
static std::string headsSpec(const std::vector<int64_t> &heads) {
  std::vector<std::string> runs;
  for (size_t i = 0; i < heads.size();) {
    size_t end = i + 1;
    while (end < heads.size() && heads[end] == heads[end - 1] + 1)
      ++end;
    runs.push_back(std::to_string(heads[i]));
    if (end - i > 1)
      runs.back() += ".." + std::to_string(heads[end - 1]);
    i = end;
  }
  return joined(runs);
}

std::string toSpec(const std::string &name, const Kernel &kernel) {
  const Shape &shape = kernel.shape;
  std::string text = "kernel " + name + " {\n";
  text += "  batch " + std::to_string(shape.batch) + "   heads " + std::to_string(shape.heads) +
          "   kv_heads " + std::to_string(shape.kvHeads) + "   head_dim " +
          std::to_string(shape.headDim) +
          (shape.valueDim ? "   value_dim " + std::to_string(shape.valueDim) : "") + "   dtype " + toSpec(shape.dtype) + "\n";
  text += "  tokens " + tokensSpec(shape) + "\n";
  if (!shape.oneLayout())
    text += "  kv_tokens " + layoutSpec(shape.kvTokens) + "\n";
  for (const Input &input : inputsOf(shape, kernel.everyMask()))
    text += "  input " + input.name + " : " + (input.isBool ? "bool[" : "i32[") +
            joined(input.extents) + "]\n";
  if (shape.isPacked())
    text += shape.oneLayout() ? "  packed cu\n" : "  packed (cu_q, cu_k)\n";
  text += "  mask " + toSpec(kernel.mask) + "\n";
  for (const HeadMask &list : kernel.headMasks)
    text += "  heads " + headsSpec(list.heads) + " { mask " + toSpec(list.mask) + " }\n";
  return text + "}\n";
}

std::string toSpec(const std::string &name, const Shape &shape, const Mask &mask) {
  return toSpec(name, Kernel{shape, mask, {}});
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

static std::string numberSpec(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.17g", value);
  return text;
}

static std::string rowsSpec(const std::vector<std::vector<double>> &rows) {
  std::vector<std::string> lines;
  for (const std::vector<double> &row : rows) {
    std::vector<std::string> numbers;
    for (double value : row)
      numbers.push_back(numberSpec(value));
    lines.push_back("[" + joined(numbers) + "]");
  }
  return "[" + joined(lines) + "]";
}

std::string planJson(const Mask &mask) {
  std::vector<std::vector<double>> alphas, betas;
  forEachNode(mask, [&](const Mask &node) {
    if (node.kind != MaskKind::Spans)
      return;
    size_t layers = std::max(alphas.size(), size_t(node.layer) + 1);
    alphas.resize(layers, std::vector<double>(node.alphas.size(), 0));
    betas.resize(layers, std::vector<double>(node.betas.size(), 1));
    alphas[size_t(node.layer)] = node.alphas;
    betas[size_t(node.layer)] = node.betas;
  });
  return "{\"alphas\": " + rowsSpec(alphas) + ", \"betas\": " + rowsSpec(betas) + "}\n";
}

} // namespace attn::reference
