#include "passes/Pipeline.h"

#include "passes/Passes.h"

#include "mlir/Transforms/Passes.h"

namespace attn {

void buildTilingPipeline(mlir::OpPassManager &pm, const TilingOptions &options) {
  // Equal masks become equal attributes, so that heads can be grouped by them.
  pm.addPass(mlir::createCanonicalizerPass());

  TileAttentionOptions tiling;
  tiling.queryTile.assign(options.queryTile.begin(), options.queryTile.end());
  tiling.keyTile.assign(options.keyTile.begin(), options.keyTile.end());
  tiling.machine = options.machine;
  pm.addPass(createTileAttention(tiling));

  // Needs the tile maps, and must come before anyone spends code on a mask.
  pm.addPass(createElideMasks());
  // Formulas share bounds, and heads of one formula share everything.
  pm.addPass(mlir::createCSEPass());
  pm.addPass(mlir::createCanonicalizerPass());
}

} // namespace attn
