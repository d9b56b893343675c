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
  Value block = e.i64(scratch.columns);
  queryRows = op.getPackedHeads() > 1 // The rows of a head that do not exist lie in between.
                  ? e.i64(scratch.paddedQueries)
                  : e.mul(e.div(e.add(rows, e.i64(scratch.columns - 1)), block), block);
  // What stands in for rows outside the layout.
  e.loop(0, std::max(scratch.headDimQk, scratch.headDimV), 1, [&](Value d) {
    e.store(e.f32(0), e.at(e.atByte(memory, scratch.zeros), f32, d));
  });
  auto fill = [&](bool inPlace, int64_t table, int64_t rows, int64_t stride) {
    if (!inPlace)
      fillTable(table, [&](Value row) {
        return e.at(e.atByte(memory, rows), f32, e.mul(row, e.i64(stride)));
      });
  };
  if (scratch.tileProducts)
    return queryRows;
  fill(scratch.keysInPlace, scratch.keyTable, scratch.keys, scratch.keyStride);
  fill(scratch.valuesInPlace, scratch.valueTable, scratch.values, scratch.valueStride);
  return queryRows;
}

Value Tiles::headOf(Value head, Value row) {
  return op.getPackedHeads() > 1 ? e.add(head, e.div(row, e.i64(op.getQueryRows()))) : head;
}

RowPosition Tiles::queryRow(Value row) {
  Value inHead = op.getPackedHeads() > 1 ? e.rem(row, e.i64(op.getQueryRows())) : row;
  RowPosition position = rowOf(inHead, queryOrigin, op.getQueryTile(), queryLengths, queryCount);
  if (scratch.paddedQueries != scratch.queryRows)
    position.inside = e.both(position.inside, e.lessThan(row, e.i64(scratch.queryRows)));
  return position;
}

RowPosition Tiles::keyRow(Value row, ArrayRef<Value> origin) {
  RowPosition position = rowOf(row, origin, op.getKeyTile(), keyLengths, keyCount);
  position.inside = e.both(position.inside, e.lessThan(row, e.i64(scratch.keyRows)));
  return position;
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

void Tiles::forKeyTiles(Value batch, Value head, Value queryTile, Value split, Value splits,
                        llvm::function_ref<void(const VisitedTile &)> body) {
  Value heads = e.i64(op.getQuery().getType().getDimSize(1));
  Value maps = e.argument(args, e.ptr(), offsetof(KernelArgs, mapOfHead));
  Value map = e.toI64(e.load(i32, e.at(maps, i32, e.add(e.mul(batch, heads), head))));
  Value count = e.toI64(e.argument(args, i32, offsetof(KernelArgs, queryTiles)));
  Value offsets = e.argument(args, e.ptr(), offsetof(KernelArgs, mapOffsets));
  Value part = e.add(e.mul(queryTile, splits), split);
  Value row = e.add(e.mul(map, e.add(e.mul(count, splits), e.i64(1))), part);
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
      guessNextTile(entry);
      body({e.toI32(number), partial, listed});
    });
  });
}

