#include "runtime/AtomicFile.h"

#include "runtime/File.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace attn {
namespace {

constexpr size_t kBufferBytes = size_t(1) << 16;

std::string resolveLinks(const std::string &path) {
  char *resolved = realpath(path.c_str(), nullptr);
  if (!resolved)
    return path;
  std::string result = resolved;
  std::free(resolved);
  return result;
}

/// Not derived from the name of the target, which may be as long as names can be.
std::string temporaryName(const std::string &target) {
  static std::atomic<uint64_t> counter = 0;
  size_t slash = target.rfind('/');
  std::string directory = slash == std::string::npos ? "" : target.substr(0, slash + 1);
  return fmt::format("{}.attn-{}-{}.tmp", directory, getpid(), counter++);
}

} // namespace

Error AtomicFile::failure(int errorNumber) const {
  return makeError("cannot write '{}': {}", path, systemMessage(errorNumber));
}

Expected<AtomicFile> AtomicFile::create(const std::string &path) {
  if (path.empty())
    return makeError("cannot write a file without a name");
  if (path.find('\0') != std::string::npos)
    return makeError("cannot write a file whose name holds a zero byte");
  AtomicFile file(path);
  file.target = resolveLinks(path);
  struct stat status;
  bool exists = stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode))
    return makeError("cannot write '{}': it is a directory", path);
  // A rename would replace a file that its owner protected.
  if (exists && access(path.c_str(), W_OK) != 0)
    return file.failure(errno);
  Status opened = exists && !S_ISREG(status.st_mode) ? file.openDirectly() : file.openTemporary();
  if (!opened)
    return opened.takeError();
  file.buffer.reserve(kBufferBytes);
  return file;
}

Status AtomicFile::openDirectly() {
  descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  return descriptor < 0 ? Status(failure(errno)) : Status();
}

Status AtomicFile::openTemporary() {
  if (target.back() == '/')
    return failure(EISDIR);
  // Renaming finds out too late that the name is too long: after all the work.
  if (target.size() - (target.rfind('/') + 1) > NAME_MAX)
    return failure(ENAMETOOLONG);
  do { // Another process with our number, in another container, may use the name.
    temporary = temporaryName(target);
    descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor < 0 && errno == EEXIST);
  if (descriptor >= 0)
    return {};
  int errorNumber = errno;
  temporary.clear();
  return failure(errorNumber);
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept { *this = std::move(other); }

AtomicFile &AtomicFile::operator=(AtomicFile &&other) noexcept {
  std::swap(path, other.path);
  std::swap(target, other.target);
  std::swap(temporary, other.temporary);
  std::swap(buffer, other.buffer);
  std::swap(descriptor, other.descriptor);
  return *this;
}

AtomicFile::~AtomicFile() {
  if (descriptor >= 0)
    ::close(descriptor);
  if (!temporary.empty())
    ::unlink(temporary.c_str());
}

Status AtomicFile::flush(const void *bytes, uint64_t count) {
  constexpr uint64_t kMostAtOnce = uint64_t(1) << 30; // Linux transfers less than 2 GiB in a call
  const char *next = static_cast<const char *>(bytes);
  while (count > 0) {
    ssize_t written = ::write(descriptor, next, std::min(count, kMostAtOnce));
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return failure(errno);
    next += written;
    count -= uint64_t(written);
  }
  return {};
}

Status AtomicFile::write(const void *bytes, uint64_t count) {
  assert(descriptor >= 0 && "a file is written between its creation and its commit");
  if (buffer.size() + count > kBufferBytes) {
    Status status = flush(buffer.data(), buffer.size());
    buffer.clear();
    if (!status || count > kBufferBytes)
      return status ? flush(bytes, count) : std::move(status);
  }
  if (count > 0)
    buffer.append(static_cast<const char *>(bytes), count);
  return {};
}

Status AtomicFile::commit() {
  assert(descriptor >= 0 && "a file is committed once");
  if (Status status = flush(buffer.data(), buffer.size()); !status)
    return status;
  buffer.clear();
  // Network file systems report a full disk only here.
  if (::close(std::exchange(descriptor, -1)) != 0)
    return failure(errno);
  if (temporary.empty())
    return {};
  if (std::rename(temporary.c_str(), target.c_str()) != 0)
    return failure(errno); // and the destructor removes the temporary file
  temporary.clear();
  return {};
}

Status writeFileAtomically(const std::string &path, std::string_view bytes) {
  Expected<AtomicFile> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  if (Status status = file->write(bytes); !status)
    return status;
  return file->commit();
}

} // namespace attn
