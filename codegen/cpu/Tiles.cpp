#include "codegen/cpu/Tiles.h"

using namespace mlir;

namespace attn::cpu {

Tiles::Tiles(Emitter &emitter, tile::AttentionOp op, const Scratch &scratch, Value args,
             Value memory)
    : e(emitter), op(op), scratch(scratch), args(args), memory(memory), rank(op.getRank()),
      f32(e.b.getF32Type()), i32(e.b.getI32Type()), i64(e.b.getI64Type()) {
  auto length = [&](size_t field) { return e.toI64(e.argument(args, i32, field)); };
  for (unsigned d = 0; d < rank; ++d) {
    keyLengths.push_back(length(offsetof(KernelArgs, dims) + 4 * d));
    // Layouts of several dimensions are shared by queries and keys.
    queryLengths.push_back(rank > 1 ? keyLengths.back()
                                    : length(offsetof(KernelArgs, numQueries)));
  }
  if (op.isBounded()) {
    queryCount = length(offsetof(KernelArgs, numQueries));
    keyCount = length(offsetof(KernelArgs, numKeys));
  }
}

SmallVector<Value> Tiles::originOf(Value number, ArrayRef<int64_t> tile, ArrayRef<Value> lengths) {
  SmallVector<Value> origin(rank);
  for (int d = rank - 1; d >= 0; --d) {
    Value coordinate = number;
    if (d > 0) {
      Value count = e.div(e.add(lengths[d], e.i64(tile[d] - 1)), e.i64(tile[d]));
      coordinate = e.rem(number, count);
      number = e.div(number, count);
    }
    origin[d] = e.mul(coordinate, e.i64(tile[d]));
  }
  return origin;
}

RowPosition Tiles::rowOf(Value row, ArrayRef<Value> origin, ArrayRef<int64_t> tile,
                         ArrayRef<Value> lengths, Value count) {
  RowPosition result;
  result.coords.resize(rank);
  Value rest = row;
  for (int d = rank - 1; d >= 0; --d) {
    Value local = d > 0 ? e.rem(rest, e.i64(tile[d])) : rest;
    rest = d > 0 ? e.div(rest, e.i64(tile[d])) : rest;
    result.coords[d] = e.add(origin[d], local);
  }
  for (unsigned d = 0; d < rank; ++d) {
    Value here = e.lessThan(result.coords[d], lengths[d]);
    result.inside = d ? e.both(result.inside, here) : here;
    result.position = d ? e.add(e.mul(result.position, lengths[d]), result.coords[d])
                        : result.coords[d];
  }
  if (count)
    result.inside = e.both(result.inside, e.lessThan(result.position, count));
  return result;
}

Value Tiles::enterQueryTile(Value number) {
  ArrayRef<int64_t> tile = op.getQueryTile();
  queryOrigin = originOf(number, tile, queryLengths);
  int64_t inner = scratch.queryRows / tile[0];
  Value left = e.mul(e.sub(queryLengths[0], queryOrigin[0]), e.i64(inner));
  Value rows = arith::MinSIOp::create(e.b, e.loc, left, e.i64(scratch.queryRows));
  Value blocking = e.i64(e.machine.rows);
  return e.mul(e.div(e.add(rows, e.i64(e.machine.rows - 1)), blocking), blocking);
}

RowPosition Tiles::queryRow(Value row) {
  return rowOf(row, queryOrigin, op.getQueryTile(), queryLengths, queryCount);
}

RowPosition Tiles::keyRow(Value row) {
  return rowOf(row, keyOrigin, op.getKeyTile(), keyLengths, keyCount);
}

//===----------------------------------------------------------------------===//
// The tile map
//===----------------------------------------------------------------------===//

/// Word `index` of the box at `entry`, as an i32 (KernelArgs::boxes).
Value Tiles::boxWord(Value entry, int64_t index) {
  if (rank == 1)
    return e.load(i32, e.at(entry, i32, e.i64(index)));
  Type i16 = e.b.getI16Type();
  return arith::ExtUIOp::create(e.b, e.loc, i32, e.load(i16, e.at(entry, i16, e.i64(index))));
}

void Tiles::forKeyTiles(Value batch, Value head, Value queryTile,
                        llvm::function_ref<void(const VisitedTile &)> body) {
  Value heads = e.i64(op.getQuery().getType().getDimSize(1));
  Value maps = e.argument(args, e.ptr(), offsetof(KernelArgs, mapOfHead));
  Value map = e.toI64(e.load(i32, e.at(maps, i32, e.add(e.mul(batch, heads), head))));
  Value count = e.toI64(e.argument(args, i32, offsetof(KernelArgs, queryTiles)));
  Value offsets = e.argument(args, e.ptr(), offsetof(KernelArgs, mapOffsets));
  Value row = e.add(e.mul(map, e.add(count, e.i64(1))), queryTile);
  Value first = e.load(i64, e.at(offsets, i64, row));
  Value last = e.load(i64, e.at(offsets, i64, e.add(row, e.i64(1))));
  Value boxes = e.argument(args, e.ptr(), offsetof(KernelArgs, boxes));
  e.loop(first, last, e.i64(1), [&](Value box) {
    Type word = rank == 1 ? i32 : Type(e.b.getI16Type());
    Value entry = e.at(boxes, word, e.mul(box, e.i64(2 * rank + 1)));
    Value flags = boxWord(entry, 2 * rank);
    Value partial = e.equal(e.both(flags, e.i32(1)), e.i32(0));
    Value listed = arith::ShRUIOp::create(e.b, e.loc, flags, e.i32(1));
    keyOrigin.assign(rank, Value());
    nestBoxes(0, entry, e.i64(0), [&](Value number) {
      fillKeyCoordinates();
      body({e.toI32(number), partial, listed});
    });
  });
}

/// One loop per dimension of the box; `number` is the row-major tile number so far.
void Tiles::nestBoxes(unsigned dim, Value entry, Value number,
                      llvm::function_ref<void(Value)> body) {
  if (dim == rank)
    return body(number);
  int64_t extent = op.getKeyTile()[dim];
  auto bound = [&](int64_t index) { return e.toI64(boxWord(entry, index)); };
  Value tiles = e.div(e.add(keyLengths[dim], e.i64(extent - 1)), e.i64(extent));
  e.loop(bound(dim), bound(rank + dim), e.i64(1), [&](Value coordinate) {
    keyOrigin[dim] = e.mul(coordinate, e.i64(extent));
    nestBoxes(dim + 1, entry, e.add(e.mul(number, tiles), coordinate), body);
  });
}

void Tiles::fillKeyCoordinates() {
  Value base = e.atByte(memory, scratch.keyCoords);
  e.loop(0, scratch.paddedKeys, 1, [&](Value row) {
    RowPosition position = keyRow(row);
    auto put = [&](int64_t d, Value value) {
      e.store(e.toI32(value), e.at(base, i32, e.add(e.i64(d * scratch.paddedKeys), row)));
    };
    for (unsigned d = 0; d < rank; ++d)
      put(d, position.coords[d]);
    put(rank, position.position);
  });
}

Value Tiles::keyCoordinate(int64_t d, Value column) {
  Value base = e.atByte(memory, scratch.keyCoords);
  return e.load(e.vec(i32), e.at(base, i32, e.add(e.i64(d * scratch.paddedKeys), column)));
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Value Tiles::rowAddress(size_t pointer, size_t strides, Type element, Value batch, Value head,
                        Value token) {
  Value offset = e.i64(0);
  Value indices[] = {batch, head, token};
  for (auto [d, index] : llvm::enumerate(indices))
    offset = e.add(offset, e.mul(index, e.argument(args, i64, strides + 8 * d)));
  return e.at(e.argument(args, e.ptr(), pointer), element, offset);
}

void Tiles::forElements(int64_t headDim, llvm::function_ref<void(Value, bool)> body) {
  int64_t whole = headDim / e.machine.width * e.machine.width;
  e.loop(0, whole, e.machine.width, [&](Value d) { body(d, true); });
  if (whole < headDim)
    e.loop(whole, headDim, 1, [&](Value d) { body(d, false); });
}

void Tiles::loadQuery(Value batch, Value head, float scale) {
  Type element = op.getQuery().getType().getElementType();
  Value base = e.atByte(memory, scratch.query);
  e.loop(0, scratch.paddedQueries, 1, [&](Value row) {
    RowPosition position = queryRow(row);
    Value inside = e.both(position.inside, e.lessThan(row, e.i64(scratch.queryRows)));
    auto target = [&](Value d) {
      return e.at(base, f32, e.add(e.mul(row, e.i64(scratch.headDimQk)), d));
    };
    e.loop(0, scratch.headDimQk, 1, [&](Value d) { e.store(e.f32(0), target(d)); });
    e.when(inside, [&] {
      Value source = rowAddress(offsetof(KernelArgs, q), offsetof(KernelArgs, qStride), element,
                                batch, head, position.position);
      forElements(scratch.headDimQk, [&](Value d, bool vector) {
        Value x = emitLoadAsF32(e, e.at(source, element, d), element, vector);
        Value factor = vector ? e.splat(e.f32(scale)) : e.f32(scale);
        e.store(e.mulF(x, factor), target(d));
      });
    });
  });
}

void Tiles::loadKeys(Value batch, Value head) {
  Type element = op.getKey().getType().getElementType();
  Value base = e.atByte(memory, scratch.keyPanel);
  auto target = [&](Value d, Value row) {
    return e.at(base, f32, e.add(e.mul(d, e.i64(scratch.paddedKeys)), row));
  };
  e.loop(0, scratch.paddedKeys, 1, [&](Value row) {
    RowPosition position = keyRow(row);
    Value inside = e.both(position.inside, e.lessThan(row, e.i64(scratch.keyRows)));
    auto branch = scf::IfOp::create(e.b, e.loc, inside, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPoint(branch.elseBlock()->getTerminator());
    e.loop(0, scratch.headDimQk, 1, [&](Value d) { e.store(e.f32(0), target(d, row)); });
    e.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    Value source = rowAddress(offsetof(KernelArgs, k), offsetof(KernelArgs, kStride), element,
                              batch, head, position.position);
    forElements(scratch.headDimQk, [&](Value d, bool vector) {
      Value x = emitLoadAsF32(e, e.at(source, element, d), element, vector);
      if (!vector)
        return e.store(x, target(d, row));
      // Transposed: the panel's columns are keys.
      for (int64_t lane = 0; lane < e.machine.width; ++lane)
        e.store(vector::ExtractOp::create(e.b, e.loc, x, lane),
                target(e.add(d, e.i64(lane)), row));
    });
  });
}

void Tiles::loadValues(Value batch, Value head) {
  Type element = op.getValue().getType().getElementType();
  Value base = e.atByte(memory, scratch.value);
  e.loop(0, scratch.keyRows, 1, [&](Value row) {
    RowPosition position = keyRow(row);
    auto target = [&](Value d) {
      return e.at(base, f32, e.add(e.mul(row, e.i64(scratch.paddedDv)), d));
    };
    Value zero = e.splat(e.f32(0));
    e.loop(0, scratch.paddedDv, e.machine.width, [&](Value d) { e.store(zero, target(d)); });
    e.when(position.inside, [&] {
      Value source = rowAddress(offsetof(KernelArgs, v), offsetof(KernelArgs, vStride), element,
                                batch, head, position.position);
      forElements(scratch.headDimV, [&](Value d, bool vector) {
        e.store(emitLoadAsF32(e, e.at(source, element, d), element, vector), target(d));
      });
    });
  });
}

void Tiles::storeLse(Value batch, Value head, Value token, Value lse) {
  e.store(lse, rowAddress(offsetof(KernelArgs, lse), offsetof(KernelArgs, lseStride), f32,
                          e.toI64(batch), e.toI64(head), token));
}

void Tiles::storeOutput(Value batch, Value head, Value token, Value scale,
                        llvm::function_ref<Value(Value, bool)> read) {
  Type element = op.getOutput().getType().getElementType();
  Value target = rowAddress(offsetof(KernelArgs, o), offsetof(KernelArgs, oStride), element,
                            e.toI64(batch), e.toI64(head), token);
  forElements(scratch.headDimV, [&](Value d, bool vector) {
    Value factor = vector ? e.splat(scale) : scale;
    emitStoreFromF32(e, e.mulF(read(d, vector), factor), e.at(target, element, d), element);
  });
}

} // namespace attn::cpu
