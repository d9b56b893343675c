//===- AsyncCopies.cpp ----------------------------------------------------===//
#include "runtime/emulator/AsyncCopies.h"

#include <algorithm>
#include <array>

namespace attn::emulator {

/// Moves the copies of the lanes in `mask` from `from` to the end of `to`, keeping the order.
static void moveLanes(std::vector<AsyncCopy> &from, uint32_t mask, std::vector<AsyncCopy> &to) {
  size_t kept = 0;
  for (const AsyncCopy &copy : from)
    if (mask >> copy.lane & 1)
      to.push_back(copy);
    else
      from[kept++] = copy;
  from.resize(kept);
}

void AsyncCopies::commit(uint32_t mask) {
  Group group{mask, {}};
  moveLanes(open, mask, group.copies);
  groups.push_back(std::move(group));
}

std::vector<AsyncCopy> AsyncCopies::wait(uint32_t mask, uint64_t pending) {
  // From the newest to the oldest, the lanes that have passed over `pending` groups complete the
  // rest.
  std::array<uint64_t, 32> newer{};
  std::vector<uint32_t> done(groups.size());
  for (size_t g = groups.size(); g-- > 0;)
    for (uint32_t lane = 0; lane < 32; ++lane)
      if ((groups[g].lanes & mask) >> lane & 1) {
        done[g] |= uint32_t(newer[lane] >= pending) << lane;
        ++newer[lane];
      }
  std::vector<AsyncCopy> completed;
  for (size_t g = 0; g < groups.size(); ++g) {
    moveLanes(groups[g].copies, done[g], completed);
    groups[g].lanes &= ~done[g];
  }
  while (!groups.empty() && groups.front().lanes == 0)
    groups.pop_front();
  return completed;
}

uint32_t AsyncCopies::lineOf(uint64_t offset) const {
  auto writes = [&](const AsyncCopy &copy) {
    return offset >= copy.target && offset - copy.target < copy.bytes;
  };
  for (const Group &group : groups)
    if (auto found = std::find_if(group.copies.begin(), group.copies.end(), writes);
        found != group.copies.end())
      return found->line;
  auto found = std::find_if(open.begin(), open.end(), writes);
  return found != open.end() ? found->line : 0;
}

} // namespace attn::emulator
