//===- TuneAnswer.h - what attnc tune has found ------------------*- C++ -*-===//
#pragma once

#include "tools/Sweep.h"

namespace attn::tools {

/// A pair of tiles, predicted exactly.
struct TunedTiles {
  llvm::SmallVector<int64_t> queryTile, keyTile;
  int64_t rank = 0; ///< 1 for the fastest of all pairs
  double visited = 0, full = 0; ///< key tiles, over all heads of one batch entry
  TimeAnswer answer;
};

/// What a pair of tiles loses to the best one: the term that costs it most.
struct Loss {
  TermKind term;
  double us;    ///< more than with the best tiles
  double pairs; ///< computed pairs by those of the best
};
Loss lossOf(const TunedTiles &tiles, const TunedTiles &best);

/// Strides of a mask with which the best tiles need no mask, or hardly any.
struct BlockSparseStride {
  mlir::Attribute mask;
  llvm::SmallVector<int64_t> stride;
  double us = 0, speedUp = 0, fullShare = 1;
};

struct TuneAnswer {
  std::string kernel;
  SweepAnswer sweep;            ///< over all pairs
  std::vector<TunedTiles> best; ///< by predicted time
  TunedTiles usual;             ///< what simulate takes where nobody says anything
  int64_t close = 0;            ///< pairs within kClose of the best, itself included
  std::vector<BlockSparseStride> strides; ///< no smaller stride does it; by predicted time
  bool hasStrides = false;      ///< some mask has a window with strides
};

/// Predictions that differ by less are as good as equal: the model's error is larger.
constexpr double kClose = 0.02;

/// Fields are documented in docs/simulate-json.md.
std::string tuneJson(const TuneAnswer &answer, const TimeQuestion &question);
std::string tuneText(const TuneAnswer &answer, const TimeQuestion &question, double tolerance);

} // namespace attn::tools
