//===- SharedMemory.cpp ---------------------------------------------------===//
#include "runtime/emulator/SharedMemory.h"

#include <bit>

namespace attn::emulator {

SharedMemory::SharedMemory(uint64_t bytes, uint32_t cellBytes, uint32_t warps, bool checked)
    : cellShift(static_cast<uint32_t>(std::countr_zero(cellBytes))), warps(warps), data(bytes) {
  if (!checked)
    return;
  cells.resize((bytes + cellBytes - 1) >> cellShift);
  reads.resize(cells.size() * warps);
}

void SharedMemory::reset() {
  std::fill(data.begin(), data.end(), uint8_t(0xff)); // a NaN in every floating-point format
  std::fill(cells.begin(), cells.end(), Cell());
}

/// Whether a warp has read the cell with nothing that orders it before `who`.
bool SharedMemory::readConflicts(const Cell &cell, size_t index, const Accessor &who,
                                 uint32_t &reader) const {
  for (uint32_t others = cell.readers; others != 0; others &= others - 1) {
    reader = static_cast<uint32_t>(std::countr_zero(others));
    if (reads[index * warps + reader].clock > who.clocks.now.of[reader])
      return true;
  }
  return false;
}

/// Why the access of cell `index` is wrong, which it is.
SharedFault SharedMemory::faultAt(Access kind, size_t index, const Accessor &who, unsigned lane,
                                  uint64_t offset) const {
  const Cell &cell = cells[index];
  SharedFault fault{SharedFault::Kind::Unwritten,
                    lane,
                    std::max(offset, uint64_t(index) << cellShift),
                    cell.writer & 31,
                    cell.writer >> 5,
                    Access::Write};
  bool unordered = cell.writeClock > who.clocks.now.of[fault.otherWarp];
  uint32_t reader = 0;
  if (cell.state == InFlight)
    fault.kind = SharedFault::Kind::InFlight;
  else if (cell.state == MBarrier)
    fault.kind = SharedFault::Kind::MBarrier;
  else if (unordered && !(who.strong && cell.strongWrite))
    fault.kind = cell.copied ? SharedFault::Kind::CopyRace : SharedFault::Kind::Race;
  else if (kind != Access::Read && readConflicts(cell, index, who, reader))
    fault = {SharedFault::Kind::Race,          lane,        fault.byte, reader,
             reads[index * warps + reader].pc, Access::Read};
  if (fault.kind == SharedFault::Kind::Race && fault.other == Access::Write && cell.strongWrite)
    fault.other = Access::Atomic;
  return fault;
}

template <Access kKind>
std::optional<SharedFault> SharedMemory::check(const Accessor &who, const uint64_t *offsets,
                                               uint32_t mask, uint32_t bytes) {
  const Clock *now = who.clocks.now.of.data();
  const uint32_t warp = who.clocks.warp, writer = who.pc << 5 | warp;
  for (uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1) {
    unsigned lane = static_cast<unsigned>(std::countr_zero(lanes));
    uint64_t offset = offsets[lane], end = (offset + bytes - 1) >> cellShift;
    for (uint64_t c = offset >> cellShift; c <= end; ++c) {
      Cell &cell = cells[c];
      bool badState = kKind == Access::Write ? cell.state > Unwritten : cell.state != Written;
      bool unordered = cell.writeClock > now[cell.writer & 31] && !(who.strong && cell.strongWrite);
      uint32_t reader;
      if (badState || unordered ||
          (kKind != Access::Read && (cell.readers & ~(1u << warp)) != 0 &&
           readConflicts(cell, c, who, reader)))
        return faultAt(kKind, c, who, lane, offset);
      if (kKind == Access::Read) {
        if (who.strong) // a strong write may follow unordered
          continue;
        cell.readers |= 1u << warp;
        reads[c * warps + warp] = {now[warp], who.pc};
      } else {
        cell = {now[warp], writer, 0, Written, who.strong, false};
      }
    }
  }
  return std::nullopt;
}

std::optional<SharedFault> SharedMemory::access(Access kind, const Accessor &who,
                                                const uint64_t *offsets, uint32_t mask,
                                                uint32_t bytes) {
  switch (kind) {
  case Access::Read:
    return check<Access::Read>(who, offsets, mask, bytes);
  case Access::Write:
    return check<Access::Write>(who, offsets, mask, bytes);
  case Access::Atomic:
    return check<Access::Atomic>(who, offsets, mask, bytes);
  }
  return std::nullopt;
}

void SharedMemory::forget(uint64_t offset, uint32_t bytes) {
  forCells(offset, bytes, [](Cell &cell) { cell.state = Unwritten; });
}

std::optional<SharedFault> SharedMemory::beginCopy(const Accessor &who, unsigned lane,
                                                   uint64_t offset, uint32_t bytes) {
  std::array<uint64_t, 32> offsets{};
  offsets[lane] = offset;
  auto fault = check<Access::Write>(who, offsets.data(), 1u << lane, bytes);
  if (!fault)
    forCells(offset, bytes, [](Cell &cell) { cell.state = InFlight; });
  return fault;
}

void SharedMemory::endCopy(const Accessor &who, uint64_t offset, uint32_t bytes) {
  uint32_t warp = who.clocks.warp;
  Cell landed{who.clocks.now.of[warp], who.pc << 5 | warp, 0, Written, false, true};
  forCells(offset, bytes, [&](Cell &cell) { cell = landed; });
}

std::optional<SharedFault> SharedMemory::checkMBarrier(const Accessor &who, unsigned lane,
                                                       uint64_t offset) const {
  const Cell &cell = cells[offset >> cellShift];
  uint32_t warp = cell.writer & 31;
  if (cell.writeClock <= who.clocks.now.of[warp])
    return std::nullopt;
  return SharedFault{SharedFault::Kind::Race, lane, offset, warp, cell.writer >> 5, Access::Write};
}

void SharedMemory::setMBarrier(const Accessor &who, uint64_t offset, bool exists) {
  uint32_t warp = who.clocks.warp;
  Cell next{
      who.clocks.now.of[warp], who.pc << 5 | warp, 0, exists ? MBarrier : Unwritten, false, false};
  forCells(offset, 8, [&](Cell &cell) { cell = next; });
}

} // namespace attn::emulator
