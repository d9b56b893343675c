// Sizes, layouts, masks of heads and inputs. FormulaChecks.cpp has what is inside a formula.
#include "runtime/KernelInfoChecks.h"

#include "runtime/LaunchChecks.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace attn {
namespace {

constexpr int64_t kMaxHeads = 65536, kMaxHeadDim = 65536, kMaxTile = 65536;
constexpr int64_t kMaxScratch = int64_t(1) << 32, kMaxShared = int64_t(1) << 20;

Status inRange(const char *name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most)
    return {};
  return makeError("'{}' is {}, but must be from {} to {}", name, value, least, most);
}

Status checkSizes(const KernelInfo &info) {
  bool gpu = info.target.starts_with("sm_");
  if (info.target != "cpu" && !gpu)
    return makeError("'target' is '{}', but must be 'cpu' or 'sm_' and a number", info.target);
  if (info.entry.empty() || info.entry.find('\0') != std::string::npos)
    return makeError("'entry' must be the name of a symbol");
  if (info.dtype != DType::F32 && info.dtype != DType::F16 && info.dtype != DType::BF16)
    return makeError("'dtype' is '{}', but kernels compute in f32, f16 or bf16",
                     dtypeName(info.dtype));
  for (Status status :
       {inRange("batch", info.batch, -1, INT32_MAX), inRange("heads", info.heads, 1, kMaxHeads),
        inRange("kv_heads", info.kvHeads, 1, info.heads),
        inRange("head_dim", info.headDimQk, 1, kMaxHeadDim),
        inRange("value_dim", info.headDimV, 1, kMaxHeadDim),
        inRange("rank", info.rank, 1, kMaxRank),
        inRange("scratch_bytes", info.scratchBytes, 0, kMaxScratch),
        inRange("threads_per_block", info.threadsPerBlock, gpu, 1024),
        inRange("shared_bytes", info.sharedBytes, 0, kMaxShared),
        inRange("query_offset", info.queryOffset.value_or(0), -kMaxTokens, kMaxTokens)})
    if (!status)
      return status;
  if (!gpu && !info.mergeEntry.empty() && info.mergeEntry != kMergedByRuntime)
    return makeError("'merge_entry' of a kernel for processors must be '{}' or empty", kMergedByRuntime);
  if (info.mergeEntry.find('\0') != std::string::npos)
    return makeError("'merge_entry' must be the name of a symbol");
  if (info.heads % info.kvHeads)
    return makeError("{} 'heads' are not a multiple of {} 'kv_heads'", info.heads, info.kvHeads);
  return {};
}

Status checkLayout(const char *name, const std::vector<int64_t> &layout) {
  if (layout.empty() || layout.size() > size_t(kMaxRank))
    return makeError("'{}' has {} dimensions, but 1 to {} are possible", name, layout.size(),
                     kMaxRank);
  for (int64_t length : layout)
    if (Status status = inRange(name, length, -1, kMaxTokens); !status)
      return status;
  return {};
}

Status checkTiles(const KernelInfo &info) {
  for (auto [name, tile] :
       {std::pair("query_tile", &info.queryTile), std::pair("key_tile", &info.keyTile)}) {
    int64_t tokens = 1;
    for (int d = 0; d < kMaxRank; ++d) {
      if (Status status = inRange(name, (*tile)[size_t(d)], 1, d < info.rank ? kMaxTile : 1);
          !status)
        return status;
      tokens *= (*tile)[size_t(d)];
      if (Status status = inRange(name, tokens, 1, kMaxTile); !status)
        return status;
    }
  }
  return {};
}

