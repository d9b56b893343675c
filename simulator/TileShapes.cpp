#include "simulator/TileShapes.h"

#include "mlir/IR/BuiltinTypeInterfaces.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <cassert>
#include <numeric>

using llvm::ArrayRef;
using llvm::SmallVector;
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
  default:
    return {2, 8, 8};
  }
}

static SmallVector<int64_t> boxOn(ArrayRef<int64_t> layout) {
  assert(layout.size() >= 1 && layout.size() <= 3 && "layouts have 1 to 3 dimensions");
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

} // namespace attn
