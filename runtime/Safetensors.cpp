#include "runtime/Safetensors.h"

#include "runtime/AtomicFile.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <tuple>

namespace attn {
namespace {

static_assert(std::endian::native == std::endian::little, "files hold little-endian numbers");

using nlohmann::json;

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000; // the limit of the Python library
constexpr std::string_view kMetadata = "__metadata__";

std::string supportedTypes() {
  std::string text;
  for (DType dtype : allDTypes())
    text += fmt::format("{}'{}'", text.empty() ? "" : ", ", safetensorsName(dtype));
  return text;
}

/// Reads the header event by event. It needs no tree, so that nesting costs no memory, and it sees
/// a key that comes twice, which a tree would hide.
class HeaderReader : public nlohmann::json_sax<json> {
public:
  SafetensorsHeader header;
  std::optional<Error> error;

  bool null() override { return value("null"); }
  bool boolean(bool) override { return value("a boolean"); }
  bool number_float(double, const std::string &text) override { return value("'" + text + "'"); }
  bool number_integer(int64_t number) override { return value(fmt::format("'{}'", number)); }
  bool number_unsigned(uint64_t number) override;
  bool string(std::string &text) override;
  bool binary(binary_t &) override { return value("bytes"); }
  bool start_object(size_t) override;
  bool end_object() override;
  bool key(std::string &name) override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool parse_error(size_t position, const std::string &, const json::exception &) override {
    return fail(makeError("its header is not valid JSON at byte '{}'", position));
  }

private:
  enum class Place { Start, Top, Metadata, Tensor, Shape, Offsets, End };

  bool fail(Error problem) {
    error = std::move(problem);
    return false;
  }
  /// A value that fits nowhere here.
  bool value(std::string_view what);
  bool endTensor();

