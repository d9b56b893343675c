//===- CacheVerb.cpp - the compiled kernels that are kept on disk ---------===//
#include "tools/Cache.h"

#include "runtime/LaunchChecks.h"
#include "runtime/PackageCache.h"
#include "tools/Report.h"

#include "nlohmann/json.hpp"

#include <chrono>
#include <cstdio>

namespace attn::tools {

namespace {

using Entry = PackageCache::Entry;
using Json = nlohmann::ordered_json;

void print(const Json &json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

std::string unitsOf(const Package &package) {
  std::string text;
  for (const auto &[unit, info] : package.units())
    text += (text.empty() ? "" : ",") + unit;
  return text;
}

std::string ageOf(const Entry &entry) {
  using namespace std::chrono;
  auto now = duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
  int64_t age = std::max<int64_t>(0, now - entry.usedNanoseconds / 1'000'000'000);
  for (auto [unit, length] : {std::pair("d", 86400), std::pair("h", 3600), std::pair("min", 60)})
    if (age >= 2 * length)
      return fmt::format("{} {}", age / length, unit);
  return fmt::format("{} s", age);
}

uint64_t bytesOf(const std::vector<Entry> &entries) {
  uint64_t all = 0;
  for (const Entry &entry : entries)
    all += entry.bytes;
  return all;
}

void listAsText(const PackageCache &cache, const std::vector<Entry> &entries) {
  if (!entries.empty())
    fmt::print("{:<12}  {:>9}  {:>8}  {:<20}  {:<6}  {}\n", "entry", "bytes", "used ago", "for",
               "dtype", "kernel");
  for (const Entry &entry : entries) {
    std::string name = entry.file.substr(0, 12);
    if (!entry.package) {
      fmt::print("{:<12}  {:>9}  {:>8}  damaged: {}\n", name, entry.bytes, ageOf(entry),
                 entry.package.error().message);
      continue;
    }
    const KernelInfo &info = entry.package->kernel();
    fmt::print("{:<12}  {:>9}  {:>8}  {:<20}  {:<6}  {} {}\n", name, entry.bytes, ageOf(entry),
               unitsOf(*entry.package), dtypeName(info.dtype), info.name, shapeText(info.tokens));
  }
  fmt::print("{} entries, {} bytes in '{}'\n", entries.size(), bytesOf(entries), cache.folder());
}

void listAsJson(const PackageCache &cache, const std::vector<Entry> &entries) {
  Json json{{"folder", cache.folder()}, {"bytes", bytesOf(entries)}};
  json["entries"] = Json::array();
  for (const Entry &entry : entries) {
    Json one{{"file", entry.file},
             {"bytes", entry.bytes},
             {"used", double(entry.usedNanoseconds) / 1e9}};
    if (entry.package) {
      one["kernel"] = entry.package->kernel().name;
      one["units"] = unitsOf(*entry.package);
      one["request"] = entry.package->find("request")->text();
    } else {
      one["damaged"] = entry.package.error().message;
    }
    json["entries"].push_back(std::move(one));
  }
  print(json);
}

int list(const PackageCache &cache, const CacheVerbOptions &options) {
  Expected<std::vector<Entry>> entries = cache.entries();
  if (!entries)
    return fail(entries.error());
  options.format == "json" ? listAsJson(cache, *entries) : listAsText(cache, *entries);
  return 0;
}

int clear(const PackageCache &cache, const CacheVerbOptions &options) {
  Expected<int64_t> removed = cache.clear();
  if (!removed)
    return fail(removed.error());
  if (options.format == "json")
    print({{"folder", cache.folder()}, {"removed", *removed}});
  else if (!isQuiet())
    fmt::print("{} entries removed from '{}'\n", *removed, cache.folder());
  return 0;
}

/// Tells of a damaged entry and removes it.
Json removeDamaged(const PackageCache &cache, const Entry &entry, const CacheVerbOptions &options) {
  const std::string &why = entry.package.error().message;
  bool isGone = cache.remove(entry);
  if (options.format != "json")
    fmt::print(isQuiet() ? stderr : stdout, "{}{}: {}; {}\n", isQuiet() ? "error: " : "",
               entry.file, why, isGone ? "removed" : "cannot be removed");
  return {{"file", entry.file}, {"damaged", why}, {"removed", isGone}};
}

/// Damaged entries would be made anew when they are wanted; they are removed now.
int verify(const PackageCache &cache, const CacheVerbOptions &options) {
  Expected<std::vector<Entry>> entries = cache.entries();
  if (!entries)
    return fail(entries.error());
  Json damaged = Json::array();
  for (const Entry &entry : *entries)
    if (!entry.package)
      damaged.push_back(removeDamaged(cache, entry, options));
  int code = damaged.empty() ? 0 : 1;
  if (options.format == "json")
    print({{"folder", cache.folder()}, {"checked", entries->size()}, {"damaged", damaged}});
  else if (!isQuiet())
    fmt::print("{} entries checked in '{}', {} damaged\n", entries->size(), cache.folder(),
               damaged.size());
  return code;
}

} // namespace

int cacheVerb(const CacheVerbOptions &options) {
  Expected<CacheOptions> place = resolved({});
  if (!place)
    return fail(place.error());
  PackageCache cache(*place);
  if (!cache.isOn())
    return fail(makeError("there is no cache: ATTNC_CACHE is 'off'"));
  if (options.action == "ls")
    return list(cache, options);
  return options.action == "clear" ? clear(cache, options) : verify(cache, options);
}

} // namespace attn::tools
