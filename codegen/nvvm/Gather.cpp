#include "codegen/nvvm/Gather.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace attn::nvvm {

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

/// `countField` is the number of tokens in KernelArgs.
static Grid gridOf(Emitter &e, tile::AttentionOp op, ArrayRef<int64_t> dims, ArrayRef<int64_t> tile,
                   size_t countField) {
  Grid grid{{}, tile, {}};
  if (op.isBounded())
    grid.count = e.intArgument(countField);
  for (auto [d, length] : llvm::enumerate(dims)) {
    // Layouts of several dimensions are shared by queries and keys; a linear one has its own field.
    size_t field = dims.size() == 1 ? countField : offsetof(KernelArgs, dims) + 4 * d;
    grid.lengths.push_back(ShapedType::isDynamic(length) ? e.intArgument(field) : e.i32(length));
  }
  return grid;
}

Grid queryGrid(Emitter &e, tile::AttentionOp op, const Plan &plan) {
  Grid grid =
      gridOf(e, op, op.getTokens().getDims(), op.getQueryTile(), offsetof(KernelArgs, numQueries));
  grid.heads = plan.packedHeads;
  grid.padded = plan.packedHeads * op.getQueryRows() != plan.queryRows;
  return grid;
}

Grid keyGrid(Emitter &e, tile::AttentionOp op) {
  return gridOf(e, op, op.getKvTokens().getDims(), op.getKeyTile(), offsetof(KernelArgs, numKeys));
}

/// Splits `row` into its coordinate in a dimension of this extent and the row of the outer dimensions.
static std::pair<Value, RowIndex> splitRow(Emitter &e, RowIndex row, int64_t extent) {
  // No carry when both the extent and the constant part are multiples of the variable part's range.
  if (extent % row.bound == 0 && row.base % row.bound == 0)
    return {e.add(row.rest, row.base % extent), {row.base / extent, e.i32(0), 1}};
  if (row.base % extent == 0)
    return {e.rem(row.rest, extent),
            {row.base / extent, e.div(row.rest, extent), (row.bound - 1) / extent + 1}};
  Value whole = e.add(row.rest, row.base);
  return {e.rem(whole, extent),
          {0, e.div(whole, extent), (row.base + row.bound - 1) / extent + 1}};
}

Values localCoords(Emitter &e, const Grid &grid, RowIndex row) {
  SmallVector<int64_t> extents(grid.tile);
  if (grid.heads > 1)
    extents.insert(extents.begin(), grid.heads);
  Values coords(extents.size());
  for (int d = extents.size() - 1; d > 0; --d)
    std::tie(coords[d], row) = splitRow(e, row, extents[d]);
  coords[0] = e.add(row.rest, row.base);
  return coords;
}

Values originOf(Emitter &e, const Grid &grid, ValueRange tileCoords) {
  Values origin;
  for (auto [coord, extent] : llvm::zip_equal(tileCoords, grid.tile))
    origin.push_back(e.mul(coord, extent));
  return origin;
}

Values tileCoordsOf(Emitter &e, const Grid &grid, Value number) {
  Values coords(grid.rank());
  for (int d = grid.rank() - 1; d > 0; --d) {
    Value tiles = e.ceilDiv(grid.lengths[d], grid.tile[d]);
    coords[d] = e.rem(number, tiles);
    number = e.div(number, tiles);
  }
  coords[0] = number;
  return coords;
}

