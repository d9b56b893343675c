#include "codegen/cpu/Masks.h"

using namespace mlir;

namespace attn::cpu {

ElementRegion MaskEmitter::regionOf(Block &formula) {
  SmallVector<unsigned> queryArguments, keyArguments;
  for (unsigned d = 0; d < op.getRank(); ++d) {
    queryArguments.push_back(queryArgument(d));
    keyArguments.push_back(keyArgument(d));
  }
  return ElementRegion(e, launch, formula, queryArguments, keyArguments);
}

void MaskEmitter::enterTile(ElementRegion &region, const MaskPlace &place) {
  region.bind(0, place.batch);
  region.bind(1, place.head);
  region.bind(2 + 2 * op.getRank(), place.listed);
  region.emitTileLevel();
}

void MaskEmitter::enterQueries(ElementRegion &region, Value row) {
  for (unsigned d = 0; d < op.getRank(); ++d)
    region.bind(queryArgument(d), tiles.queryCoordinates(d, row));
  region.emitQueryLevel();
}

void MaskEmitter::enterKey(ElementRegion &region, Value key) {
  for (unsigned d = 0; d < op.getRank(); ++d)
    region.bind(keyArgument(d), tiles.keyCoordinate(d, key));
  region.emitKeyLevel();
}

void MaskEmitter::hide(Block &formula, const MaskPlace &place, Range keys) {
  ElementRegion region = regionOf(formula);
  enterTile(region, place);
  Type f32 = e.b.getF32Type();
  Value hidden = e.splat(e.negativeInfinity()), scores = e.atByte(memory, scratch.scores);
  e.loop(0, scratch.columns, e.machine.width, [&](Value column) {
    enterQueries(region, e.add(place.block, column));
    e.loop(keys.from, keys.to, e.i64(1), [&](Value key) {
      enterKey(region, key);
      Value target = e.at(scores, f32, e.add(e.mul(key, e.i64(scratch.columns)), column));
      e.store(e.select(region.result(), e.load(e.vec(f32), target), hidden), target);
    });
  });
}

void MaskEmitter::findVisible(Block &formula, const MaskPlace &place) {
  ElementRegion region = regionOf(formula);
  enterTile(region, place);
  const int64_t step = scratch.rowsAtOnce;
  SmallVector<Value> ends{e.i64(scratch.keyRows), e.i64(0)};
  ends = e.loopCarrying(
      e.i64(0), e.i64(scratch.columns), e.i64(e.machine.width), ends, [&](Value column, ValueRange outer) {
        enterQueries(region, e.add(place.block, column));
        return e.loopCarrying(
            e.i64(0), e.i64(scratch.keyRows), e.i64(1), outer,
            [&](Value key, ValueRange carried) -> SmallVector<Value> {
              enterKey(region, key);
              Value isSeen =
                  vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::OR, region.result());
              Value from = arith::MinSIOp::create(e.b, e.loc, carried[0], key);
              Value to = arith::MaxSIOp::create(e.b, e.loc, carried[1], e.add(key, e.i64(1)));
              return {e.select(isSeen, from, carried[0]), e.select(isSeen, to, carried[1])};
            });
      });
  auto inSteps = [&](Value key) { return e.mul(e.div(key, e.i64(step)), e.i64(step)); };
  Value none = e.equal(ends[1], e.i64(0)), all = e.i64(scratch.paddedKeys);
  e.store(e.select(none, all, inSteps(ends[0])), e.atByte(memory, scratch.visible));
  e.store(e.select(none, all, inSteps(e.add(ends[1], e.i64(step - 1)))),
          e.atByte(memory, scratch.visible + 8));
}

Range MaskEmitter::visible() {
  Type i64 = e.b.getI64Type();
  return {e.load(i64, e.atByte(memory, scratch.visible)),
          e.load(i64, e.atByte(memory, scratch.visible + 8))};
}

} // namespace attn::cpu
