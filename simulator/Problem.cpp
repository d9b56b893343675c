#include "simulator/Problem.h"

#include "dialect/MaskFormulas.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <map>

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

/// A layout of token groups is bound by its number of tokens.
static FailureOr<SmallVector<int64_t>> bindGroups(AttentionOp op, ArrayRef<int64_t> given,
                                                  int64_t &tokens) {
  LayoutAttr layout = op.getTokens();
  tokens = layout.getNumTokens();
  if (ShapedType::isDynamic(tokens)) {
    if (given.size() != 1) {
      InFlightDiagnostic diag = op.emitError()
                                << "a token group has the length '?', which is known "
                                   "only when the kernel runs";
      diag.attachNote() << "give the number of all tokens, for example with '--tokens=4096'";
      return diag;
    }
    tokens = given.front();
  }
  TokenCount count = layout.getTokenCount();
  if (!count.fits(tokens))
    return op.emitError() << "the token groups of the layout cannot have " << tokens
                          << " tokens: they have " << count.base << " and multiples of "
                          << count.unit << " more";
  SmallVector<int64_t> dims(layout.getDims());
  dims[0] = ceilDiv(tokens, product(ArrayRef(dims).drop_front()));
  return dims;
}

static LogicalResult bindOffset(AttentionOp op, std::optional<int64_t> given, Problem &problem) {
  std::optional<uint64_t> fixed = op.getQOffset();
  problem.queryOffset = problem.numKeys - problem.numQueries;
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

FailureOr<TileChoice> tilesOfSpec(AttentionOp op, const ProblemRequest &request) {
  return tilesOf(op, allLinear(op), request.queryTile, request.keyTile, kMaxSimulatedTile);
}

/// The tiles are chosen on the lengths of the spec, as the compiler does, and then bound.
static LogicalResult bindTiles(AttentionOp op, const ProblemRequest &request, Problem &problem) {
  FailureOr<TileChoice> tiles = tilesOfSpec(op, request);
  if (failed(tiles))
    return failure();
  problem.tiles = std::move(*tiles);
  bool isSplit = !problem.tiles.steps.empty();
  bool flat = !isSplit && (problem.tiles.layout.size() != problem.tokens.size() ||
                           problem.tokens.size() == 1);
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
  if (isSplit)
    problem.tiles.layout = problem.tiles.kvLayout =
        SplitAttr::get(op.getContext(), problem.tokens, problem.tiles.steps).getDims();
  if (flat) {
    problem.tiles.layout = {problem.numQueries};
    problem.tiles.kvLayout = {problem.numKeys};
  }
  return success();
}

TileGeometry tilingOf(AttentionOp op, const Problem &problem) {
  const TileChoice &tiles = problem.tiles;
  TileGeometry geometry;
  geometry.numQueries = problem.numQueries;
  geometry.numKeys = problem.numKeys;
  geometry.rank = static_cast<int>(tiles.layout.size());
  geometry.bounded = geometry.rank > 1 && tiles.queryLayoutOf(op).isBounded();
  for (int d = 0; d < geometry.rank; ++d) {
    geometry.queries[d] = tiles.layout[d];
    geometry.keys[d] = tiles.kvLayout[d];
    geometry.queryTile[d] = tiles.queryTile[d];
    geometry.keyTile[d] = tiles.keyTile[d];
  }
  return geometry;
}

static LogicalResult checkTiling(AttentionOp op, const Problem &problem) {
  const TileChoice &tiles = problem.tiles;
  int64_t queryTiles = problem.tiling.numQueryTiles();
  if (queryTiles <= kMaxQueryTiles)
    return success();
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

/// Whether its value comes from a run-time input or differs between batch entries.
static bool isInput(const Symbol &symbol) {
  return symbol.kind == SymbolKind::BatchInput || symbol.kind == SymbolKind::HeadInput ||
         symbol.kind == SymbolKind::Batch;
}

/// Bit i: node i depends on a run-time input.
static std::vector<bool> dependsOnInput(const Formula &formula, const ExprDag &dag) {
  std::vector<bool> depends;
  for (const ExprNode &node : dag.nodes()) {
    bool here = node.op == ExprOp::Table;
    if (node.op == ExprOp::Symbol)
      here = isInput(formula.symbols[node.value]);
    for (int32_t operand : {node.a, node.b, node.c})
      here = here || (operand >= 0 && depends[operand]);
    depends.push_back(here);
  }
  return depends;
}

static bool dependsOnInput(const Formula &formula, const PairExpr &predicate) {
  return llvm::any_of(predicate, [&](const PairNode &node) {
    return node.op == PairOp::Lookup || node.op == PairOp::Table ||
           (node.op == PairOp::Symbol && isInput(formula.symbols[node.value]));
  });
}

Formula withUnknownInputs(Formula formula) {
  for (Atom &atom : formula.atoms)
    if (atom.kind == AtomKind::Predicate && dependsOnInput(formula, formula.predicates[atom.index]))
      atom = {AtomKind::Mask};
  for (int d = 0; d < formula.rank; ++d) {
    std::vector<bool> unknown = dependsOnInput(formula, formula.dags[d]);
    for (Atom &atom : formula.atoms) {
      if (atom.kind != AtomKind::Box)
        continue;
      const AtomDim &dim = atom.dims[d];
      if (unknown[dim.lo] || unknown[dim.hi] || (dim.shift >= 0 && unknown[dim.shift]))
        atom.kind = AtomKind::Mask;
    }
  }
  return formula;
}

std::vector<int64_t> symbolValues(const Formula &formula, const Problem &problem, int64_t head) {
  auto entry = [&](int32_t input, int64_t i) {
    return problem.inputs ? problem.inputs->views[input].at(std::array<int64_t, 1>{i}) : 0;
  };
  std::vector<int64_t> values;
  for (const Symbol &symbol : formula.symbols) {
    switch (symbol.kind) {
    case SymbolKind::NumQueries:
      values.push_back(problem.numQueries);
      break;
    case SymbolKind::NumKeys:
      values.push_back(problem.numKeys);
      break;
    case SymbolKind::QueryOffset:
      values.push_back(problem.queryOffset);
      break;
    case SymbolKind::Dim:
      values.push_back(problem.tiling.keys[symbol.index]);
      break;
    case SymbolKind::Span:
      values.push_back(spanLength(formula.spans[symbol.index], problem.numKeys));
      break;
    case SymbolKind::BatchInput:
      values.push_back(entry(symbol.index, problem.inputs ? problem.inputs->batch : 0));
      break;
    case SymbolKind::HeadInput:
      values.push_back(entry(symbol.index, head));
      break;
    case SymbolKind::Batch:
      values.push_back(problem.inputs ? problem.inputs->batch : 0);
      break;
    case SymbolKind::HeadParam:
    case SymbolKind::HeadFormula:
      assert(false && "no symbol of the formula of one head");
      values.push_back(0);
      break;
    }
  }
  return values;
}

/// The formula of a mask on the tiled layout.
static FailureOr<Formula> formulaOn(AttentionOp op, Attribute mask, const Problem &problem) {
  std::optional<Formula> formula =
      formulaOf(mask, problem.tiles.keyLayoutOf(op), op.getMaskInputs());
  if (formula)
    return std::move(*formula);
  return op.emitError() << "mask has more than " << kMaxAtoms
                        << " atoms; split it over several kernels or simplify it";
}

/// Inputs without a rank are not known.
static MapInputs mapInputs(AttentionOp op, const Formula &formula, const TileGeometry &geometry,
                           const Problem &problem) {
  std::vector<DataView> views(op.getMaskInputs().names.size());
  if (problem.inputs)
    views = problem.inputs->views;
  return {geometry, std::move(views), formula.tables, problem.numQueries, problem.queryOffset};
}

static bool readsInputs(const Formula &formula) {
  return llvm::any_of(formula.atoms, [](const Atom &atom) {
    return atom.kind != AtomKind::Box && atom.kind != AtomKind::Predicate;
  });
}

FailureOr<MaskGroup> mapGroup(AttentionOp op, Attribute mask, SmallVector<int64_t> heads,
                              const TileGeometry &geometry, const Problem &problem) {
  FailureOr<Formula> formula = formulaOn(op, mask, problem);
  if (failed(formula))
    return failure();
  if (!problem.inputs)
    formula = withUnknownInputs(std::move(*formula));
  bool isOpen = !problem.inputs && readsInputs(*formula);
  int64_t head = heads.front(), batch = problem.inputs ? problem.inputs->batch : 0;
  std::vector<int64_t> symbols = symbolValues(*formula, problem, head);
  MapInputs inputs = mapInputs(op, *formula, geometry, problem);
  Signature dataAtoms = formula->dataAtoms();
  for (auto [i, atom] : llvm::enumerate(formula->atoms))
    if (atom.kind == AtomKind::Labels && inputs.isSorted(atom))
      dataAtoms &= ~(Signature(1) << i);
  TileMap map = inputs.makeMap(std::move(*formula), std::move(symbols), batch, head);
  return MaskGroup{mask, std::move(heads), std::move(map), isOpen, dataAtoms};
}

FailureOr<MaskGroup> mapElements(AttentionOp op, const MaskGroup &group, const Problem &problem) {
  TileGeometry geometry = problem.tiling;
  geometry.queryTile = geometry.keyTile = {1, 1, 1, 1};
  return mapGroup(op, group.mask, group.heads, geometry, problem);
}

/// Heads of one mask that see the same, in the order of their first ones.
static std::vector<SmallVector<int64_t>> headsThatSeeAlike(AttentionOp op, const Formula &formula,
                                                           ArrayRef<int64_t> heads,
                                                           const Problem &problem) {
  bool apart = mapInputs(op, formula, problem.tiling, problem).dependsOnHead(formula);
  std::vector<SmallVector<int64_t>> groups;
  std::map<std::vector<int64_t>, size_t> known;
  for (int64_t head : heads) {
    std::vector<int64_t> key = symbolValues(formula, problem, head);
    key.push_back(apart ? head : 0);
    auto [it, isNew] = known.try_emplace(std::move(key), groups.size());
    if (isNew)
      groups.emplace_back();
    groups[it->second].push_back(head);
  }
  return groups;
}

LogicalResult mapHeads(AttentionOp op, Problem &problem) {
  for (auto &[mask, heads] : groupHeads(op)) {
    std::vector<SmallVector<int64_t>> alike{heads};
    if (problem.inputs) {
      FailureOr<Formula> formula = formulaOn(op, mask, problem);
      if (failed(formula))
        return failure();
      alike = headsThatSeeAlike(op, *formula, heads, problem);
    }
    for (SmallVector<int64_t> &some : alike) {
      FailureOr<MaskGroup> group = mapGroup(op, mask, std::move(some), problem.tiling, problem);
      if (failed(group))
        return failure();
      problem.groups.push_back(std::move(*group));
    }
  }
  llvm::stable_sort(problem.groups, [](const MaskGroup &a, const MaskGroup &b) {
    return a.heads.front() < b.heads.front();
  });
  return success();
}

FailureOr<Problem> bindSizes(AttentionOp op, const ProblemRequest &request) {
  Problem problem;
  ArrayRef<int64_t> queryDims = op.getTokens().getDims(), keyDims = op.getKvTokens().getDims();
  bool hasGroups = op.getTokens().hasGroups();
  FailureOr<SmallVector<int64_t>> tokens =
      hasGroups ? bindGroups(op, request.tokens, problem.numQueries)
                : bindLengths(op, kQueries, queryDims, request.tokens);
  if (failed(tokens))
    return failure();
  // Self-attention has one layout: binding the queries binds the keys.
  bool shared = hasGroups || (request.kvTokens.empty() && queryDims == keyDims);
  FailureOr<SmallVector<int64_t>> kvTokens =
      shared ? tokens : bindLengths(op, kKeys, keyDims, request.kvTokens);
  if (failed(kvTokens))
    return failure();
  problem.tokens = std::move(*tokens);
  problem.kvTokens = std::move(*kvTokens);
  if (!hasGroups)
    problem.numQueries = product(problem.tokens);
  problem.numKeys = hasGroups ? problem.numQueries : product(problem.kvTokens);
  problem.batch = op.getQuery().getType().getDimSize(0);
  problem.heads = op.getNumHeads();
  problem.kvHeads = op.getNumKvHeads();
  if (failed(bindOffset(op, request.queryOffset, problem)) ||
      failed(bindTiles(op, request, problem)))
    return failure();
  problem.tiling = tilingOf(op, problem);
  if (failed(checkTiling(op, problem)))
    return failure();
  return problem;
}

FailureOr<Problem> bindProblem(AttentionOp op, const ProblemRequest &request) {
  FailureOr<Problem> problem = bindSizes(op, request);
  if (failed(problem) || failed(mapHeads(op, *problem)))
    return failure();
  return problem;
}

} // namespace attn
