#include "tools/RunInputs.h"

#include "runtime/Launch.h"
#include "runtime/LaunchChecks.h"
#include "runtime/Safetensors.h"
#include "tools/Report.h"

#include <algorithm>
#include <random>

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

/// Sets tokens and kvTokens; `q` and `k` are shapes from the file, or empty.
Status bindLayouts(const KernelInfo &info, const RunOptions &options, const std::vector<int64_t> &q,
                   const std::vector<int64_t> &k, RunTensors &tensors) {
  struct Side {
    const std::vector<int64_t> &spec, &given, &shape;
    const char *option, *what;
    std::vector<int64_t> &layout;
  };
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
  return {};
}

Status allocateOutputs(const KernelInfo &info, RunTensors &tensors) {
  int64_t nq = product(tensors.tokens);
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

Error notInFile(const SafetensorsFile &file, const std::string &name) {
  std::string list;
  for (const TensorInfo &tensor : file.tensors())
    list += (list.empty() ? "'" : ", '") + tensor.name + "'";
  return makeError("'{}' has no tensor '{}'", file.path(), name)
      .withNote("it holds {}", list.empty() ? "none" : list);
}

/// The header of a tensor says what the kernel takes; checked before its data is read.
Status checkHeader(const SafetensorsFile &file, const std::string &name, DType dtype,
                   const std::vector<int64_t> &shape) {
  const TensorInfo *tensor = file.find(name);
  if (!tensor)
    return notInFile(file, name);
  if (tensor->dtype != dtype)
    return makeError("'{}' in '{}' is {}, but the kernel takes {}", name, file.path(),
                     dtypeName(tensor->dtype), dtypeName(dtype));
  bool fits = tensor->shape.size() == shape.size();
  for (size_t d = 0; fits && d < shape.size(); ++d)
    fits = shape[d] < 0 || shape[d] == tensor->shape[d];
  if (!fits)
    return makeError("'{}' in '{}' has shape {}, but {} is wanted", name, file.path(),
                     shapeText(tensor->shape), shapeText(shape));
  return {};
}

Status readInto(const SafetensorsFile &file, const std::string &name, Tensor &target) {
  auto tensor = file.read(name);
  if (!tensor)
    return tensor.takeError();
  target = std::move(*tensor);
  return {};
}

struct Wanted {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  Tensor *target;
};

Status readAll(const SafetensorsFile &file, const std::vector<Wanted> &list) {
  for (const Wanted &wanted : list)
    if (Status status = checkHeader(file, wanted.name, wanted.dtype, wanted.shape); !status)
      return status;
  for (const Wanted &wanted : list)
    if (Status status = readInto(file, wanted.name, *wanted.target); !status)
      return status;
  return {};
}

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
  q[2] = product(tensors.tokens);
  k[2] = product(tensors.kvTokens);
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

/// How the masks read an input.
enum class InputUse { Data, PerBatch, Labels };

InputUse useOf(const KernelInfo &info, int32_t index) {
  for (const Formula &formula : info.formulas) {
    for (const Symbol &symbol : formula.symbols)
      if (symbol.kind == SymbolKind::BatchInput && symbol.index == index)
        return InputUse::PerBatch;
    for (const Atom &atom : formula.atoms)
      if (atom.kind == AtomKind::Labels && atom.input == index)
        return InputUse::Labels;
  }
  return InputUse::Data;
}

/// Key counts per batch entry, runs of equal labels, or zeros and ones.
Expected<Tensor> randomInput(const KernelInfo &info, int32_t index, const RunTensors &tensors,
                             uint64_t seed) {
  const InputInfo &input = info.inputs[size_t(index)];
  InputUse use = useOf(info, index);
  int64_t nq = product(tensors.tokens), nk = product(tensors.kvTokens);
  std::vector<int64_t> shape = input.shape;
  for (size_t d = 0; d < shape.size(); ++d)
    if (shape[d] < 0)
      shape[d] = d + 2 == shape.size() || input.indexedBy[d] == IndexedBy::Query ? nq : nk;
  if (isFloat(input.dtype))
    return Tensor::randomNormal(shape, input.dtype, seed);
  auto tensor = Tensor::allocate(shape, input.dtype);
  if (!tensor)
    return tensor;
  std::mt19937_64 generator(seed);
  auto *bytes = static_cast<char *>(tensor->data());
  int64_t label = 0;
  for (int64_t i = 0; i < tensor->numElements(); ++i) {
    uint64_t bits = generator();
    label += bits % 64 == 0;
    double value = use == InputUse::PerBatch ? double(bits % uint64_t(nk + 1))
                   : use == InputUse::Labels ? double(label)
                                             : double(bits & 1);
    storeElement(input.dtype, bytes + i * dtypeSize(input.dtype), value);
  }
  return tensor;
}

Status drawTensors(const KernelInfo &info, const RunOptions &options, RunTensors &tensors) {
  if (Status status = bindLayouts(info, options, {}, {}, tensors); !status)
    return status;
  uint64_t seed = *options.random * 0x9e3779b97f4a7c15 + 1;
  int64_t nq = product(tensors.tokens), nk = product(tensors.kvTokens);
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
  for (size_t i = 0; i < info.inputs.size(); ++i) {
    auto tensor = randomInput(info, int32_t(i), tensors, seed++);
    if (!tensor)
      return tensor.takeError();
    tensors.inputs[info.inputs[i].name] = std::move(*tensor);
  }
  return {};
}

} // namespace

Expected<RunTensors> makeTensors(const KernelInfo &info, const RunOptions &options) {
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
