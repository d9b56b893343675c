#include "tools/Explain.h"

#include "dialect/MaskFormulas.h"
#include "tools/BoundSpec.h"
#include "tools/ExplainAtoms.h"
#include "tools/ExplainFacts.h"
#include "tools/ExplainSamples.h"
#include "tools/MaskText.h"
#include "tools/Report.h"
#include "tools/SpecCompilation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

using namespace mlir;

namespace attn::tools {

namespace {

bool isOpen(ArrayRef<int64_t> dims) { return llvm::any_of(dims, ShapedType::isDynamic); }

/// Whether some length is open and no option says anything of it: then nothing can be counted.
bool leavesLengthsOpen(AttentionOp op, const BoundOptions &options) {
  bool isSilent = options.inputs.empty() && options.tokens.empty() && options.kvTokens.empty() &&
                  !options.batch;
  return isSilent && (isOpen(op.getTokens().getDims()) || isOpen(op.getKvTokens().getDims()) ||
                      ShapedType::isDynamic(op.getTokens().getNumTokens()));
}

/// "--tokens=4096", with a number for every length.
std::string bindingOption(AttentionOp op) {
  auto option = [](const char *name, ArrayRef<int64_t> dims) {
    std::vector<int64_t> numbers;
    for (int64_t dim : dims)
      numbers.push_back(ShapedType::isDynamic(dim) ? 4096 : dim);
    return fmt::format("{}={}", name, fmt::join(numbers, "x"));
  };
  ArrayRef<int64_t> tokens = op.getTokens().getDims(), kvTokens = op.getKvTokens().getDims();
  if (op.getTokens().hasGroups())
    return "--tokens=4096";
  std::string text = isOpen(tokens) ? option("--tokens", tokens) : "";
  if (tokens != kvTokens && isOpen(kvTokens))
    text += (text.empty() ? "" : " ") + option("--kv-tokens", kvTokens);
  return text;
}

/// The ranges of every query tile, as a launch writes them.
ListFact listFact(const TileMap &map) {
  const TileGeometry &geometry = map.geometry();
  int64_t count = geometry.numQueryTiles();
  ListFact fact{count ? INT64_MAX : 0, 0, 0, 0};
  std::vector<KeyBox> boxes;
  for (int64_t t = 0; t < count; ++t) {
    map.boxes(t, boxes);
    fact.least = std::min(fact.least, int64_t(boxes.size()));
    fact.most = std::max(fact.most, int64_t(boxes.size()));
    fact.ranges += int64_t(boxes.size());
  }
  int64_t word = geometry.rank > 1 ? sizeof(uint16_t) : sizeof(int32_t);
  fact.bytes =
      fact.ranges * (2 * geometry.rank + 1) * word + (count + 1) * int64_t(sizeof(int64_t));
  return fact;
}

/// Collects what there is to say of one kernel.
class Explainer {
public:
  Explainer(AttentionOp op, const ProblemRequest &request, const TileChoice &tiles,
            const Problem *bound)
      : op(op), request(request), tiles(tiles), bound(bound), naming(op, tiles, bound, request) {}

  LogicalResult run(Explanation &out) {
    fillSizes(out);
    if (failed(addCode(out)))
      return failure();
    if (naming.isSelf() || !bound)
      sampled = sampleProblems(op, request, farthestConstant(formulas));
    if (failed(bound ? addBoundGroups(out) : addOpenGroups(out)))
      return failure();
    addTotal(out);
    FormulaUse use{formulas, op.getMaskInputs()};
    out.words = wordFacts(use, naming, out);
    out.atLaunch = launchFacts(use, naming, out);
    out.inKernel = kernelFacts(use, out, !op.getScore().empty());
    out.never = neverFacts(use, out);
    return success();
  }

private:
  void fillSizes(Explanation &out) {
    out.tokens.assign(op.getTokens().getDims().begin(), op.getTokens().getDims().end());
    out.kvTokens.assign(op.getKvTokens().getDims().begin(), op.getKvTokens().getDims().end());
    out.queryTile.assign(tiles.queryTile.begin(), tiles.queryTile.end());
    out.keyTile.assign(tiles.keyTile.begin(), tiles.keyTile.end());
    out.steps = tiles.steps;
    out.heads = op.getNumHeads();
    out.kvHeads = op.getNumKvHeads();
    if (!bound) {
      out.binding = bindingOption(op);
      return;
    }
    out.tokens = bound->tokens;
    out.kvTokens = bound->kvTokens;
    out.queryOffset = bound->queryOffset;
    if (bound->inputs)
      out.batchEntry = bound->inputs->batch;
  }

  /// The formula on the lengths of the spec.
  FailureOr<Formula> formulaOn(Attribute mask) {
    std::optional<Formula> formula =
        formulaOf(mask, tiles.keyLayoutOf(op), op.getMaskInputs());
    if (formula)
      return std::move(*formula);
    return op.emitError() << "mask has more than " << kMaxAtoms
                          << " atoms; split it over several kernels or simplify it";
  }

  LogicalResult addOpenGroups(Explanation &out) {
    for (auto &[mask, heads] : groupHeads(op)) {
      FailureOr<Formula> formula = formulaOn(mask);
      if (failed(formula))
        return failure();
      GroupFact fact = groupFact(*formula, mask, heads);
      Signature data = withUnknownInputs(*formula).dataAtoms();
      fact.gaps = gapFacts(*formula, data, false);
      out.groups.push_back(std::move(fact));
    }
    return success();
  }

