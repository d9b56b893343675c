#include "codegen/nvvm/KeyStages.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn::nvvm {

Values StageState::flat() const {
  Values values = tile.flat();
  llvm::append_range(values, ahead.flat());
  values.push_back(slot);
  return values;
}

StageState StageState::unflatten(ValueRange &values, unsigned rank) {
  size_t size = rank + 1;
  StageState state{KeyTile::unflatten(values.take_front(size)),
                   KeyTile::unflatten(values.slice(size, size)), values[2 * size]};
  values = values.drop_front(2 * size + 1);
  return state;
}

void KeyStages::copyKeys(const KeyTile &tile, Value slot, Value valid) {
  copyTile(e, {grid, plan.keyRows, plan.headDimQk, plan.threads(), thread}, key,
           originOf(e, grid, tile.coords), e.add(e.add(shared, plan.keyOffset()), slot), valid);
}

void KeyStages::copyValues(const KeyTile &tile, Value slot, Value valid) {
  copyTile(e, {grid, plan.keyRows, plan.headDimV, plan.threads(), thread}, value,
           originOf(e, grid, tile.coords), e.add(e.add(shared, plan.valueOffset()), slot), valid);
}

/// A tile beyond the last one is a group of copies all the same, of zeros, so that all steps wait alike.
void KeyStages::copyStage(const KeyTile &tile, Value slot) {
  Value valid = walk.exists(tile);
  copyKeys(tile, slot, valid);
  copyValues(tile, slot, valid);
  e.commitCopies();
}

Value KeyStages::slotAfter(Value slot) {
  if (plan.slots() == 2)
    return e.sub(e.i32(plan.slotBytes()), slot);
  Value after = e.add(slot, plan.slotBytes());
  return e.select(e.equal(after, e.i32(plan.slots() * plan.slotBytes())), e.i32(0), after);
}

/// The slot of the tile before this one, which is the one after it where there are two.
Value KeyStages::aheadSlot(const StageState &state) {
  if (plan.slots() == 2)
    return slotAfter(state.slot);
  Value before = e.add(state.slot, -plan.slotBytes());
  Value last = e.i32((plan.slots() - 1) * plan.slotBytes());
  return e.select(e.equal(state.slot, e.i32(0)), last, before);
}

StageState KeyStages::begin() {
  KeyTile first = walk.first();
  StageState state{first, first, e.i32(0)};
  if (plan.stages == 1) {
    copyKeys(first, state.slot, e.i1(true));
    e.commitCopies();
    state.ahead = walk.next(first);
    return state;
  }
  for (int64_t stage = 0; stage + 1 < plan.stages; ++stage) {
    copyStage(state.ahead, e.i32(stage * plan.slotBytes()));
    state.ahead = walk.next(state.ahead);
  }
  return state;
}

void KeyStages::enterStep(const StageState &state) {
  if (plan.stages > 1) {
    e.awaitCopies(plan.stages - 2);
    e.barrier();
    copyStage(state.ahead, aheadSlot(state));
    return;
  }
  e.awaitCopies(0);
  e.barrier();
  copyValues(state.tile, e.i32(0), e.i1(true));
  e.commitCopies();
  copyKeys(state.ahead, aheadSlot(state), walk.exists(state.ahead));
  e.commitCopies();
}

void KeyStages::enterValues() {
  if (plan.stages > 1)
    return;
  e.awaitCopies(1);
  e.barrier();
}

Value KeyStages::valueSlot(const StageState &state) {
  return plan.stages > 1 ? state.slot : e.i32(0);
}

StageState KeyStages::next(const StageState &state) {
  // Where the tile ahead is the next one, there is no need to find it twice.
  KeyTile tile = plan.stages > 2 ? walk.next(state.tile) : state.ahead;
  return {tile, walk.next(state.ahead), slotAfter(state.slot)};
}

} // namespace attn::nvvm
