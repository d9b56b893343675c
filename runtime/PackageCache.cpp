#include "runtime/PackageCache.h"

#include "runtime/CacheFolder.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace attn {
namespace {

constexpr std::string_view kSuffix = ".attnpkg";
constexpr uint64_t kDefaultBytes = uint64_t(256) << 20;
/// Writing an entry takes milliseconds; what is older than this has no writer.
constexpr int64_t kLeftoverSeconds = 600;

std::span<const uint8_t> asBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

std::string fileOf(std::string_view request) {
  return hexText(sha256(asBytes(request))) + std::string(kSuffix);
}

std::string environment(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

Expected<std::string> folderOfEnvironment() {
  std::string cache = environment("ATTNC_CACHE");
  if (cache == "off")
    return std::string();
  if (!cache.empty() && cache != "on")
    return makeError("ATTNC_CACHE is '{}', but can be 'on' or 'off'", cache)
        .withNote("the folder is named by ATTNC_CACHE_DIR");
  if (std::string folder = environment("ATTNC_CACHE_DIR"); !folder.empty())
    return folder;
  // The XDG specification: a path that is not absolute is to be ignored.
  if (std::string folder = environment("XDG_CACHE_HOME"); folder.starts_with('/'))
    return folder + "/attnc";
  if (std::string home = environment("HOME"); home.starts_with('/'))
    return home + "/.cache/attnc";
  return makeError("neither ATTNC_CACHE_DIR nor XDG_CACHE_HOME nor HOME says where kernels are kept")
      .withNote("ATTNC_CACHE=off keeps none and says nothing");
}

Expected<uint64_t> bytesOfEnvironment() {
  std::string text = environment("ATTNC_CACHE_SIZE");
  if (text.empty())
    return kDefaultBytes;
  uint64_t number = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(rest, size_t(text.data() + text.size() - rest));
  int shift = unit.empty() ? 0 : unit == "K" ? 10 : unit == "M" ? 20 : unit == "G" ? 30 : -1;
  if (error != std::errc() || shift < 0 || number == 0 || number > UINT64_MAX >> shift)
    return makeError("ATTNC_CACHE_SIZE is '{}', but is a number of bytes above 0, with K, M or G "
                     "behind it if wanted",
                     text)
        .withNote("for example 256M");
  return number << shift;
}

/// A package that was stored for `request`, or why this is none.
Expected<Package> checked(std::string_view file, std::string_view bytes) {
  Expected<Package> package = Package::read(asBytes(bytes));
  if (!package)
    return package;
  const Section *request = package->find("request");
  if (!request || fileOf(request->text()) != file)
    return makeError("it answers another request than its name says");
  return package;
}

} // namespace

Expected<CacheOptions> resolved(CacheOptions options) {
  if (!options.folder) {
    Expected<std::string> folder = folderOfEnvironment();
    if (!folder)
      return folder.takeError();
    options.folder = std::move(*folder);
  }
  if (options.mostBytes == 0 && !options.folder->empty()) {
    Expected<uint64_t> bytes = bytesOfEnvironment();
    if (!bytes)
      return bytes.takeError();
    options.mostBytes = *bytes;
  }
  return options;
}

PackageCache::PackageCache(const CacheOptions &given) {
  Expected<CacheOptions> options = resolved(given);
  if (!options)
    warn(options.takeError());
  this->options = options ? std::move(*options) : CacheOptions{"", 0};
}

void PackageCache::warn(Error warning) {
  std::lock_guard lock(mutex);
  if (told.insert(warning.message).second)
    warnings.push_back(std::move(warning));
}

std::vector<Error> PackageCache::takeWarnings() {
  std::lock_guard lock(mutex);
  return std::exchange(warnings, {});
}

std::optional<Package> PackageCache::find(std::string_view request) {
  if (!isOn())
    return std::nullopt;
  auto folder = CacheFolder::open(this->folder(), /*create=*/false);
  if (!folder) {
    warn(folder.takeError());
    return std::nullopt;
  }
  if (!*folder)
    return std::nullopt;
  std::string file = fileOf(request);
  auto bytes = (*folder)->read(file);
  if (!bytes)
    warn(bytes.takeError());
  if (!bytes || !*bytes)
    return std::nullopt;
  Expected<Package> package = checked(file, **bytes);
  if (package)
    return std::move(*package);
  warn(makeError("'{}/{}' is not used, but made anew: {}", this->folder(), file,
                 package.error().message));
  return std::nullopt;
}

void PackageCache::store(std::string_view request, std::string_view package) {
  if (!isOn() || package.size() > options.mostBytes)
    return;
  auto folder = CacheFolder::open(this->folder(), /*create=*/true);
  if (!folder)
    return warn(folder.takeError());
  if (Status status = (*folder)->write(fileOf(request), package); !status)
    warn(status.takeError());
  evict(**folder);
}

void PackageCache::evict(const CacheFolder &folder) {
  folder.removeLeftovers(kLeftoverSeconds);
  auto files = folder.files(kSuffix);
  if (!files)
    return warn(files.takeError());
  uint64_t all = 0;
  for (const CacheFolder::File &file : *files)
    all += file.bytes;
  std::sort(files->begin(), files->end(),
            [](const auto &a, const auto &b) { return a.usedNanoseconds < b.usedNanoseconds; });
  for (const CacheFolder::File &file : *files) {
    if (all <= options.mostBytes)
      return;
    folder.remove(file.name); // or somebody else has
    all -= file.bytes;
  }
}

Expected<std::vector<PackageCache::Entry>> PackageCache::entries() const {
  std::vector<Entry> entries;
  auto folder = CacheFolder::open(this->folder(), /*create=*/false);
  if (!folder)
    return folder.takeError();
  if (!*folder)
    return entries;
  auto files = (*folder)->files(kSuffix);
  if (!files)
    return files.takeError();
  std::sort(files->begin(), files->end(),
            [](const auto &a, const auto &b) { return a.usedNanoseconds > b.usedNanoseconds; });
  for (const CacheFolder::File &file : *files) {
    auto bytes = (*folder)->read(file.name, /*use=*/false);
    if (bytes && !*bytes) // evicted by somebody since it was listed
      continue;
    Expected<Package> package = bytes ? checked(file.name, **bytes) : bytes.takeError();
    entries.push_back({file.name, file.bytes, file.usedNanoseconds, std::move(package)});
  }
  return entries;
}

bool PackageCache::remove(const Entry &entry) const {
  auto folder = CacheFolder::open(this->folder(), /*create=*/false);
  return folder && *folder && (*folder)->remove(entry.file);
}

Expected<int64_t> PackageCache::clear() const {
  auto folder = CacheFolder::open(this->folder(), /*create=*/false);
  if (!folder)
    return folder.takeError();
  if (!*folder)
    return int64_t(0);
  auto files = (*folder)->files(kSuffix);
  if (!files)
    return files.takeError();
  int64_t removed = 0;
  for (const CacheFolder::File &file : *files)
    removed += (*folder)->remove(file.name);
  (*folder)->removeLeftovers(0);
  return removed;
}

} // namespace attn
