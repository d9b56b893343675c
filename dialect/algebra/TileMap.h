//===- TileMap.h - which key tiles a query tile visits -----------*- C++ -*-===//
//
// A tile is a box of the token layout. The map of a query tile is a list of disjoint boxes of key
// tiles, each full (every pair visible: no mask needed) or partial; tiles without a visible pair
// are in no box. Visited and full are exact for formulas of box atoms; data atoms, and residues of
// more moduli than are swept (kMaxResidues), are "either", which keeps the answer safe. Cost per
// query tile does not depend on the number of keys.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/DataClasses.h"
#include "dialect/algebra/RisingInterval.h"
#include "dialect/algebra/Sweep.h"
#include "dialect/algebra/TileGeometry.h"

namespace attn {

/// Key tiles lo <= t < hi, in tile units per dimension.
struct KeyBox {
  Coords lo{0, 0, 0, 0}, hi{1, 1, 1, 1};
  bool full = false;
  uint32_t listed = 0; ///< bit j: the truth of the listed atom of index j, on all of the box
  int64_t size() const;
};

/// Most boxes that data makes of a query tile on a layout of one dimension, so that labels in any order do
/// not make a table of all pairs of tiles. Beyond it the nearest boxes are joined.
constexpr size_t kMaxDataBoxes = 256;

/// Whether `next` continues `box` in dimension `dim` and equals it in every other.
bool continues(const KeyBox &box, const KeyBox &next, int dim);

/// Saturate at 2^63 - 1.
struct TileCounts {
  int64_t visited = 0, full = 0, all = 0;
  int64_t worst = 0; ///< most tiles visited by one query tile
};

/// So many query tiles that visit as many key tiles each, and as many full ones.
struct VisitRun {
  int64_t queryTiles, visited, full;
};

/// What a map knows of a launch's data. `tables` follow the formula's; `atoms` has an entry for each of
/// its atoms, or none at all; a data atom without an entry may be either everywhere.
struct MapData {
  std::shared_ptr<const void> owner; ///< keeps alive what the tables and classes point to
  std::vector<Table> tables;
  std::vector<std::shared_ptr<const DataClasses>> atoms;
};

/// Thread-safe once constructed: `boxes` keeps its scratch memory in the calling thread.
class TileMap {
public:
  /// `symbolValues` follows `formula.symbols`. The formula is copied.
  TileMap(Formula formula, const TileGeometry &geometry, std::vector<int64_t> symbolValues,
          MapData data = {});

  const TileGeometry &geometry() const { return geo; }
  /// False where data atoms or many moduli may make `partial` a safe answer instead of an exact one.
  bool exact() const;
  /// Boxes of the query tile with this row-major number, disjoint, in ascending order.
  void boxes(int64_t queryTile, std::vector<KeyBox> &out) const;
  /// What the query tiles visit, in their order; neighbours that visit alike are one run.
  std::vector<VisitRun> visits() const;
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
  /// All key tiles of one dimension, in order.
  struct Runs {
    std::vector<Run> list;
    std::vector<Signature> signatures;
    std::span<const Signature> of(const Run &run) const {
      return {signatures.data() + run.first, run.count};
    }
  };
  /// Boxes of one query tile by the numbers of its runs: lo <= run < hi in each dimension.
  struct BoxTemplate {
    std::array<uint16_t, kMaxRank> lo{}, hi{};
    bool full = false;
  };
  /// Neighbouring query tiles of a layout of one dimension: from one to the next each end of a box moves
  /// by the same number of tiles.
  struct Stretch {
    struct Move {
      int64_t lo, hi;
    };
    int64_t first, count;
    std::vector<KeyBox> boxes; ///< of the first
    std::vector<Move> moves;
  };
  /// Key tiles of a query tile's interval: lo <= t < hi visited, fullLo <= t < fullHi full.
  struct IntervalTiles {
    int64_t lo, hi, fullLo, fullHi;
  };
  struct Visibility {
    bool visible = false, hidden = false;
  };
  /// Truth of the data atoms on some tiles.
  struct DataTruth {
    Signature holds = 0, open = 0; ///< open: on some pairs, or unknown
  };
  using Choice = std::array<std::span<const Signature>, kMaxRank>;
  using RunsOfTile = std::array<const Runs *, kMaxRank>;

  Environment env() const { return {symbolValues.data(), data.tables.data()}; }
  void addExistence();
  void findRuns(int dim, int64_t queryTile, Runs &out) const;
  void findPatterns();
  void makeTemplates();
  size_t templateNumber(const Coords &tile) const;
  std::vector<BoxTemplate> templatesOf(const RunsOfTile &runs) const;
  void boxesOfRow(int64_t queryTile, std::vector<KeyBox> &out) const;
  void boxesWithoutData(int64_t queryTile, std::vector<KeyBox> &out) const;
  void boxesWithData(int64_t queryTile, std::vector<KeyBox> &out) const;
  std::optional<IntervalTiles> intervalTiles(int64_t queryTile) const;
  bool boxesOfInterval(int64_t queryTile, std::vector<KeyBox> &out) const;
  VisitRun visitsOf(int64_t queryTile, std::vector<KeyBox> &scratch) const;
  void addVisits(const Stretch &stretch, std::vector<VisitRun> &out) const;
  bool coarsens() const;
  static void coarsen(std::vector<KeyBox> &boxes);
  int64_t straightTiles(int64_t queryTile) const;
  void findTruths();
  void findStretches();
  bool addStretch(int64_t first, int64_t count);
  bool copyFromStretch(int64_t queryTile, std::vector<KeyBox> &out) const;
  void splitByData(int64_t queryTile, const RunsOfTile &runs, std::vector<KeyBox> &out) const;
  void findShares(int64_t queryTile, std::vector<std::vector<KeyTileRange>> &out) const;
  /// `next` remembers places in the ranges between calls with ascending tiles.
  DataTruth truthAt(const std::vector<std::vector<KeyTileRange>> &shares, int64_t tile,
                    std::vector<size_t> *next = nullptr) const;
  uint32_t listedBits(Signature holds) const;
  void classify(const Choice &choice, int dim, Signature signature, DataTruth truth,
                Visibility &seen) const;
  Visibility truthOf(Signature signature, DataTruth truth) const;

  Formula formula;
  TileGeometry geo;
  Coords queryGrid{1, 1, 1, 1};
  std::vector<int64_t> symbolValues;
  MapData data;
  Signature dataBits, uncertain; ///< data atoms, and atoms that may be false where they hold
  Signature existingQueries = 0, existingKeys = 0; ///< of a bounded layout: atoms for its tokens
  bool knowsData = false; ///< some data atom has classes
  std::vector<Visibility> truths; ///< of each signature, or empty; one dimension
  std::optional<RisingInterval> interval; ///< what a query sees, where that is known to be one
  std::vector<Stretch> stretches; ///< ascending
  /// runTable[d][t]: precomputed for layouts of several dimensions, where each row serves many
  /// tiles. Runs with the same signatures in the same order have one pattern, and boxes follow from the
  /// patterns of a tile alone.
  std::array<std::vector<Runs>, kMaxRank> runTable;
  std::array<std::vector<uint32_t>, kMaxRank> patternOf;
  std::array<size_t, kMaxRank> patterns{};
  std::vector<std::vector<BoxTemplate>> templates;
};

} // namespace attn
