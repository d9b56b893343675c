//===- WarpOps.cpp - shfl, vote, match, redux (PTX ISA 9.7.9, 9.7.13) -----===//
#include "runtime/emulator/Lanes.h"

#include <algorithm>
#include <bit>

namespace attn::emulator {
namespace {

constexpr uint8_t kPredicateFlag = 1, kNegatedFlag = 2;

enum ShuffleMode { Up, Down, Bfly, Idx };

/// The lane that `lane` reads, and whether it is in range; else the lane reads itself. `c` holds
/// the clamp value in bits 4:0 and the mask that splits the warp into segments in bits 12:8.
std::pair<unsigned, bool> shuffleSource(ShuffleMode mode, unsigned lane, uint32_t b, uint32_t c) {
  int offset = static_cast<int>(b & 31), self = static_cast<int>(lane);
  uint32_t segment = c >> 8 & 31;
  int last = static_cast<int>((lane & segment) | (c & 31 & ~segment));
  int first = static_cast<int>(lane & segment);
  int from = self;
  switch (mode) {
  case Up:
    from = self - offset;
    break;
  case Down:
    from = self + offset;
    break;
  case Bfly:
    from = self ^ offset;
    break;
  case Idx:
    from = first | static_cast<int>(b & 31 & ~segment);
    break;
  }
  bool inRange = mode == Up ? from >= last : from <= last;
  return {static_cast<unsigned>(inRange ? from : self), inRange};
}

template <ShuffleMode kMode> void shuffle(Warp &warp, const Inst &inst, uint32_t mask) {
  const Place &value = inst.source(0);
  if (!warp.checkMembers(inst, inst.source(3), mask) ||
      !warp.checkWritten(inst, inst.source(1), mask, "the lane") ||
      !warp.checkWritten(inst, inst.source(2), mask, "the clamp"))
    return;
  const uint32_t *a = warp.words(value), *b = warp.words(inst.source(1)),
                 *c = warp.words(inst.source(2));
  uint32_t result[kLanes], inRange = 0, poison = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    auto [from, valid] = shuffleSource(kMode, lane, b[lane], c[lane]);
    result[lane] = a[from];
    inRange |= uint32_t(valid) << lane;
    // What a lane that is not here holds is undefined.
    poison |= ((warp.poison(value) | ~mask) >> from & 1) << lane;
  }
  warp.store(inst.places[0], result, mask);
  warp.setPoison(inst.places[0], poison, mask);
  if (inst.flags & kPredicateFlag) {
    warp.storePredicate(inst.places[1], inRange, mask);
    warp.setPoison(inst.places[1], 0, mask);
  }
}

ExecFn decodeShuffle(InstDecoder &decoder) {
  decoder.expectOneOf({"sync"});
  int mode = decoder.expectOneOf({"up", "down", "bfly", "idx"});
  decoder.takeType({Type::B32});
  if (decoder.writeWithPredicate(Type::B32))
    decoder.inst.flags |= kPredicateFlag;
  for (int i = 0; i < 4; ++i)
    decoder.read(Type::B32);
  decoder.inst.poisonRule = PoisonRule::Operation;
  constexpr ExecFn kForms[] = {shuffle<Up>, shuffle<Down>, shuffle<Bfly>, shuffle<Idx>};
  return kForms[mode];
}

/// Poison of any lane reaches all.
void spreadAcross(Warp &warp, const Inst &inst, const Place &value, uint32_t mask) {
  bool bad = (warp.poison(value) & mask) != 0;
  for (unsigned i = 0; i < inst.destinations; ++i)
    warp.setPoison(inst.places[i], bad ? kAllLanes : 0, mask);
}

enum VoteMode { All, Any, Uni, Ballot };
void vote(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!warp.checkMembers(inst, inst.source(1), mask))
    return;
  uint32_t p = warp.predicate(inst.source(0));
  p = (inst.flags & kNegatedFlag ? ~p : p) & mask;
  spreadAcross(warp, inst, inst.source(0), mask);
  if (inst.extra == Ballot) {
    uint32_t result[kLanes];
    std::fill_n(result, kLanes, p);
    return warp.store(inst.places[0], result, mask);
  }
  bool result = inst.extra == All ? p == mask : inst.extra == Any ? p != 0 : p == 0 || p == mask;
  warp.storePredicate(inst.places[0], result ? kAllLanes : 0, mask);
}
ExecFn decodeVote(InstDecoder &decoder) {
  decoder.expectOneOf({"sync"});
  decoder.inst.extra = static_cast<uint32_t>(decoder.expectOneOf({"all", "any", "uni", "ballot"}));
  bool ballot = decoder.inst.extra == Ballot;
  decoder.takeType({ballot ? Type::B32 : Type::Pred});
  decoder.write(ballot ? Type::B32 : Type::Pred);
  decoder.readPredicate(kNegatedFlag);
  decoder.read(Type::B32);
  decoder.inst.poisonRule = PoisonRule::Operation;
  return vote;
}

