//===- SweepPlan.cpp - which configurations a sweep has -------------------===//
#include "dialect/MaskFormulas.h"
#include "simulator/ParameterSweep.h"
#include "simulator/time/Pareto.h"

#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"

#include <map>

using namespace mlir;

namespace attn {

/// The masks of the heads as they are written, each once.
static SmallVector<std::pair<Attribute, SmallVector<int64_t>>> writtenMasks(AttentionOp op) {
  SmallVector<std::pair<Attribute, SmallVector<int64_t>>> groups;
  for (int64_t head = 0; head < op.getNumHeads(); ++head) {
    Attribute mask = op.getMaskOfHead(head);
    auto *it = llvm::find_if(groups, [&](const auto &group) { return group.first == mask; });
    if (it == groups.end())
      groups.push_back({mask, {head}});
    else
      it->second.push_back(head);
  }
  return groups;
}

std::vector<SweptParameter> parametersOf(AttentionOp op) {
  std::vector<SweptParameter> found;
  llvm::DenseSet<Attribute> seen;
  for (const auto &[mask, heads] : writtenMasks(op))
    Attribute(mask).walk<WalkOrder::PreOrder>([&](Attribute part) {
      auto inner = dyn_cast<MaskAttrInterface>(part);
      if (!inner || !seen.insert(inner).second)
        return;
      for (MaskParameter &parameter : inner.parameters())
        found.push_back({inner, std::move(parameter)});
    });
  return found;
}

namespace {

/// Keeps diagnostics from being printed, and the first of them with its notes.
class DiagnosticCatcher {
public:
  explicit DiagnosticCatcher(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) {
          if (first.empty())
            first = diagnostic.str();
        }) {}
  const std::string &text() const { return first; }

private:
  std::string first;
  ScopedDiagnosticHandler handler;
};

using Values = std::vector<SmallVector<int64_t>>; // for each axis

class Planner {
public:
  Planner(AttentionOp op, const std::vector<SweepAxis> &axes, SweepPlan &plan)
      : op(op), axes(axes), plan(plan), written(writtenMasks(op)), diagnostics(op.getContext()) {}

  Status run();

private:
  Status addCombinations(Values &values, size_t axis);
  Status addMasks(const Values &values, ArrayRef<uint32_t> tiles);
  bool wantsTheSplit(const SweepMasks &masks);
  void refuseSplit();
  Status addWorthwhile(Values values, size_t axis);
  std::optional<SweepMasks> masksOf(const Values &values);
  std::vector<int64_t> stridesOf(const Values &values, size_t axis, size_t dim,
                                 const SweepTiles &tiles);
  int64_t windowOf(const Values &values, size_t strideAxis, size_t dim) const;
  int64_t worstOf(const Values &values, const SweepTiles &tiles, size_t dim);

