//===- Access.cpp - addresses to host bytes, with every check -------------===//
#include "runtime/emulator/Block.h"

#include <algorithm>
#include <bit>

namespace attn::emulator {

static std::string_view verb(Access kind) {
  return kind == Access::Read ? "reads" : kind == Access::Write ? "writes" : "updates";
}
static unsigned firstLane(uint32_t mask) { return static_cast<unsigned>(std::countr_zero(mask)); }

LaneAddresses Warp::addresses(const Place &base, bool wide, int64_t offset, uint32_t mask) const {
  LaneAddresses result;
  const uint32_t *narrow = words(base);
  const uint64_t *full = lanes<uint64_t>(base);
  if (wide)
    for (unsigned lane = 0; lane < kLanes; ++lane)
      result[lane] = full[lane] + static_cast<uint64_t>(offset);
  else
    for (unsigned lane = 0; lane < kLanes; ++lane)
      result[lane] = narrow[lane] + static_cast<uint32_t>(offset);
  if (mask != kAllLanes) {
    uint64_t any = result[firstLane(mask)];
    for (unsigned lane = 0; lane < kLanes; ++lane)
      result[lane] = mask >> lane & 1 ? result[lane] : any;
  }
  return result;
}

bool Warp::checkAligned(const Inst &inst, const LaneAddresses &addresses, uint32_t mask,
                        uint32_t bytes, Access kind, uint32_t alignment) {
  uint64_t bits = 0;
  for (uint64_t address : addresses)
    bits |= address;
  if ((bits & (alignment - 1)) == 0)
    return true;
  unsigned lane = firstLane(mask);
  while ((addresses[lane] & (alignment - 1)) == 0 || (mask >> lane & 1) == 0)
    ++lane;
  fail(inst, lane,
       fmt::format("{} {} bytes at {:#x}, which is not a multiple of {}", verb(kind), bytes,
                   addresses[lane], alignment));
  return false;
}

bool Warp::access(const Inst &inst, Space space, const LaneAddresses &addresses, uint32_t mask,
                  uint32_t bytes, Access kind, LanePointers &at, uint32_t alignment) {
  if (!checkAligned(inst, addresses, mask, bytes, kind, alignment))
    return false;
  switch (space) {
  case Space::Shared:
    return accessShared(inst, addresses, mask, bytes, kind, at);
  case Space::Generic:
    return accessGeneric(inst, addresses, mask, bytes, kind, at);
  case Space::Global:
  case Space::Const:
    return accessGlobal(inst, addresses, mask, bytes, kind, at);
  default:
    break;
  }
  for (uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1) {
    unsigned lane = firstLane(lanes);
    at[lane] = space == Space::Local ? accessLocal(inst, addresses[lane], bytes, kind, lane)
                                     : accessParam(inst, addresses[lane], bytes, kind, lane);
    if (at[lane] == nullptr)
      return false;
  }
  for (unsigned lane = 0; lane < kLanes; ++lane)
    at[lane] = mask >> lane & 1 ? at[lane] : at[firstLane(mask)];
  return true;
}

/// By the windows of the generic address space, each with its lanes.
bool Warp::accessGeneric(const Inst &inst, const LaneAddresses &addresses, uint32_t mask,
                         uint32_t bytes, Access kind, LanePointers &at) {
  constexpr std::pair<uint64_t, Space> kWindows[] = {
      {kSharedWindow, Space::Shared}, {kLocalWindow, Space::Local}, {kParamWindow, Space::Param}};
  uint32_t rest = mask;
  auto part = [&](Space space, uint64_t window, uint32_t lanes) {
    LaneAddresses inSpace;
    LanePointers found;
    for (unsigned lane = 0; lane < kLanes; ++lane)
      inSpace[lane] = addresses[lanes >> lane & 1 ? lane : firstLane(lanes)] - window;
    if (!access(inst, space, inSpace, lanes, bytes, kind, found, 1))
      return false;
    for (unsigned lane = 0; lane < kLanes; ++lane)
      at[lane] = lanes >> lane & 1 || lanes == mask ? found[lane] : at[lane];
    rest &= ~lanes;
    return true;
  };
  for (auto [window, space] : kWindows) {
    uint32_t lanes = 0;
    for (unsigned lane = 0; lane < kLanes; ++lane)
      lanes |= uint32_t(addresses[lane] - window < kWindowSize) << lane;
    if ((lanes & mask) != 0 && !part(space, window, lanes & mask))
      return false;
  }
  if (rest != 0 && !part(Space::Global, 0, rest))
    return false;
  for (unsigned lane = 0; lane < kLanes; ++lane)
    at[lane] = mask >> lane & 1 ? at[lane] : at[firstLane(mask)];
  return true;
}

uint8_t *Warp::accessParam(const Inst &inst, uint64_t address, uint32_t bytes, Access kind,
                           unsigned lane) {
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

uint8_t *Warp::accessLocal(const Inst &inst, uint64_t address, uint32_t count, Access kind,
                           unsigned lane) {
  static thread_local ShadowedBytes none;
  ShadowedBytes &bytes = local.empty() ? none : local[lane];
  uint64_t offset = address - kLocalBase;
  if (offset > bytes.size() || count > bytes.size() - offset) {
    fail(inst, lane,
         fmt::format("{} {} bytes at {} of the {} bytes of local memory", verb(kind), count,
                     static_cast<int64_t>(offset), bytes.size()));
    return nullptr;
  }
  if (kind == Access::Write) {
    bytes.mark(offset, count, ShadowedBytes::Written);
  } else if (uint64_t bad = bytes.firstNotWritten(offset, count); bad != count) {
    fail(inst, lane,
         fmt::format("{} local byte {}, which was never written", verb(kind), offset + bad));
    return nullptr;
  }
  return bytes.at(offset);
}

void Warp::forget(Space space, uint64_t address, uint32_t bytes, unsigned lane) {
  if (space == Space::Shared)
    block.shared.forget(address - kSharedBase, bytes);
  else
    local[lane].mark(address - kLocalBase, bytes, ShadowedBytes::Unwritten);
}

bool Warp::sharedOffsets(const Inst &inst, const LaneAddresses &addresses, uint32_t mask,
                         uint32_t bytes, Access kind, LaneAddresses &offsets) {
  const uint64_t size = block.shared.size();
  uint64_t largest = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    offsets[lane] = addresses[lane] - kSharedBase;
    largest = std::max(largest, offsets[lane]);
  }
  if (largest <= size && bytes <= size - largest)
    return true;
  unsigned lane = firstLane(mask);
  while ((mask >> lane & 1) == 0 || (offsets[lane] <= size && bytes <= size - offsets[lane]))
    ++lane;
  fail(inst, lane,
       fmt::format("{} {} bytes at {} of the {} bytes of shared memory", verb(kind), bytes,
                   static_cast<int64_t>(offsets[lane]), size));
  return false;
}

bool Warp::accessShared(const Inst &inst, const LaneAddresses &addresses, uint32_t mask,
                        uint32_t bytes, Access kind, LanePointers &at) {
  LaneAddresses offsets;
  if (!sharedOffsets(inst, addresses, mask, bytes, kind, offsets))
    return false;
  if (checked) {
    if (auto fault = block.shared.access(kind, accessor(inst), offsets.data(), mask, bytes)) {
      report(inst, kind, *fault);
      return false;
    }
    if (inst.order != 0)
      order(inst, addresses, mask, kind);
  }
  if (!block.profile.empty())
    block.profile[pcOf(inst)].addShared(offsets.data(), mask, bytes);
  for (unsigned lane = 0; lane < kLanes; ++lane)
    at[lane] = block.shared.at(offsets[lane]);
  return true;
}

void Warp::report(const Inst &inst, Access kind, const SharedFault &fault) {
  const uint32_t line = program.code[fault.otherPc].line;
  const std::string what = fmt::format("{} shared byte {}", verb(kind), fault.byte);
  const std::string other = fault.otherWarp == index ? std::string("this warp")
                                                     : fmt::format("warp {}", fault.otherWarp);
  const std::string quote =
      fmt::format("line {} is '{}'", line, block.launch.module.source.line(line));
  switch (fault.kind) {
  case SharedFault::Kind::Unwritten:
    return fail(inst, fault.lane, what + ", which was never written");
  case SharedFault::Kind::InFlight:
    return fail(inst, fault.lane,
                fmt::format("{}, while the cp.async of line {} is still writing it: {} issued it "
                            "and has not waited for it",
                            what, line, other),
                quote);
  case SharedFault::Kind::MBarrier:
    return fail(inst, fault.lane,
                fmt::format("{}, which belongs to the mbarrier of line {}", what, line), quote);
  case SharedFault::Kind::CopyRace:
    return fail(inst, fault.lane,
                fmt::format("{} in a race: the cp.async of line {} wrote it for {}, whose wait "
                            "shows it to that warp alone, and no barrier after it orders the two",
                            what, line, other),
                quote);
  case SharedFault::Kind::Race:
    return fail(inst, fault.lane,
                fmt::format("{} in a race: {} {} it in line {}, and no barrier orders the two",
                            what, other, verb(fault.other), line),
                quote);
  }
}

/// Strong accesses order their warps through the location.
void Warp::order(const Inst &inst, const LaneAddresses &keys, uint32_t mask, Access kind) {
  for (uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1) {
    uint64_t key = keys[firstLane(lanes)] / 4;
    if (kind != Access::Write)
      if (const VectorClock *published = block.findPublished(key)) {
        clocks.received.join(*published);
        if (inst.order & kAcquire)
          clocks.acquire(*published);
      }
    if (kind == Access::Read)
      continue;
    if (inst.order & kRelease)
      clocks.release(block.published(key));
    else if (clocks.fenced.of[index] != 0)
      block.published(key).join(clocks.fenced);
  }
}

bool Warp::accessGlobal(const Inst &inst, const LaneAddresses &addresses, uint32_t mask,
                        uint32_t bytes, Access kind, LanePointers &at) {
  uint64_t lowest = addresses[0], highest = addresses[0];
  for (uint64_t address : addresses) {
    lowest = std::min(lowest, address);
    highest = std::max(highest, address);
  }
  const Buffer *buffer = block.findBuffer(lowest);
  if (buffer != nullptr && highest <= buffer->end() && bytes <= buffer->end() - highest &&
      lowest >= buffer->begin && !(buffer->readOnly && kind != Access::Read)) {
    for (unsigned lane = 0; lane < kLanes; ++lane)
      at[lane] = buffer->data + (addresses[lane] - buffer->begin);
  } else {
    for (uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1) {
      unsigned lane = firstLane(lanes);
      at[lane] = accessBuffer(inst, addresses[lane], bytes, kind, lane);
      if (at[lane] == nullptr)
        return false;
    }
    for (unsigned lane = 0; lane < kLanes; ++lane)
      at[lane] = mask >> lane & 1 ? at[lane] : at[firstLane(mask)];
  }
  if (!block.profile.empty())
    block.profile[pcOf(inst)].addGlobal(addresses.data(), mask, bytes);
  if (checked && inst.order != 0)
    order(inst, addresses, mask, kind);
  return true;
}

uint8_t *Warp::accessBuffer(const Inst &inst, uint64_t address, uint32_t count, Access kind,
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
