//===- Memory.cpp ---------------------------------------------------------===//
#include "runtime/emulator/Memory.h"

#include "runtime/emulator/Types.h"

#include <algorithm>
#include <cstring>

namespace attn::emulator {

Memory::Memory() : Memory(kGlobalBase) {}

uint64_t Memory::add(Buffer buffer) {
  constexpr uint64_t kAlignment = 256; // what cudaMalloc promises
  constexpr uint64_t kGap = uint64_t(16) << 20;
  buffer.begin = nextAddress;
  // A stray index is often wrong by a row or by the whole array: leave room for both.
  uint64_t next = buffer.end() + buffer.bytes + kGap;
  nextAddress = (next + kAlignment - 1) / kAlignment * kAlignment;
  list.push_back(std::move(buffer));
  return list.back().begin;
}

uint64_t Memory::allocate(std::string name, uint64_t bytes, bool readOnly) {
  Buffer buffer{std::move(name), 0, bytes, nullptr, readOnly, std::make_unique<uint8_t[]>(bytes)};
  std::memset(buffer.owned.get(), 0xff, bytes);
  buffer.data = buffer.owned.get();
  return add(std::move(buffer));
}

uint64_t Memory::map(std::string name, void *data, uint64_t bytes, bool readOnly) {
  return add({std::move(name), 0, bytes, static_cast<uint8_t *>(data), readOnly, nullptr});
}

Status Memory::release(uint64_t address) {
  auto found = std::find_if(list.begin(), list.end(),
                            [&](const Buffer &buffer) { return buffer.begin == address; });
  if (found == list.end())
    return makeError("no buffer begins at {:#x}", address);
  list.erase(found);
  return {};
}

Expected<uint8_t *> Memory::locate(uint64_t address, uint64_t bytes) const {
  for (const Buffer &buffer : list)
    if (address >= buffer.begin && address - buffer.begin <= buffer.bytes &&
        bytes <= buffer.bytes - (address - buffer.begin))
      return buffer.data + (address - buffer.begin);
  return makeError("{} bytes at {:#x} are not within one buffer", bytes, address);
}

Status Memory::write(uint64_t address, const void *source, uint64_t bytes) {
  Expected<uint8_t *> target = locate(address, bytes);
  if (!target)
    return target.takeError();
  std::memcpy(*target, source, bytes);
  return {};
}

Status Memory::read(uint64_t address, void *target, uint64_t bytes) const {
  Expected<uint8_t *> source = locate(address, bytes);
  if (!source)
    return source.takeError();
  std::memcpy(target, *source, bytes);
  return {};
}

} // namespace attn::emulator
