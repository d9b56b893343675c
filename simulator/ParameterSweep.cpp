#include "simulator/ParameterSweep.h"

#include "dialect/MaskFormulas.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/STLExtras.h"

#include <atomic>
#include <thread>

using namespace mlir;

namespace attn {

namespace {

/// Predicts configurations in one thread, and remembers what those of the same masks share.
class Predictor {
public:
  Predictor(AttentionOp op, const SweepPlan &plan, const Machine &machine)
      : op(op), plan(plan), machine(machine) {}

  SweepResult resultOf(const SweepPlan::Configuration &configuration);

private:
  void take(uint32_t masks);

  AttentionOp op;
  const SweepPlan &plan;
  const Machine &machine;
  /// A mask at hand, simplified, with the heads that have it.
  struct Group {
    Attribute mask;
    SmallVector<int64_t> heads;
    LayoutAttr layout; ///< that the formula is for; null: there is none yet
    std::optional<Formula> formula;
    std::optional<double> visiblePairs; ///< of a head, where all tiles share them
  };
  void addFormula(Group &group, LayoutAttr layout);
  /// Classes of a head's query tiles, and in `visiblePairs` its pairs.
  std::vector<TileClass> classesOn(Group &group, const Problem &problem, double &visiblePairs,
                                   bool &exact);

  uint32_t taken = UINT32_MAX;
  std::vector<Group> groups;
};

void Predictor::take(uint32_t number) {
  if (number == taken)
    return;
  taken = number;
  groups.clear();
  for (const auto &[mask, heads] : plan.masks[number].masks) {
    Attribute simple = cast<MaskAttrInterface>(mask).simplified();
    auto it = llvm::find_if(groups, [&](const Group &group) { return group.mask == simple; });
    if (it == groups.end())
      groups.push_back({simple, heads, {}, {}, {}});
    else
      llvm::append_range(it->heads, heads);
  }
}

/// Whether the map follows from the formula alone.
bool isClosed(const Formula &formula) {
  return formula.dataAtoms() == 0 && llvm::none_of(formula.symbols, [](const Symbol &symbol) {
           return symbol.kind == SymbolKind::BatchInput || symbol.kind == SymbolKind::HeadInput ||
                  symbol.kind == SymbolKind::Batch;
         });
}

void Predictor::addFormula(Group &group, LayoutAttr layout) {
  if (group.layout == layout)
    return;
  group.layout = layout;
  group.formula = formulaOf(group.mask, layout, op.getMaskInputs());
  assert(group.formula && "masks of a sweep have as many atoms as the spec's");
}

std::vector<TileClass> Predictor::classesOn(Group &group, const Problem &problem,
                                            double &visiblePairs, bool &exact) {
  addFormula(group, problem.tiles.keyLayoutOf(op));
  std::vector<int64_t> symbols = symbolValues(*group.formula, problem, group.heads.front());
  if (isProduct(*group.formula, problem.tiling) && isClosed(*group.formula)) {
    ProductCounts counts = countsOfProduct(*group.formula, problem.tiling, symbols);
    visiblePairs = counts.visiblePairs;
    return std::move(counts.classes);
  }
  if (isClosed(*group.formula)) {
    TileMap map(*group.formula, problem.tiling, std::move(symbols));
    if (!group.visiblePairs)
      group.visiblePairs = double(map.visiblePairs());
    visiblePairs = *group.visiblePairs;
    exact &= map.exact();
    return classesOf(map);
  }
  // Which pairs data shows depends on what is known of each tile.
  FailureOr<MaskGroup> mapped = mapGroup(op, group.mask, group.heads, problem.tiling, problem);
  assert(succeeded(mapped) && "the formula is known");
  visiblePairs = double(countsOf(op, problem, *mapped).visiblePairs);
  exact &= mapped->map.exact();
  return classesOf(mapped->map);
}

SweepResult Predictor::resultOf(const SweepPlan::Configuration &configuration) {
  take(configuration.masks);
  const SweepTiles &tiles = plan.tiles[configuration.tiles];
  const Problem &problem = tiles.problem;
  Work work = workWithoutHeads(problem);
  SweepResult result;
  for (Group &group : groups) {
    double pairs = 0, heads = double(group.heads.size());
    work.groups.push_back({int64_t(group.heads.size()), classesOn(group, problem, pairs, result.exact)});
    work.visiblePairs += double(problem.batch) * heads * pairs;
    for (const TileClass &c : work.groups.back().classes) {
      result.visited += heads * double(c.tiles) * double(c.visited());
      result.full += heads * double(c.tiles) * double(c.full);
    }
  }
  KernelShape shape = tiles.shape;
  if (groups.size() > 1)
    shape.packedHeads = 1;
  Prediction p = predict(machine, shape, work, {}, Scheduling::Coarse);
  result.us = p.us;
  result.limiter = p.limiter;
  result.next = p.next;
  double pairs = double(problem.batch) * double(problem.heads) * double(problem.numQueries) *
                 double(problem.numKeys);
  result.density = pairs > 0 ? work.visiblePairs / pairs : 1;
  return result;
}

} // namespace

std::vector<SweepResult> runSweep(AttentionOp op, const SweepPlan &plan, const Machine &machine,
                                  unsigned threads, const std::function<void(size_t)> &progress) {
  size_t count = plan.configurations.size();
  std::vector<SweepResult> results(count);
  // Neighbours share their masks.
  constexpr size_t kChunk = 16;
  std::atomic<size_t> next = 0, done = 0;
  auto work = [&](bool tells) {
    Predictor predictor(op, plan, machine);
    for (size_t first; (first = next.fetch_add(kChunk)) < count;) {
      size_t end = std::min(first + kChunk, count);
      for (size_t i = first; i < end; ++i)
        results[i] = predictor.resultOf(plan.configurations[i]);
      done += end - first;
      if (tells && progress)
        progress(done);
    }
  };
  std::vector<std::thread> others;
  if (threads > 1)
    op.getContext()->enableMultithreading();
  for (unsigned i = 1; i < std::min<size_t>(threads, count / kChunk + 1); ++i)
    others.emplace_back(work, false);
  work(true);
  for (std::thread &thread : others)
    thread.join();
  return results;
}

} // namespace attn
