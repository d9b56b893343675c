//===- PackageCache.h - compiled kernels on disk -----------------*- C++ -*-===//
//
// A folder of packages (Package.h), each under the SHA-256 of the request that it answers: the
// compiler, the canonical spec and everything else that decides about the code. The package holds
// the request as well, so that a file under a wrong name is never taken for another.
//
// Any number of processes and threads may share a folder. An entry appears by a rename, so that it
// is whole or absent; one that has been damaged since does not pass the checksums of its package,
// counts as absent, and is written anew. A process that is killed leaves at most a temporary file,
// which a later one removes. Nothing waits for anybody: there are no locks.
//
// Where the folder cannot be used, the cache answers that there is nothing, and says what is wrong
// in takeWarnings(), each thing once.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Package.h"

#include <mutex>
#include <optional>
#include <set>

namespace attn {

struct CacheOptions {
  /// Absent: ATTNC_CACHE_DIR, else XDG_CACHE_HOME/attnc, else HOME/.cache/attnc, and none where
  /// ATTNC_CACHE is "off". Empty: no cache.
  std::optional<std::string> folder;
  /// Bytes of all entries; those that were not used for longest go first. 0: ATTNC_CACHE_SIZE (a
  /// number, with K, M or G behind it if wanted), else 256 MiB.
  uint64_t mostBytes = 0;
};

/// The options with nothing left to the environment, which is read now.
Expected<CacheOptions> resolved(CacheOptions options);

/// Thread-safe.
class PackageCache {
public:
  explicit PackageCache(const CacheOptions &options = {});

  /// Whether there is a folder to look into.
  bool isOn() const { return !options.folder->empty(); }
  const std::string &folder() const { return *options.folder; }

  /// What was stored for exactly this request.
  std::optional<Package> find(std::string_view request);
  /// Keeps `package`, which has `request` in its section of that kind, and evicts others where all
  /// have too many bytes.
  void store(std::string_view request, std::string_view package);
  /// What has kept the cache from working since the last call. Nothing is said twice.
  std::vector<Error> takeWarnings();
  void warn(Error warning);

  struct Entry {
    std::string file;
    uint64_t bytes = 0;
    int64_t usedNanoseconds = 0; ///< since 1970
    Expected<Package> package;   ///< or why it is not used
  };
  /// All of them, opened and checked, the one used last first.
  Expected<std::vector<Entry>> entries() const;
  bool remove(const Entry &entry) const;
  /// Removes every entry and what killed writers have left; returns how many entries there were.
  Expected<int64_t> clear() const;

private:
  void evict(const class CacheFolder &folder);

  CacheOptions options;
  std::mutex mutex; ///< guards what follows
  std::set<std::string> told;
  std::vector<Error> warnings;
};

} // namespace attn
