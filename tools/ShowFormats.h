//===- ShowFormats.h - the ways to draw a tile map ---------------*- C++ -*-===//
#pragma once

#include "simulator/Problem.h"

#include "runtime/Error.h"

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
/// Characters, at most `columns` wide; several tiles share one when there are more. With `color`, ANSI
/// escapes.
Status writeText(const Picture &picture, int columns, bool color, const Sink &sink);
/// One SVG drawing, a panel for each group; rectangles cover runs of tiles.
Status writeSvg(const Picture &picture, const Sink &sink);
/// The mask itself as a bool array [groups, Nq, Nk] in a .npy file. Masks that read inputs and more than
/// 2^28 elements are errors.
Status writeElements(const Picture &picture, const std::string &path);

/// What a rectangle of tiles shows, drawn as one character or cell.
enum class Shade : char { Empty, Partial, Full };

/// Classes of query tiles against key tiles, `step` x `step` of them to a cell: full where all are full,
/// empty where all are empty.
class ShadeGrid {
public:
  ShadeGrid(const TileMap &map, int64_t mostCells);
  int64_t rows = 0, columns = 0, step = 1;
  Shade at(int64_t row, int64_t column) const;

private:
  std::vector<int64_t> visited, full; ///< tiles of each class in a cell
  std::vector<int64_t> rowTiles, columnTiles;
};

} // namespace attn::tools