  Place place = Place::Start;
  std::string currentKey;
  TensorInfo tensor;
  std::vector<uint64_t> offsets;
  std::set<std::string, std::less<>> topKeys, innerKeys;
};

bool HeaderReader::value(std::string_view what) {
  switch (place) {
  case Place::Start:
    return fail(makeError("its header is {}, not a JSON object", what));
  case Place::Top:
    return fail(makeError("'{}' is {} in its header, not an object", currentKey, what));
  case Place::Metadata:
    return fail(makeError("'{}' of '{}' is {}, not a string", currentKey, kMetadata, what));
  case Place::Tensor:
    return fail(makeError("'{}' of tensor '{}' is {}, not {}", currentKey, tensor.name, what,
                          currentKey == "dtype" ? "a string" : "a list"));
  case Place::Shape:
    return fail(makeError("the shape of tensor '{}' holds {}, not a length", tensor.name, what));
  case Place::Offsets:
    return fail(
        makeError("'data_offsets' of tensor '{}' holds {}, not a byte offset", tensor.name, what));
  case Place::End:
    break;
  }
  return fail(makeError("its header goes on after the JSON object"));
}

bool HeaderReader::number_unsigned(uint64_t number) {
  if (place == Place::Shape && number <= uint64_t(INT64_MAX))
    return tensor.shape.push_back(int64_t(number)), true;
  if (place == Place::Offsets)
    return offsets.push_back(number), true;
  return value(fmt::format("'{}'", number));
}

bool HeaderReader::string(std::string &text) {
  if (place == Place::Metadata)
    return header.metadata.emplace(currentKey, text), true;
  if (place != Place::Tensor || currentKey != "dtype")
    return value(fmt::format("the string '{}'", text));
  std::optional<DType> dtype = parseSafetensorsName(text);
  if (!dtype)
    return fail(makeError("tensor '{}' has the unknown type '{}'", tensor.name, text)
                    .withNote("known types are {}", supportedTypes()));
  tensor.dtype = *dtype;
  return true;
}

bool HeaderReader::start_object(size_t) {
  if (place == Place::Start)
    return place = Place::Top, true;
  if (place != Place::Top)
    return value("an object");
  innerKeys.clear();
  offsets.clear();
  tensor = TensorInfo();
  tensor.name = currentKey;
  place = currentKey == kMetadata ? Place::Metadata : Place::Tensor;
  return true;
}

bool HeaderReader::key(std::string &name) {
  bool isTop = place == Place::Top;
  if (!(isTop ? topKeys : innerKeys).insert(name).second)
    return fail(isTop ? makeError("its header names '{}' twice", name)
                      : makeError("its header names '{}' of '{}' twice", name,
                                  place == Place::Metadata ? kMetadata : tensor.name));
  if (place == Place::Tensor && name != "dtype" && name != "shape" && name != "data_offsets")
    return fail(makeError("tensor '{}' has the unknown key '{}'", tensor.name, name)
                    .withNote("known keys are 'dtype', 'shape', 'data_offsets'"));
  currentKey = name;
  return true;
}

bool HeaderReader::end_object() {
  if (place == Place::Top)
    return place = Place::End, true;
  bool wasTensor = place == Place::Tensor;
  place = Place::Top;
  return !wasTensor || endTensor();
}

bool HeaderReader::endTensor() {
  for (std::string_view key : {"dtype", "shape", "data_offsets"})
    if (!innerKeys.contains(key))
      return fail(makeError("tensor '{}' has no '{}'", tensor.name, key));
  if (offsets.size() != 2)
    return fail(makeError("'data_offsets' of tensor '{}' holds '{}' numbers, not 2", tensor.name,
                          offsets.size()));
  tensor.begin = offsets[0];
  tensor.end = offsets[1];
  header.tensors.push_back(std::move(tensor));
  return true;
}

bool HeaderReader::start_array(size_t) {
  if (place != Place::Tensor || currentKey == "dtype")
    return value("a list");
  place = currentKey == "shape" ? Place::Shape : Place::Offsets;
  return true;
}

bool HeaderReader::end_array() {
  place = Place::Tensor;
  return true;
}

Status checkSize(const TensorInfo &tensor, uint64_t dataBytes) {
  if (tensor.begin > tensor.end)
    return makeError("tensor '{}' begins at byte '{}', after its end '{}'", tensor.name,
                     tensor.begin, tensor.end);
  if (tensor.end > dataBytes)
    return makeError("tensor '{}' ends at byte '{}' of the data, which has '{}' bytes", tensor.name,
                     tensor.end, dataBytes);
  int64_t bytes = dtypeSize(tensor.dtype);
  bool empty = std::ranges::count(tensor.shape, 0) > 0;
  for (int64_t length : tensor.shape)
    if (__builtin_mul_overflow(bytes, std::max<int64_t>(length, 1), &bytes))
      return makeError(
          "shape {} of tensor '{}' is too large: its size in bytes does not fit 64 bits",
          tensor.shape, tensor.name);
  uint64_t wanted = empty ? 0 : uint64_t(bytes);
  if (tensor.end - tensor.begin != wanted)
    return makeError("tensor '{}' of shape {} and type '{}' needs '{}' bytes, but its offsets span "
                     "'{}'",
                     tensor.name, tensor.shape, safetensorsName(tensor.dtype), wanted,
                     tensor.end - tensor.begin);
  return {};
}

/// Sorts by position and finds gaps and overlaps.
Status checkCover(std::vector<TensorInfo> &tensors, uint64_t dataBytes) {
  std::ranges::sort(tensors, [](const TensorInfo &a, const TensorInfo &b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t covered = 0;
  const TensorInfo *previous = nullptr;
  for (const TensorInfo &tensor : tensors) {
    if (tensor.begin < covered)
      return makeError("tensors '{}' and '{}' share the bytes from '{}' to '{}'", previous->name,
                       tensor.name, tensor.begin, std::min(covered, tensor.end));
    if (tensor.begin > covered)
      return makeError("no tensor covers the bytes from '{}' to '{}' of the data", covered,
                       tensor.begin);
    covered = tensor.end;
    previous = &tensor;
  }
  if (covered != dataBytes)
    return makeError("no tensor covers the bytes from '{}' to '{}' of the data", covered,
                     dataBytes);
  return {};
}

/// Puts the path before what is wrong with the file.
Error invalid(const std::string &path, Error error) {
  error.message = fmt::format("'{}' is not a valid safetensors file: {}", path, error.message);
  return error;
}

} // namespace

Expected<SafetensorsHeader> parseSafetensorsHeader(std::string_view text, uint64_t dataBytes) {
  if (!text.starts_with('{'))
    return makeError("its header does not begin with '{{'");
  HeaderReader reader;
  json::sax_parse(text, &reader, json::input_format_t::json, /*strict=*/true);
  if (reader.error)
    return std::move(*reader.error);
  for (const TensorInfo &tensor : reader.header.tensors)
    if (Status status = checkSize(tensor, dataBytes); !status)
      return status.takeError();
  if (Status status = checkCover(reader.header.tensors, dataBytes); !status)
    return status.takeError();
  return std::move(reader.header);
}

Expected<SafetensorsFile> SafetensorsFile::open(const std::string &path) {
  Expected<InputFile> file = InputFile::open(path);
  if (!file)
    return file.takeError();
  if (file->size() < kLengthBytes)
    return invalid(path, makeError("it has '{}' bytes, fewer than the 8 of its header's length",
                                   file->size()));
  uint64_t length;
  if (Status status = file->read(&length, kLengthBytes, 0); !status)
    return status.takeError();
  if (length > kMaxHeaderBytes)
    return invalid(path, makeError("its header claims '{}' bytes, more than the '{}' allowed",
                                   length, kMaxHeaderBytes));
  if (length > file->size() - kLengthBytes)
    return invalid(path, makeError("its header claims '{}' bytes, but '{}' bytes follow", length,
                                   file->size() - kLengthBytes));
  std::string text(length, '\0');
  if (Status status = file->read(text.data(), length, kLengthBytes); !status)
    return status.takeError();
  uint64_t dataStart = kLengthBytes + length;
  Expected<SafetensorsHeader> header = parseSafetensorsHeader(text, file->size() - dataStart);
  if (!header)
    return invalid(path, header.takeError());
  return SafetensorsFile(std::move(*file), std::move(*header), dataStart);
}

const TensorInfo *SafetensorsFile::find(std::string_view name) const {
  for (const TensorInfo &tensor : header.tensors)
    if (tensor.name == name)
      return &tensor;
  return nullptr;
}

Expected<Tensor> SafetensorsFile::read(std::string_view name) const {
  const TensorInfo *info = find(name);
  if (!info) {
    constexpr size_t kShown = 20;
    std::string names;
    for (size_t i = 0; i < std::min(tensors().size(), kShown); ++i)
      names += fmt::format("{}'{}'", i ? ", " : "", tensors()[i].name);
    return makeError("'{}' has no tensor '{}'", path(), name)
        .withNote("it has {}{}", names.empty() ? "none" : names,
                  tensors().size() > kShown ? ", ..." : "");
  }
  Expected<Tensor> tensor = Tensor::allocate(info->shape, info->dtype);
  if (!tensor)
    return invalid(path(), tensor.takeError()).withNote("this is its tensor '{}'", name);
  if (Status status = file.read(tensor->data(), info->end - info->begin, dataStart + info->begin);
      !status)
    return status.takeError();
  return tensor;
}

namespace {

/// The order of types in a file: those of stricter alignment first, as the Python library sorts
/// them.
int typeOrder(DType dtype) {
  constexpr DType order[] = {DType::I64, DType::F64, DType::F32, DType::I32, DType::BF16,
                             DType::F16, DType::I16, DType::I8,  DType::U8,  DType::Bool};
  return int(std::ranges::find(order, dtype) - std::begin(order));
}

using NamedView = std::pair<const std::string, TensorView>;

std::vector<const NamedView *> fileOrder(const std::map<std::string, TensorView> &tensors) {
  std::vector<const NamedView *> sorted;
  for (const NamedView &tensor : tensors)
    sorted.push_back(&tensor);
  std::ranges::sort(sorted, [](const NamedView *a, const NamedView *b) {
    return std::pair(typeOrder(a->second.dtype), std::string_view(a->first)) <
           std::pair(typeOrder(b->second.dtype), std::string_view(b->first));
  });
  return sorted;
}

/// Throws json::type_error where a name is not UTF-8.
std::string headerText(const std::vector<const NamedView *> &tensors,
                       const std::map<std::string, std::string> &metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty())
    header[std::string(kMetadata)] = metadata;
  uint64_t offset = 0;
  for (const NamedView *tensor : tensors) {
    uint64_t end = offset + uint64_t(tensor->second.byteSize());
    header[tensor->first] = {{"dtype", safetensorsName(tensor->second.dtype)},
                             {"shape", tensor->second.shape},
                             {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  return text;
}

} // namespace

Status writeSafetensors(const std::string &path, const std::map<std::string, TensorView> &tensors,
                        const std::map<std::string, std::string> &metadata) {
  if (tensors.contains(std::string(kMetadata)))
    return makeError("cannot write '{}': a tensor must not be named '{}'", path, kMetadata);
  std::vector<const NamedView *> sorted = fileOrder(tensors);
  std::string text;
  try {
    text = headerText(sorted, metadata);
  } catch (const json::exception &) {
    return makeError("cannot write '{}': a name or a metadata string is not UTF-8", path);
  }
  if (text.size() > kMaxHeaderBytes)
    return makeError("cannot write '{}': its header of '{}' bytes exceeds the '{}' allowed", path,
                     text.size(), kMaxHeaderBytes);
  Expected<AtomicFile> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  uint64_t length = text.size();
  Status status = file->write(&length, kLengthBytes);
  if (status)
    status = file->write(text);
  for (const NamedView *tensor : sorted)
    if (status)
      tensor->second.forEachRun([&](const void *run, int64_t bytes) {
        return bool(status = file->write(run, uint64_t(bytes)));
      });
  return status ? file->commit() : std::move(status);
}

} // namespace attn
