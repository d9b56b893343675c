#include "tools/InputFile.h"

#include "runtime/LaunchChecks.h"

namespace attn::tools {

static Error notInFile(const SafetensorsFile &file, const std::string &name) {
  std::string list;
  for (const TensorInfo &tensor : file.tensors())
    list += (list.empty() ? "'" : ", '") + tensor.name + "'";
  return makeError("'{}' has no tensor '{}'", file.path(), name)
      .withNote("it holds {}", list.empty() ? "none" : list);
}

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

static Status readInto(const SafetensorsFile &file, const std::string &name, Tensor &target) {
  auto tensor = file.read(name);
  if (!tensor)
    return tensor.takeError();
  target = std::move(*tensor);
  return {};
}

Status readAll(const SafetensorsFile &file, const std::vector<Wanted> &list) {
  for (const Wanted &wanted : list)
    if (Status status = checkHeader(file, wanted.name, wanted.dtype, wanted.shape); !status)
      return status;
  for (const Wanted &wanted : list)
    if (Status status = readInto(file, wanted.name, *wanted.target); !status)
      return status;
  return {};
}

} // namespace attn::tools
