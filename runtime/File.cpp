#include "runtime/File.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace attn {

std::string systemMessage(int errorNumber) {
  return std::error_code(errorNumber, std::generic_category()).message();
}

Expected<InputFile> InputFile::open(const std::string &path) {
  if (path.find('\0') != std::string::npos)
    return makeError("cannot read a file whose name holds a zero byte");
  // O_NONBLOCK: opening a pipe that has no writer must not wait for one.
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return makeError("cannot read '{}': {}", path, systemMessage(errno));
  InputFile file(path, descriptor);
  struct stat status;
  if (fstat(descriptor, &status) != 0)
    return makeError("cannot read '{}': {}", path, systemMessage(errno));
  if (S_ISDIR(status.st_mode))
    return makeError("cannot read '{}': it is a directory", path);
  if (!S_ISREG(status.st_mode))
    return makeError("cannot read '{}': it is not a regular file", path);
  file.bytes = uint64_t(status.st_size);
  return file;
}

InputFile::InputFile(InputFile &&other) noexcept
    : name(std::move(other.name)), descriptor(std::exchange(other.descriptor, -1)),
      bytes(other.bytes) {}

InputFile &InputFile::operator=(InputFile &&other) noexcept {
  std::swap(name, other.name);
  std::swap(descriptor, other.descriptor);
  std::swap(bytes, other.bytes);
  return *this;
}

InputFile::~InputFile() {
  if (descriptor >= 0)
    ::close(descriptor);
}

Status InputFile::read(void *target, uint64_t count, uint64_t offset) const {
  constexpr uint64_t kMostAtOnce = uint64_t(1) << 30; // Linux transfers less than 2 GiB in a call
  char *next = static_cast<char *>(target);
  for (uint64_t done = 0; done < count;) {
    ssize_t got =
        pread(descriptor, next + done, std::min(count - done, kMostAtOnce), off_t(offset + done));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return makeError("cannot read '{}': {}", name, systemMessage(errno));
    if (got == 0)
      return makeError(
          "cannot read '{}': it ends at byte '{}', before the '{}' bytes wanted at '{}'", name,
          offset + done, count, offset);
    done += uint64_t(got);
  }
  return {};
}

Expected<std::string> readFile(const std::string &path, uint64_t maxBytes) {
  Expected<InputFile> file = InputFile::open(path);
  if (!file)
    return file.takeError();
  if (file->size() > maxBytes)
    return makeError("cannot read '{}': its '{}' bytes exceed the '{}' that are allowed", path,
                     file->size(), maxBytes);
  std::string text(file->size(), '\0');
  if (Status status = file->read(text.data(), text.size(), 0); !status)
    return status.takeError();
  return text;
}

} // namespace attn
