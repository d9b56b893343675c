#include "dialect/algebra/MapInputs.h"

#include <algorithm>
#include <cassert>
#include <deque>
#include <map>
#include <optional>

namespace attn {
namespace {

/// Neighbours with one label.
struct LabelRun {
  int32_t label;
  int32_t begin, end;
};

/// Most labels equal their neighbours, so whole pieces are looked at first, without branches.
std::vector<LabelRun> runsOf(std::span<const int32_t> labels) {
  constexpr size_t kPiece = 64;
  std::vector<LabelRun> runs;
  if (labels.empty())
    return runs;
  size_t begin = 0;
  for (size_t piece = 1; piece < labels.size(); piece += kPiece) {
    size_t end = std::min(piece + kPiece, labels.size());
    int32_t differences = 0;
    for (size_t i = piece; i < end; ++i)
      differences |= labels[i] ^ labels[i - 1];
    for (size_t i = piece; differences && i < end; ++i)
      if (labels[i] != labels[i - 1]) {
        runs.push_back({labels[begin], int32_t(begin), int32_t(i)});
        begin = i;
      }
  }
  runs.push_back({labels[begin], int32_t(begin), int32_t(labels.size())});
  return runs;
}

/// The runs in the order of their labels, or nothing if a label comes back after another one. Most
/// labels ascend; others show soon that they do not.
std::optional<std::vector<LabelRun>> uniqueRuns(std::span<const int32_t> labels) {
  constexpr size_t kSample = 4096;
  auto byLabel = [](const LabelRun &a, const LabelRun &b) { return a.label < b.label; };
  auto isUnique = [&](std::vector<LabelRun> &runs) {
    if (!std::is_sorted(runs.begin(), runs.end(), byLabel))
      std::sort(runs.begin(), runs.end(), byLabel);
    return std::adjacent_find(runs.begin(), runs.end(), [](const LabelRun &a, const LabelRun &b) {
             return a.label == b.label;
           }) == runs.end();
  };
  std::vector<LabelRun> sample = runsOf(labels.first(std::min(labels.size(), kSample)));
  if (!isUnique(sample))
    return std::nullopt;
  std::vector<LabelRun> runs = runsOf(labels);
  return isUnique(runs) ? std::optional(std::move(runs)) : std::nullopt;
}

/// Positions at which each label begins and ends, where every label is one run of neighbours.
struct LabelIntervals {
  bool sorted = false;
  TableData begin, end; ///< per query; both 0 for a label that no key has
};

LabelIntervals intervalsOf(std::span<const int32_t> queries, std::span<const int32_t> keys) {
  LabelIntervals result;
  std::optional<std::vector<LabelRun>> runs = uniqueRuns(keys);
  if (!runs)
    return result;
  result.sorted = true;
  // Both tables change where the labels do, so that the pieces of a sweep are whole documents.
  auto byPlace = [](const LabelRun &a, const LabelRun &b) { return a.begin < b.begin; };
  if (queries.data() == keys.data() && std::is_sorted(runs->begin(), runs->end(), byPlace)) {
    for (const LabelRun &run : *runs) {
      result.begin.addRun(run.end, run.begin);
      result.end.addRun(run.end, run.end);
    }
    return result;
  }
  for (const LabelRun &query : runsOf(queries)) {
    auto it =
        std::lower_bound(runs->begin(), runs->end(), query.label,
                         [](const LabelRun &run, int32_t label) { return run.label < label; });
    bool isKey = it != runs->end() && it->label == query.label;
    result.begin.addRun(query.end, isKey ? it->begin : 0);
    result.end.addRun(query.end, isKey ? it->end : 0);
  }
  return result;
}

} // namespace

/// What tables and classes point to. Deques: references stay valid.
struct MapInputs::Memory {
  std::deque<TableData> owned;
  std::vector<Table> tables;
  std::deque<std::vector<int32_t>> vectors;
  std::map<std::pair<int32_t, int32_t>, LabelIntervals> intervals;
  std::map<std::pair<int32_t, int32_t>, std::shared_ptr<const DataClasses>> labels;

