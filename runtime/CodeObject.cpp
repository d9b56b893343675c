#include "runtime/CodeObject.h"

#include "runtime/File.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace attn {

static Status writeAll(int descriptor, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    ssize_t count = write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return makeError("cannot place a kernel's code in memory: {}", systemMessage(errno));
    bytes = bytes.subspan(size_t(count));
  }
  return {};
}

/// The loader takes an object that it has under the same name for the one that is asked for, and numbers
/// of descriptors come again. So the number of the load is part of the name, bit by bit, in steps that
/// lead nowhere.
static std::string uniquePath(int descriptor) {
  static std::atomic<uint64_t> loads = 0;
  std::string path = "/proc/self/fd/";
  for (uint64_t bits = loads++; bits; bits >>= 1)
    path += bits & 1 ? ".//" : "./";
  return path + std::to_string(descriptor);
}

Expected<CodeObject> CodeObject::load(std::span<const uint8_t> bytes) {
  if (bytes.size() < 4 || std::memcmp(bytes.data(),
                                      "\x7f"
                                      "ELF",
                                      4) != 0)
    return makeError("a kernel's code is no ELF shared object");
  int descriptor = memfd_create("attnc-kernel", MFD_CLOEXEC);
  if (descriptor < 0)
    return makeError("cannot place a kernel's code in memory: {}", systemMessage(errno));
  Status written = writeAll(descriptor, bytes);
  void *handle = nullptr;
  if (written)
    handle = dlopen(uniquePath(descriptor).c_str(), RTLD_NOW | RTLD_LOCAL);
  const char *reason = written && !handle ? dlerror() : nullptr;
  std::string message = reason ? reason : "";
  close(descriptor);
  if (!written)
    return written.takeError();
  if (!handle)
    return makeError("the system cannot load a kernel's code: {}", message)
        .withNote("it is loaded through /proc/self/fd, which must be there");
  return CodeObject(handle);
}

CodeObject::CodeObject(CodeObject &&other) noexcept
    : handle(std::exchange(other.handle, nullptr)) {}

CodeObject::~CodeObject() {
  if (handle)
    dlclose(handle);
}

Expected<void *> CodeObject::lookup(const std::string &symbol) const {
  if (void *address = dlsym(handle, symbol.c_str()))
    return address;
  return makeError("a kernel's code has no symbol '{}'", symbol);
}

} // namespace attn
