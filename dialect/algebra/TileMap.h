//===- TileMap.h - which key tiles a query tile visits -----------*- C++ -*-===//
//
// A tile is a box of the token layout. The map of a query tile is a list of disjoint boxes of key
// tiles, each full (every pair visible: no mask needed) or partial; tiles without a visible pair
// are in no box. Visited and full are exact for formulas of box atoms; data atoms, and residues of
// a modulus too large to be swept (kMaxStep), are "either", which keeps the answer safe. Cost per
// query tile does not depend on the number of keys.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/Sweep.h"

#include <array>

namespace attn {

constexpr int kMaxRank = 4;
using Coords = std::array<int64_t, kMaxRank>;

/// The tiled token layout. Entries beyond `rank` are 1. Tiles at the far edge may be ragged.
struct TileGeometry {
  int rank = 1;
  Coords queries{1, 1, 1, 1}, keys{1, 1, 1, 1}; ///< lengths in tokens
  Coords queryTile{1, 1, 1, 1}, keyTile{1, 1, 1, 1};

  int64_t queryTiles(int d) const { return ceilDiv(queries[d], queryTile[d]); }
  int64_t keyTiles(int d) const { return ceilDiv(keys[d], keyTile[d]); }
  int64_t numQueryTiles() const;
  int64_t numKeyTiles() const;
};

/// Key tiles lo <= t < hi, in tile units per dimension.
struct KeyBox {
  Coords lo{0, 0, 0, 0}, hi{1, 1, 1, 1};
  bool full = false;
  int64_t size() const;
};

/// Saturate at 2^63 - 1.
struct TileCounts {
  int64_t visited = 0, full = 0, all = 0;
  int64_t worst = 0; ///< most tiles visited by one query tile
};

/// Thread-safe once constructed: `boxes` keeps its scratch memory in the calling thread.
class TileMap {
public:
  /// `symbolValues` follows `formula.symbols`. The formula is copied.
  TileMap(Formula formula, const TileGeometry &geometry, std::vector<int64_t> symbolValues);

  const TileGeometry &geometry() const { return geo; }
  /// False when data atoms or many moduli make `partial` a safe answer instead of an exact one.
  bool exact() const { return data == 0 && uncertain == 0; }
  /// Boxes of the query tile with this row-major number, disjoint, in ascending order.
  void boxes(int64_t queryTile, std::vector<KeyBox> &out) const;
  TileCounts counts() const;
  /// Which keys the query sees: a byte, 0 or 1, for each in row-major order. The formula must have
  /// no data atoms.
  void row(const Coords &query, uint8_t *visible) const;
  /// Visible (query, key) pairs, counted in closed form; of data atoms, those that may be visible.
  /// Saturates at 2^63 - 1.
  int64_t visiblePairs() const;

private:
  /// Neighbouring key tiles of one dimension that meet the same signatures: `count` of them from
  /// `first` on in Runs::signatures, ascending.
  struct Run {
    int64_t begin, end;
    size_t first, count;
  };
  struct Runs {
    std::vector<Run> list;
    std::vector<Signature> signatures;
    std::span<const Signature> of(const Run &run) const {
      return {signatures.data() + run.first, run.count};
    }
  };
  struct Visibility {
    bool visible = false, hidden = false;
  };
  using Choice = std::array<std::span<const Signature>, kMaxRank>;

  void findRuns(int dim, int64_t queryTile, Runs &out) const;
  void boxesOfRow(int64_t queryTile, std::vector<KeyBox> &out) const;
  void classify(const Choice &choice, int dim, Signature signature, Visibility &seen) const;
  Visibility truthOf(Signature signature) const;

  Formula formula;
  TileGeometry geo;
  std::vector<int64_t> symbolValues;
  Signature data, uncertain; ///< atoms that may be either, and that may be false where they hold
  /// runTable[d][t]: precomputed for layouts of several dimensions, where each row serves many
  /// tiles.
  std::array<std::vector<Runs>, kMaxRank> runTable;
};

} // namespace attn