/// The lanes with the same value; all: all lanes if all have one value, else none.
template <class S, bool kAll> void match(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!warp.checkMembers(inst, inst.source(1), mask))
    return;
  const S *a = warp.lanes<S>(inst.source(0));
  uint32_t result[kLanes];
  bool same = true;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    result[lane] = 0;
    for (unsigned other = 0; other < kLanes; ++other)
      result[lane] |= uint32_t((mask >> other & 1) && a[lane] == a[other]) << other;
    same &= (mask >> lane & 1) == 0 || result[lane] == mask;
  }
  spreadAcross(warp, inst, inst.source(0), mask);
  if (kAll)
    std::fill_n(result, kLanes, same ? mask : 0);
  warp.store(inst.places[0], result, mask);
  if (inst.flags & kPredicateFlag)
    warp.storePredicate(inst.places[1], same ? kAllLanes : 0, mask);
}
ExecFn decodeMatch(InstDecoder &decoder) {
  bool all = decoder.expectOneOf({"any", "all"}) == 1;
  decoder.expectOneOf({"sync"});
  Type type = decoder.takeType({Type::B32, Type::B64});
  if (decoder.writeWithPredicate(Type::B32))
    decoder.inst.flags |= kPredicateFlag;
  if (!all && decoder.inst.flags)
    decoder.fail("match.any has no predicate");
  decoder.read(type);
  decoder.read(Type::B32);
  decoder.inst.poisonRule = PoisonRule::Operation;
  if (type == Type::B32)
    return all ? match<uint32_t, true> : match<uint32_t, false>;
  return all ? match<uint64_t, true> : match<uint64_t, false>;
}

enum Reduction { RedAdd, RedMin, RedMax, RedAnd, RedOr, RedXor };
template <class T> T reduce(uint32_t operation, T a, T b) {
  switch (operation) {
  case RedAdd:
    return static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
  case RedMin:
    return std::min(a, b);
  case RedMax:
    return std::max(a, b);
  case RedAnd:
    return a & b;
  case RedOr:
    return a | b;
  default:
    return a ^ b;
  }
}
template <class T> void redux(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!warp.checkMembers(inst, inst.source(1), mask))
    return;
  const uint32_t *a = warp.words(inst.source(0));
  unsigned first = static_cast<unsigned>(std::countr_zero(mask));
  T total = static_cast<T>(a[first]);
  for (unsigned lane = first + 1; lane < kLanes; ++lane)
    if (mask >> lane & 1)
      total = reduce(inst.extra, total, static_cast<T>(a[lane]));
  spreadAcross(warp, inst, inst.source(0), mask);
  uint32_t result[kLanes];
  std::fill_n(result, kLanes, static_cast<uint32_t>(total));
  warp.store(inst.places[0], result, mask);
}
ExecFn decodeRedux(InstDecoder &decoder) {
  decoder.expectOneOf({"sync"});
  uint32_t operation =
      static_cast<uint32_t>(decoder.expectOneOf({"add", "min", "max", "and", "or", "xor"}));
  decoder.inst.extra = operation;
  Type type = operation <= RedMax ? decoder.takeType({Type::U32, Type::S32})
                                  : decoder.takeType({Type::B32});
  sameType(decoder, type, 1);
  decoder.read(Type::B32);
  decoder.inst.poisonRule = PoisonRule::Operation;
  return type == Type::S32 ? redux<int32_t> : redux<uint32_t>;
}

void activeMask(Warp &warp, const Inst &inst, uint32_t mask) {
  uint32_t result[kLanes];
  std::fill_n(result, kLanes, mask);
  warp.store(inst.places[0], result, mask);
}
ExecFn decodeActiveMask(InstDecoder &decoder) {
  decoder.takeType({Type::B32});
  decoder.write(Type::B32);
  return activeMask;
}

/// elect.sync d|p, members: the lowest member is the leader, d its number, p true in it alone.
void elect(Warp &warp, const Inst &inst, uint32_t mask) {
  if (!warp.checkMembers(inst, inst.source(0), mask))
    return;
  uint32_t leader = static_cast<uint32_t>(std::countr_zero(mask));
  uint32_t result[kLanes];
  std::fill_n(result, kLanes, leader);
  warp.store(inst.places[0], result, mask);
  if (inst.flags & kPredicateFlag)
    warp.storePredicate(inst.places[1], 1u << leader, mask);
}
ExecFn decodeElect(InstDecoder &decoder) {
  decoder.expectOneOf({"sync"});
  if (decoder.writeWithPredicate(Type::B32))
    decoder.inst.flags |= kPredicateFlag;
  decoder.read(Type::B32);
  return elect;
}

constexpr OpRow kRows[] = {
    {"shfl", TypeClass::Any, InstClass::Warp, decodeShuffle},
    {"vote", TypeClass::Any, InstClass::Warp, decodeVote},
    {"match", TypeClass::Any, InstClass::Warp, decodeMatch},
    {"redux", TypeClass::Any, InstClass::Warp, decodeRedux},
    {"activemask", TypeClass::Any, InstClass::Warp, decodeActiveMask},
    {"elect", TypeClass::Any, InstClass::Warp, decodeElect},
};

} // namespace

std::span<const OpRow> warpOps() { return kRows; }

} // namespace attn::emulator
