#include "passes/Passes.h"

#include "dialect/MaskFormulas.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {
#define GEN_PASS_DEF_ELIDEMASKS
#include "passes/Passes.h.inc"

namespace {

/// The tiled layout with its lengths, or nothing where one is dynamic.
std::optional<TileGeometry> staticGeometry(tile::AttentionOp op) {
  TileGeometry geometry;
  geometry.rank = static_cast<int>(op.getRank());
  for (int d = 0; d < geometry.rank; ++d) {
    geometry.queries[d] = op.getTokens().getDims()[d];
    geometry.keys[d] = op.getKvTokens().getDims()[d];
    geometry.queryTile[d] = op.getQueryTile()[d];
    geometry.keyTile[d] = op.getKeyTile()[d];
    if (ShapedType::isDynamic(geometry.queries[d]) || ShapedType::isDynamic(geometry.keys[d]))
      return std::nullopt;
  }
  geometry.bounded = op.isBounded();
  geometry.numQueries = op.getTokens().getNumTokens();
  geometry.numKeys = op.getKvTokens().getNumTokens();
  return geometry;
}

bool visitsFullTilesOnly(tile::AttentionOp op) {
  std::optional<TileGeometry> geometry = staticGeometry(op);
  if (!geometry)
    return false;
  MaskInputs inputs{op.getInputNameList(), SmallVector<Type>(op.getInputs().getTypes())};
  return llvm::all_of(op.getMasks(), [&](Attribute mask) {
    Formula formula = *formulaOf(mask, op.getKvTokens(), inputs);
    if (!formula.symbols.empty() || !formula.tables.empty() || formula.dataAtoms())
      return false;
    TileCounts counts = TileMap(formula, *geometry, {}).counts();
    return counts.full == counts.visited;
  });
}

struct ElideMasks : impl::ElideMasksBase<ElideMasks> {
  void runOnOperation() override {
    getOperation().walk([](tile::AttentionOp op) {
      if (!visitsFullTilesOnly(op))
        return;
      op.walk([](tile::MaskOp mask) {
        mask.replaceAllUsesWith(mask.getScores());
        mask.erase();
      });
    });
  }
};

} // namespace
} // namespace attn
