//===- Table.h - vectors over the queries ------------------------*- C++ -*-===//
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace attn {

/// A vector over the queries that is known at launch, as runs of queries with one value: run r ends
/// with query runEnd[r], included. Queries beyond the ends read the nearest entry; an empty table
/// reads 0. Owns nothing.
struct Table {
  static constexpr int64_t kStride = 64;
  const int32_t *values = nullptr, *runEnd = nullptr; ///< of each run
  const int32_t *runOf = nullptr;                     ///< run of every kStride-th query
  int64_t runs = 0, size = 0;

  /// The run of a query; the table is not empty.
  int64_t runAt(int64_t query) const {
    query = std::clamp<int64_t>(query, 0, size - 1);
    int64_t first = runOf[query / kStride];
    bool isLast = query / kStride == (size - 1) / kStride;
    int64_t last = isLast ? runs - 1 : runOf[query / kStride + 1];
    return std::lower_bound(runEnd + first, runEnd + last, query) - runEnd;
  }
  int64_t at(int64_t query) const { return size ? values[runAt(query)] : 0; }
};

/// The memory of a table, filled from the first query to the last.
class TableData {
public:
  /// The queries up to and without `end`, which is above every earlier one, have this value.
  void addRun(int64_t end, int32_t value) {
    for (int64_t query = (size + Table::kStride - 1) / Table::kStride * Table::kStride; query < end;
         query += Table::kStride)
      runOf.push_back(int32_t(values.size()));
    values.push_back(value);
    runEnd.push_back(int32_t(end - 1));
    size = end;
  }
  /// Stays valid as long as nothing is added.
  Table view() const {
    return {values.data(), runEnd.data(), runOf.data(), int64_t(values.size()), size};
  }

private:
  std::vector<int32_t> values, runEnd, runOf;
  int64_t size = 0;
};

} // namespace attn
