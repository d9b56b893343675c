#include "simulator/TileChooser.h"

#include "simulator/TimedProblem.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"

using llvm::ArrayRef;
using mlir::ShapedType;

namespace attn {

namespace {

/// Predicts kernels of one attention with other tiles.
class Chooser {
public:
  Chooser(AttentionOp op, const TileChoice &usual, const Target &target, const Machine &machine)
      : op(op), usual(usual), target(target), machine(machine), problems(op) {}

  bool canTell();
  /// False where the tiles cannot be had.
  bool add(ArrayRef<int64_t> queryTile, ArrayRef<int64_t> keyTile);
  std::vector<Box> bestQueryTiles(size_t count) const;
  std::vector<CostedTiles> sorted() &&;

private:
  AttentionOp op;
  const TileChoice &usual;
  const Target &target;
  const Machine &machine;
  TiledProblems problems;
  std::vector<CostedTiles> found; ///< the usual tiles first
};

/// Whether a prediction says what is fastest.
bool Chooser::canTell() { return op.getScore().empty() && areMapsTelling(op, usual); }

bool Chooser::add(ArrayRef<int64_t> queryTile, ArrayRef<int64_t> keyTile) {
  if (llvm::any_of(found, [&](const CostedTiles &other) {
        return other.tiles.queryTile == queryTile && other.tiles.keyTile == keyTile;
      }))
    return false;
  std::optional<Problem> problem = problems.with(queryTile, keyTile);
  if (!problem)
    return false;
  Expected<KernelShape> shape = compiledShapeOf(op, *problem, problem->groups.size(), target, machine);
  if (!shape)
    return false;
  Work work = workOf(*problem);
  if (ShapedType::isDynamic(work.batch))
    work.batch = 1;
  TileChoice tiles = usual;
  tiles.queryTile.assign(queryTile.begin(), queryTile.end());
  tiles.keyTile.assign(keyTile.begin(), keyTile.end());
  found.push_back({std::move(tiles), *shape, predict(machine, *shape, work, {}, Scheduling::Coarse)});
  return true;
}

std::vector<Box> Chooser::bestQueryTiles(size_t count) const {
  std::vector<const CostedTiles *> order;
  for (const CostedTiles &one : found)
    order.push_back(&one);
  llvm::stable_sort(order, [](auto *a, auto *b) { return a->prediction.us < b->prediction.us; });
  std::vector<Box> best;
  for (const CostedTiles *one : order)
    if (best.size() < count && !llvm::is_contained(best, one->tiles.queryTile))
      best.push_back(one->tiles.queryTile);
  return best;
}

std::vector<CostedTiles> Chooser::sorted() && {
  double usualTime = found.front().prediction.us;
  auto timeOf = [&](const CostedTiles &one) {
    bool isUsual = one.tiles.queryTile == usual.queryTile && one.tiles.keyTile == usual.keyTile;
    return isUsual ? kClearlyFaster * usualTime : one.prediction.us;
  };
  llvm::stable_sort(found, [&](const CostedTiles &a, const CostedTiles &b) { return timeOf(a) < timeOf(b); });
  return std::move(found);
}

/// Sizes of tiles that kernels are fast with, in tokens.
constexpr int64_t kQuerySizes[] = {128, 64, 32}, kKeySizes[] = {64, 32};

} // namespace

/// Half the usual keys leave registers for two row blocks of output in a warp, which halves what it reads from
/// shared memory per product; a score region needs registers for the elements it works on, and so does a mask that reads
/// run-time inputs.
static void shortenKeyTile(AttentionOp op, TileChoice &tiles) {
  constexpr int64_t kShortRow = 32, kLongRow = 128;
  int64_t valueDim = op.getValue().getType().getDimSize(3);
  int64_t dim = std::max(valueDim, op.getQuery().getType().getDimSize(3));
  bool hasScore = !op.getScore().empty(), readsInputs = !op.getInputs().empty();
  int64_t divisor = (dim > kShortRow || hasScore || readsInputs ? 2 : 1) * (dim > kLongRow && hasScore ? 2 : 1);
  while (productOf(tiles.keyTile) > kTileTokens / divisor)
    *llvm::max_element(tiles.keyTile) /= 2;
}

std::vector<CostedTiles> costedTiles(AttentionOp op, const TileChoice &usual, const Target &target,
                                     const Machine &machine) {
  Chooser chooser(op, usual, target, machine);
  if (!chooser.canTell() || !chooser.add(usual.queryTile, usual.keyTile))
    return {{usual, {}, {}}};
  auto keyBoxes = [&](int64_t tokens) { return boxesNear(usual.queryTile, usual.kvLayout, tokens); };
  for (int64_t rows : kQuerySizes)
    for (const Box &queryTile : boxesNear(usual.queryTile, usual.layout, rows))
      for (int64_t keys : kKeySizes)
        if (std::vector<Box> boxes = keyBoxes(keys); !boxes.empty())
          chooser.add(queryTile, boxes.front());
  constexpr size_t kRefined = 2;
  for (const Box &queryTile : chooser.bestQueryTiles(kRefined))
    for (int64_t keys : kKeySizes)
      for (const Box &keyTile : keyBoxes(keys))
        chooser.add(queryTile, keyTile);
  return std::move(chooser).sorted();
}

void suitGpu(AttentionOp op, TileChoice &tiles, AskedTiles asked, const Target &target, const Machine &machine) {
  if (!asked.key)
    shortenKeyTile(op, tiles);
  if (!asked.key && !asked.query)
    tiles = costedTiles(op, tiles, target, machine).front().tiles;
}

} // namespace attn
