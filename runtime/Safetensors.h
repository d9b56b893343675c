//===- Safetensors.h - files of named tensors -------------------*- C++ -*-===//
//
// The format: a 64-bit little-endian length, that many bytes of JSON, then the data. The JSON names
// each tensor's type, shape and bytes [begin, end) of the data. Nothing in a file is believed
// before it was checked, and the data must be covered without a gap and without an overlap.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/File.h"
#include "runtime/Tensor.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace attn {

struct TensorInfo {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0; ///< bytes of the data section
};

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors; ///< in the order of their data
  std::map<std::string, std::string> metadata;
};

/// The JSON of a file with `dataBytes` of data behind it. Thread-safe.
Expected<SafetensorsHeader> parseSafetensorsHeader(std::string_view json, uint64_t dataBytes);

/// An open file whose header was found valid. Data is read when asked for, into memory of its own:
/// a file that another process shortens later gives an error, never a fault. Thread-safe;
/// move-only.
class SafetensorsFile {
public:
  static Expected<SafetensorsFile> open(const std::string &path);

  const std::string &path() const { return file.path(); }
  const std::vector<TensorInfo> &tensors() const { return header.tensors; }
  const std::map<std::string, std::string> &metadata() const { return header.metadata; }
  /// Null where the file has no tensor of that name.
  const TensorInfo *find(std::string_view name) const;
  /// An error where there is none of that name, or no memory, or the file was shortened.
  Expected<Tensor> read(std::string_view name) const;

private:
  SafetensorsFile(InputFile file, SafetensorsHeader header, uint64_t dataStart)
      : file(std::move(file)), header(std::move(header)), dataStart(dataStart) {}

  InputFile file;
  SafetensorsHeader header;
  uint64_t dataStart;
};

/// Writes views of any strides, wholly or not at all. The bytes are those of the Python library:
/// wider types first, then by name, and the header padded with spaces to a multiple of 8 bytes.
/// Names are UTF-8, and none is "__metadata__".
Status writeSafetensors(const std::string &path, const std::map<std::string, TensorView> &tensors,
                        const std::map<std::string, std::string> &metadata = {});

} // namespace attn