/// The tiled layout is the spec's one, or its split into positions and residues, or flat.
Status checkLayouts(const KernelInfo &info) {
  if (Status status = checkLayout("tokens", info.tokens); !status)
    return status;
  if (Status status = checkLayout("kv_tokens", info.kvTokens); !status)
    return status;
  if (!info.steps.empty() && info.steps.size() != info.tokens.size())
    return makeError("'steps' has {} entries for a layout of {} dimensions", info.steps.size(),
                     info.tokens.size());
  for (int64_t step : info.steps)
    if (Status status = inRange("steps", step, 1, kMaxTokens); !status)
      return status;
  size_t tiled = splitLengths(info.tokens, info.steps).size();
  if (info.rank > 1 && tiled != size_t(info.rank))
    return makeError("'rank' is {}, but the layout has {} dimensions", info.rank, tiled);
  if (info.rank > 1 && info.kvTokens.size() != info.tokens.size())
    return makeError("'kv_tokens' has {} dimensions, but 'tokens' has {}", info.kvTokens.size(),
                     info.tokens.size());
  if (Status status = inRange("token_base", info.tokenBase, 0, kMaxTokens); !status)
    return status;
  if (Status status = inRange("token_unit", info.tokenUnit, 0, kMaxTokens); !status)
    return status;
  for (size_t d = 1; info.bounded && d < info.tokens.size(); ++d)
    if (info.tokens[d] < 1)
      return makeError(
          "'tokens' has length {} in dimension {}, but token groups lengthen the first "
          "dimension alone",
          info.tokens[d], d);
  return checkTiles(info);
}

Status checkMasksOfHeads(const KernelInfo &info) {
  int64_t masks = int64_t(info.formulaOfMask.size());
  if (info.formulas.empty() || info.parametersOfMask.size() != info.formulaOfMask.size())
    return makeError("'formulas' is empty, or 'formula_of_mask' and 'parameters_of_mask' differ in "
                     "length");
  if (int64_t(info.maskOfHead.size()) != info.heads)
    return makeError("'mask_of_head' has {} entries for {} heads", info.maskOfHead.size(),
                     info.heads);
  for (int32_t mask : info.maskOfHead)
    if (Status status = inRange("mask_of_head", mask, 0, masks - 1); !status)
      return status;
  size_t longest = 0;
  for (size_t mask = 0; mask < size_t(masks); ++mask) {
    if (Status status = inRange("formula_of_mask", info.formulaOfMask[mask], 0,
                                int64_t(info.formulas.size()) - 1);
        !status)
      return status;
    longest = std::max(longest, info.parametersOfMask[mask].size());
    for (const HeadParameter &parameter : info.parametersOfMask[mask])
      if (parameter.span &&
          !(std::abs(parameter.span->alpha) < double(kMaxMagnitude) &&
            std::abs(parameter.span->beta) < double(kMaxMagnitude) &&
            parameter.span->newTokens >= 0 && parameter.span->newTokens < kMaxMagnitude))
        return makeError("'parameters_of_mask' has a span whose numbers are beyond 2^40");
  }
  if (int64_t(longest) != info.headParamCount)
    return makeError("'head_param_count' is {}, but the longest row has {} entries",
                     info.headParamCount, longest);
  return {};
}

/// Heads that are computed together have one key head and one mask.
Status checkPackedHeads(const KernelInfo &info) {
  int64_t group = info.heads / info.kvHeads;
  if (info.packedHeads < 1 || group % info.packedHeads)
    return makeError("'packed_heads' is {}, but must divide the {} query heads of a key head",
                     info.packedHeads, group);
  for (int64_t head = 0; head < info.heads; ++head)
    if (info.maskOfHead[size_t(head)] != info.maskOfHead[size_t(head - head % info.packedHeads)])
      return makeError("head {} has another mask than the heads it is packed with", head);
  return {};
}

Status checkInputList(const KernelInfo &info) {
  if (info.inputs.size() > size_t(kMaxInputs))
    return makeError("'inputs' has {} entries, but a kernel takes at most {}", info.inputs.size(),
                     kMaxInputs);
  std::set<std::string> names;
  for (const InputInfo &input : info.inputs) {
    if (!names.insert(input.name).second)
      return makeError("'inputs' has '{}' twice", input.name);
    if (input.shape.size() > 4)
      return makeError("input '{}' has {} dimensions, but at most 4 are possible", input.name,
                       input.shape.size());
    for (int64_t extent : input.shape)
      if (Status status = inRange("shape", extent, -1, kMaxMagnitude); !status)
        return status;
  }
  return {};
}

} // namespace

Status checkKernelInfo(const KernelInfo &info) {
  for (auto check : {checkSizes, checkLayouts, checkMasksOfHeads, checkPackedHeads, checkInputList})
    if (Status status = check(info); !status)
      return status;
  for (const Formula &formula : info.formulas)
    if (Status status = checkFormula(info, formula); !status)
      return status;
  return {};
}

} // namespace attn
