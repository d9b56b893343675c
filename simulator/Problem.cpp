#include "simulator/Problem.h"

#include "dialect/MaskFormulas.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace attn {

std::string layoutText(ArrayRef<int64_t> dims) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "[";
  llvm::interleave(
      dims,
      [&](int64_t dim) {
        if (ShapedType::isDynamic(dim))
          os << "?";
        else
          os << dim;
      },
      [&] { os << ", "; });
  os << "]";
  return text;
}

//===----------------------------------------------------------------------===//
// Lengths
//===----------------------------------------------------------------------===//

namespace {
/// How one side is called in a spec and on the command line.
struct Side {
  const char *name, *option;
};
constexpr Side kQueries{"tokens", "--tokens"}, kKeys{"kv_tokens", "--kv-tokens"};
} // namespace

/// "--tokens=30x48x80" with a number for every dimension of `spec`.
static std::string bindingExample(const Side &side, ArrayRef<int64_t> spec) {
  std::string text = std::string(side.option) + "=";
  llvm::raw_string_ostream os(text);
  llvm::interleave(
      spec, [&](int64_t dim) { os << (ShapedType::isDynamic(dim) ? int64_t(4096) : dim); },
      [&] { os << "x"; });
  return text;
}

static FailureOr<SmallVector<int64_t>>
bindLengths(AttentionOp op, const Side &side, ArrayRef<int64_t> spec, ArrayRef<int64_t> given) {
  if (given.empty()) {
    if (llvm::none_of(spec, ShapedType::isDynamic))
      return SmallVector<int64_t>(spec);
    InFlightDiagnostic diag = op.emitError() << side.name << " " << layoutText(spec)
                                             << " are known only when the kernel runs";
    diag.attachNote() << "bind them here, for example with '" << bindingExample(side, spec) << "'";
    return diag;
  }
  bool fits = given.size() == spec.size();
  for (size_t d = 0; fits && d < spec.size(); ++d)
    fits = given[d] >= 0 && (ShapedType::isDynamic(spec[d]) || given[d] == spec[d]);
  if (!fits) {
    InFlightDiagnostic diag = op.emitError()
                              << "'" << side.option << "' says " << layoutText(given)
                              << ", which does not fit " << side.name << " " << layoutText(spec);
    diag.attachNote() << "write, for example, '" << bindingExample(side, spec) << "'";
    return diag;
  }
  int64_t product = 1;
  for (int64_t dim : given)
    if (__builtin_mul_overflow(product, std::max<int64_t>(dim, 1), &product) ||
        product > kMaxMagnitude)
      return op.emitError() << side.name << " " << layoutText(given)
                            << " are more than 2^40 tokens";
  return SmallVector<int64_t>(given);
}

static int64_t product(ArrayRef<int64_t> dims) {
  int64_t n = 1;
  for (int64_t dim : dims)
    n *= dim;
  return n;
}

