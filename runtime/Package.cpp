#include "runtime/Package.h"

#include "runtime/File.h"
#include "runtime/KernelInfoJson.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace attn {
namespace {

// All numbers are little-endian.
constexpr uint8_t kMagic[8] = {0x8a, 'A', 'T', 'T', 'N', '\r', '\n', 0x1a};
constexpr size_t kMagicName = 5; ///< of these bytes say what it is, the others whether it is whole
constexpr size_t kName = 16, kAlignment = 64;
constexpr uint32_t kMaxSections = 64;

struct Header {
  uint8_t magic[8];
  uint32_t version, sections;
  uint64_t size;   ///< of the file
  uint64_t layout; ///< of KernelArgs, see layoutOfArguments
  Digest digest;   ///< of the 32 bytes above and of everything behind the header
};
struct Entry {
  char kind[kName], target[kName],
      unit[kName]; ///< filled up with zeros, of which there is one at least
  uint64_t offset, size;
  Digest digest; ///< of the section's bytes
};
static_assert(sizeof(Header) == 64 && sizeof(Entry) == 96, "as they lie in the file");
constexpr size_t kHashedHeader = offsetof(Header, digest);

/// FNV-1a of where the members of KernelArgs lie and of what the code of kernels takes for granted
/// beside them: a kernel is called by exactly the runtimes that fill its argument as it reads it.
constexpr uint64_t layoutOfArguments() {
  const uint64_t places[] = {sizeof(KernelArgs),
                             offsetof(KernelArgs, q),
                             offsetof(KernelArgs, k),
                             offsetof(KernelArgs, v),
                             offsetof(KernelArgs, o),
                             offsetof(KernelArgs, lse),
                             offsetof(KernelArgs, qStride),
                             offsetof(KernelArgs, kStride),
                             offsetof(KernelArgs, vStride),
                             offsetof(KernelArgs, oStride),
                             offsetof(KernelArgs, lseStride),
                             offsetof(KernelArgs, formulaOfHead),
                             offsetof(KernelArgs, headParams),
                             offsetof(KernelArgs, mapOfHead),
                             offsetof(KernelArgs, mapOffsets),
                             offsetof(KernelArgs, boxes),
                             offsetof(KernelArgs, order),
                             offsetof(KernelArgs, inputs),
                             offsetof(KernelArgs, inputStrides),
                             offsetof(KernelArgs, numQueries),
                             offsetof(KernelArgs, numKeys),
                             offsetof(KernelArgs, queryOffset),
                             offsetof(KernelArgs, queryTiles),
                             offsetof(KernelArgs, dims),
                             offsetof(KernelArgs, tables),
                             offsetof(KernelArgs, inputExtents),
                             offsetof(KernelArgs, batch),
                             offsetof(KernelArgs, splits),
                             offsetof(KernelArgs, partialO),
                             offsetof(KernelArgs, partialLse),
                             kMaxInputs,
                             kMaxTables,
                             kMaxRank,
                             kMergeThreads,
                             kMergedElements};
  uint64_t hash = 0xcbf29ce484222325;
  for (uint64_t place : places)
    for (int byte = 0; byte < 8; ++byte)
      hash = (hash ^ (place >> 8 * byte & 0xff)) * 0x100000001b3;
  return hash;
}

size_t aligned(size_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

template <class T> T load(std::span<const uint8_t> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

Digest digestOfFile(std::span<const uint8_t> bytes) {
  Sha256 hash;
  hash.add(bytes.first(kHashedHeader));
  hash.add(bytes.subspan(sizeof(Header)));
  return hash.finish();
}

std::span<const uint8_t> asBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

} // namespace

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

class PackageReader {
public:
  explicit PackageReader(std::vector<uint8_t> given)
      : contents(std::make_shared<Package::Contents>()) {
    contents->bytes = std::move(given);
    bytes = contents->bytes;
  }

  Expected<Package> read() {
    for (auto step :
         {&PackageReader::checkHeader, &PackageReader::checkDigest, &PackageReader::readTable,
          &PackageReader::checkKinds, &PackageReader::readInfos, &PackageReader::checkUnits})
      if (Status status = (this->*step)(); !status)
        return status.takeError();
    return Package(contents);
  }

private:
  Status checkHeader() {
    size_t known = std::min(bytes.size(), sizeof(kMagic));
    if (bytes.empty())
      return makeError("it is empty");
    if (std::memcmp(bytes.data(), kMagic, std::min(known, kMagicName)) != 0)
      return makeError("it is no package of attnc")
          .withNote("packages are written by 'attnc compile "
                    "SPEC --emit=package -o FILE'");
    if (std::memcmp(bytes.data(), kMagic, known) != 0)
      return makeError("its line ends have been converted, as transfers of text do; copy it as a "
                       "binary file");
    if (bytes.size() < sizeof(Header))
      return makeError("it is cut off: {} bytes, but the header alone has {}", bytes.size(),
                       sizeof(Header));
    header = load<Header>(bytes, 0);
    if (header.version != kPackageVersion)
      return makeError("it has format version {}, but this runtime reads version {}",
                       header.version, kPackageVersion)
          .withNote("use a runtime as new as the compiler, or compile the package again");
    if (header.size > bytes.size())
      return makeError("it is cut off: {} of {} bytes are there", bytes.size(), header.size);
    if (header.size < bytes.size())
      return makeError("it has {} bytes, but should have {}", bytes.size(), header.size);
    return {};
  }

  Status checkDigest() {
    contents->digest = header.digest;
    if (digestOfFile(bytes) == header.digest)
      return {};
    return makeError("it is damaged: {} not what was written", damagedPart())
        .withNote("the SHA-256 of the file does not match; copy or compile it again");
  }

  /// Where the damage is; nothing that is read here is trusted.
  std::string damagedPart() const {
    for (uint32_t i = 0; i < std::min(header.sections, kMaxSections); ++i) {
      size_t at = sizeof(Header) + i * sizeof(Entry);
      if (at + sizeof(Entry) > bytes.size())
        break;
      Entry entry = load<Entry>(bytes, at);
      bool inside = entry.offset <= bytes.size() && entry.size <= bytes.size() - entry.offset;
      if (!inside || !isName(entry.kind) || !isName(entry.target))
        break;
      if (sha256(bytes.subspan(entry.offset, entry.size)) != entry.digest)
        return fmt::format("section '{}{}{}' or its entry in the table is", entry.kind,
                           *entry.target ? " " : "", entry.target);
    }
    return "the header, the table of sections or the space between them is";
  }

  /// Printable, and zeros up to the end.
  static bool isName(const char (&name)[kName]) {
    size_t length = strnlen(name, kName);
    return length < kName &&
           std::all_of(name, name + length, [](char c) { return c > ' ' && c < 127; }) &&
           std::all_of(name + length, name + kName, [](char c) { return c == 0; });
  }

  Status readTable() {
    if (header.layout != layoutOfArguments())
      return makeError(
                 "it was made for kernels whose arguments lie otherwise than this runtime fills "
                 "them")
          .withNote("compile the package again with the compiler of this version");
    if (header.sections == 0 || header.sections > kMaxSections)
      return makeError("its header is wrong: {} sections", header.sections);
    size_t end = sizeof(Header) + header.sections * sizeof(Entry);
    if (end > bytes.size())
      return makeError("its table of {} sections does not fit the file", header.sections);
    for (uint32_t i = 0; i < header.sections; ++i) {
      Entry entry = load<Entry>(bytes, sizeof(Header) + i * sizeof(Entry));
      if (!isName(entry.kind) || !isName(entry.target) || !isName(entry.unit))
        return makeError("entry {} of its table has no readable name", i);
      size_t begin = aligned(end);
      if (entry.offset != begin || begin > bytes.size() || entry.size > bytes.size() - begin)
        return makeError("entry {} of its table says {} bytes at {}, but the section begins at {}",
                         i, entry.size, entry.offset, begin);
      if (!isZero(end, begin))
        return makeError("the space before section {} is not zero", i);
      std::span<const uint8_t> section = bytes.subspan(begin, entry.size);
      if (sha256(section) != entry.digest)
        return makeError("the checksum of section {} does not match", i);
      contents->sections.push_back({entry.kind, entry.target, entry.unit, section, entry.digest});
      end = begin + entry.size;
    }
    if (end != bytes.size())
      return makeError("its sections end at {}, but the file has {} bytes", end, bytes.size());
    return {};
  }

  bool isZero(size_t begin, size_t end) const {
    return std::all_of(bytes.begin() + begin, bytes.begin() + end,
                       [](uint8_t b) { return b == 0; });
  }

  /// Which kinds there are, and of each which targets.
  Status checkKinds() {
    std::map<std::pair<std::string, std::string>, int> count;
    for (const Section &section : contents->sections) {
      bool general =
          section.kind == "compiler" || section.kind == "spec" || section.kind == "request";
      bool ofUnit = section.kind == "info" || section.kind == "ptx" || section.kind == "cubin" ||
                    section.kind == "object";
      if (!general && !ofUnit)
        return makeError("it has a section of the unknown kind '{}'", section.kind);
      bool fits = general ? section.target.empty() && section.unit.empty()
                          : !section.target.empty() &&
                                (section.kind == "cubin" ? !section.unit.empty()
                                                         : section.unit == section.target);
      if (!fits)
        return makeError("section '{}' cannot have target '{}' and unit '{}'", section.kind,
                         section.target, section.unit);
      if (count[{section.kind, section.target}]++)
        return makeError("it has two sections '{} {}'", section.kind, section.target);
    }
    for (const char *kind : {"compiler", "spec"})
      if (!count.contains({kind, ""}))
        return makeError("it has no section '{}'", kind);
    return {};
  }

  Status readInfos() {
    for (const Section &section : contents->sections) {
      if (section.kind != "info")
        continue;
      Expected<KernelInfo> info = kernelInfoFromJson(section.text());
      if (!info)
        return makeError("section 'info {}' cannot be used: {}", section.target,
                         info.error().message);
      contents->units.emplace(section.target, std::move(*info));
    }
    if (contents->units.empty())
      return makeError("it has no section 'info', so that nothing can be launched");
    return {};
  }

  /// Code belongs to a unit that it fits, and all units are the same kernel.
  Status checkUnits() {
    for (const Section &section : contents->sections) {
      if (section.unit.empty())
        continue;
      auto it = contents->units.find(section.unit);
      if (it == contents->units.end())
        return makeError("section '{} {}' has no 'info {}'", section.kind, section.target,
                         section.unit);
      bool onCpu = it->second.target == "cpu";
      if (section.kind != "info" && onCpu != (section.kind == "object"))
        return makeError("section '{} {}' is no code for '{}'", section.kind, section.target,
                         it->second.target);
    }
    for (const auto &[unit, info] : contents->units)
      if (Status status = checkSame(contents->units.begin()->second, info); !status)
        return status;
    return {};
  }

  static Status checkSame(const KernelInfo &a, const KernelInfo &b) {
    auto sameInput = [](const InputInfo &x, const InputInfo &y) {
      return x.name == y.name && x.dtype == y.dtype && x.shape == y.shape;
    };
    bool same =
        a.name == b.name && a.dtype == b.dtype && a.batch == b.batch && a.heads == b.heads &&
        a.kvHeads == b.kvHeads && a.headDimQk == b.headDimQk && a.headDimV == b.headDimV &&
        a.tokens == b.tokens && a.kvTokens == b.kvTokens && a.queryOffset == b.queryOffset &&
        std::equal(a.inputs.begin(), a.inputs.end(), b.inputs.begin(), b.inputs.end(), sameInput);
    if (same)
      return {};
    return makeError("its sections 'info' describe different kernels");
  }

  std::shared_ptr<Package::Contents> contents;
  std::span<const uint8_t> bytes;
  Header header;
};

Expected<Package> Package::read(std::span<const uint8_t> bytes) {
  return PackageReader({bytes.begin(), bytes.end()}).read();
}

Expected<Package> Package::open(const std::string &path, bool *isUnreadable) {
  Expected<std::string> bytes = readFile(path);
  if (isUnreadable)
    *isUnreadable = !bytes;
  if (!bytes)
    return bytes.takeError();
  Expected<Package> package = read(asBytes(*bytes));
  if (package)
    return package;
  Error error = package.takeError();
  error.message = fmt::format("cannot use package '{}': {}", path, error.message);
  return error;
}

const Section *Package::find(std::string_view kind, std::string_view target) const {
  const Section *found = nullptr;
  for (const Section &section : sections()) {
    if (section.kind != kind || (!target.empty() && section.target != target))
      continue;
    if (found)
      return nullptr;
    found = &section;
  }
  return found;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

void PackageWriter::add(std::string_view kind, std::string_view target, std::string_view unit,
                        std::string bytes) {
  assert(kind.size() < kName && target.size() < kName && unit.size() < kName &&
         "names fit their fields");
  parts.push_back({std::string(kind), std::string(target), std::string(unit), std::move(bytes)});
}

void PackageWriter::add(const KernelInfo &info, std::string_view unit) {
  add("info", unit, unit, toJson(info));
}

void PackageWriter::addAllBut(std::string_view kind, const Package &package) {
  for (const Section &section : package.sections())
    if (section.kind != kind)
      add(section.kind, section.target, section.unit, std::string(section.text()));
}

std::string PackageWriter::finish() const {
  std::string file(sizeof(Header) + parts.size() * sizeof(Entry), '\0');
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part &part = parts[i];
    file.resize(aligned(file.size()));
    Entry entry{};
    std::copy(part.kind.begin(), part.kind.end(), entry.kind);
    std::copy(part.target.begin(), part.target.end(), entry.target);
    std::copy(part.unit.begin(), part.unit.end(), entry.unit);
    entry.offset = file.size();
    entry.size = part.bytes.size();
    std::memcpy(file.data() + sizeof(Header) + i * sizeof(Entry), &entry, sizeof(entry));
    file += part.bytes;
  }
  Header header{};
  std::copy(std::begin(kMagic), std::end(kMagic), header.magic);
  header.version = kPackageVersion;
  header.sections = uint32_t(parts.size());
  header.size = file.size();
  header.layout = layoutOfArguments();
  std::memcpy(file.data(), &header, sizeof(header));
  resealPackage({reinterpret_cast<uint8_t *>(file.data()), file.size()});
  return file;
}

void resealPackage(std::span<uint8_t> bytes) {
  if (bytes.size() < sizeof(Header))
    return;
  Header header = load<Header>(bytes, 0);
  for (uint32_t i = 0; i < std::min(header.sections, kMaxSections); ++i) {
    size_t at = sizeof(Header) + i * sizeof(Entry);
    if (at + sizeof(Entry) > bytes.size())
      break;
    Entry entry = load<Entry>(bytes, at);
    if (entry.offset > bytes.size() || entry.size > bytes.size() - entry.offset)
      continue;
    entry.digest = sha256(bytes.subspan(entry.offset, entry.size));
    std::memcpy(bytes.data() + at, &entry, sizeof(entry));
  }
  header.digest = digestOfFile(bytes);
  std::memcpy(bytes.data(), &header, sizeof(header));
}

bool beginsLikePackage(std::string_view bytes) {
  return bytes.size() >= kMagicName && std::memcmp(bytes.data(), kMagic, kMagicName) == 0;
}

} // namespace attn
