#include "simulator/TileShapes.h"

#include "dialect/MaskFormulas.h"
#include "simulator/Problem.h"

#include "mlir/IR/BuiltinTypeInterfaces.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallBitVector.h"
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

/// A box that has grown and shrunk until it fits the layout. Dimensions in `last` grow only when
/// the others have no room.
static SmallVector<int64_t> fitted(SmallVector<int64_t> box, ArrayRef<int64_t> layout,
                                   llvm::SmallBitVector last) {
  auto hasRoom = [&](size_t d) { return ShapedType::isDynamic(layout[d]) || box[d] < layout[d]; };
  for (size_t d = 0; d < box.size(); ++d)
    while (box[d] > 1 && !ShapedType::isDynamic(layout[d]) && box[d] / 2 >= layout[d])
      box[d] /= 2;
  auto product = [&] {
    return std::accumulate(box.begin(), box.end(), int64_t(1), std::multiplies<>());
  };
  auto isBetter = [&](size_t d, size_t other) {
    if (hasRoom(d) != hasRoom(other))
      return hasRoom(d);
    return last[d] != last[other] ? !last[d] : box[d] < box[other];
  };
  while (product() < kTileTokens) {
    size_t grown = box.size() - 1;
    for (size_t d = box.size() - 1; d-- > 0;)
      if (isBetter(d, grown))
        grown = d;
    box[grown] *= 2;
  }
  return box;
}

static SmallVector<int64_t> boxOn(ArrayRef<int64_t> layout) {
  assert(layout.size() >= 1 && layout.size() <= 4 && "layouts have 1 to 4 dimensions");
  return fitted(usualBox(layout.size()), layout, llvm::SmallBitVector(layout.size()));
}

/// The usual box of positions, of one residue as long as there are positions enough.
static SmallVector<int64_t> boxOnSplit(ArrayRef<int64_t> layout, ArrayRef<int64_t> steps) {
  SmallVector<int64_t> box;
  llvm::SmallBitVector residues;
  for (auto [extent, step] : llvm::zip_equal(usualBox(steps.size()), steps)) {
    box.push_back(extent);
    residues.push_back(false);
    if (step == 1)
      continue;
    box.push_back(1);
    residues.push_back(true);
  }
  return fitted(std::move(box), layout, std::move(residues));
}

/// Tile maps of several dimensions count the tiles of each in 16 bits.
constexpr int64_t kMaxStep = 1 << 15;

/// Steps by which all heads want the layout split; empty where it stays whole.
static SmallVector<int64_t> stepsOf(AttentionOp op) {
  LayoutAttr tokens = op.getTokens();
  if (tokens != op.getKvTokens() || tokens.hasGroups())
    return {};
  ArrayRef<int64_t> dims = tokens.getDims();
  bool standsAlone = false;
  std::optional<SmallVector<int64_t>> common;
  for (int64_t head = 0; head < op.getNumHeads(); ++head) {
    auto mask = cast<MaskAttrInterface>(op.getMaskOfHead(head));
    standsAlone |= mask.standsAlone();
    SmallVector<int64_t> steps = mask.residueSteps(int64_t(dims.size()));
    if (steps.empty())
      return {};
    if (!common)
      common = steps;
    for (auto [step, other] : llvm::zip_equal(*common, steps))
      step = step == other ? std::max<int64_t>(step, 1) : 1;
  }
  // Only the first dimension may be split unevenly, an open one only by itself, and not where one
  // box counts the keys outside.
  size_t rank = dims.size();
  for (auto [d, length, step] : llvm::enumerate(dims, *common)) {
    bool isEven = !ShapedType::isDynamic(length) && length % step == 0;
    bool mayBeUneven =
        d == 0 && !standsAlone && (dims.size() == 1 || !ShapedType::isDynamic(length));
    if (step > kMaxStep || (step > 1 && ((!isEven && !mayBeUneven) || rank == size_t(kMaxRank))))
      step = 1;
    rank += step > 1;
  }
  if (rank == dims.size())
    return {};
  return *common;
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
  for (auto [tile, fixed] :
       {std::pair(&choice.queryTile, fixedQueries), std::pair(&choice.keyTile, fixedKeys)}) {
    int64_t &extent = tile->front();
    if (!fixed)
      extent = std::gcd(extent, size);
    if (size % extent != 0)
      return op.emitError() << "a tile of " << extent
                            << " tokens does not divide the mask's blocks of " << size;
  }
  return mlir::success();
}