Token tokenOf(Emitter &e, const Grid &grid, ValueRange origin, ValueRange local) {
  Token token;
  if (grid.heads > 1) {
    token.head = local.front();
    local = local.drop_front();
  }
  for (auto [start, offset, length] : llvm::zip_equal(origin, local, grid.lengths)) {
    Value coord = e.add(start, offset);
    Value here = e.lessThan(coord, length);
    bool first = token.coords.empty();
    token.inside = first ? here : e.both(token.inside, here);
    token.position = first ? coord : e.add(e.mul(token.position, length), coord);
    token.coords.push_back(coord);
  }
  if (grid.count)
    token.inside = e.both(token.inside, e.lessThan(token.position, grid.count));
  if (grid.padded)
    token.inside = e.both(token.inside, e.lessThan(token.head, e.i32(grid.heads)));
  return token;
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

HeadSlice headSlice(Emitter &e, size_t pointer, size_t strides, int64_t elementBytes, Value batch,
                    Value head) {
  auto stride = [&](int d) { return e.argument(e.b.getI64Type(), strides + 8 * d); };
  Value elements = e.add(e.mul(e.toI64(batch), stride(0)), e.mul(e.toI64(head), stride(1)));
  Value base = e.at(e.pointerArgument(pointer), e.mul(elements, e.i64(elementBytes)));
  return {base, e.mul(e.toI32(stride(2)), elementBytes), e.mul(stride(1), e.i64(elementBytes))};
}

Value tokenAddress(Emitter &e, const HeadSlice &slice, Value position, Value head) {
  Value token = e.at(slice.base, e.mul(e.toI64(position), e.toI64(slice.tokenStride)));
  return head ? e.at(token, e.mul(e.toI64(head), slice.headStride)) : token;
}

/// The chunk of 16 bytes that one step of a copy assigns to a thread.
struct Chunk {
  RowIndex row;
  Value number; ///< of the chunk in its row
};

Value swizzleOf(Emitter &e, Value row, int64_t headDim) {
  int64_t chunks = llvm::PowerOf2Ceil(headDim / 8);
  if (chunks >= 8)
    return e.bitAnd(row, 7);
  // The low bits of the row choose among the places that the chunks of one row leave free.
  int64_t rows = 8 / chunks;
  Value high = e.mul(e.bitAnd(row, rows - 1), chunks);
  return e.add(high, e.div(e.bitAnd(row, 7), rows));
}

static void copyChunk(Emitter &e, const TileCopy &copy, const Chunk &chunk, const HeadSlice &slice,
                      ValueRange origin, Value target, Value valid) {
  Token token = tokenOf(e, copy.grid, origin, localCoords(e, copy.grid, chunk.row));
  Value inside = e.both(token.inside, valid);
  // Nothing is read of a row outside, but its address stays a good one.
  Value position = e.select(inside, token.position, e.i32(0));
  Value head = token.head ? e.select(inside, token.head, e.i32(0)) : Value();
  Value source = e.at(tokenAddress(e, slice, position, head), e.toI64(e.mul(chunk.number, 16)));

  // The constant part of the row stays out of the swizzle when it is a multiple of 8.
  int64_t rowBytes = Plan::rowBytes(copy.headDim);
  Value row = chunk.row.rest;
  int64_t constantBytes = chunk.row.base * rowBytes;
  if (chunk.row.base % 8 != 0) {
    row = e.add(row, chunk.row.base);
    constantBytes = 0;
  }
  Value swizzled = e.bitXor(chunk.number, swizzleOf(e, row, copy.headDim));
  Value address = e.add(target, e.add(e.mul(row, rowBytes), e.mul(swizzled, 16)));
  std::string text =
      "cp.async.cg.shared.global [$0+" + std::to_string(constantBytes) + "], [$1], 16, $2;";
  e.sharedPtx({}, text, "r,l,r,~{memory}",
              {address, source, e.select(inside, e.i32(16), e.i32(0))});
}

void copyTile(Emitter &e, const TileCopy &copy, const HeadSlice &slice, ValueRange origin,
              Value target, Value valid) {
  // Neighbouring threads take the chunks of a row, as many of them as a power of two asks for, so that a
  // thread's rows differ by constants. Those beyond the last chunk have nothing to do.
  int64_t chunks = copy.headDim / 8, lanes = llvm::PowerOf2Ceil(chunks);
  int64_t rowsPerStep = copy.threads / lanes;
  Value number = e.rem(copy.thread, lanes), firstRow = e.div(copy.thread, lanes);
  auto copyRows = [&] {
    for (int64_t base = 0; base < copy.rows; base += rowsPerStep) {
      auto step = [&] {
        copyChunk(e, copy, {{base, firstRow, rowsPerStep}, number}, slice, origin, target, valid);
      };
      if (base + rowsPerStep <= copy.rows)
        step();
      else
        e.when(e.lessThan(firstRow, e.i32(copy.rows - base)), step);
    }
  };
  if (lanes == chunks)
    copyRows();
  else
    e.when(e.lessThan(number, e.i32(chunks)), copyRows);
}

//===----------------------------------------------------------------------===//
// The tile map
//===----------------------------------------------------------------------===//

Values KeyTile::flat() const {
  Values values = coords;
  values.push_back(box);
  return values;
}

KeyTile KeyTile::unflatten(ValueRange values) {
  return {Values(values.drop_back()), values.back()};
}

BoxWalk::BoxWalk(Emitter &emitter, const Plan &plan, tile::AttentionOp op, Value batch, Value head,
                 Value part, Value parts)
    : e(emitter), rank(op.getRank()) {
  Type i32 = e.b.getI32Type(), i64 = e.b.getI64Type();
  int64_t heads = op.getQuery().getType().getDimSize(1);
  Value row = e.toI64(e.add(e.mul(batch, heads), head));
  Value maps = e.pointerArgument(offsetof(KernelArgs, mapOfHead));
  Value map = e.toI64(e.load(i32, e.at(maps, e.mul(row, e.i64(4)))));
  Value index = e.add(e.mul(map, e.add(e.toI64(parts), e.i64(1))), e.toI64(part));
  Value offsets =
      e.at(e.pointerArgument(offsetof(KernelArgs, mapOffsets)), e.mul(index, e.i64(8)));
  Value begin = e.load(i64, offsets), end = e.load(i64, e.at(offsets, 8));
  count = e.toI32(e.sub(end, begin));
  boxes = e.at(e.pointerArgument(offsetof(KernelArgs, boxes)),
               e.mul(begin, e.i64(wordBytes() * (2 * rank + 1))));
}

/// A word of a box as an i32.
Value BoxWalk::word(Value box, unsigned field) {
  Value offset = e.mul(e.toI64(box), e.i64(wordBytes() * (2 * rank + 1)));
  Value address = e.at(e.at(boxes, offset), int64_t(wordBytes() * field));
  if (rank == 1)
    return e.load(e.b.getI32Type(), address);
  return e.make<arith::ExtUIOp>(e.b.getI32Type(), e.load(e.b.getI16Type(), address));
}

Values BoxWalk::corner(Value box, unsigned firstField) {
  Values values;
  for (unsigned d = 0; d < rank; ++d)
    values.push_back(word(box, firstField + d));
  return values;
}

Value BoxWalk::any() { return e.lessThan(e.i32(0), count); }
Value BoxWalk::exists(const KeyTile &tile) { return e.lessThan(tile.box, count); }

KeyTile BoxWalk::first() {
  Value box = e.i32(0);
  return {corner(box, 0), box};
}

KeyTile BoxWalk::next(const KeyTile &tile) {
  // The last box is read again beyond the end.
  Value last = e.add(count, -1);
  auto clamped = [&](Value box) { return e.make<arith::MinSIOp>(box, last); };
  Value box = clamped(tile.box);
  Values lo = corner(box, 0), hi = corner(box, rank);
  Values coords(rank);
  Value carry = e.i1(true);
  for (int d = rank - 1; d >= 0; --d) {
    Value coord = e.add(tile.coords[d], e.make<arith::ExtUIOp>(e.b.getI32Type(), carry));
    Value over = e.lessThan(coord, hi[d]);
    coords[d] = e.select(over, coord, lo[d]);
    carry = e.both(carry, e.make<arith::XOrIOp>(over, e.i1(true)));
  }
  Value nextBox = e.add(tile.box, e.make<arith::ExtUIOp>(e.b.getI32Type(), carry));
  Value readable = clamped(nextBox);
  Values start = corner(readable, 0);
  for (unsigned d = 0; d < rank; ++d)
    coords[d] = e.select(carry, start[d], coords[d]);
  return {coords, nextBox};
}

} // namespace attn::nvvm
