#include "runtime/CacheFolder.h"

#include "runtime/File.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace attn {
namespace {

constexpr std::string_view kTemporary = ".tmp";

/// Closes itself.
struct Descriptor {
  explicit Descriptor(int number) : number(number) {}
  Descriptor(const Descriptor &) = delete;
  ~Descriptor() {
    if (number >= 0)
      ::close(number);
  }
  int number;
};

int64_t nanoseconds(const timespec &time) {
  return int64_t(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

Status makeDirectories(const std::string &path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    std::string parent = path.substr(0, end);
    if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST && end == std::string::npos)
      return makeError("cannot make the directory '{}': {}", path, systemMessage(errno));
    if (end == std::string::npos)
      return {};
  }
}

Status checkOwner(const std::string &path, int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0)
    return makeError("cannot look at '{}': {}", path, systemMessage(errno));
  if (status.st_uid != geteuid())
    return makeError("'{}' belongs to user {}, but this is user {}", path, status.st_uid, geteuid())
        .withNote("code from it would be executed, so it must be one's own");
  if (status.st_mode & (S_IWGRP | S_IWOTH))
    return makeError("'{}' can be written to by others: its mode is {:o}", path,
                     status.st_mode & 07777)
        .withNote("code from it would be executed; 'chmod 700 {}' closes it", path);
  return {};
}

Status writeAll(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return makeError("{}", systemMessage(errno));
    bytes.remove_prefix(size_t(count));
  }
  return {};
}

} // namespace

Expected<std::optional<CacheFolder>> CacheFolder::open(const std::string &path, bool create) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  int descriptor = ::open(path.c_str(), kFlags);
  if (descriptor < 0 && errno == ENOENT) {
    if (!create)
      return std::optional<CacheFolder>();
    if (Status status = makeDirectories(path); !status)
      return status.takeError();
    descriptor = ::open(path.c_str(), kFlags);
  }
  if (descriptor < 0)
    return makeError("cannot open the directory '{}': {}", path, systemMessage(errno));
  CacheFolder folder(path, descriptor);
  if (Status status = checkOwner(path, descriptor); !status)
    return status.takeError();
  return std::optional(std::move(folder));
}

CacheFolder::CacheFolder(CacheFolder &&other) noexcept
    : path(std::move(other.path)), descriptor(std::exchange(other.descriptor, -1)) {}

CacheFolder::~CacheFolder() {
  if (descriptor >= 0)
    ::close(descriptor);
}

Error CacheFolder::failure(const char *what, const std::string &name, int errorNumber) const {
  return makeError("cannot {} '{}/{}': {}", what, path, name, systemMessage(errorNumber));
}

Expected<std::optional<std::string>> CacheFolder::read(const std::string &name, bool use) const {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  Descriptor file(openat(descriptor, name.c_str(), kFlags));
  if (file.number < 0 && errno == ENOENT)
    return std::optional<std::string>();
  struct stat status;
  if (file.number < 0 || fstat(file.number, &status) != 0)
    return failure("read", name, errno);
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid())
    return makeError("'{}/{}' is no file of this user", path, name);
  std::string bytes(size_t(status.st_size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t count = ::read(file.number, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return failure("read", name, errno);
    if (count == 0)
      break;
    done += size_t(count);
  }
  bytes.resize(done);
  if (use)
    (void)futimens(file.number, nullptr); // a file system that refuses it evicts in another order
  return std::optional(std::move(bytes));
}

Status CacheFolder::write(const std::string &name, std::string_view bytes) const {
  static std::atomic<uint64_t> counter = 0;
  std::string temporary;
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  int number;
  do { // a process of another container, or one that was killed, may have had our number
    temporary = fmt::format(".attn-{}-{}{}", getpid(), counter++, kTemporary);
    number = openat(descriptor, temporary.c_str(), kFlags, 0600);
  } while (number < 0 && errno == EEXIST);
  if (number < 0)
    return failure("write", name, errno);
  Status written = writeAll(number, bytes);
  // Network file systems report a full disk only when a file is closed.
  if (::close(number) != 0 && written)
    written = makeError("{}", systemMessage(errno));
  if (written && renameat(descriptor, temporary.c_str(), descriptor, name.c_str()) != 0)
    written = makeError("{}", systemMessage(errno));
  if (written)
    return {};
  unlinkat(descriptor, temporary.c_str(), 0);
  return makeError("cannot write '{}/{}': {}", path, name, written.error().message);
}

bool CacheFolder::remove(const std::string &name) const {
  return unlinkat(descriptor, name.c_str(), 0) == 0;
}

Expected<std::vector<CacheFolder::File>> CacheFolder::files(std::string_view suffix) const {
  // A descriptor of its own: two threads would share the place of a common one.
  int own = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  std::unique_ptr<DIR, int (*)(DIR *)> directory(own < 0 ? nullptr : fdopendir(own), closedir);
  if (!directory) {
    int errorNumber = errno;
    if (own >= 0)
      ::close(own);
    return failure("list", "", errorNumber);
  }
  std::vector<File> files;
  while (const dirent *entry = readdir(directory.get())) {
    struct stat status;
    std::string name = entry->d_name;
    if (name.ends_with(suffix) &&
        fstatat(descriptor, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(status.st_mode))
      files.push_back({name, uint64_t(status.st_size), nanoseconds(status.st_mtim)});
  }
  return files;
}

void CacheFolder::removeLeftovers(int64_t seconds) const {
  auto leftovers = files(kTemporary);
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  for (const File &file : leftovers ? *leftovers : std::vector<File>())
    if (nanoseconds(now) - file.usedNanoseconds >= seconds * 1'000'000'000)
      remove(file.name);
}

} // namespace attn
