//===- BenchReport.h - what attnc bench tells --------------------*- C++ -*-===//
#pragma once

#include "runtime/KernelInfo.h"

#include <memory>
#include <string>
#include <vector>

namespace attn::tools {

struct Statistics {
  double median = 0, low = 0, high = 0;
};
Statistics statisticsOf(std::vector<double> values);

/// A kernel and what its runs came to.
struct BenchRow {
  std::string spec; ///< as it was given
  KernelInfo info;
  std::vector<int64_t> tokens, kvTokens;
  std::string isa; ///< of the code
  int64_t visitedTiles = 0, fullTiles = 0, allTiles = 0;
  double visibleFlops = 0;                    ///< two products of every pair that the mask shows
  double allFlops = 0;                        ///< of every pair there is
  double compileSeconds = 0, loadSeconds = 0; ///< of a package: 0, and of loading it
  double peakGflops = 0;                      ///< of its type and code: FmaPeak.h
  std::vector<double> runs;
  std::unique_ptr<BenchRow> dense; ///< the same kernel under mask all, where it was asked for

  double visitedShare() const { return allTiles ? double(visitedTiles) / double(allTiles) : 0; }
  double gflops() const { return visibleFlops / statisticsOf(runs).median * 1e-9; }
  double ofPeak() const { return gflops() / peakGflops; }
  double ofTileBound() const {
    return allFlops * visitedShare() / statisticsOf(runs).median * 1e-9 / peakGflops;
  }
  double speedUp() const { return statisticsOf(dense->runs).median / statisticsOf(runs).median; }
  /// What the speed-up would be if every tile took the same time: all tiles by visited ones.
  double bound() const { return 1 / visitedShare(); }
};

struct BenchAnswer {
  unsigned threads = 0;
  double peakGflops = 0; ///< f32 multiply-adds between registers
  std::vector<BenchRow> rows;
};

std::string benchText(const BenchAnswer &answer);
/// Fields are documented in docs/run-json.md.
std::string benchJson(const BenchAnswer &answer);

} // namespace attn::tools
