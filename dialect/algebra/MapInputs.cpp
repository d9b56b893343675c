#include "dialect/algebra/MapInputs.h"

#include <cassert>
#include <deque>
#include <map>
#include <unordered_map>

namespace attn {
namespace {

/// A table with its runs.
struct OwnTable {
  std::vector<int32_t> values, runEnd;
  Table view() const { return {values.data(), runEnd.data(), int64_t(values.size())}; }
};

void findRunEnds(OwnTable &table) {
  table.runEnd.resize(table.values.size());
  for (size_t i = table.values.size(); i-- > 0;) {
    bool continues = i + 1 < table.values.size() && table.values[i] == table.values[i + 1];
    table.runEnd[i] = continues ? table.runEnd[i + 1] : int32_t(i);
  }
}

/// Positions at which each label begins and ends, where every label is one run of neighbours.
struct LabelRuns {
  bool sorted = false;
  OwnTable begin, end; ///< per query; both 0 for a label that no key has
};

LabelRuns runsOf(std::span<const int32_t> queries, std::span<const int32_t> keys) {
  LabelRuns result;
  std::unordered_map<int32_t, std::pair<int32_t, int32_t>> runs;
  for (size_t k = 0; k < keys.size();) {
    size_t end = k + 1;
    while (end < keys.size() && keys[end] == keys[k])
      ++end;
    if (!runs.try_emplace(keys[k], int32_t(k), int32_t(end)).second)
      return result;
    k = end;
  }
  result.sorted = true;
  result.begin.values.resize(queries.size());
  result.end.values.resize(queries.size());
  std::pair<int32_t, int32_t> run{0, 0};
  for (size_t q = 0; q < queries.size(); ++q) {
    if (q == 0 || queries[q] != queries[q - 1]) {
      auto it = runs.find(queries[q]);
      run = it == runs.end() ? std::pair(0, 0) : it->second;
    }
    result.begin.values[q] = run.first;
    result.end.values[q] = run.second;
  }
  // Both change where the labels do, so that the pieces of a sweep are whole documents.
  findRunEnds(result.begin);
  findRunEnds(result.end);
  return result;
}

} // namespace

/// What tables and classes point to. Deques: references stay valid.
struct MapInputs::Memory {
  std::deque<OwnTable> owned;
  std::vector<Table> tables;
  std::deque<std::vector<int32_t>> vectors;
  std::map<std::pair<int32_t, int32_t>, LabelRuns> runs;
  std::map<std::tuple<int32_t, int32_t, int32_t>, std::shared_ptr<const DataClasses>> vectorClasses;

