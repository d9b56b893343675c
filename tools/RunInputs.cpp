#include "tools/RunInputs.h"

#include "runtime/Launch.h"
#include "runtime/LaunchChecks.h"
#include "tools/InputFile.h"
#include "tools/Progress.h"
#include "tools/RandomInputs.h"
#include "tools/Report.h"

#include <algorithm>

namespace attn::tools {

namespace {

bool isBound(const std::vector<int64_t> &layout) {
  return std::find(layout.begin(), layout.end(), -1) == layout.end();
}

int64_t product(const std::vector<int64_t> &layout) {
  int64_t count = 1;
  for (int64_t length : layout)
    if (__builtin_mul_overflow(count, length, &count))
      return INT64_MAX;
  return count;
}

/// A layout of the spec with what `--tokens` says in place of its `?`.
Expected<std::vector<int64_t>> override(const std::vector<int64_t> &spec,
                                        const std::vector<int64_t> &given, const char *option) {
  if (given.empty())
    return spec;
  bool fits = given.size() == spec.size();
  for (size_t d = 0; fits && d < spec.size(); ++d)
    fits = spec[d] < 0 || spec[d] == given[d];
  if (!fits)
    return makeError("'{}' says {}, but the spec's layout is {}", option, shapeText(given),
                     shapeText(spec));
  return given;
}

/// Token groups have a number of tokens, which need not fill their layout: the spec's, the option's
/// or that of `q`.
Status bindGroups(const KernelInfo &info, const RunOptions &options, const std::vector<int64_t> &q,
                  RunTensors &tensors) {
  int64_t count = info.tokenUnit == 0 ? info.tokenBase : -1;
  if (options.tokens.size() == 1)
    count = options.tokens[0];
  else if (!options.tokens.empty())
    return makeError(
        "'--tokens' says {}, but a layout of token groups takes the number of all tokens",
        shapeText(options.tokens));
  else if (count < 0 && q.size() == 4)
    count = q[2];
  if (!options.kvTokens.empty())
    return makeError(
        "'--kv-tokens' says {}, but queries and keys of token groups are the same tokens",
        shapeText(options.kvTokens));
  if (count < 0)
    return makeError("a token group has a length that is known only at run time")
        .withNote("say the number of all tokens with '--tokens=', for example '--tokens=4096'");
  auto layout = groupLayout(info, count);
  if (!layout)
    return layout.takeError();
  tensors.tokens = tensors.kvTokens = std::move(*layout);
  tensors.numQueries = tensors.numKeys = count;
  return {};
}

/// Sets layouts and numbers of tokens; `q` and `k` are shapes from the file, or empty.
Status bindLayouts(const KernelInfo &info, const RunOptions &options, const std::vector<int64_t> &q,
                   const std::vector<int64_t> &k, RunTensors &tensors) {
  struct Side {
    const std::vector<int64_t> &spec, &given, &shape;
    const char *option, *what;
    std::vector<int64_t> &layout;
  };
  if (info.bounded)
    return bindGroups(info, options, q, tensors);
  // One `?` layout for both sides unless the spec tells them apart.
  bool same = info.tokens == info.kvTokens && options.kvTokens.empty() && k.empty();
  const std::vector<int64_t> &kvGiven = same ? options.tokens : options.kvTokens;
  for (const Side &side :
       {Side{info.tokens, options.tokens, q, "--tokens", "tokens", tensors.tokens},
        Side{info.kvTokens, kvGiven, k, "--kv-tokens", "kv_tokens", tensors.kvTokens}}) {
    auto layout = override(side.spec, side.given, side.option);
    if (layout && !isBound(*layout) && side.shape.size() == 4)
      layout = bindLayout(*layout, side.shape[2], side.what);
    if (!layout)
      return layout.takeError();
    if (!isBound(*layout))
      return makeError("'{}' {} has a length that is known only at run time", side.what,
                       shapeText(side.spec))
          .withNote("say it with '{}=', for example '{}=4096'", side.option, side.option);
    side.layout = *layout;
  }
  tensors.numQueries = product(tensors.tokens);
  tensors.numKeys = product(tensors.kvTokens);
  return {};
}

Status allocateOutputs(const KernelInfo &info, RunTensors &tensors) {
  int64_t nq = tensors.numQueries;
  auto o = Tensor::allocate({info.batch, info.heads, nq, info.headDimV}, info.dtype);
  if (!o)
    return o.takeError();
  auto lse = Tensor::allocate({info.batch, info.heads, nq}, DType::F32);
  if (!lse)
    return lse.takeError();
  tensors.o = std::move(*o);
  tensors.lse = std::move(*lse);
  return {};
}

//===----------------------------------------------------------------------===//
// From a file
//===----------------------------------------------------------------------===//

Status readTensors(const KernelInfo &info, const RunOptions &options, RunTensors &tensors) {
  auto file = SafetensorsFile::open(options.inputs);
  if (!file)
    return file.takeError();
  std::vector<int64_t> shapes[2];
  for (int side = 0; side < 2; ++side)
    if (const TensorInfo *tensor = file->find(side ? "k" : "q"))
      shapes[side] = tensor->shape;
  // Shapes with the wrong number of dimensions are told before lengths are read off them.
  std::vector<int64_t> q{info.batch, info.heads, -1, info.headDimQk};
  std::vector<int64_t> k{info.batch, info.kvHeads, -1, info.headDimQk};
  if (Status status = checkHeader(*file, "q", info.dtype, q); !status)
    return status;
  if (Status status = checkHeader(*file, "k", info.dtype, k); !status)
    return status;
  if (Status status = bindLayouts(info, options, shapes[0], shapes[1], tensors); !status)
    return status;
  q[2] = tensors.numQueries;
  k[2] = tensors.numKeys;
  std::vector<int64_t> v = k, o = q;
  v[3] = o[3] = info.headDimV;
  std::vector<Wanted> list{{"q", info.dtype, q, &tensors.q},
                           {"k", info.dtype, k, &tensors.k},
                           {"v", info.dtype, v, &tensors.v}};
  for (const InputInfo &input : info.inputs)
    list.push_back({input.name, input.dtype, input.shape, &tensors.inputs[input.name]});
  if (options.expect)
    list.push_back({"o", info.dtype, o, &tensors.expected.emplace()});
  return readAll(*file, list);
}

//===----------------------------------------------------------------------===//
// Random ones
//===----------------------------------------------------------------------===//

Status drawTensors(const KernelInfo &info, const RunOptions &options, RunTensors &tensors) {
  if (Status status = bindLayouts(info, options, {}, {}, tensors); !status)
    return status;
  uint64_t seed = *options.random * 0x9e3779b97f4a7c15 + 1;
  int64_t nq = tensors.numQueries, nk = tensors.numKeys;
  struct Shape {
    Tensor &target;
    int64_t heads, tokens, width;
  };
  for (const Shape &s : {Shape{tensors.q, info.heads, nq, info.headDimQk},
                         Shape{tensors.k, info.kvHeads, nk, info.headDimQk},
                         Shape{tensors.v, info.kvHeads, nk, info.headDimV}}) {
    auto tensor =
        Tensor::randomNormal({info.batch, s.heads, s.tokens, s.width}, info.dtype, seed++);
    if (!tensor)
      return tensor.takeError();
    s.target = std::move(*tensor);
  }
  LaunchSizes sizes{tensors.tokens, tensors.kvTokens, info.batch, nq, nk, nk - nq};
  sizes.queryOffset = options.queryOffset.value_or(info.queryOffset.value_or(nk - nq));
  auto inputs = randomInputs(info, sizes, seed);
  if (!inputs)
    return inputs.takeError();
  tensors.inputs = std::move(*inputs);
  return {};
}

} // namespace

Expected<RunTensors> makeTensors(const KernelInfo &info, const RunOptions &options) {
  Progress progress("preparing tensors");
  RunTensors tensors;
  Status status =
      options.random ? drawTensors(info, options, tensors) : readTensors(info, options, tensors);
  if (status)
    status = allocateOutputs(info, tensors);
  if (!status)
    return status.takeError();
  return tensors;
}

} // namespace attn::tools
