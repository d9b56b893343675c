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
  AttentionOp attention;
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
/// One HTML page that needs nothing beside it, with the map to zoom into and what each term of the
/// mask does to each tile. At most about 3 MB: of maps that need more, every n-th query tile.
Status writeHtml(const Picture &picture, const Sink &sink);
/// The mask itself as a bool array in a .npy file: [heads, Nq, Nk], or [Nq, Nk] of `head`. Masks
/// that read inputs and more than 2^28 elements are errors.
Status writeElements(const Picture &picture, std::optional<int64_t> head, const std::string &path);

/// What a cell of a drawing shows. Mixed: of several tiles some are full, the others empty.
enum class Shade : char { Empty, Partial, Full, Mixed };

/// All query tiles against all key tiles, by their row-major numbers; `rowStep` x `columnStep`
/// tiles to a cell: full where all of them are full, empty where all are empty, partial where one
/// is partial.
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

/// "[2, 1]": where slice `slice` of the key tiles' last two dimensions lies in the others.
std::string sliceTitle(int64_t slice, const TileGeometry &geometry);

/// Pieces of JSON. A string is in quotes; bytes that are no UTF-8, which MLIR allows in names,
/// become U+FFFD.
std::string jsonString(const std::string &text);
std::string jsonList(llvm::ArrayRef<int64_t> values);
/// "heads 0..3, 7", "head 2".
std::string headsTitle(const MaskGroup &group);
/// Text for people: what is no UTF-8 becomes U+FFFD, and control characters spaces.
std::string readable(const std::string &text);
/// Kernel, lengths and tiles: `"kernel":"chat", ... ,"k_tiles":[8]`.
std::string jsonLayouts(const Picture &picture);

/// Row-major number of a tile on a grid of `geometry`, and back.
int64_t numberOf(const Coords &tile, const TileGeometry &geometry, bool query);
Coords coordsOf(int64_t number, const TileGeometry &geometry, bool query);

} // namespace attn::tools
