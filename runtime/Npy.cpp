#include "runtime/Npy.h"

#include "runtime/AtomicFile.h"

namespace attn {
namespace {

static_assert(std::endian::native == std::endian::little, "files hold little-endian numbers");

std::string_view npyType(DType dtype) {
  switch (dtype) {
  case DType::F64:
    return "<f8";
  case DType::F32:
    return "<f4";
  case DType::F16:
    return "<f2";
  case DType::I64:
    return "<i8";
  case DType::I32:
    return "<i4";
  case DType::I16:
    return "<i2";
  case DType::I8:
    return "|i1";
  case DType::U8:
    return "|u1";
  case DType::Bool:
    return "|b1";
  case DType::BF16:
    break;
  }
  return "";
}

/// A Python tuple: "()", "(3,)", "(3, 4)".
std::string tuple(const std::vector<int64_t> &shape) {
  std::string text = "(";
  for (size_t d = 0; d < shape.size(); ++d)
    text += fmt::format("{}{}", d ? ", " : "", shape[d]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

/// Magic, version, length of the rest, a Python dictionary; spaces up to a multiple of 64 bytes.
Expected<std::string> header(const TensorView &view) {
  constexpr size_t kPrefix = 10, kAlignment = 64, kLongest = 65535;
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                 npyType(view.dtype), tuple(view.shape));
  size_t total = (kPrefix + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  if (total - kPrefix > kLongest)
    return makeError("a tensor of '{}' dimensions has too many for a .npy file", view.rank());
  text.append(total - kPrefix - text.size() - 1, ' ');
  text += '\n';
  std::string prefix("\x93NUMPY\x01\x00", 8);
  prefix += char(text.size() & 255);
  prefix += char(text.size() >> 8);
  return prefix + text;
}

} // namespace

Status writeNpy(const std::string &path, const TensorView &view) {
  if (npyType(view.dtype).empty())
    return makeError("cannot write '{}': the .npy format has no type '{}'", path,
                     dtypeName(view.dtype))
        .withNote("write 'f32', or a .safetensors file");
  Expected<std::string> head = header(view);
  if (!head)
    return head.takeError();
  Expected<AtomicFile> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  Status status = file->write(*head);
  if (status)
    view.forEachRun([&](const void *run, int64_t bytes) {
      return bool(status = file->write(run, uint64_t(bytes)));
    });
  return status ? file->commit() : std::move(status);
}

} // namespace attn
