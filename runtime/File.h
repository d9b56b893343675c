//===- File.h - reading regular files ---------------------------*- C++ -*-===//
#pragma once

#include "runtime/Error.h"

#include <cstdint>
#include <string>

namespace attn {

/// A file open for reading. Move-only; closes itself. Reads at distinct offsets are thread-safe.
class InputFile {
public:
  /// An error where the path is missing, unreadable or not a regular file: a directory, a pipe.
  static Expected<InputFile> open(const std::string &path);

  InputFile(InputFile &&other) noexcept;
  InputFile &operator=(InputFile &&other) noexcept;
  ~InputFile();

  const std::string &path() const { return name; }
  /// Bytes when it was opened.
  uint64_t size() const { return bytes; }
  /// Fills `target`; an error where the file ends before.
  Status read(void *target, uint64_t count, uint64_t offset) const;

private:
  InputFile(std::string path, int descriptor) : name(std::move(path)), descriptor(descriptor) {}

  std::string name;
  int descriptor = -1;
  uint64_t bytes = 0;
};

/// The whole file. An error, besides those of InputFile, where it is longer than `maxBytes`.
Expected<std::string> readFile(const std::string &path, uint64_t maxBytes = uint64_t(1) << 30);

/// What an errno means, without the locks of strerror.
std::string systemMessage(int errorNumber);

} // namespace attn