/// The next one in the innermost dimension, or the first of its next row.
void Tiles::guessNextTile(Value entry) {
  int inner = rank - 1;
  auto extent = [&](int dim) { return e.i64(op.getKeyTile()[dim]); };
  auto edge = [&](int64_t index, int dim) { return e.mul(e.toI64(boxWord(entry, index)), extent(dim)); };
  nextOrigin = keyOrigin;
  nextOrigin[inner] = e.add(keyOrigin[inner], extent(inner));
  if (rank == 1)
    return;
  Value same = e.lessThan(nextOrigin[inner], edge(rank + inner, inner));
  nextOrigin[inner] = e.select(same, nextOrigin[inner], edge(inner, inner));
  nextOrigin[inner - 1] = e.select(same, keyOrigin[inner - 1],
                                   e.add(keyOrigin[inner - 1], extent(inner - 1)));
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

void Tiles::fillCoordinates(int64_t offset, int64_t rows, PositionOf positionOf) {
  e.loop(0, rows, 1, [&](Value row) {
    RowPosition position = positionOf(row);
    for (unsigned d = 0; d < rank; ++d)
      e.store(e.toI32(position.coords[d]), coordinateAddress(offset, rows, d, row));
    e.store(e.toI32(position.position), coordinateAddress(offset, rows, rank, row));
  });
}

void Tiles::fillQueryCoordinates() {
  fillCoordinates(scratch.queryCoords, scratch.paddedQueries,
                  [&](Value row) { return queryRow(row); });
}

void Tiles::fillKeyCoordinates() {
  fillCoordinates(scratch.keyCoords, scratch.paddedKeys, [&](Value row) { return keyRow(row); });
}

Value Tiles::coordinateAddress(int64_t offset, int64_t rows, int64_t d, Value row) {
  return e.at(e.atByte(memory, offset + 4 * d * rows), i32, row);
}

Value Tiles::queryCoordinates(int64_t d, Value row) {
  return e.load(e.vec(i32), coordinateAddress(scratch.queryCoords, scratch.paddedQueries, d, row));
}

Value Tiles::keyCoordinate(int64_t d, Value row) {
  return e.load(i32, coordinateAddress(scratch.keyCoords, scratch.paddedKeys, d, row));
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Value Tiles::rowAddress(const TensorFields &tensor, Value batch, Value head, Value token) {
  Value offset = e.i64(0);
  Value indices[] = {batch, head, token};
  for (auto [d, index] : llvm::enumerate(indices))
    offset = e.add(offset, e.mul(index, e.argument(args, i64, tensor.strides + 8 * d)));
  return e.at(e.argument(args, e.ptr(), tensor.pointer), tensor.element, offset);
}

Value Tiles::sourceOf(const TensorFields &tensor, Value batch, Value head,
                      const RowPosition &row) {
  return e.select(row.inside, rowAddress(tensor, batch, head, row.position),
                  e.atByte(memory, scratch.zeros));
}

void Tiles::forElements(int64_t headDim, llvm::function_ref<void(Value, bool)> body) {
  int64_t whole = headDim / e.machine.width * e.machine.width;
  e.loop(0, whole, e.machine.width, [&](Value d) { body(d, true); });
  if (whole < headDim)
    e.loop(whole, headDim, 1, [&](Value d) { body(d, false); });
}

void Tiles::loadRows(Type element, int64_t headDim, Value rows,
                     llvm::function_ref<Value(Value row)> sourceOf, Value target, int64_t stride) {
  e.loop(e.i64(0), rows, e.i64(1), [&](Value row) {
    Value source = sourceOf(row);
    Value to = e.at(target, f32, e.mul(row, e.i64(stride)));
    if (scratch.pairs)
      return copyPairs(source, to, headDim);
    forElements(headDim, [&](Value d, bool vector) {
      Value address = e.at(source, element, d);
      e.store(emitLoadAsF32(e, address, element, vector), e.at(to, f32, d));
    });
  });
}

void Tiles::copyPairs(Value source, Value target, int64_t headDim) {
  Type half = e.b.getI16Type();
  auto copy = [&](Type type, Value d) {
    e.store(e.load(type, e.at(source, half, d)), e.at(target, half, d));
  };
  int64_t width = 2 * e.machine.width, whole = headDim / width * width;
  e.loop(0, whole, width, [&](Value d) { copy(VectorType::get({width}, half), d); });
  e.loop(whole, headDim, 1, [&](Value d) { copy(half, d); });
  // Queries and keys are as deep.
  int64_t padding = 2 * scratch.depthQk - headDim;
  if (padding > 0) {
    auto type = VectorType::get({padding}, half);
    Value zeros = arith::ConstantOp::create(e.b, e.loc, DenseElementsAttr::get(type, APInt(16, 0)));
    e.store(zeros, e.at(target, half, e.i64(headDim)));
  }
}

void Tiles::loadValuePairs(Value batch, Value head) {
  Type half = e.b.getI16Type();
  e.loop(0, scratch.depthKeys, 1, [&](Value pair) {
    Value sources[2];
    for (int64_t i = 0; i < 2; ++i)
      sources[i] = sourceOf(valueFields(), batch, head, keyRow(e.add(e.mul(pair, e.i64(2)), e.i64(i))));
    Value target = e.at(e.atByte(memory, scratch.values), i32,
                        e.mul(pair, e.i64(scratch.valueStride)));
    forElements(scratch.headDimV, [&](Value d, bool vector) {
      Type wide = vector ? Type(e.vec(i32)) : i32;
      auto load = [&](Value source) {
        Value x = e.load(vector ? Type(e.vec(half)) : half, e.at(source, half, d));
        return arith::ExtUIOp::create(e.b, e.loc, wide, x).getResult();
      };
      Value shift = vector ? e.splat(e.i32(16)) : e.i32(16);
      Value high = arith::ShLIOp::create(e.b, e.loc, load(sources[1]), shift);
      e.store(arith::OrIOp::create(e.b, e.loc, load(sources[0]), high), e.at(target, i32, d));
    });
  });
}

void Tiles::turnValues() {
  constexpr int64_t kSide = 32;
  int64_t whole = scratch.headDimV / kSide * kSide;
  e.loop(0, scratch.paddedKeys, kSide, [&](Value key) {
    e.loop(0, whole, kSide, [&](Value d) { turnBlock(key, d, kSide); });
    if (whole < scratch.headDimV)
      turnBlock(key, e.i64(whole), scratch.headDimV - whole);
  });
}

/// 32 keys by 32 elements, of which a row has `elements`: pairs of keys first, by shifts, then the rows of
/// pairs become columns. Those of even elements and those of odd ones take turns, so that there is one copy
/// of the shuffles, which LLVM is slow with.
void Tiles::turnBlock(Value key, Value d, int64_t elements) {
  const int64_t width = e.machine.width;
  Type half = e.b.getI16Type();
  Value table = e.atByte(memory, scratch.valueTable), target = e.atByte(memory, scratch.values);
  auto wideType = VectorType::get({2 * width}, half);
  auto rowOfKey = [&](int64_t i) -> Value {
    Value address = e.load(e.ptr(), e.at(table, e.ptr(), e.add(key, e.i64(i))));
    Value row = e.load(VectorType::get({elements}, half), e.at(address, half, d));
    if (elements < 2 * width) {
      Value zeros = arith::ConstantOp::create(e.b, e.loc, DenseElementsAttr::get(wideType, APInt(16, 0)));
      row = vector::InsertStridedSliceOp::create(e.b, e.loc, row, zeros, ArrayRef<int64_t>{0},
                                                 ArrayRef<int64_t>{1});
    }
    return LLVM::BitcastOp::create(e.b, e.loc, e.vec(i32), row);
  };
  Value left = e.splat(e.i32(16)), low = e.splat(e.i32(0xffff)), column = e.div(key, e.i64(2));
  e.loop(0, 2, 1, [&](Value parity) {
    Value right = e.splat(e.mul(e.toI32(parity), e.i32(16)));
    auto elementsOf = [&](int64_t i) -> Value {
      return arith::ShRUIOp::create(e.b, e.loc, rowOfKey(i), right);
    };
    SmallVector<Value> pairs;
    for (int64_t i = 0; i < width; ++i)
      pairs.push_back(arith::OrIOp::create(e.b, e.loc, e.both(elementsOf(2 * i), low),
                                           arith::ShLIOp::create(e.b, e.loc, elementsOf(2 * i + 1), left)));
    for (auto [i, row] : llvm::enumerate(emitTransposed(e, pairs))) {
      Value line = e.add(e.add(d, parity), e.i64(int64_t(2 * i)));
      e.store(row, e.at(target, i32, e.add(e.mul(line, e.i64(scratch.turnedStride)), column)));
    }
  });
}

void Tiles::loadQuery(Value batch, Value head) {
  Value staging = e.atByte(memory, scratch.staging), panel = e.atByte(memory, scratch.query);
  TensorFields tensor{offsetof(KernelArgs, q), offsetof(KernelArgs, qStride),
                      op.getQuery().getType().getElementType()};
  loadRows(tensor.element, scratch.headDimQk, queryRows,
           [&](Value row) { return sourceOf(tensor, batch, headOf(head, row), queryRow(row)); }, staging,
           scratch.keyStride);
  int64_t width = e.machine.width;
  e.loop(e.i64(0), queryRows, e.i64(width), [&](Value row) {
    // Of the block, then of the vector in it.
    Value block = e.div(row, e.i64(scratch.columns)), column = e.rem(row, e.i64(scratch.columns));
    Value to = e.at(panel, f32,
                    e.add(e.mul(block, e.i64(scratch.panelRows * scratch.columns)), column));
    e.loop(0, scratch.panelRows, width, [&](Value d) {
      SmallVector<Value> rows;
      for (int64_t i = 0; i < width; ++i) {
        Value from = e.add(e.mul(e.add(row, e.i64(i)), e.i64(scratch.keyStride)), d);
        rows.push_back(e.load(e.vec(f32), e.at(staging, f32, from)));
      }
      for (auto [i, vector] : llvm::enumerate(emitTransposed(e, rows)))
        e.store(vector, e.at(to, f32, e.mul(e.add(d, e.i64(i)), e.i64(scratch.columns))));
    });
  });
}

void Tiles::fillTable(int64_t table, llvm::function_ref<Value(Value)> addressOf) {
  Value base = e.atByte(memory, table);
  e.loop(0, scratch.paddedKeys + scratch.rowsAtOnce, 1, [&](Value row) {
    e.store(addressOf(row), e.at(base, e.ptr(), row));
  });
}

void Tiles::fillSources(Value batch, Value head) {
  Value keys = e.atByte(memory, scratch.keyTable), values = e.atByte(memory, scratch.valueTable);
  e.loop(0, scratch.paddedKeys + scratch.rowsAtOnce, 1, [&](Value row) {
    RowPosition position = keyRow(row);
    e.store(sourceOf(keyFields(), batch, head, position), e.at(keys, e.ptr(), row));
    e.store(sourceOf(valueFields(), batch, head, position), e.at(values, e.ptr(), row));
  });
}

void Tiles::loadKeys(Value batch, Value head) {
  TensorFields tensor = keyFields();
  auto inTensor = [&](Value row) { return sourceOf(tensor, batch, head, keyRow(row)); };
  auto entry = [&](int64_t table, Value row) {
    return e.load(e.ptr(), e.at(e.atByte(memory, table), e.ptr(), row));
  };
  // Meanwhile keys of some rows further on and the values come closer.
  auto fromTable = [&](Value row) {
    constexpr int64_t kAhead = 8;
    int64_t bytes = tensor.element.getIntOrFloatBitWidth() / 8;
    e.prefetch(entry(scratch.keyTable, e.add(row, e.i64(kAhead))), scratch.headDimQk * bytes);
    e.prefetch(entry(scratch.valueTable, row), scratch.headDimV * bytes);
    return entry(scratch.keyTable, row);
  };
  if (scratch.keysInPlace)
    return fillTable(scratch.keyTable, inTensor);
  if (scratch.tileProducts)
    fillSources(batch, head);
  auto load = [&](llvm::function_ref<Value(Value)> source) {
    loadRows(tensor.element, scratch.headDimQk, e.i64(scratch.keyRows), source,
             e.atByte(memory, scratch.keys), scratch.keyStride);
  };
  scratch.tileProducts ? load(fromTable) : load(inTensor);
}

void Tiles::loadValues(Value batch, Value head) {
  TensorFields tensor = valueFields();
  if (scratch.tileProducts)
    return turnValues();
  if (scratch.valuesInPlace)
    return fillTable(scratch.valueTable, [&](Value row) {
      return sourceOf(tensor, batch, head, keyRow(row));
    });
  if (scratch.pairs)
    return loadValuePairs(batch, head);
  loadRows(tensor.element, scratch.headDimV, e.i64(scratch.keyRows),
           [&](Value row) { return sourceOf(tensor, batch, head, keyRow(row)); },
           e.atByte(memory, scratch.values), scratch.valueStride);
}

void Tiles::prefetchNext(Value batch, Value kvHead, Value block, Value row) {
  // One piece of the tile for each call: memory is then busy all the time and never too much.
  int64_t callsOfBlock = scratch.paddedKeys / scratch.rowsAtOnce;
  int64_t calls = callsOfBlock * scratch.paddedQueries / scratch.columns;
  int64_t rows = ceilDiv(scratch.keyRows, calls);
  Value call = e.add(e.mul(e.div(block, e.i64(scratch.columns)), e.i64(callsOfBlock)),
                     e.div(row, e.i64(scratch.rowsAtOnce)));
  auto prefetch = [&](const TensorFields &tensor, int64_t headDim, const RowPosition &position) {
    e.prefetch(sourceOf(tensor, batch, kvHead, position),
               headDim * tensor.element.getIntOrFloatBitWidth() / 8);
  };
  Value first = e.mul(call, e.i64(rows));
  e.loop(first, e.add(first, e.i64(rows)), e.i64(1), [&](Value next) {
    RowPosition position = keyRow(next, nextOrigin);
    prefetch(keyFields(), scratch.headDimQk, position);
    prefetch(valueFields(), scratch.headDimV, position);
  });
}

void Tiles::storeRow(Type element, Value target, Value source) {
  forElements(scratch.headDimV, [&](Value d, bool vector) {
    Value x = e.load(vector ? Type(e.vec(f32)) : f32, e.at(source, f32, d));
    emitStoreFromF32(e, x, e.at(target, element, d), element);
  });
}

void Tiles::storeRows(Value batch, Value head, Value rows, Value split, Value splits,
                      llvm::function_ref<Value(Value row)> lse) {
  TensorFields output{offsetof(KernelArgs, o), offsetof(KernelArgs, oStride),
                      op.getOutput().getType().getElementType()};
  TensorFields lses{offsetof(KernelArgs, lse), offsetof(KernelArgs, lseStride), f32};
  Value whole = e.equal(splits, e.i64(1)), parted = e.lessThan(e.i64(1), splits);
  Value heads = e.i64(op.getQuery().getType().getDimSize(1));
  Value batches = e.toI64(e.argument(args, i32, offsetof(KernelArgs, batch)));
  Value queries = e.toI64(e.argument(args, i32, offsetof(KernelArgs, numQueries)));
  Value staging = e.atByte(memory, scratch.staging);
  e.loop(e.i64(0), rows, e.i64(1), [&](Value row) {
    RowPosition position = queryRow(row);
    Value rowHead = headOf(head, row);
    Value source = e.at(staging, f32, e.mul(row, e.i64(scratch.valueStride)));
    e.when(e.both(position.inside, whole), [&] {
      e.store(lse(row), rowAddress(lses, batch, rowHead, position.position));
      storeRow(output.element, rowAddress(output, batch, rowHead, position.position), source);
    });
    e.when(e.both(position.inside, parted), [&] {
      Value entry = e.add(e.mul(split, batches), batch);
      for (auto [count, index] : {std::pair(heads, rowHead), std::pair(queries, position.position)})
        entry = e.add(e.mul(entry, count), index);
      Value parts = e.argument(args, e.ptr(), offsetof(KernelArgs, partialO));
      Value partLses = e.argument(args, e.ptr(), offsetof(KernelArgs, partialLse));
      e.store(lse(row), e.at(partLses, f32, entry));
      storeRow(f32, e.at(parts, f32, e.mul(entry, e.i64(scratch.headDimV))), source);
    });
  });
}

} // namespace attn::cpu