/// The choice with the tiles that are asked for.
static FailureOr<TileChoice> fitTiles(AttentionOp op, TileChoice choice,
                                      ArrayRef<int64_t> queryTile, ArrayRef<int64_t> keyTile,
                                      int64_t maxTokens) {
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

static TileChoice splitTiles(AttentionOp op, ArrayRef<int64_t> steps) {
  TileChoice choice;
  choice.steps.assign(steps.begin(), steps.end());
  choice.layout = choice.kvLayout = SmallVector<int64_t>(op.getTokens().splitBy(steps).getDims());
  choice.queryTile = choice.keyTile = boxOnSplit(choice.layout, steps);
  return choice;
}

/// Layouts with more query tiles are long enough for residues to fill their tiles.
constexpr int64_t kMostCounted = 1 << 16;

/// Key tiles that all heads visit; nothing where a length is open, the layout is long, or a formula has
/// too many atoms. What run-time inputs show counts as visited.
static std::optional<int64_t> visitedTiles(AttentionOp op, const TileChoice &choice) {
  Problem problem;
  problem.tiles = choice;
  problem.tokens = problem.kvTokens = SmallVector<int64_t>(op.getTokens().getDims());
  problem.numQueries = problem.numKeys = op.getTokens().getNumTokens();
  problem.queryOffset = int64_t(op.getQOffset().value_or(0));
  if (ShapedType::isDynamic(problem.numKeys))
    return std::nullopt;
  problem.tiling = tilingOf(op, problem);
  if (problem.tiling.numQueryTiles() > kMostCounted)
    return std::nullopt;
  int64_t visited = 0;
  for (auto &[mask, heads] : groupHeads(op)) {
    if (!formulaOf(mask, choice.keyLayoutOf(op), op.getMaskInputs()))
      return std::nullopt;
    FailureOr<MaskGroup> group = mapGroup(op, mask, heads, problem.tiling, problem);
    visited += int64_t(heads.size()) * group->map.counts().visited;
  }
  return visited;
}

/// Residues leave a last tile each that may be nearly empty, which short sequences pay for.
static bool visitsFewer(AttentionOp op, const TileChoice &split, bool linear) {
  ArrayRef<int64_t> dims = op.getTokens().getDims();
  std::optional<int64_t> ofSplit = visitedTiles(op, split);
  std::optional<int64_t> ofWhole = visitedTiles(op, chooseTiles(dims, dims, linear));
  return !ofSplit || !ofWhole || *ofSplit <= *ofWhole;
}

FailureOr<TileChoice> tilesOf(AttentionOp op, bool linear, ArrayRef<int64_t> queryTile,
                              ArrayRef<int64_t> keyTile, int64_t maxTokens) {
  ArrayRef<int64_t> tokens = op.getTokens().getDims(), keys = op.getKvTokens().getDims();
  size_t wanted = std::max(queryTile.size(), keyTile.size());
  if (SmallVector<int64_t> steps = stepsOf(op); !steps.empty()) {
    TileChoice split = splitTiles(op, steps);
    if (wanted ? wanted == split.layout.size() : visitsFewer(op, split, linear))
      return fitTiles(op, std::move(split), queryTile, keyTile, maxTokens);
  }
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
  return fitTiles(op, chooseTiles(tokens, keys, flatten), queryTile, keyTile, maxTokens);
}

} // namespace attn