  const LabelIntervals &intervalsOfLabels(const std::vector<DataView> &inputs, const Atom &atom) {
    auto [it, isNew] = intervals.try_emplace({atom.input, atom.keyInput});
    if (isNew)
      it->second = intervalsOf(contiguous(inputs[size_t(atom.input)], vectors.emplace_back()),
                               contiguous(inputs[size_t(atom.keyInput)], vectors.emplace_back()));
    return it->second;
  }
};

/// What a predicate's classes refer to.
namespace {
struct PredicateMemory {
  std::vector<int64_t> symbols;
  std::vector<Table> tables;
  std::vector<DataView> inputs;
};

/// Owns the memory as long as the classes are used.
class OwningClasses : public DataClasses {
public:
  OwningClasses(std::shared_ptr<const void> owner, std::shared_ptr<const DataClasses> inner)
      : owner(std::move(owner)), inner(std::move(inner)) {}
  void rangesOf(int64_t queryTile, std::vector<KeyTileRange> &out) const override {
    inner->rangesOf(queryTile, out);
  }
  bool exact() const override { return inner->exact(); }
  bool isUniform() const override { return inner->isUniform(); }

private:
  std::shared_ptr<const void> owner;
  std::shared_ptr<const DataClasses> inner;
};
} // namespace

/// Entry of the sequence of every query, from cumulative lengths. Queries beyond the last sequence
/// have one without keys.
static TableData packedTable(const TableInfo &info, std::span<const int32_t> queries,
                             std::span<const int32_t> keys, int64_t numQueries) {
  auto valueOf = [&](size_t s) -> int32_t {
    switch (info.kind) {
    case TableKind::KeyBegin:
      return keys[s];
    case TableKind::KeyEnd:
      return keys[s + 1];
    case TableKind::AlignBegin:
      return keys[s] - queries[s];
    case TableKind::AlignEnd:
      return keys[s + 1] - queries[s + 1];
    default:
      assert(false && "other tables are no sequences");
      return 0;
    }
  };
  TableData table;
  int64_t next = 0;
  for (size_t s = 0; s + 1 < queries.size(); ++s)
    if (int64_t end = std::min<int64_t>(queries[s + 1], numQueries); end > next) {
      table.addRun(end, valueOf(s));
      next = end;
    }
  if (next < numQueries)
    table.addRun(numQueries, 0);
  return table;
}

static TableData inputTable(std::span<const int32_t> values) {
  TableData table;
  for (const LabelRun &run : runsOf(values))
    table.addRun(run.end, run.label);
  return table;
}

MapInputs::MapInputs(const TileGeometry &geo, std::vector<DataView> views,
                     std::span<const TableInfo> tables, int64_t queries, int64_t offset)
    : geometry(geo), inputs(std::move(views)), numQueries(queries), queryOffset(offset),
      memory(std::make_shared<Memory>()) {
  auto vectorOf = [&](int32_t input) {
    return contiguous(inputs[size_t(input)], memory->vectors.emplace_back());
  };
  for (const TableInfo &info : tables) {
    TableData &table = memory->owned.emplace_back();
    // Atoms that read a table of unknown inputs are not asked for their truth.
    bool known = isKnown(info.queryInput) && (info.keyInput < 0 || isKnown(info.keyInput));
    if (known && info.kind == TableKind::Input)
      table = inputTable(vectorOf(info.queryInput));
    else if (known)
      table = packedTable(info, vectorOf(info.queryInput), vectorOf(info.keyInput), numQueries);
    memory->tables.push_back(table.view());
  }
}

MapInputs::~MapInputs() = default;

const std::vector<Table> &MapInputs::tables() const { return memory->tables; }

const int32_t *MapInputs::everyEntry(size_t number) {
  const Table &table = memory->tables[number];
  std::vector<int32_t> &entries = memory->vectors.emplace_back();
  entries.reserve(size_t(table.size));
  for (int64_t run = 0; run < table.runs; ++run)
    entries.resize(size_t(table.runEnd[run]) + 1, table.values[run]);
  return entries.data();
}

std::shared_ptr<const void> MapInputs::shareMemory() const { return memory; }

bool MapInputs::dependsOn(const Formula &formula, int dimension) const {
  auto hasExtent = [&](int32_t input, int rank) {
    return input >= 0 && inputs[size_t(input)].rank >= rank &&
           inputs[size_t(input)].shape[size_t(dimension)] > 1;
  };
  for (const Atom &atom : formula.atoms) {
    if (atom.kind == AtomKind::Mask && hasExtent(atom.input, 4))
      return true;
    if (atom.kind == AtomKind::Listed && (hasExtent(atom.input, 3) || hasExtent(atom.keyInput, 3)))
      return true;
  }
  return false;
}

bool MapInputs::isSorted(const Atom &labels) const {
  return geometry.rank == 1 && isKnown(labels) && memory->intervalsOfLabels(inputs, labels).sorted;
}

/// Label atoms of sorted labels become intervals between tables.
void MapInputs::useRuns(Formula &formula, MapData &data) const {
  if (formula.rank != 1)
    return;
  for (Atom &atom : formula.atoms) {
    if (atom.kind != AtomKind::Labels || !isKnown(atom))
      continue;
    const LabelIntervals &labels = memory->intervalsOfLabels(inputs, atom);
    if (!labels.sorted)
      continue;
    auto bound = [&](TableKind kind, const TableData &table) {
      formula.tables.push_back({kind, atom.input, atom.keyInput});
      data.tables.push_back(table.view());
      return formula.dags[0].table(int64_t(formula.tables.size()) - 1);
    };
    ExprId lo = bound(TableKind::RunBegin, labels.begin);
    ExprId hi = bound(TableKind::RunEnd, labels.end);
    atom = {AtomKind::Box, {{lo, hi}}};
  }
}

bool MapInputs::isKnown(const Atom &atom) const {
  if (atom.kind == AtomKind::Box || atom.kind == AtomKind::Predicate)
    return true;
  return atom.input >= 0 && isKnown(atom.input) && (atom.keyInput < 0 || isKnown(atom.keyInput));
}

std::shared_ptr<const DataClasses> MapInputs::classesOf(const Formula &formula, const Atom &atom,
                                                        const MapData &data,
                                                        const std::vector<int64_t> &symbolValues,
                                                        int64_t batch, int64_t head) const {
  auto view = [&](int32_t input) -> const DataView & { return inputs[size_t(input)]; };
  if (!isKnown(atom))
    return nullptr;
  switch (atom.kind) {
  case AtomKind::Box:
    return nullptr;
  case AtomKind::Labels:
  case AtomKind::Classes: {
    bool ofTable = atom.kind == AtomKind::Classes;
    std::vector<int32_t> x, y;
    std::span<const int32_t> queries = contiguous(view(atom.input), x);
    std::span<const int32_t> keys = contiguous(view(atom.keyInput), y);
    if (ofTable)
      return tableClasses(geometry, formula.classTables[size_t(atom.index)], queries, keys);
    auto &known = memory->labels[{atom.input, atom.keyInput}];
    if (!known)
      known = labelClasses(geometry, queries, keys);
    return known;
  }
  case AtomKind::Mask: {
    auto at = [&](int64_t number, int d) {
      return view(atom.input).shape[size_t(d)] > 1 ? number : 0;
    };
    return maskClasses(geometry, view(atom.input), at(batch, 0), at(head, 1));
  }
  case AtomKind::Listed: {
    const BlockList &list = formula.blockLists[size_t(atom.index)];
    return blockClasses(geometry, list.size, view(list.rowInput),
                        list.keyInput >= 0 ? &view(list.keyInput) : nullptr, batch, head);
  }
  case AtomKind::Predicate: {
    auto own =
        std::make_shared<PredicateMemory>(PredicateMemory{symbolValues, data.tables, inputs});
    PairEnvironment env{own->symbols.data(), own->tables.data(), own->inputs};
    return std::make_shared<OwningClasses>(
        own, predicateClasses(geometry, formula.predicates[size_t(atom.index)], env, queryOffset));
  }
  }
  return nullptr;
}

TileMap MapInputs::makeMap(Formula formula, std::vector<int64_t> symbolValues, int64_t batch,
                           int64_t head) const {
  MapData data{memory, memory->tables, {}};
  useRuns(formula, data);
  for (const Atom &atom : formula.atoms)
    data.atoms.push_back(classesOf(formula, atom, data, symbolValues, batch, head));
  return TileMap(std::move(formula), geometry, std::move(symbolValues), std::move(data));
}

} // namespace attn
