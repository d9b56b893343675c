//===- ShowFormats.h - the ways to draw a tile map ---------------*- C++ -*-===//
#pragma once

#include "runtime/Error.h"
#include "simulator/Problem.h"

#include <functional>
#include <string>
#include <string_view>

namespace attn::tools {

/// What is drawn: some of the mask groups of a bound kernel.
struct Picture {
  std::string kernel;
  const Problem &problem;
  std::vector<const MaskGroup *> groups;
};

/// Takes the next piece of the result; an error stops the writer, which returns it.
using Sink = std::function<Status(std::string_view)>;

/// Streams: memory does not grow with the number of tiles. docs/show-json.md names the fields.
Status writeJson(const Picture &picture, const Sink &sink);
/// Characters, at most `columns` wide; several tiles share one when there are more. With `color`,
/// ANSI escapes.
Status writeText(const Picture &picture, int columns, bool color, const Sink &sink);
/// One SVG drawing of less than about a megabyte, a panel for each group.
Status writeSvg(const Picture &picture, const Sink &sink);
/// The mask itself as a bool array in a .npy file: [heads, Nq, Nk], or [Nq, Nk] of `head`. Masks
/// that read inputs and more than 2^28 elements are errors.
Status writeElements(const Picture &picture, std::optional<int64_t> head, const std::string &path);

/// What a cell of a drawing shows.
enum class Shade : char { Empty, Partial, Full };

/// All query tiles against all key tiles, by their row-major numbers; `rowStep` x `columnStep`
/// tiles to a cell: full where all of them are full, empty where all are empty.
class ShadeGrid {
public:
  ShadeGrid(const TileMap &map, int64_t mostRows, int64_t mostColumns);
  int64_t rows = 0, columns = 0, rowStep = 1, columnStep = 1;
  Shade at(int64_t row, int64_t column) const;

private:
  void addTile(const TileMap &map, int64_t queryTile, std::vector<KeyBox> &boxes);
  void addRun(int64_t row, int64_t first, int64_t last, bool isFull);

  std::vector<int64_t> visited, full; ///< tiles of each class in a cell
  int64_t queryTiles, keyTiles;
};

/// One query tile, the one in the middle of the layout, and the classes of all key tiles by their
/// row-major numbers: how a picture shows boxes in more than one dimension.
struct MiddleTile {
  explicit MiddleTile(const TileMap &map);
  Coords at{};
  int64_t number = 0;
  std::vector<Shade> shades;
};
/// Whether a map has more than one dimension and few enough key tiles for a MiddleTile.
bool hasSlices(const TileMap &map);

/// Row-major number of a tile on a grid of `geometry`, and back.
int64_t numberOf(const Coords &tile, const TileGeometry &geometry, bool query);
Coords coordsOf(int64_t number, const TileGeometry &geometry, bool query);

} // namespace attn::tools
