#include "tools/SpecInputs.h"

#include "codegen/KernelInfoOf.h"
#include "runtime/InputChecks.h"
#include "tools/InputFile.h"

using namespace mlir;

namespace attn::tools {

/// Lengths as KernelInfo writes them: -1 where known only at run time.
static std::vector<int64_t> lengths(ArrayRef<int64_t> dims) {
  std::vector<int64_t> result;
  for (int64_t dim : dims)
    result.push_back(ShapedType::isDynamic(dim) ? -1 : dim);
  return result;
}

FailureOr<KernelInfo> launchInfoOf(Compilation &compilation) {
  OwningOpRef<ModuleOp> copy = compilation.module().clone();
  PassManager pm(&compilation.context());
  buildTilingPipeline(pm);
  if (failed(pm.run(*copy)))
    return failure();
  tile::AttentionOp tiled;
  copy->walk([&](tile::AttentionOp op) { tiled = op; });
  FailureOr<KernelInfo> info = kernelInfoOf(tiled);
  if (succeeded(info)) {
    info->tokens = lengths(compilation.attention().getTokens().getDims());
    info->kvTokens = lengths(compilation.attention().getKvTokens().getDims());
  }
  return info;
}

Status checkBatch(int64_t batch, int64_t batches) {
  if (ShapedType::isDynamic(batches) || batch < batches)
    return {};
  return makeError("there is no batch entry {}: the kernel has entries 0..{}", batch, batches - 1);
}

Expected<SpecInputs> SpecInputs::read(KernelInfo kernel, const std::string &path) {
  auto file = SafetensorsFile::open(path);
  if (!file)
    return file.takeError();
  SpecInputs inputs(std::move(kernel));
  std::vector<Wanted> list;
  for (size_t i = 0; i < inputs.info.inputs.size(); ++i) {
    const InputInfo &input = inputs.info.inputs[i];
    if (isReadByMasks(inputs.info, int32_t(i)))
      list.push_back({input.name, input.dtype, input.shape, &(*inputs.tensors)[input.name]});
  }
  if (Status status = readAll(*file, list); !status)
    return status.takeError();
  inputs.bindSizes();
  return inputs;
}

//===----------------------------------------------------------------------===//
// Lengths
//===----------------------------------------------------------------------===//

/// Stand in a wanted shape for sizes that are not known yet.
static constexpr int64_t kQueries = -2, kKeys = -3, kBatch = -4;

void SpecInputs::bindExtents(const std::vector<int64_t> &wanted,
                             const std::vector<int64_t> &given) {
  for (size_t d = 0; d < wanted.size(); ++d)
    for (auto [mark, size] : {std::pair(kQueries, &queries), {kKeys, &keys}, {kBatch, &batches}})
      if (wanted[d] == mark && !*size)
        *size = given[d];
}

void SpecInputs::bindSizes() {
  LaunchSizes open;
  open.numQueries = kQueries;
  open.numKeys = kKeys;
  open.batch = info.batch < 0 ? kBatch : info.batch;
  for (size_t i = 0; i < info.inputs.size(); ++i)
    if (auto it = tensors->find(info.inputs[i].name); it != tensors->end())
      bindExtents(wantedShape(info, int32_t(i), open), it->second.shape());
  auto last = [&](int32_t input) -> std::optional<int64_t> {
    const Tensor &lengths = tensors->at(info.inputs[size_t(input)].name);
    if (lengths.numElements() == 0)
      return std::nullopt;
    return int64_t(lengths.at({lengths.numElements() - 1}));
  };
  for (const Formula &formula : info.formulas)
    for (const TableInfo &table : formula.tables)
      if (table.kind == TableKind::KeyBegin || table.kind == TableKind::KeyEnd) {
        queries = queries ? queries : last(table.queryInput);
        keys = keys ? keys : last(table.keyInput);
      }
}

Status SpecInputs::bindLengths(std::vector<int64_t> &tokens, std::vector<int64_t> &kvTokens) const {
  auto isOpen = [](const std::vector<int64_t> &layout) { return llvm::is_contained(layout, -1); };
  auto bind = [&](const std::vector<int64_t> &layout, int64_t count, const char *what,
                  std::vector<int64_t> &out) -> Status {
    if (info.bounded)
      return out = {count}, Status();
    Expected<std::vector<int64_t>> bound = bindLayout(layout, count, what);
    if (!bound)
      return bound.takeError();
    return out = std::move(*bound), Status();
  };
  bool same = info.tokens == info.kvTokens;
  std::optional<int64_t> count = queries || !same ? queries : keys;
  if (tokens.empty() && isOpen(info.tokens) && count)
    if (Status status = bind(info.tokens, *count, "tokens", tokens); !status)
      return status;
  bool apart = !same || (keys && queries && *keys != *queries);
  if (kvTokens.empty() && isOpen(info.kvTokens) && apart && keys && !info.bounded)
    return bind(info.kvTokens, *keys, "kv_tokens", kvTokens);
  return {};
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// An input that only scores read says nothing of tiles: one zero stands for all of it.
static TensorView zeroOf(DType dtype, std::vector<int64_t> shape) {
  alignas(8) static char zero[8] = {};
  for (int64_t &extent : shape)
    extent = extent < 0 ? 1 : extent;
  std::vector<int64_t> strides(shape.size(), 0);
  return {zero, dtype, std::move(shape), std::move(strides)};
}

Expected<InputValues> SpecInputs::valuesFor(const Problem &problem, int64_t batch) && {
  LaunchSizes sizes;
  sizes.tokens.assign(problem.tokens.begin(), problem.tokens.end());
  sizes.kvTokens.assign(problem.kvTokens.begin(), problem.kvTokens.end());
  sizes.batch = info.batch >= 0 ? info.batch : batches.value_or(batch + 1);
  sizes.numQueries = problem.numQueries;
  sizes.numKeys = problem.numKeys;
  sizes.queryOffset = problem.queryOffset;
  if (Status status = checkBatch(batch, sizes.batch); !status)
    return status.takeError();
  Bindings bindings;
  for (size_t i = 0; i < info.inputs.size(); ++i) {
    const InputInfo &input = info.inputs[i];
    auto it = tensors->find(input.name);
    bindings.inputs[input.name] = it != tensors->end()
                                      ? it->second.view()
                                      : zeroOf(input.dtype, wantedShape(info, int32_t(i), sizes));
  }
  if (Status status = checkInputs(info, bindings, sizes); !status)
    return status.takeError();
  return InputValues{tensors, inputViews(info, bindings), batch};
}

} // namespace attn::tools
