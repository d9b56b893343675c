#include "tools/Tune.h"
#include "tools/TuneAnswer.h"

#include "tools/BoundSpec.h"
#include "tools/Progress.h"
#include "tools/Report.h"
#include "tools/SpecCompilation.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <numeric>

using namespace mlir;

namespace attn::tools {

namespace {

//===----------------------------------------------------------------------===//
// Candidates
//===----------------------------------------------------------------------===//

/// Boxes of `tokens` tokens with extents that are powers of two, none twice as long as its dimension.
void addBoxes(ArrayRef<int64_t> layout, int64_t tokens, Extents &start, std::vector<Extents> &boxes) {
  size_t d = start.size();
  if (d + 1 == layout.size()) {
    if (tokens > 1 && tokens / 2 >= layout[d])
      return;
    boxes.push_back(start);
    boxes.back().push_back(tokens);
    return;
  }
  for (int64_t extent = 1; extent <= tokens && (extent == 1 || extent / 2 < layout[d]); extent *= 2) {
    start.push_back(extent);
    addBoxes(layout, tokens / extent, start, boxes);
    start.pop_back();
  }
}

/// What kernels of the field use: 64 to 256 queries and keys. Boxes in four dimensions are so many that
/// only those of 128 tokens are tried.
std::vector<Extents> candidates(ArrayRef<int64_t> layout) {
  std::vector<Extents> boxes;
  for (int64_t tokens : {64, 128, 256}) {
    Extents start;
    if (layout.size() < 4 || tokens == 128)
      addBoxes(layout, tokens, start, boxes);
  }
  return boxes;
}

constexpr int64_t kMostTileCandidates = 4096;

Expected<std::vector<Extents>> candidatesOr(const std::string &text, const char *option,
                                            ArrayRef<int64_t> layout) {
  if (text.empty())
    return candidates(layout);
  return parseSweepValues(text, fmt::format("'{}'", option), kMostTileCandidates);
}

//===----------------------------------------------------------------------===//
// Predictions
//===----------------------------------------------------------------------===//

FailureOr<TunedTiles> tuned(Compilation &compilation, const BoundOptions &options,
                            const TimeQuestion &question) {
  AttentionOp op = compilation.attention();
  FailureOr<Problem> problem = bindKernel(compilation, options);
  if (failed(problem))
    return failure();
  std::vector<Counts> counts;
  for (const MaskGroup &group : problem->groups)
    counts.push_back(countsOf(op, *problem, group));
  Counts total = totalOf(*problem, counts);
  Expected<AskedKernel> kernel = kernelOf(op, *problem, question, problem->groups.size());
  if (!kernel)
    return fail(kernel.error()), failure();
  return TunedTiles{problem->tiles.queryTile, problem->tiles.keyTile, 0, double(total.tiles.visited),
                    double(total.tiles.full), answerOf(question, *kernel, workFor(*kernel, workOf(*problem, counts)))};
}

bool hasTiles(const SweepTiles &tiles, const TunedTiles &wanted) {
  return tiles.problem.tiles.queryTile == wanted.queryTile &&
         tiles.problem.tiles.keyTile == wanted.keyTile;
}

/// Numbers of the configurations, the fastest first.
std::vector<size_t> byTime(const SweepAnswer &sweep) {
  std::vector<size_t> order(sweep.results.size());
  std::iota(order.begin(), order.end(), size_t(0));
  llvm::sort(order, [&](size_t a, size_t b) {
    return std::pair(sweep.results[a].us, a) < std::pair(sweep.results[b].us, b);
  });
  return order;
}

LogicalResult addBest(Compilation &compilation, const TuneOptions &options,
                      const TimeQuestion &question, TuneAnswer &answer) {
  std::vector<size_t> order = byTime(answer.sweep);
  size_t count = std::min(order.size(), size_t(options.top));
  Progress progress("of the best tiles predicted exactly", count);
  for (size_t i = 0; i < count; ++i) {
    progress.show(i);
    const TileChoice &tiles = answer.sweep.plan.tiles[order[i]].problem.tiles;
    BoundOptions here = options;
    here.queryTile.assign(tiles.queryTile.begin(), tiles.queryTile.end());
    here.keyTile.assign(tiles.keyTile.begin(), tiles.keyTile.end());
    FailureOr<TunedTiles> one = tuned(compilation, here, question);
    if (failed(one))
      return failure();
    answer.best.push_back(std::move(*one));
  }
  llvm::sort(answer.best, [](const TunedTiles &a, const TunedTiles &b) {
    return std::tie(a.answer.sparse.us, a.queryTile, a.keyTile) <
           std::tie(b.answer.sparse.us, b.queryTile, b.keyTile);
  });
  for (auto [i, tiles] : llvm::enumerate(answer.best))
    tiles.rank = int64_t(i) + 1;
  double least = answer.sweep.results[order.front()].us;
  for (const SweepResult &result : answer.sweep.results)
    answer.close += result.us <= least * (1 + kClose);
  return success();
}

/// By coarse predictions, as the list of all is.
int64_t rankOf(const TunedTiles &wanted, const SweepAnswer &sweep) {
  for (auto [rank, i] : llvm::enumerate(byTime(sweep)))
    if (hasTiles(sweep.plan.tiles[i], wanted))
      return int64_t(rank) + 1;
  return 0;
}

//===----------------------------------------------------------------------===//
// Strides that need no mask
//===----------------------------------------------------------------------===//

/// 1, the window, and multiples of the query tile between them: a mask is needed where windows differ
/// within a query tile.
SmallVector<int64_t> strideCandidates(int64_t window, int64_t extent) {
  SmallVector<int64_t> strides{1};
  constexpr int64_t kMost = 64;
  int64_t step = std::max(extent, ceilDiv(ceilDiv(window, kMost), extent) * extent);
  for (int64_t stride = step; stride < window; stride += step)
    if (stride > 1)
      strides.push_back(stride);
  if (window > 1)
    strides.push_back(window);
  return strides;
}

std::optional<SweepAxis> strideAxis(AttentionOp op, const Problem &problem) {
  for (const SweptParameter &p : parametersOf(op)) {
    if (p.parameter.name != "stride")
      continue;
    for (const MaskParameter &other : cast<MaskAttrInterface>(p.mask).parameters()) {
      if (other.name != "window" || other.values.size() != problem.tiles.queryTile.size())
        continue;
      SweepAxis axis{p.mask, "stride", {{}}, false};
      for (auto [d, window] : llvm::enumerate(other.values)) {
        int64_t whole = problem.kvTokens[d];
        std::vector<SmallVector<int64_t>> longer;
        for (const SmallVector<int64_t> &start : axis.values)
          for (int64_t stride : strideCandidates(window < 0 ? whole : std::min(window, whole),
                                                 problem.tiles.queryTile[d])) {
            longer.push_back(start);
            longer.back().push_back(stride);
          }
        axis.values = std::move(longer);
      }
      return axis;
    }
  }
  return std::nullopt;
}

bool isSmaller(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return a != b && llvm::all_of(llvm::zip_equal(a, b),
                                [](auto pair) { return std::get<0>(pair) <= std::get<1>(pair); });
}

Status addStrides(Compilation &compilation, const TuneOptions &options,
                  const TimeQuestion &question, TuneAnswer &answer) {
  const TunedTiles &best = answer.best.front();
  TilePairs pairs = tilePairs(compilation, options, question,
                              {Extents(best.queryTile.begin(), best.queryTile.end())},
                              {Extents(best.keyTile.begin(), best.keyTile.end())});
  std::optional<SweepAxis> axis =
      strideAxis(compilation.attention(), pairs.possible.front().problem);
  answer.hasStrides = axis.has_value();
  if (!axis)
    return {};
  Expected<SweepAnswer> sweep = sweepOf(compilation, question, {*axis}, std::move(pairs));
  if (!sweep)
    return sweep.takeError();
  std::vector<BlockSparseStride> found;
  for (auto [i, result] : llvm::enumerate(sweep->results)) {
    double fullShare = result.visited > 0 ? result.full / result.visited : 1;
    if (fullShare >= 1 - options.tolerance())
      found.push_back({axis->mask, sweep->plan.masks[i].values.front(), result.us, sweep->speedUp(i),
                       fullShare});
  }
  llvm::copy_if(found, std::back_inserter(answer.strides), [&](const BlockSparseStride &s) {
    return llvm::none_of(found, [&](const BlockSparseStride &other) {
      return isSmaller(other.stride, s.stride);
    });
  });
  llvm::sort(answer.strides, [](const BlockSparseStride &a, const BlockSparseStride &b) {
    return std::tie(a.us, a.stride) < std::tie(b.us, b.stride);
  });
  return {};
}

Expected<TilePairs> allPairs(Compilation &compilation, const TuneOptions &options,
                             const TimeQuestion &question, const Problem &base) {
  Expected<std::vector<Extents>> queryTiles =
      candidatesOr(options.queryTiles, "--q-tile", base.tiles.layout);
  if (!queryTiles)
    return queryTiles.takeError();
  Expected<std::vector<Extents>> keyTiles =
      candidatesOr(options.keyTiles, "--k-tile", base.tiles.kvLayout);
  if (!keyTiles)
    return keyTiles.takeError();
  if (int64_t(queryTiles->size()) * int64_t(keyTiles->size()) > kMostConfigurations)
    return makeError("{} query tiles and {} key tiles are more than {} pairs", queryTiles->size(),
                     keyTiles->size(), kMostConfigurations)
        .withNote("name fewer, for example '--q-tile=64|128|256'");
  return tilePairs(compilation, options, question, *queryTiles, *keyTiles);
}

Expected<TuneAnswer> tune(Compilation &compilation, const TuneOptions &options,
                          const TimeQuestion &question, const Problem &base) {
  Expected<TilePairs> pairs = allPairs(compilation, options, question, base);
  if (!pairs)
    return pairs.takeError();
  Expected<SweepAnswer> sweep = sweepOf(compilation, question, {}, std::move(*pairs));
  if (!sweep)
    return sweep.takeError();
  TuneAnswer answer;
  answer.kernel = kernelName(compilation);
  answer.sweep = std::move(*sweep);
  BoundOptions usual = options;
  usual.queryTile.assign(base.tiles.queryTile.begin(), base.tiles.queryTile.end());
  usual.keyTile.assign(base.tiles.keyTile.begin(), base.tiles.keyTile.end());
  FailureOr<TunedTiles> ofUsual = tuned(compilation, usual, question);
  if (failed(ofUsual) || failed(addBest(compilation, options, question, answer)))
    return makeError("the kernel does not bind with these tiles");
  answer.usual = std::move(*ofUsual);
  answer.usual.rank = rankOf(answer.usual, answer.sweep);
  if (Status added = addStrides(compilation, options, question, answer); !added)
    return added.takeError();
  return answer;
}

} // namespace

Loss lossOf(const TunedTiles &tiles, const TunedTiles &best) {
  const Prediction &here = tiles.answer.sparse, &there = best.answer.sparse;
  Loss loss{TermKind::Matrix, 0, there.executedFlops > 0 ? here.executedFlops / there.executedFlops : 1};
  for (size_t i = 0; i < kNumTerms; ++i) {
    double more = here.terms[i].share * here.us - there.terms[i].share * there.us;
    if (more > loss.us)
      loss = {TermKind(i), more, loss.pairs};
  }
  return loss;
}

int tuneVerb(const TuneOptions &options) {
  if (options.gpu.empty())
    return fail(makeError("tiles are tuned for a machine").withNote("add, for example, '--gpu=h100'"));
  Expected<std::optional<TimeQuestion>> question = timeQuestion(options);
  if (!question)
    return fail(question.error());
  SpecCompilation compilation;
  FailureOr<Problem> base = bindForMachine(compilation, options, &**question);
  if (failed(base))
    return 1;
  Expected<TuneAnswer> answer = tune(compilation, options, **question, *base);
  if (!answer)
    return fail(answer.error());
  std::string report = options.format == "json" ? tuneJson(*answer, **question)
                                                : tuneText(*answer, **question, options.tolerance());
  Status written = writeOutput(options.output, report);
  return written ? 0 : fail(written.error());
}

} // namespace attn::tools
