#include "simulator/TileChooser.h"

#include "dialect/MaskFormulas.h"
#include "simulator/Problem.h"
#include "simulator/TimedProblem.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using llvm::ArrayRef;
using llvm::SmallVector;
using mlir::cast;
using mlir::FailureOr;
using mlir::ShapedType;

namespace attn {

namespace {

using Box = SmallVector<int64_t>;

int64_t productOf(ArrayRef<int64_t> box) {
  return std::accumulate(box.begin(), box.end(), int64_t(1), std::multiplies<>());
}

/// Open lengths, so that all tokens together are about kNominalTokens; empty where none is open.
SmallVector<int64_t> nominal(LayoutAttr layout) {
  ArrayRef<int64_t> dims = layout.getDims();
  int64_t open = llvm::count_if(dims, ShapedType::isDynamic), known = 1;
  if (open == 0)
    return {};
  for (int64_t length : dims)
    known *= ShapedType::isDynamic(length) ? 1 : std::max<int64_t>(length, 1);
  double each = std::pow(std::max(1.0, double(kNominalTokens) / double(known)), 1.0 / double(open));
  int64_t length = std::max<int64_t>(16, int64_t(1) << std::lround(std::log2(each)));
  SmallVector<int64_t> lengths(dims);
  for (int64_t &dim : lengths)
    if (ShapedType::isDynamic(dim))
      dim = length;
  return lengths;
}

/// Boxes of so many tokens near the usual one (TileChooser.h), the nearest first. `layout` bounds the extents.
std::vector<Box> boxesNear(ArrayRef<int64_t> usual, ArrayRef<int64_t> layout, int64_t tokens) {
  constexpr double kFar = 1.34; // in powers of two
  double shrunk = std::log2(double(productOf(usual)) / double(tokens)) / double(usual.size());
  std::vector<std::pair<double, Box>> found;
  Box box(usual.size(), 1);
  auto extend = [&](auto &self, size_t d, int64_t left, double distance) -> void {
    if (d == usual.size()) {
      if (left == 1)
        found.push_back({distance, box});
      return;
    }
    for (int64_t extent = 1; extent <= left; extent *= 2) {
      double off = std::abs(std::log2(double(extent)) - (std::log2(double(usual[d])) - shrunk));
      bool isLonger = !ShapedType::isDynamic(layout[d]) && extent > 1 && extent / 2 >= layout[d];
      // A dimension that holds one token of each tile, as residues do, stays so.
      if (off > kFar || isLonger || (usual[d] == 1 && extent > 1))
        continue;
      box[d] = extent;
      self(self, d + 1, left / extent, distance + off * off);
    }
  };
  extend(extend, 0, tokens, 0);
  llvm::stable_sort(found, llvm::less_first());
  std::vector<Box> boxes;
  for (auto &[distance, candidate] : found)
    boxes.push_back(std::move(candidate));
  return boxes;
}

/// Predicts kernels of one attention with other tiles.
class Chooser {
public:
  Chooser(AttentionOp op, const TileChoice &usual, const Target &target, const Machine &machine)
      : op(op), usual(usual), target(target), machine(machine), tokens(nominal(op.getTokens())),
        kvTokens(nominal(op.getKvTokens())) {}

  bool canTell();
  /// False where the tiles cannot be had.
  bool add(ArrayRef<int64_t> queryTile, ArrayRef<int64_t> keyTile);
  std::vector<Box> bestQueryTiles(size_t count) const;
  std::vector<CostedTiles> sorted() &&;

private:
  std::optional<Problem> problemWith(ArrayRef<int64_t> queryTile, ArrayRef<int64_t> keyTile);

  AttentionOp op;
  const TileChoice &usual;
  const Target &target;
  const Machine &machine;
  SmallVector<int64_t> tokens, kvTokens;
  std::vector<CostedTiles> found; ///< the usual tiles first
};

std::optional<Problem> Chooser::problemWith(ArrayRef<int64_t> queryTile, ArrayRef<int64_t> keyTile) {
  // What cannot be bound is no candidate; whoever binds in earnest says why.
  mlir::ScopedDiagnosticHandler silent(op.getContext(), [](mlir::Diagnostic &) { return mlir::success(); });
  ProblemRequest request;
  request.tokens = tokens;
  request.kvTokens = kvTokens;
  request.queryTile = queryTile;
  request.keyTile = keyTile;
  FailureOr<Problem> problem = bindProblem(op, request);
  return succeeded(problem) ? std::optional(std::move(*problem)) : std::nullopt;
}

/// Whether masks and lengths are such that a prediction says what is fastest.
bool Chooser::canTell() {
  constexpr int64_t kFewQueries = 128;
  if (!op.getScore().empty())
    return false;
  int64_t queries = op.getTokens().getNumTokens();
  if (!ShapedType::isDynamic(queries) && queries < kFewQueries)
    return false;
  for (auto &[mask, heads] : groupHeads(op)) {
    std::optional<Formula> formula = formulaOf(mask, usual.keyLayoutOf(op), op.getMaskInputs());
    if (!formula || cast<MaskAttrInterface>(mask).blockSize() != 0)
      return false;
    for (const Atom &atom : withUnknownInputs(*formula).atoms)
      if (atom.kind != AtomKind::Box)
        return false;
  }
  return true;
}

bool Chooser::add(ArrayRef<int64_t> queryTile, ArrayRef<int64_t> keyTile) {
  if (llvm::any_of(found, [&](const CostedTiles &other) {
        return other.tiles.queryTile == queryTile && other.tiles.keyTile == keyTile;
      }))
    return false;
  std::optional<Problem> problem = problemWith(queryTile, keyTile);
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
