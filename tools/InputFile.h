//===- InputFile.h - named tensors from a safetensors file -------*- C++ -*-===//
#pragma once

#include "runtime/Safetensors.h"

namespace attn::tools {

/// A tensor that a kernel takes. Extents of -1 may be anything.
struct Wanted {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  Tensor *target;
};

/// The header of a tensor says what the kernel takes; checked before its data is read.
Status checkHeader(const SafetensorsFile &file, const std::string &name, DType dtype,
                   const std::vector<int64_t> &shape);

/// Reads all or, where one is missing or of another type or shape, none.
Status readAll(const SafetensorsFile &file, const std::vector<Wanted> &list);

} // namespace attn::tools