  AttentionOp op;
  const std::vector<SweepAxis> &axes;
  SweepPlan &plan;
  SmallVector<std::pair<Attribute, SmallVector<int64_t>>> written;
  DiagnosticCatcher diagnostics;
  std::string splitReason;
  /// By dimension, its entries of all values, and the extents of its tiles.
  std::map<std::vector<int64_t>, std::vector<int64_t>> knownStrides;
};

/// The attention's masks with these values, nothing where they do not go together.
std::optional<SweepMasks> Planner::masksOf(const Values &values) {
  llvm::MapVector<Attribute, SmallVector<MaskParameter>> changes;
  for (auto [axis, value] : llvm::zip_equal(axes, values))
    changes[axis.mask].push_back({axis.name, value});
  AttrTypeReplacer replacer;
  for (auto &[mask, parameters] : changes) {
    Attribute changed = cast<MaskAttrInterface>(mask).withParameters(
        [&] { return op.emitError(); }, parameters);
    if (!changed)
      return std::nullopt;
    replacer.addReplacement([mask = mask, changed](Attribute attr) -> std::optional<Attribute> {
      return attr == mask ? std::optional(changed) : std::nullopt;
    });
  }
  SweepMasks result{values, {}};
  for (const auto &[mask, heads] : written) {
    Attribute replaced = replacer.replace(mask);
    if (failed(op.verifyMask(replaced)))
      return std::nullopt;
    result.masks.push_back({replaced, heads});
  }
  return result;
}

/// Whether the masks want a layout split as the spec's want it, whose tiles are at hand.
bool Planner::wantsTheSplit(const SweepMasks &masks) {
  int64_t rank = int64_t(op.getTokens().getDims().size());
  return llvm::all_of(llvm::zip_equal(written, masks.masks), [&](auto pair) {
    auto &[before, now] = pair;
    return cast<MaskAttrInterface>(before.first).residueSteps(rank) ==
           cast<MaskAttrInterface>(now.first).residueSteps(rank);
  });
}

void Planner::refuseSplit() {
  ++plan.refused;
  if (splitReason.empty())
    splitReason = "the layout is split by the residues of the spec's mask, and other values want "
                  "another split; tiles of the layout's own dimensions can be swept";
}

static Status checkNumber(int64_t configurations) {
  if (configurations <= kMostConfigurations)
    return {};
  return makeError("the sweep has more than {} configurations", kMostConfigurations)
      .withNote("give fewer values, or several sweeps");
}

Status Planner::addMasks(const Values &values, ArrayRef<uint32_t> tiles) {
  if (Status few = checkNumber(int64_t(plan.configurations.size()) + plan.refused +
                               int64_t(tiles.size()));
      !few)
    return few;
  std::optional<SweepMasks> masks = masksOf(values);
  if (!masks) {
    plan.refused += int64_t(tiles.size());
    return {};
  }
  bool splitAlike = wantsTheSplit(*masks);
  for (uint32_t t : tiles) {
    if (!splitAlike && !plan.tiles[t].problem.tiles.steps.empty())
      refuseSplit();
    else
      plan.configurations.push_back({uint32_t(plan.masks.size()), t});
  }
  plan.masks.push_back(std::move(*masks));
  return {};
}

/// Of the axes from `axis` on; strides worth trying come last, as they depend on the others.
Status Planner::addCombinations(Values &values, size_t axis) {
  while (axis < axes.size() && axes[axis].isWorthwhile)
    ++axis;
  if (axis == axes.size()) {
    auto it = llvm::find_if(axes, [](const SweepAxis &a) { return a.isWorthwhile; });
    if (it != axes.end())
      return addWorthwhile(values, size_t(it - axes.begin()));
    return addMasks(values, llvm::to_vector(llvm::seq<uint32_t>(0, plan.tiles.size())));
  }
  for (const SmallVector<int64_t> &value : axes[axis].values) {
    values[axis] = value;
    if (Status added = addCombinations(values, axis + 1); !added)
      return added;
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Strides worth trying
//===----------------------------------------------------------------------===//

/// The mask's window in a dimension, the whole of it where the mask says so.
int64_t Planner::windowOf(const Values &values, size_t strideAxis, size_t dim) const {
  Attribute mask = axes[strideAxis].mask;
  SmallVector<int64_t> window;
  for (const MaskParameter &parameter : cast<MaskAttrInterface>(mask).parameters())
    if (parameter.name == "window")
      window = parameter.values;
  for (auto [axis, value] : llvm::zip_equal(axes, values))
    if (axis.mask == mask && axis.name == "window")
      window = value;
  int64_t length = plan.tiles.front().problem.kvTokens[dim];
  return window[dim] < 0 ? length : std::min(window[dim], length);
}

/// Most visits of a query tile, of the first heads whose mask changes; of a product in one dimension.
int64_t Planner::worstOf(const Values &values, const SweepTiles &tiles, size_t dim) {
  std::optional<SweepMasks> masks = masksOf(values);
  if (!masks)
    return INT64_MAX;
  for (auto [before, now] : llvm::zip_equal(written, masks->masks)) {
    if (before.first == now.first && written.size() > 1)
      continue;
    const Problem &problem = tiles.problem;
    Attribute mask = cast<MaskAttrInterface>(now.first).simplified();
    std::optional<Formula> formula =
        formulaOf(mask, problem.tiles.keyLayoutOf(op), op.getMaskInputs());
    if (formula && isProduct(*formula, problem.tiling)) {
      std::vector<int64_t> symbols = symbolValues(*formula, problem, now.second.front());
      TileMap map(sliceOf(*formula, int(dim)), sliceOf(problem.tiling, int(dim)), symbols);
      return map.counts().worst;
    }
    FailureOr<MaskGroup> group = mapGroup(op, mask, now.second, problem.tiling, problem);
    return succeeded(group) ? group->map.counts().worst : INT64_MAX;
  }
  return INT64_MAX;
}

std::vector<int64_t> Planner::stridesOf(const Values &values, size_t axis, size_t dim,
                                        const SweepTiles &tiles) {
  std::vector<int64_t> key{int64_t(dim), tiles.problem.tiling.queryTile[dim],
                           tiles.problem.tiling.keyTile[dim], tiles.problem.tiling.rank};
  for (const SmallVector<int64_t> &value : values)
    key.push_back(value.size() > 1 ? value[dim] : value.front());
  auto [known, isNew] = knownStrides.try_emplace(std::move(key));
  if (isNew) {
    Values trial = values;
    known->second = worthwhileStrides(windowOf(values, axis, dim), [&](int64_t stride) {
      trial[axis][dim] = stride;
      return worstOf(trial, tiles, dim);
    });
  }
  return known->second;
}

/// All combinations of the strides of each dimension, for each pair of tiles.
Status Planner::addWorthwhile(Values values, size_t axis) {
  std::map<Values, SmallVector<uint32_t>> byValues;
  size_t rank = values[axis].size();
  for (uint32_t t = 0; t < plan.tiles.size(); ++t) {
    std::vector<SmallVector<int64_t>> combinations(1);
    for (size_t d = 0; d < rank; ++d) {
      std::vector<int64_t> strides = stridesOf(values, axis, d, plan.tiles[t]);
      std::vector<SmallVector<int64_t>> longer;
      for (const SmallVector<int64_t> &start : combinations)
        for (int64_t stride : strides) {
          longer.push_back(start);
          longer.back().push_back(stride);
        }
      combinations = std::move(longer);
    }
    for (SmallVector<int64_t> &strides : combinations) {
      Values all = values;
      all[axis] = std::move(strides);
      byValues[all].push_back(t);
    }
  }
  for (const auto &[all, tiles] : byValues)
    if (Status added = addMasks(all, tiles); !added)
      return added;
  return {};
}

Status Planner::run() {
  // Before any mask is made; strides worth trying are counted as they are found.
  int64_t least = int64_t(plan.tiles.size());
  for (const SweepAxis &axis : axes)
    if (!axis.isWorthwhile)
      least = std::min(least * int64_t(axis.values.size()), kMostConfigurations + 1);
  if (Status few = checkNumber(least); !few)
    return few;
  Values values;
  for (const SweepAxis &axis : axes)
    for (const MaskParameter &parameter : cast<MaskAttrInterface>(axis.mask).parameters())
      if (parameter.name == axis.name)
        values.push_back(SmallVector<int64_t>(parameter.values.size(), 1));
  assert(values.size() == axes.size() && "each axis is a parameter of its mask");
  Status added = addCombinations(values, 0);
  plan.whyRefused = diagnostics.text().empty() ? splitReason : diagnostics.text();
  if (added && plan.configurations.empty())
    return makeError("no configuration of the sweep is possible: {}", plan.whyRefused);
  return added;
}

} // namespace

Expected<SweepPlan> planSweep(AttentionOp op, const std::vector<SweepAxis> &axes,
                              std::vector<SweepTiles> tiles) {
  SweepPlan plan;
  plan.tiles = std::move(tiles);
  if (Status planned = Planner(op, axes, plan).run(); !planned)
    return planned.takeError();
  return plan;
}

} // namespace attn
