#include "test/reference/Mask.h"

#include <algorithm>
#include <cassert>

namespace attn::reference {

static std::string listSpec(const std::vector<int64_t> &entries) {
  std::string text;
  for (int64_t entry : entries)
    text += (text.empty() ? "" : ", ") + std::to_string(entry);
  return "[" + text + "]";
}

/// A single entry that serves all dimensions needs no brackets.
static std::string perDimensionSpec(const std::vector<int64_t> &entries) {
  return entries.size() == 1 ? std::to_string(entries[0]) : listSpec(entries);
}

static std::string rangeSpec(const Mask &mask) {
  return "first = " + std::to_string(mask.first) + ", count = " + std::to_string(mask.second);
}

static std::string dilationSpec(const Mask &mask) {
  return mask.dilation == 1 ? "" : ", dilation = " + std::to_string(mask.dilation);
}

static std::string blockSpec(const Mask &mask) {
  bool aligned = std::all_of(mask.offsets.begin(), mask.offsets.end(),
                             [](int64_t offset) { return offset == 0; });
  return "block(" + perDimensionSpec(mask.sizes) +
         (aligned ? "" : ", offset = " + perDimensionSpec(mask.offsets)) + ")";
}

static std::string classesSpec(const Mask &mask) {
  std::string rows;
  for (const std::vector<int> &row : mask.allow)
    rows += (rows.empty() ? "" : ", ") + listSpec({row.begin(), row.end()});
  return "classes(" + mask.input + ", allow = [" + rows + "])";
}

static std::string spansSpec(const Mask &mask) {
  return "spans(\"" + mask.planFile + "\", layer = " + std::to_string(mask.layer) +
         ", max_new_tokens = " + std::to_string(mask.maxNewTokens) + ")";
}

static const char *borderSpec(Border border) {
  return border == Border::Shift  ? ""
         : border == Border::Clip ? ", border = clip"
                                  : ", border = zero";
}

static std::string neighborhoodSpec(const Mask &mask) {
  std::string window, stride, dilation, causal;
  for (const NeighborhoodDim &dim : mask.neighborhood) {
    const char *comma = window.empty() ? "" : ", ";
    window += comma + std::to_string(dim.window);
    stride += comma + std::to_string(dim.stride);
    dilation += comma + std::to_string(dim.dilation);
    causal += comma + std::string(dim.causal ? "true" : "false");
  }
  return "neighborhood(window = [" + window + "], stride = [" + stride + "], dilation = [" +
         dilation + "], causal = [" + causal + "]" + borderSpec(mask.border) + ")";
}

/// Connectives and predicates get parentheses inside connectives, so no reader needs the
/// precedences.
static std::string operandSpec(const Mask &mask) {
  bool connective = mask.kind == MaskKind::And || mask.kind == MaskKind::Or ||
                    mask.kind == MaskKind::Not || mask.kind == MaskKind::Predicate;
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
  case MaskKind::CausalDim:
    return "causal(dim = " + first + ")";
  case MaskKind::Window:
    return "window(" + first + dilationSpec(mask) + ")";
  case MaskKind::WindowSides:
    return "window(left = " + first + ", right = " + second + dilationSpec(mask) + ")";
  case MaskKind::Sink:
    return "sink(" + first + ")";
  case MaskKind::Prefix:
    return "prefix(" + first + ")";
  case MaskKind::PrefixInput:
    return "prefix(" + mask.input + ")";
  case MaskKind::KeyLength:
    return "key_length(" + mask.input + ")";
  case MaskKind::Global:
    return "global(" + (mask.first == 0 ? second : rangeSpec(mask)) + ")";
  case MaskKind::Keys:
    return "keys(" + rangeSpec(mask) + ")";
  case MaskKind::Queries:
    return "queries(" + rangeSpec(mask) + ")";
  case MaskKind::KeysGroup:
    return "keys(" + mask.group + ")";
  case MaskKind::QueriesGroup:
    return "queries(" + mask.group + ")";
  case MaskKind::Block:
    return blockSpec(mask);
  case MaskKind::Strided:
    return "strided(" + first + ")";
  case MaskKind::Fixed:
    return "fixed(" + first + ", " + second + ")";
  case MaskKind::Neighborhood:
    return neighborhoodSpec(mask);
  case MaskKind::Same:
    return "same(" + mask.input + (mask.keyInput.empty() ? "" : ", " + mask.keyInput) + ")";
  case MaskKind::Classes:
    return classesSpec(mask);
  case MaskKind::From:
    return "from(" + mask.input + ")";
  case MaskKind::BlockList:
    return "blocks(" + mask.input + ", " + mask.keyInput + ", size = " + first + ")";
  case MaskKind::BlockBits:
    return "blocks(" + mask.input + ", size = " + first + ")";
  case MaskKind::Predicate:
    return "(q, k) => " + toSpec(mask.predicate);
  case MaskKind::Spans:
    return spansSpec(mask);
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
