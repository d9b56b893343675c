#include "tools/ExplainSamples.h"

#include "tools/BoundSpec.h"

#include "mlir/IR/Diagnostics.h"

#include <fmt/format.h>

using namespace mlir;

namespace attn::tools {

int64_t farthestConstant(ArrayRef<Formula> formulas) {
  int64_t farthest = 0;
  for (const Formula &formula : formulas)
    for (const ExprDag &dag : formula.dags)
      for (const ExprNode &node : dag.nodes())
        if (node.op == ExprOp::Constant && std::abs(node.value) < kInfinity / 2)
          farthest = std::max(farthest, std::abs(node.value));
  return farthest;
}

/// Around the extent of a tile, some tiles that are not whole, and beyond the farthest bound.
static std::vector<int64_t> lengthsAround(int64_t tile, int64_t farthest) {
  constexpr int64_t most = int64_t(1) << 20;
  std::vector<int64_t> lengths{1, tile, tile + 1, 5 * tile, 8 * tile - 3, 40 * tile - 1};
  if (int64_t far = farthest + 3 * tile + 1; far > lengths.back() && far <= most)
    lengths.push_back(far);
  return lengths;
}

static SmallVector<int64_t> withLength(ArrayRef<int64_t> dims, int64_t length) {
  SmallVector<int64_t> bound(dims);
  for (int64_t &dim : bound)
    if (ShapedType::isDynamic(dim))
      dim = length;
  return bound;
}

std::vector<Problem> sampleProblems(AttentionOp op, const ProblemRequest &request,
                                    int64_t farthest) {
  LayoutAttr tokens = op.getTokens(), kvTokens = op.getKvTokens();
  bool open = llvm::any_of(tokens.getDims(), ShapedType::isDynamic) ||
              llvm::any_of(kvTokens.getDims(), ShapedType::isDynamic);
  FailureOr<TileChoice> tiles = tilesOfSpec(op, request);
  if (!open || !request.kvTokens.empty() || failed(tiles))
    return {};
  // Lengths that do not suit the layout are no mistake of the user's.
  ScopedDiagnosticHandler silence(op.getContext(), [](Diagnostic &) { return success(); });
  std::vector<Problem> problems;
  int64_t tile = std::max(tiles->queryTile.front(), tiles->keyTile.front());
  bool apart = tokens != kvTokens;
  for (int64_t length : lengthsAround(tile, farthest)) {
    SmallVector<int64_t> queries = withLength(tokens.getDims(), length), keys;
    if (tokens.hasGroups())
      queries = {tokens.getTokenCount().base + tokens.getTokenCount().unit * length};
    if (apart)
      keys = withLength(kvTokens.getDims(), 3 * length + 1);
    ProblemRequest sample = request;
    sample.tokens = queries;
    sample.kvTokens = keys;
    if (FailureOr<Problem> problem = bindSizes(op, sample); succeeded(problem))
      problems.push_back(std::move(*problem));
  }
  return problems;
}

static bool isUnknown(const Symbol &symbol) {
  return symbol.kind == SymbolKind::BatchInput || symbol.kind == SymbolKind::HeadInput ||
         symbol.kind == SymbolKind::Batch;
}

std::vector<RangeSample> rangeSamples(const Formula &formula, const Naming &naming, int64_t head,
                                      ArrayRef<Problem> sampled, const Problem *bound) {
  std::vector<RangeSample> samples;
  if (formula.dataAtoms() != 0 || !formula.tables.empty())
    return samples;
  auto add = [&](const Problem &problem) {
    std::vector<int64_t> values = symbolValues(formula, problem, head);
    std::vector<int64_t> choices{0};
    bool known = problem.inputs || llvm::none_of(formula.symbols, isUnknown);
    if (!known)
      choices = {0, 1, problem.numKeys / 2 + 1, problem.numKeys};
    for (int64_t choice : choices) {
      for (size_t i = 0; !known && i < values.size(); ++i)
        if (isUnknown(formula.symbols[i]))
          values[i] = choice;
      samples.push_back(
          {TileMap(formula, problem.tiling, values), naming.valuesOf(formula, problem, values)});
    }
  };
  for (const Problem &problem : sampled)
    add(problem);
  if (bound)
    add(*bound);
  return samples;
}

std::string checkedText(const Formula &formula, ArrayRef<Problem> sampled, const Problem *bound) {
  std::string text;
  if (bound) {
    int64_t count = bound->tiling.numQueryTiles();
    int64_t step = checkStep(count);
    text = count == 1  ? "its one query tile"
           : step == 1 ? fmt::format("all {} query tiles", grouped(count))
                       : fmt::format("every {}th of {} query tiles", step, grouped(count));
    if (!sampled.empty())
      text += fmt::format(", and at {} other lengths", sampled.size());
  } else {
    bool ofKeys = sampled.front().numQueries == sampled.back().numQueries;
    auto tokens = [&](const Problem &p) { return grouped(ofKeys ? p.numKeys : p.numQueries); };
    text = fmt::format("all query tiles at {} lengths from {} to {} {}", sampled.size(),
                       tokens(sampled.front()), tokens(sampled.back()), ofKeys ? "keys" : "tokens");
  }
  bool known = (bound && bound->inputs) || llvm::none_of(formula.symbols, isUnknown);
  return known ? text : text + ", each with 4 values of the inputs";
}

} // namespace attn::tools