  const LabelRuns &runsOfLabels(const std::vector<DataView> &inputs, const Atom &atom) {
    auto [it, isNew] = runs.try_emplace({atom.input, atom.keyInput});
    if (isNew)
      it->second = runsOf(contiguous(inputs[size_t(atom.input)], vectors.emplace_back()),
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

/// Entry of the sequence of every query, from cumulative lengths. Queries beyond the last sequence have
/// one without keys.
static OwnTable packedTable(const TableInfo &info, std::span<const int32_t> queries,
                            std::span<const int32_t> keys, int64_t numQueries) {
  OwnTable table;
  table.values.assign(size_t(numQueries), 0);
  auto valueOf = [&](size_t s) -> int32_t {
    switch (info.kind) {
    case TableKind::KeyBegin: return keys[s];
    case TableKind::KeyEnd: return keys[s + 1];
    case TableKind::AlignBegin: return keys[s] - queries[s];
    case TableKind::AlignEnd: return keys[s + 1] - queries[s + 1];
    default: assert(false && "other tables are no sequences"); return 0;
    }
  };
  for (size_t s = 0; s + 1 < queries.size(); ++s)
    for (int32_t q = queries[s]; q < std::min<int64_t>(queries[s + 1], numQueries); ++q)
      table.values[size_t(q)] = valueOf(s);
  return table;
}

MapInputs::MapInputs(const TileGeometry &geo, std::vector<DataView> views,
                     std::span<const TableInfo> tables, int64_t queries, int64_t offset)
    : geometry(geo), inputs(std::move(views)), numQueries(queries),
      queryOffset(offset), memory(std::make_shared<Memory>()) {
  auto vectorOf = [&](int32_t input) {
    return contiguous(inputs[size_t(input)], memory->vectors.emplace_back());
  };
  for (const TableInfo &info : tables) {
    OwnTable &table = memory->owned.emplace_back();
    // Atoms that read a table of unknown inputs are not asked for their truth.
    bool known = isKnown(info.queryInput) && (info.keyInput < 0 || isKnown(info.keyInput));
    if (known && info.kind == TableKind::Input) {
      std::span<const int32_t> values = vectorOf(info.queryInput);
      table.values.assign(values.begin(), values.end());
    } else if (known) {
      table = packedTable(info, vectorOf(info.queryInput), vectorOf(info.keyInput), numQueries);
    }
    findRunEnds(table);
    memory->tables.push_back(table.view());
  }
}

MapInputs::~MapInputs() = default;

const std::vector<Table> &MapInputs::tables() const { return memory->tables; }

std::shared_ptr<const void> MapInputs::shareMemory() const { return memory; }

bool MapInputs::dependsOn(const Formula &formula, int dimension) const {
  auto hasExtent = [&](int32_t input, int rank) {
    return input >= 0 && inputs[size_t(input)].rank >= rank &&
           inputs[size_t(input)].shape[size_t(dimension)] > 1;
  };
  for (const Atom &atom : formula.atoms) {
    if (atom.kind == AtomKind::Mask && hasExtent(atom.input, 4))
      return true;
    if (atom.kind == AtomKind::Listed &&
        (hasExtent(atom.input, 3) || hasExtent(atom.keyInput, 3)))
      return true;
  }
  return false;
}

bool MapInputs::isSorted(const Atom &labels) const {
  return geometry.rank == 1 && isKnown(labels) && memory->runsOfLabels(inputs, labels).sorted;
}

/// Label atoms of sorted labels become intervals between tables.
void MapInputs::useRuns(Formula &formula, MapData &data) const {
  if (formula.rank != 1)
    return;
  for (Atom &atom : formula.atoms) {
    if (atom.kind != AtomKind::Labels || !isKnown(atom))
      continue;
    const LabelRuns &runs = memory->runsOfLabels(inputs, atom);
    if (!runs.sorted)
      continue;
    auto bound = [&](TableKind kind, const OwnTable &table) {
      formula.tables.push_back({kind, atom.input, atom.keyInput});
      data.tables.push_back(table.view());
      return formula.dags[0].table(int64_t(formula.tables.size()) - 1);
    };
    ExprId lo = bound(TableKind::RunBegin, runs.begin);
    ExprId hi = bound(TableKind::RunEnd, runs.end);
    atom = {AtomKind::Box, {{lo, hi}}};
  }
}

bool MapInputs::isKnown(const Atom &atom) const {
  if (atom.kind == AtomKind::Box || atom.kind == AtomKind::Predicate)
    return true;
  return atom.input >= 0 && isKnown(atom.input) && (atom.keyInput < 0 || isKnown(atom.keyInput));
}

std::shared_ptr<const DataClasses>
MapInputs::classesOf(const Formula &formula, const Atom &atom, const MapData &data,
                     const std::vector<int64_t> &symbolValues, int64_t batch, int64_t head) const {
  auto view = [&](int32_t input) -> const DataView & { return inputs[size_t(input)]; };
  if (!isKnown(atom))
    return nullptr;
  switch (atom.kind) {
  case AtomKind::Box: return nullptr;
  case AtomKind::Labels:
  case AtomKind::Classes: {
    bool ofTable = atom.kind == AtomKind::Classes;
    std::vector<int32_t> x, y;
    std::span<const int32_t> queries = contiguous(view(atom.input), x);
    std::span<const int32_t> keys = contiguous(view(atom.keyInput), y);
    if (ofTable)
      return tableClasses(geometry, formula.classTables[size_t(atom.index)], queries, keys);
    auto &known = memory->vectorClasses[{atom.input, atom.keyInput, -1}];
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
    auto own = std::make_shared<PredicateMemory>(
        PredicateMemory{symbolValues, data.tables, inputs});
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