static LogicalResult bindOffset(AttentionOp op, std::optional<int64_t> given, Problem &problem) {
  std::optional<uint64_t> fixed = op.getQOffset();
  problem.queryOffset = product(problem.kvTokens) - product(problem.tokens);
  if (fixed)
    problem.queryOffset = static_cast<int64_t>(*fixed);
  if (!given)
    return success();
  if (fixed && *given != problem.queryOffset)
    return op.emitError() << "q_offset is " << *given << " here, but the spec fixes it at "
                          << problem.queryOffset;
  if (*given <= -kMaxMagnitude || *given >= kMaxMagnitude)
    return op.emitError() << "q_offset " << *given << " must lie between -2^40 and 2^40";
  problem.queryOffset = *given;
  return success();
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

static bool allLinear(AttentionOp op) {
  return llvm::all_of(groupHeads(op), [](const auto &group) {
    return cast<MaskAttrInterface>(group.first).isLinear();
  });
}

/// The tiles are chosen on the lengths of the spec, as the compiler does, and then bound.
static LogicalResult bindTiles(AttentionOp op, const ProblemRequest &request, Problem &problem) {
  FailureOr<TileChoice> tiles =
      tilesOf(op, allLinear(op), request.queryTile, request.keyTile, kMaxSimulatedTile);
  if (failed(tiles))
    return failure();
  problem.tiles = std::move(*tiles);
  bool flat = problem.tiles.layout.size() != problem.tokens.size() || problem.tokens.size() == 1;
  if (!flat && problem.tokens != problem.kvTokens) {
    InFlightDiagnostic diag = op.emitError()
                              << "tokens " << layoutText(problem.tokens) << " and kv_tokens "
                              << layoutText(problem.kvTokens)
                              << " differ, but tiles of several dimensions need one layout";
    diag.attachNote() << "linear masks may be tiled in one dimension: '--q-tile=128 --k-tile=128'";
    return diag;
  }
  problem.tiles.layout = problem.tokens;
  problem.tiles.kvLayout = problem.kvTokens;
  if (flat) {
    problem.tiles.layout = {product(problem.tokens)};
    problem.tiles.kvLayout = {product(problem.kvTokens)};
  }
  return success();
}

static FailureOr<TileGeometry> geometryOf(AttentionOp op, const TileChoice &tiles) {
  TileGeometry geometry;
  geometry.rank = static_cast<int>(tiles.layout.size());
  for (int d = 0; d < geometry.rank; ++d) {
    geometry.queries[d] = tiles.layout[d];
    geometry.keys[d] = tiles.kvLayout[d];
    geometry.queryTile[d] = tiles.queryTile[d];
    geometry.keyTile[d] = tiles.keyTile[d];
  }
  int64_t queryTiles = geometry.numQueryTiles();
  if (queryTiles <= kMaxQueryTiles)
    return geometry;
  InFlightDiagnostic diag = op.emitError()
                            << "tokens " << layoutText(tiles.layout) << " in tiles of "
                            << layoutText(tiles.queryTile) << " are " << queryTiles
                            << " query tiles, but at most 2^26 are mapped";
  diag.attachNote() << "larger query tiles are fewer: '--q-tile='";
  return diag;
}

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

SmallVector<std::pair<Attribute, SmallVector<int64_t>>> groupHeads(AttentionOp op) {
  SmallVector<std::pair<Attribute, SmallVector<int64_t>>> groups;
  for (int64_t head = 0; head < op.getNumHeads(); ++head) {
    Attribute mask = cast<MaskAttrInterface>(op.getMaskOfHead(head)).simplified();
    auto *it = llvm::find_if(groups, [&](const auto &group) { return group.first == mask; });
    if (it == groups.end()) {
      groups.push_back({mask, {head}});
      continue;
    }
    it->second.push_back(head);
  }
  return groups;
}

/// Bit i: node i depends on a run-time input.
static std::vector<bool> dependsOnInput(const Formula &formula, const ExprDag &dag) {
  std::vector<bool> depends;
  for (const ExprNode &node : dag.nodes()) {
    bool here =
        node.op == ExprOp::Symbol && formula.symbols[node.value].kind == SymbolKind::BatchInput;
    for (int32_t operand : {node.a, node.b, node.c})
      here = here || (operand >= 0 && depends[operand]);
    depends.push_back(here);
  }
  return depends;
}

Formula withUnknownInputs(Formula formula) {
  for (int d = 0; d < formula.rank; ++d) {
    std::vector<bool> unknown = dependsOnInput(formula, formula.dags[d]);
    for (Atom &atom : formula.atoms)
      if (atom.kind == AtomKind::Box && (unknown[atom.dims[d].lo] || unknown[atom.dims[d].hi]))
        atom.kind = AtomKind::Mask;
  }
  return formula;
}

static std::vector<int64_t> symbolValues(const Formula &formula, const TileGeometry &geometry,
                                         const Problem &problem) {
  std::vector<int64_t> values;
  for (const Symbol &symbol : formula.symbols) {
    switch (symbol.kind) {
    case SymbolKind::NumQueries:
      values.push_back(product(problem.tokens));
      break;
    case SymbolKind::NumKeys:
      values.push_back(product(problem.kvTokens));
      break;
    case SymbolKind::QueryOffset:
      values.push_back(problem.queryOffset);
      break;
    case SymbolKind::Dim:
      values.push_back(geometry.keys[symbol.index]);
      break;
    case SymbolKind::HeadParam:
    case SymbolKind::BatchInput:
      values.push_back(0);
      break; // read by no box atom
    }
  }
  return values;
}

static FailureOr<MaskGroup> mapGroup(AttentionOp op, Attribute mask, SmallVector<int64_t> heads,
                                     const TileGeometry &geometry, const Problem &problem) {
  std::optional<Formula> formula = formulaOf(mask, problem.tiles.kvLayout, op.getInputNameList());
  if (!formula)
    return op.emitError() << "mask has more than " << kMaxAtoms
                          << " atoms; split it over several kernels or simplify it";
  Formula known = withUnknownInputs(std::move(*formula));
  bool readsInputs = known.dataAtoms() != 0;
  std::vector<int64_t> symbols = symbolValues(known, geometry, problem);
  return MaskGroup{mask, std::move(heads), TileMap(std::move(known), geometry, std::move(symbols)),
                   readsInputs};
}

FailureOr<Problem> bindProblem(AttentionOp op, const ProblemRequest &request) {
  Problem problem;
  ArrayRef<int64_t> queryDims = op.getTokens().getDims(), keyDims = op.getKvTokens().getDims();
  FailureOr<SmallVector<int64_t>> tokens = bindLengths(op, kQueries, queryDims, request.tokens);
  if (failed(tokens))
    return failure();
  // Self-attention has one layout: binding the queries binds the keys.
  bool shared = request.kvTokens.empty() && queryDims == keyDims;
  FailureOr<SmallVector<int64_t>> kvTokens =
      shared ? tokens : bindLengths(op, kKeys, keyDims, request.kvTokens);
  if (failed(kvTokens))
    return failure();
  problem.tokens = std::move(*tokens);
  problem.kvTokens = std::move(*kvTokens);
  problem.batch = op.getQuery().getType().getDimSize(0);
  problem.heads = op.getNumHeads();
  problem.kvHeads = op.getNumKvHeads();
  if (failed(bindOffset(op, request.queryOffset, problem)) ||
      failed(bindTiles(op, request, problem)))
    return failure();
  FailureOr<TileGeometry> geometry = geometryOf(op, problem.tiles);
  if (failed(geometry))
    return failure();
  for (auto &[mask, heads] : groupHeads(op)) {
    FailureOr<MaskGroup> group = mapGroup(op, mask, std::move(heads), *geometry, problem);
    if (failed(group))
      return failure();
    problem.groups.push_back(std::move(*group));
  }
  return problem;
}

} // namespace attn
