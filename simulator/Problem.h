//===- Problem.h - an attention with its lengths bound and tiled -*- C++ -*-===//
#pragma once

#include "dialect/Attn.h"
#include "dialect/algebra/MapInputs.h"
#include "simulator/TileShapes.h"

#include <optional>
#include <vector>

namespace attn {

/// What a spec leaves open. Lengths and extents are in tokens.
struct ProblemRequest {
  llvm::ArrayRef<int64_t> tokens, kvTokens;   ///< bind `?`; empty where the spec says it all
  std::optional<int64_t> queryOffset;         ///< absent: as in the spec, or Nk - Nq
  llvm::ArrayRef<int64_t> queryTile, keyTile; ///< empty: chosen by chooseTiles
};

/// Run-time inputs as a launch has them, checked, and the batch entry that is mapped.
struct InputValues {
  std::shared_ptr<const void> owner; ///< keeps alive what the views look at
  std::vector<DataView> views;       ///< in the order of the kernel's
  int64_t batch = 0;
};

/// One distinct mask of an attention and its tile map, which all its heads share.
struct MaskGroup {
  mlir::Attribute mask; ///< simplified
  llvm::SmallVector<int64_t> heads;
  TileMap map;
  /// The mask reads run-time inputs, whose values are not known here: the map says what they may
  /// show.
  bool readsInputs = false;
  /// Bits of the atoms without bounds: what reads unknown inputs, labels out of order, bool masks, listed
  /// blocks, free predicates.
  Signature dataAtoms = 0;
};

/// A tiled attention at fixed lengths. Owns its maps; the attributes belong to the context.
struct Problem {
  llvm::SmallVector<int64_t> tokens, kvTokens; ///< as in the spec, every `?` bound
  int64_t numQueries = 0, numKeys = 0; ///< fewer than the layout has places where there are groups
  TileChoice tiles;                    ///< lengths bound as well
  int64_t queryOffset = 0;
  int64_t batch = 1, heads = 1, kvHeads = 1;
  TileGeometry tiling;
  std::optional<InputValues> inputs; ///< absent: not known
  std::vector<MaskGroup> groups;     ///< in the order of their first heads

  const TileGeometry &geometry() const { return tiling; }
};

/// Most query tiles that a map is made for: more would take minutes.
constexpr int64_t kMaxQueryTiles = int64_t(1) << 26;

/// The tiles that are asked for or chosen, with the lengths of the spec. Failure comes after a diagnostic.
mlir::FailureOr<TileChoice> tilesOfSpec(AttentionOp op, const ProblemRequest &request);

/// Binds and tiles: everything but inputs and groups. After a diagnostic at the attention, failure:
/// an unbound `?`, lengths that contradict the spec, tiles that do not fit the layout, more than
/// kMaxQueryTiles query tiles.
mlir::FailureOr<Problem> bindSizes(AttentionOp op, const ProblemRequest &request);

/// Fills in the groups of a problem that has its sizes, and its inputs if they are known: heads
/// that share a mask are apart where the inputs have values for each head. After a diagnostic,
/// failure: more atoms than a formula may have.
mlir::LogicalResult mapHeads(AttentionOp op, Problem &problem);

/// The tiles of a problem that has its lengths and its choice of tiles.
TileGeometry tilingOf(AttentionOp op, const Problem &problem);

/// What the symbols of the formula of one head's mask stand for; 0 where an input is not known.
std::vector<int64_t> symbolValues(const Formula &formula, const Problem &problem, int64_t head);

/// Both, without inputs.
mlir::FailureOr<Problem> bindProblem(AttentionOp op, const ProblemRequest &request);

/// Maps `mask`, the attention's own or a term of it, as the first of `heads` sees it. Of `problem`
/// only the groups may be missing; `geometry` is its own or another tiling of its layouts. After a
/// diagnostic, failure: more atoms than a formula may have.
mlir::FailureOr<MaskGroup> mapGroup(AttentionOp op, mlir::Attribute mask,
                                    llvm::SmallVector<int64_t> heads, const TileGeometry &geometry,
                                    const Problem &problem);

/// The group's mask on tiles of one token: each visited tile is an element that is seen, and full
/// unless a free predicate has left it open.
mlir::FailureOr<MaskGroup> mapElements(AttentionOp op, const MaskGroup &group,
                                       const Problem &problem);

/// The simplified mask of every head, each once, with the heads that have it.
llvm::SmallVector<std::pair<mlir::Attribute, llvm::SmallVector<int64_t>>>
groupHeads(AttentionOp op);

/// The formula with every interval and free predicate that depends on a run-time input turned into
/// an atom of no input, so that it needs no input values.
Formula withUnknownInputs(Formula formula);

/// "[30, ?, 80]".
std::string layoutText(llvm::ArrayRef<int64_t> dims);

} // namespace attn
