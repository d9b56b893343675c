#include "tools/TilePairs.h"

#include "tools/BoundSpec.h"

using namespace mlir;

namespace attn::tools {

/// The problem with these tiles, or why there is none.
static Expected<SweepTiles> tilesOrReason(Compilation &compilation, const BoundOptions &options,
                                          const TimeQuestion &question) {
  std::string reason;
  ScopedDiagnosticHandler handler(&compilation.context(), [&](Diagnostic &diagnostic) {
    if (reason.empty())
      reason = diagnostic.str();
  });
  FailureOr<Problem> problem = bindWithoutMaps(compilation, options);
  if (failed(problem))
    return makeError("{}", reason);
  Expected<KernelShape> shape = wholeKernelOf(compilation.attention(), *problem, question, /*masks=*/1);
  if (!shape)
    return shape.takeError();
  if (Status fits = checkShape(*shape, question.machine); !fits)
    return fits.takeError();
  double denseUs = predict(question.machine, *shape, denseWorkOf(*problem, *shape)).us;
  return SweepTiles{std::move(*problem), *shape, denseUs};
}

TilePairs tilePairs(Compilation &compilation, const BoundOptions &options,
                    const TimeQuestion &question, const std::vector<Extents> &queryTiles,
                    const std::vector<Extents> &keyTiles) {
  TilePairs pairs;
  for (const Extents &queryTile : queryTiles)
    for (const Extents &keyTile : keyTiles) {
      BoundOptions here = options;
      here.queryTile = queryTile;
      here.keyTile = keyTile;
      Expected<SweepTiles> tiles = tilesOrReason(compilation, here, question);
      if (tiles)
        pairs.possible.push_back(std::move(*tiles));
      else
        pairs.leftOut.push_back({queryTile, keyTile, tiles.error().message});
    }
  return pairs;
}

} // namespace attn::tools
