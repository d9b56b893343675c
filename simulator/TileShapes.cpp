#include "simulator/TileShapes.h"

#include "mlir/IR/BuiltinTypeInterfaces.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <cassert>
#include <numeric>

using llvm::ArrayRef;
using llvm::SmallVector;
using mlir::cast;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::ShapedType;

namespace attn {

static int64_t tokensOf(ArrayRef<int64_t> layout) {
  int64_t product = 1;
  for (int64_t length : layout) {
    if (ShapedType::isDynamic(length))
      return ShapedType::kDynamic;
    product *= length;
  }
  return product;
}

/// The usual box: short in the slowest dimension, as windows are, and a whole cache line's worth of
/// neighbours in the fastest.
static SmallVector<int64_t> usualBox(size_t rank) {
  switch (rank) {
  case 1:
    return {kTileTokens};
  case 2:
    return {8, 16};
  case 3:
    return {2, 8, 8};
  default:
    return {2, 2, 4, 8};
  }
}

static SmallVector<int64_t> boxOn(ArrayRef<int64_t> layout) {
  assert(layout.size() >= 1 && layout.size() <= 4 && "layouts have 1 to 4 dimensions");
  SmallVector<int64_t> box = usualBox(layout.size());
  auto hasRoom = [&](size_t d) { return ShapedType::isDynamic(layout[d]) || box[d] < layout[d]; };
  for (size_t d = 0; d < box.size(); ++d)
    while (box[d] > 1 && !ShapedType::isDynamic(layout[d]) && box[d] / 2 >= layout[d])
      box[d] /= 2;
  auto product = [&] {
    return std::accumulate(box.begin(), box.end(), int64_t(1), std::multiplies<>());
  };
  while (product() < kTileTokens) {
    size_t grown = box.size() - 1;
    for (size_t d = box.size(); d-- > 0;)
      if (hasRoom(d) && (!hasRoom(grown) || box[d] < box[grown]))
        grown = d;
    box[grown] *= 2;
  }
  return box;
}

TileChoice chooseTiles(ArrayRef<int64_t> tokens, ArrayRef<int64_t> kvTokens, bool linear) {
  TileChoice choice;
  choice.layout = linear ? SmallVector<int64_t>{tokensOf(tokens)} : SmallVector<int64_t>(tokens);
  choice.kvLayout =
      linear ? SmallVector<int64_t>{tokensOf(kvTokens)} : SmallVector<int64_t>(kvTokens);
  choice.queryTile = boxOn(choice.layout);
  choice.keyTile = boxOn(choice.kvLayout);
  return choice;
}

static LogicalResult verifyTile(AttentionOp op, ArrayRef<int64_t> tile, size_t rank,
                                int64_t maxTokens) {
  if (tile.size() != rank)
    return op.emitError() << "tile of " << tile.size() << " dimensions for a layout of " << rank;
  int64_t tokens = 1;
  for (int64_t extent : tile)
    if (extent < 1 || extent > maxTokens || (tokens *= extent) > maxTokens)
      return op.emitError() << "a tile must have 1 to " << maxTokens
                            << " tokens, each extent at least 1";
  return mlir::success();
}

/// Tokens of the blocks that tiles must divide, 0 for any.
static int64_t blockSizeOf(AttentionOp op) {
  int64_t size = 0;
  for (int64_t head = 0; head < op.getNumHeads(); ++head)
    size = std::gcd(size, cast<MaskAttrInterface>(op.getMaskOfHead(head)).blockSize());
  return size;
}

static LogicalResult fitToBlocks(AttentionOp op, TileChoice &choice, bool fixedQueries,
                                 bool fixedKeys) {
  int64_t size = blockSizeOf(op);
  if (size == 0)
    return mlir::success();
  for (auto [tile, fixed] : {std::pair(&choice.queryTile, fixedQueries),
                             std::pair(&choice.keyTile, fixedKeys)}) {
    int64_t &extent = tile->front();
    if (!fixed)
      extent = std::gcd(extent, size);
    if (size % extent != 0)
      return op.emitError() << "a tile of " << extent << " tokens does not divide the mask's blocks of "
                            << size;
  }
  return mlir::success();
}

FailureOr<TileChoice> tilesOf(AttentionOp op, bool linear, ArrayRef<int64_t> queryTile,
                              ArrayRef<int64_t> keyTile, int64_t maxTokens) {
  ArrayRef<int64_t> tokens = op.getTokens().getDims(), keys = op.getKvTokens().getDims();
  size_t wanted = std::max(queryTile.size(), keyTile.size());
  bool flatten = wanted ? wanted != tokens.size() : linear;
  if (flatten && !linear)
    return op.emitError() << "tiles of " << wanted
                          << " dimensions for a neighborhood on a layout of " << tokens.size()
                          << "; give a tile of " << tokens.size() << " dimensions";
  if (!flatten && tokens.size() != keys.size())
    return op.emitError() << "queries have a layout of " << tokens.size() << " dimensions, keys of "
                          << keys.size() << "; tiles of several dimensions need one rank";
  SmallVector<int64_t> existing{op.getTokens().getNumTokens()};
  if (flatten && op.getTokens().hasGroups())
    tokens = keys = existing;
  TileChoice choice = chooseTiles(tokens, keys, flatten);
  if (!queryTile.empty())
    choice.queryTile.assign(queryTile.begin(), queryTile.end());
  if (!keyTile.empty())
    choice.keyTile.assign(keyTile.begin(), keyTile.end());
  for (ArrayRef<int64_t> tile : {ArrayRef(choice.queryTile), ArrayRef(choice.keyTile)})
    if (failed(verifyTile(op, tile, choice.layout.size(), maxTokens)))
      return mlir::failure();
  if (failed(fitToBlocks(op, choice, !queryTile.empty(), !keyTile.empty())))
    return mlir::failure();
  return choice;
}

} // namespace attn
