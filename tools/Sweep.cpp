#include "tools/Sweep.h"

#include "tools/BoundSpec.h"
#include "tools/Progress.h"
#include "tools/Report.h"
#include "tools/SpecCompilation.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <thread>

using namespace mlir;

namespace attn::tools {

Expected<SweepAnswer> sweepOf(Compilation &compilation, const TimeQuestion &question,
                              std::vector<SweepAxis> axes, TilePairs tiles) {
  if (tiles.possible.empty())
    return makeError("no tiles of the sweep are possible: {}", tiles.leftOut.front().reason);
  AttentionOp op = compilation.attention();
  Expected<SweepPlan> plan = planSweep(op, axes, std::move(tiles.possible));
  if (!plan)
    return plan.takeError();
  SweepAnswer answer;
  answer.kernel = kernelName(compilation);
  answer.axes = std::move(axes);
  answer.plan = std::move(*plan);
  answer.leftOut = std::move(tiles.leftOut);
  {
    Progress progress("configurations predicted", answer.plan.configurations.size());
    answer.results = runSweep(op, answer.plan, question.machine,
                              std::max(1u, std::thread::hardware_concurrency()),
                              [&](size_t done) { progress.show(done); });
  }
  const std::vector<SweepTiles> &all = answer.plan.tiles;
  auto fastest = llvm::min_element(
      all, [](const SweepTiles &a, const SweepTiles &b) { return a.denseUs < b.denseUs; });
  answer.fastestDense = size_t(fastest - all.begin());
  if (question.model) {
    const Problem &problem = fastest->problem;
    AttentionBefore before = attentionBefore(question, fastest->shape, workWithoutHeads(problem),
                                             problem.heads, fastest->denseUs);
    answer.beforeUs = before.us;
    answer.sparseShare = before.sparseShare;
  }
  return answer;
}

/// The values of a key of tiles, or what the option says.
static Expected<std::vector<Extents>> tilesOfKey(const std::vector<SweepKey> &keys,
                                                 const char *name, const char *option,
                                                 const Extents &given) {
  auto key = llvm::find_if(keys, [&](const SweepKey &k) { return k.name == name; });
  if (key == keys.end())
    return std::vector<Extents>{given};
  if (!given.empty())
    return makeError("'{}' and '{}' in '--sweep' contradict each other", option, name)
        .withNote("leave out '{}'", option);
  if (key->isAll)
    return makeError("'{0}=all' in '--sweep' says nothing: give the tiles to try", name)
        .withNote("for example '{}=64|128'; 'attnc tune' has tiles of its own", name);
  return key->values;
}

/// The base problem says the lengths; where no tiles are swept, it has the tiles that the machine can
/// hold.
static FailureOr<Problem> bindBase(Compilation &compilation, const SimulateOptions &options,
                                   const TimeQuestion &question, bool sweepsTiles) {
  return sweepsTiles ? bindSpec(compilation, options)
                     : bindForMachine(compilation, options, &question);
}

static Status tooManyTiles(size_t queryTiles, size_t keyTiles) {
  constexpr size_t kMost = 4096;
  if (queryTiles * keyTiles <= kMost)
    return {};
  return makeError("the sweep has {} pairs of tiles, but at most {} are tried",
                   queryTiles * keyTiles, kMost);
}

static Expected<SweepAnswer> sweep(Compilation &compilation, const Problem &base,
                                   const std::vector<SweepKey> &keys,
                                   const SimulateOptions &options, const TimeQuestion &question) {
  Expected<std::vector<SweepAxis>> axes = axesOf(compilation.attention(), base, keys);
  if (!axes)
    return axes.takeError();
  Extents queryTile = options.queryTile, keyTile = options.keyTile;
  bool sweepsTiles = llvm::any_of(keys, [](const SweepKey &key) { return key.name.ends_with("_tile"); });
  if (!sweepsTiles) {
    queryTile.assign(base.tiles.queryTile.begin(), base.tiles.queryTile.end());
    keyTile.assign(base.tiles.keyTile.begin(), base.tiles.keyTile.end());
  }
  Expected<std::vector<Extents>> queryTiles = tilesOfKey(keys, "q_tile", "--q-tile", queryTile);
  if (!queryTiles)
    return queryTiles.takeError();
  Expected<std::vector<Extents>> keyTiles = tilesOfKey(keys, "k_tile", "--k-tile", keyTile);
  if (!keyTiles)
    return keyTiles.takeError();
  if (Status few = tooManyTiles(queryTiles->size(), keyTiles->size()); !few)
    return few.takeError();
  return sweepOf(compilation, question, std::move(*axes),
                 tilePairs(compilation, options, question, *queryTiles, *keyTiles));
}

int sweepVerb(const SimulateOptions &options, const TimeQuestion &question) {
  Expected<std::vector<SweepKey>> keys = parseSweep(options.sweep, kMostConfigurations);
  if (!keys)
    return fail(keys.error());
  SpecCompilation compilation;
  bool sweepsTiles = llvm::any_of(*keys, [](const SweepKey &key) { return key.name.ends_with("_tile"); });
  FailureOr<Problem> base = bindBase(compilation, options, question, sweepsTiles);
  if (failed(base))
    return 1;
  Expected<SweepAnswer> answer = sweep(compilation, *base, *keys, options, question);
  if (!answer)
    return fail(answer.error());
  std::string report = options.format == "json" ? sweepJson(*answer, question)
                                                : sweepText(*answer, question, options.top);
  Status written = writeOutput(options.output, report);
  return written ? 0 : fail(written.error());
}

} // namespace attn::tools
