//===- AsyncCopies.cpp ----------------------------------------------------===//
#include "runtime/emulator/AsyncCopies.h"

#include <algorithm>
#include <array>

namespace attn::emulator {

/// Moves the copies that `moves` holds for from `from` to the end of `to`, keeping the order.
template <class F>
static void moveIf(std::vector<AsyncCopy> &from, std::vector<AsyncCopy> &to, F moves) {
  size_t kept = 0;
  for (const AsyncCopy &copy : from)
    if (moves(copy))
      to.push_back(copy);
    else
      from[kept++] = copy;
  from.resize(kept);
}
static void moveLanes(std::vector<AsyncCopy> &from, uint32_t mask, std::vector<AsyncCopy> &to) {
  if (mask == 0xffffffff && to.empty())
    return to.swap(from);
  moveIf(from, to, [&](const AsyncCopy &copy) { return mask >> copy.lane & 1; });
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
    if (done[g] == 0)
      continue;
    moveLanes(groups[g].copies, done[g], completed);
    groups[g].lanes &= ~done[g];
  }
  while (!groups.empty() && groups.front().lanes == 0)
    groups.pop_front();
  return completed;
}

std::vector<AsyncCopy> AsyncCopies::takeBefore(uint32_t lane, uint32_t number) {
  std::vector<AsyncCopy> taken;
  auto isEarlier = [&](const AsyncCopy &copy) { return copy.lane == lane && copy.number < number; };
  for (Group &group : groups)
    moveIf(group.copies, taken, isEarlier);
  moveIf(open, taken, isEarlier);
  return taken;
}

} // namespace attn::emulator
