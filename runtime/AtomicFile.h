//===- AtomicFile.h - writing a file wholly or not at all -------*- C++ -*-===//
//
// Bytes go to a temporary file in the directory of the target, which commit() renames over the
// target: whoever opens the path sees the old file or the whole new one, and a failure leaves
// nothing behind. A crash of the machine may lose the new file (there is no fsync); it does not
// matter for outputs that can be made again. Many processes and threads may write the same path:
// the last commit wins.
//
// A symbolic link is followed. A path that names a device or a pipe (/dev/stdout, /dev/null) is
// written directly: it cannot be renamed over.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Error.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace attn {

/// Move-only; without commit() the destructor removes the temporary file. Not safe to share.
class AtomicFile {
public:
  /// An error where the directory is missing or not writable, or the target is a directory or a
  /// file without write permission.
  static Expected<AtomicFile> create(const std::string &path);

  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile &operator=(AtomicFile &&other) noexcept;
  ~AtomicFile();

  /// Appends, through a buffer.
  Status write(const void *bytes, uint64_t count);
  Status write(std::string_view bytes) { return write(bytes.data(), bytes.size()); }
  /// Writes the rest and puts the file in its place. Once, and nothing is written after it.
  Status commit();

private:
  AtomicFile(std::string path) : path(std::move(path)) {}
  Status openDirectly();
  Status openTemporary();
  Status flush(const void *bytes, uint64_t count);
  Error failure(int errorNumber) const;

  std::string path;      ///< as the caller wrote it, for messages
  std::string target;    ///< with symbolic links resolved
  std::string temporary; ///< empty where the target is written directly
  std::string buffer;
  int descriptor = -1;
};

Status writeFileAtomically(const std::string &path, std::string_view bytes);

} // namespace attn
