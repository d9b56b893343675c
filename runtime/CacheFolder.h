//===- CacheFolder.h - a directory of files that we alone write --*- C++ -*-===//
//
// What lies in it is executed, so it must be the user's own: a directory that belongs to somebody
// else, or that others may write to, is refused. All access goes through the descriptor of the
// directory that was checked, and follows no symbolic link inside it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attn {

/// Move-only. The calls are thread-safe, and safe beside other processes that use the folder.
class CacheFolder {
public:
  /// Nothing where there is no such directory, unless `create` makes it, with mode 0700, and those
  /// above it.
  static Expected<std::optional<CacheFolder>> open(const std::string &path, bool create);
  CacheFolder(CacheFolder &&other) noexcept;
  CacheFolder &operator=(CacheFolder &&) = delete;
  ~CacheFolder();

  /// A whole file; nothing where there is none. With `use` it counts as used just now.
  Expected<std::optional<std::string>> read(const std::string &name, bool use = true) const;
  /// Writes a file wholly or not at all, over the one of that name.
  Status write(const std::string &name, std::string_view bytes) const;
  /// Whether there was one.
  bool remove(const std::string &name) const;

  struct File {
    std::string name;
    uint64_t bytes = 0;
    int64_t usedNanoseconds = 0; ///< since 1970
  };
  /// The files whose names end in `suffix`.
  Expected<std::vector<File>> files(std::string_view suffix) const;
  /// Removes what writers have left behind that were killed, as far as it is older than that.
  void removeLeftovers(int64_t seconds) const;

private:
  CacheFolder(std::string path, int descriptor) : path(std::move(path)), descriptor(descriptor) {}
  Error failure(const char *what, const std::string &name, int errorNumber) const;

  std::string path;
  int descriptor;
};

} // namespace attn
