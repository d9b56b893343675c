//===- KeyStages.h - key and value tiles on their way to shared memory -*- C++ -*-===//
#pragma once

#include "codegen/nvvm/Gather.h"

namespace attn::nvvm {

/// What the loop over key tiles carries for the copies.
struct StageState {
  KeyTile tile;  ///< whose scores are computed
  KeyTile ahead; ///< whose copies are started next
  Value slot;    ///< i32, byte offset of the tile's place from Plan::keyOffset()

  Values flat() const;
  static StageState unflatten(ValueRange &values, unsigned rank);
};

/// Starts the copies of key and value tiles and waits for them.
///
/// With `Plan::stages` above 1, a stage holds the keys and the values of a tile:
///   wait for the oldest stage's tile; barrier; start to copy into the stage that the last step has read
/// The barrier says both that everybody's copies are there and that nobody reads the last step's stage any more.
///
/// Otherwise there are two places for keys and one for values, which are copied while the scores are computed:
///   wait for the keys; barrier; start the values and the next keys; scores; wait for the values; barrier
/// The first barrier also says that the values and the other keys are no longer read.
class KeyStages {
public:
  KeyStages(Emitter &e, const Plan &plan, const Grid &keys, Value shared, Value thread,
            const HeadSlice &key, const HeadSlice &value, BoxWalk &walk)
      : e(e), plan(plan), grid(keys), shared(shared), thread(thread), key(key), value(value),
        walk(walk) {}

  /// Starts the copies that come before the first step. There is a key tile.
  StageState begin();
  /// Groups of copies that begin() leaves under way.
  int groupsAhead() const { return plan.stages > 1 ? plan.stages - 1 : 1; }
  /// Before the scores: the keys of the tile are there, and further copies under way.
  void enterStep(const StageState &state);
  /// Before the product with the values: they are there.
  void enterValues();
  /// Byte offset of the tile's values from Plan::valueOffset().
  Value valueSlot(const StageState &state);
  StageState next(const StageState &state);

private:
  void copyKeys(const KeyTile &tile, Value slot, Value valid);
  void copyValues(const KeyTile &tile, Value slot, Value valid);
  void copyStage(const KeyTile &tile, Value slot);
  Value slotAfter(Value slot);
  Value aheadSlot(const StageState &state);

  Emitter &e;
  const Plan &plan;
  const Grid &grid;
  Value shared, thread;
  HeadSlice key, value;
  BoxWalk &walk;
};

} // namespace attn::nvvm