  LogicalResult addBoundGroups(Explanation &out) {
    for (const MaskGroup &group : bound->groups) {
      FailureOr<Formula> formula = formulaOn(group.mask);
      if (failed(formula))
        return failure();
      GroupFact fact = groupFact(*formula, group.mask, group.heads);
      fact.counts = countsOf(op, *bound, group);
      fact.list = listFact(group.map);
      fact.seesNothing |= fact.counts->tiles.visited == 0 && fact.counts->allPairs > 0;
      noteSortedLabels(*formula, group, fact);
      if (!fact.counts->exact || !fact.counts->exactPairs)
        fact.gaps = gapFacts(*formula, group.dataAtoms, bound->inputs.has_value());
      out.groups.push_back(std::move(fact));
    }
    return success();
  }

  GroupFact groupFact(const Formula &formula, Attribute mask, ArrayRef<int64_t> heads) {
    GroupFact fact;
    fact.heads.assign(heads.begin(), heads.end());
    fact.mask = maskText(mask);
    fact.truth = truthText(formula);
    fact.seesNothing = fact.truth == "no key";
    fact.atoms = atomFacts(formula, naming);
    std::vector<RangeSample> samples = rangeSamples(formula, naming, heads.front(), sampled, bound);
    fact.visits = visitFact(formula, naming, tiles, samples);
    if (fact.visits.why.empty())
      fact.visits.checked = checkedText(formula, sampled, bound);
    if (!formula.taps.empty())
      fact.notes.push_back({"border_zero",
                            "keys of a window that lie outside the layout count as zeros: "
                            "they have score 0 and value 0"});
    addSpans(formula, fact);
    return fact;
  }

  static void noteSortedLabels(const Formula &formula, const MaskGroup &group, GroupFact &fact) {
    std::vector<std::string> names = atomNames(formula);
    for (int32_t i : atomOrder(formula))
      if (formula.atoms[size_t(i)].kind == AtomKind::Labels && !(group.dataAtoms >> i & 1))
        fact.notes.push_back({"labels_sorted", names[size_t(i)] +
                                                   ": every label is one run of keys here, so "
                                                   "its tiles are exact"});
  }

  void addSpans(const Formula &formula, GroupFact &fact) {
    for (auto [i, rule] : llvm::enumerate(formula.spans)) {
      Symbol symbol{SymbolKind::Span, int32_t(i)};
      std::string tokens = rule.newTokens ? fmt::format("N + {}", rule.newTokens) : "N";
      std::string here =
          bound ? grouped(spanLength(rule, bound->numKeys)) + " keys here, from " : "";
      fact.notes.push_back(
          {"span", fmt::format("{} = {}{} + {} * {}, at least {} and at most {}, rounded up to "
                               "blocks of {}",
                               naming.symbol(formula, symbol).text(), here, rule.alpha, rule.beta,
                               rule.newTokens ? "(" + tokens + ")" : tokens, 2 * kSpanBlock, tokens,
                               kSpanBlock)});
    }
  }

  void addTotal(Explanation &out) {
    if (!bound)
      return;
    std::vector<Counts> counts;
    for (const GroupFact &group : out.groups)
      counts.push_back(*group.counts);
    out.total = totalOf(*bound, counts);
  }

  /// Distinct masks, and which of them are one formula.
  LogicalResult addCode(Explanation &out) {
    std::vector<std::string> heads;
    for (auto &[mask, list] : groupHeads(op)) {
      FailureOr<Formula> formula = formulaOn(mask);
      if (failed(formula))
        return failure();
      formulas.push_back(std::move(*formula));
      heads.push_back(headsText(list));
    }
    ParameterizedFormulas shared = parameterize(formulas);
    out.code.resize(shared.formulas.size());
    for (size_t i = 0; i < heads.size(); ++i) {
      CodeFact &code = out.code[size_t(shared.formulaOf[i])];
      code.heads.push_back(heads[i]);
      code.constants.push_back(constantsText(shared.parameters[i]));
    }
    return success();
  }

  static std::string constantsText(const std::vector<HeadParameter> &parameters) {
    std::string text;
    for (const HeadParameter &p : parameters)
      text +=
          (text.empty() ? "" : ", ") +
          (p.span ? fmt::format("{} + {} * N", p.span->alpha, p.span->beta) : Sum(p.value).text());
    return text;
  }

  AttentionOp op;
  const ProblemRequest &request;
  const TileChoice &tiles;
  const Problem *bound;
  Naming naming;
  std::vector<Problem> sampled;
  std::vector<Formula> formulas; ///< of the distinct masks
};

FailureOr<Explanation> explain(Compilation &compilation, const ExplainOptions &options) {
  AttentionOp op = compilation.attention();
  ProblemRequest request{options.tokens, options.kvTokens, options.queryOffset, options.queryTile,
                         options.keyTile};
  FailureOr<TileChoice> tiles = tilesOfSpec(op, request);
  if (failed(tiles))
    return failure();
  std::optional<Problem> bound;
  if (!leavesLengthsOpen(op, options)) {
    FailureOr<Problem> problem = bindKernel(compilation, options);
    if (failed(problem))
      return failure();
    bound = std::move(*problem);
  }
  Explanation explanation;
  explanation.kernel = kernelName(compilation);
  if (failed(Explainer(op, request, *tiles, bound ? &*bound : nullptr).run(explanation)))
    return failure();
  return explanation;
}

} // namespace

int explainVerb(const ExplainOptions &options) {
  SpecCompilation compilation;
  if (failed(compilation.loadFile(options.spec)) ||
      failed(compilation.selectKernel(options.kernel)))
    return 1;
  FailureOr<Explanation> explanation = explain(compilation, options);
  if (failed(explanation))
    return 1;
  Status written =
      writeOutput(options.output, options.format == "json" ? explanationJson(*explanation)
                                                           : explanationText(*explanation));
  return written ? 0 : fail(written.error());
}

} // namespace attn::tools
