//===- MapInputs.h - tile maps from a launch's inputs ------------*- C++ -*-===//
//
// From the run-time inputs of a launch to tables over the queries, which bounds of masks and kernels
// read, and to tile maps. Tables are as long as they have runs; nothing here is larger than O(tokens).
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/TileMap.h"

namespace attn {

/// The inputs stay valid while this, its tables or a map made by it is used; the tables live as long as
/// this. Not thread-safe; its maps are.
class MapInputs {
public:
  /// `inputs` in the order of the kernel's, checked by the launch; one of rank 0 is not known, and atoms
  /// that read it may be either. `tables` are those that all formulas share.
  MapInputs(const TileGeometry &geometry, std::vector<DataView> inputs,
            std::span<const TableInfo> tables, int64_t numQueries,
            int64_t queryOffset);
  ~MapInputs();

  const std::vector<Table> &tables() const;
  /// The entries of a table one by one, as kernels read them, made now; they live as long as the tables.
  const int32_t *everyEntry(size_t table);
  /// Keeps the tables alive.
  std::shared_ptr<const void> shareMemory() const;
  /// The map of a formula with these tables, at one batch entry and head. Labels that are sorted runs
  /// become intervals, so that documents are exact; other data is classified tile by tile.
  TileMap makeMap(Formula formula, std::vector<int64_t> symbolValues, int64_t batch,
                  int64_t head) const;

  /// Whether every label of the atom's keys is one run of neighbours, so that it is an interval.
  bool isSorted(const Atom &labels) const;

  /// Whether data with an extent of its own makes maps of batch entries, or of heads, differ.
  bool dependsOnBatch(const Formula &formula) const { return dependsOn(formula, 0); }
  bool dependsOnHead(const Formula &formula) const { return dependsOn(formula, 1); }

private:
  struct Memory;
  bool dependsOn(const Formula &formula, int dimension) const;
  bool isKnown(int32_t input) const { return inputs[size_t(input)].rank > 0; }
  bool isKnown(const Atom &atom) const;
  std::shared_ptr<const DataClasses> classesOf(const Formula &formula, const Atom &atom,
                                               const MapData &data,
                                               const std::vector<int64_t> &symbolValues,
                                               int64_t batch, int64_t head) const;
  void useRuns(Formula &formula, MapData &data) const;

  TileGeometry geometry;
  std::vector<DataView> inputs;
  int64_t numQueries, queryOffset;
  std::shared_ptr<Memory> memory;
};

} // namespace attn
