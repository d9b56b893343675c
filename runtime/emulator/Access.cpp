//===- Access.cpp - addresses to host bytes, with every check -------------===//
#include "runtime/emulator/Block.h"

#include <algorithm>

namespace attn::emulator {

static std::string_view verb(Access kind) {
  return kind == Access::Read ? "reads" : kind == Access::Write ? "writes" : "updates";
}

uint8_t *Warp::access(const Inst &inst, Space space, uint64_t address, uint32_t bytes, Access kind,
                      unsigned lane, uint32_t alignment) {
  if (address % alignment != 0) {
    fail(inst, lane,
         fmt::format("{} {} bytes at {:#x}, which is not a multiple of {}", verb(kind), bytes,
                     address, alignment));
    return nullptr;
  }
  if (space == Space::Generic) {
    space = Space::Global;
    constexpr std::pair<uint64_t, Space> kWindows[] = {
        {kSharedWindow, Space::Shared}, {kLocalWindow, Space::Local}, {kParamWindow, Space::Param}};
    for (auto [window, windowSpace] : kWindows)
      if (address - window < kWindowSize) {
        space = windowSpace;
        address -= window;
      }
  }
  switch (space) {
  case Space::Shared:
    return accessShadowed(inst, block.shared, address - kSharedBase, bytes, kind, lane, "shared");
  case Space::Local: {
    static thread_local ShadowedBytes none;
    return accessShadowed(inst, local.empty() ? none : local[lane], address - kLocalBase, bytes,
                          kind, lane, "local");
  }
  case Space::Param: {
    const std::vector<uint8_t> &parameters = block.launch.parameters;
    uint64_t offset = address - kParamBase;
    if (kind == Access::Read && offset <= parameters.size() && bytes <= parameters.size() - offset)
      return const_cast<uint8_t *>(parameters.data()) + offset;
    fail(inst, lane,
         kind == Access::Read ? fmt::format("reads {} bytes at {} of the {} bytes of parameters",
                                            bytes, static_cast<int64_t>(offset), parameters.size())
                              : "writes to a parameter");
    return nullptr;
  }
  default:
    return accessGlobal(inst, address, bytes, kind, lane);
  }
}

void Warp::forget(Space space, uint64_t address, uint32_t bytes, unsigned lane) {
  if (space == Space::Shared)
    block.shared.mark(address - kSharedBase, bytes, ShadowedBytes::Unwritten);
  else
    local[lane].mark(address - kLocalBase, bytes, ShadowedBytes::Unwritten);
}

uint8_t *Warp::accessShadowed(const Inst &inst, ShadowedBytes &bytes, uint64_t offset,
                              uint32_t count, Access kind, unsigned lane, std::string_view what) {
  if (offset > bytes.size() || count > bytes.size() - offset) {
    fail(inst, lane,
         fmt::format("{} {} bytes at {} of the {} bytes of {} memory", verb(kind), count,
                     static_cast<int64_t>(offset), bytes.size(), what));
    return nullptr;
  }
  uint64_t bad = kind == Access::Write ? bytes.firstInFlight(offset, count)
                                       : bytes.firstNotWritten(offset, count);
  if (bad == count) {
    if (kind == Access::Write)
      bytes.mark(offset, count, ShadowedBytes::Written);
    return bytes.at(offset);
  }
  uint64_t byte = offset + bad;
  if (bytes.state(byte) == ShadowedBytes::InFlight)
    fail(inst, lane,
         fmt::format("{} {} byte {}, while the cp.async of line {} is still writing it", verb(kind),
                     what, byte, block.lineOfCopyInto(byte)));
  else
    fail(inst, lane, fmt::format("{} {} byte {}, which was never written", verb(kind), what, byte));
  return nullptr;
}

uint8_t *Warp::accessGlobal(const Inst &inst, uint64_t address, uint32_t count, Access kind,
                            unsigned lane) {
  const Buffer *buffer = block.findBuffer(address);
  if (buffer == nullptr || address - buffer->begin > buffer->bytes ||
      count > buffer->bytes - (address - buffer->begin)) {
    std::string where = "no buffer begins below it";
    if (buffer != nullptr)
      where = fmt::format("that is {} of the {} bytes of '{}'", address - buffer->begin,
                          buffer->bytes, buffer->name);
    fail(inst, lane,
         fmt::format("{} {} bytes at {:#x}, outside of global memory: {}", verb(kind), count,
                     address, where));
    return nullptr;
  }
  if (buffer->readOnly && kind != Access::Read) {
    fail(inst, lane, fmt::format("{} '{}', which is read-only", verb(kind), buffer->name));
    return nullptr;
  }
  return buffer->data + (address - buffer->begin);
}

/// The buffer with the greatest begin that is not above `address`; nullptr if all are above.
const Buffer *Block::findBuffer(uint64_t address) {
  if (lastBuffer != nullptr && address - lastBuffer->begin < lastBuffer->bytes)
    return lastBuffer;
  auto above = [](uint64_t a, const Buffer *buffer) { return a < buffer->begin; };
  auto after = std::upper_bound(launch.buffers.begin(), launch.buffers.end(), address, above);
  if (after == launch.buffers.begin())
    return nullptr;
  return lastBuffer = *(after - 1);
}

} // namespace attn::emulator
