//===- KernelInfo.h - what a compiled kernel is, and how it is called -*- C++ -*-===//
//
// The contract between codegen/ (which writes a KernelInfo beside the code) and runtime/ (which launches
// it). No MLIR, no LLVM.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dialect/algebra/HeadParameters.h"
#include "dialect/algebra/TileMap.h"
#include "runtime/DType.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace attn {

constexpr int kMaxInputs = 8;
constexpr int kMaxTables = 8;
/// Key tiles in one dimension of a layout of several: what a 16-bit entry of the box table holds.
constexpr int64_t kMaxNarrowTiles = 65535;

/// The one argument of every kernel, CPU (by pointer) and GPU (by value). All strides in elements.
/// Arrays are row-major. Codegen addresses the fields by offsetof, so the order is part of the contract.
struct KernelArgs {
  const void *q, *k, *v; ///< [B,Hq,Nq,Dqk], [B,Hkv,Nk,Dqk], [B,Hkv,Nk,Dv], last dimension contiguous
  void *o;               ///< [B,Hq,Nq,Dv], last dimension contiguous
  float *lse;            ///< [B,Hq,Nq]
  int64_t qStride[3], kStride[3], vStride[3], oStride[3], lseStride[3]; ///< batch, head, token
  const int32_t *formulaOfHead; ///< [Hq] region number of tile.mask
  const int32_t *headParams;    ///< [Hq][headParamCount]
  const int32_t *mapOfHead;     ///< [B][Hq] number of the tile map
  /// [maps][T * S + 1] index of the first box of a part of a query tile's keys: T query tiles, S parts each.
  const int64_t *mapOffsets;
  /// [..][2 * rank + 1]: lo of each dimension, hi of each, flags: bit 0 is set where every pair of the
  /// box is visible, bits 1.. are the truth of the formula's listed atoms in their order. int32 on a
  /// layout of one dimension, uint16 on others.
  const void *boxes;
  /// [B * Hg * T * S] ((b * Hg + g) * T + t) * S + s, most key tiles first. Hg = Hq / KernelInfo::packedHeads
  /// groups of query heads.
  const uint32_t *order;
  const void *inputs[kMaxInputs];           ///< run-time inputs in the order of the spec
  int64_t inputStrides[kMaxInputs][4];      ///< of each input's dimensions; 0 where broadcast
  int32_t numQueries, numKeys, queryOffset, queryTiles;
  int32_t dims[kMaxRank];   ///< lengths of the tiled token layout
  const int32_t *tables[kMaxTables]; ///< of tile.table: int32[Nq], one entry per query
  int32_t inputExtents[kMaxInputs][4]; ///< of each input's dimensions; at most 2^31 - 1
  int32_t batch, splits;               ///< B and S
  /// S > 1: what the parts compute, to be merged. [S][B][Hq][Nq][Dv] outputs of the part's
  /// keys alone, [S][B][Hq][Nq] their log-sum-exp.
  float *partialO, *partialLse;
};

/// Whose row or column an index into an input is.
enum class IndexedBy : uint8_t { Unsaid, Query, Key };

/// A run-time input as the spec declares it.
struct InputInfo {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape; ///< -1 where bound at run time
  std::array<IndexedBy, 4> indexedBy{}; ///< how the score reads each dimension
};

struct KernelInfo {
  std::string name;   ///< of the kernel in the spec
  std::string target; ///< "cpu", "sm_80"
  std::string entry;  ///< symbol of the code
  DType dtype = DType::F32;
  int64_t batch = 1, heads = 1, kvHeads = 1, headDimQk = 0, headDimV = 0;
  /// The token layout as the spec says it; -1 where bound at run time.
  std::vector<int64_t> tokens, kvTokens;
  /// Where the layout is split into positions and residues, the step of each dimension of `tokens`, 1
  /// for those that are left alone; else empty. A step need not divide the first dimension.
  std::vector<int64_t> steps;
  /// Rank of the tiled layout: that of `tokens`, split or not, or 1 where the masks are linear and tokens
  /// flattened.
  int rank = 1;
  Coords queryTile{1, 1, 1, 1}, keyTile{1, 1, 1, 1};
  /// Distinct masks: the formula of each (an index into `formulas`) and its head parameters.
  std::vector<Formula> formulas;
  std::vector<int32_t> formulaOfMask;
  std::vector<std::vector<HeadParameter>> parametersOfMask;
  std::vector<int32_t> maskOfHead; ///< [heads]
  int64_t headParamCount = 0;      ///< longest row of parametersOfMask
  std::vector<InputInfo> inputs;
  std::optional<int64_t> queryOffset; ///< fixed by the spec
  bool needsSameLayout = false;       ///< a mask wants queries and keys on one layout
  /// A layout of token groups: `tokens` are then lengthened in the first dimension until all tokens have
  /// a place, and the number of tokens is `tokenBase` plus a multiple of `tokenUnit`.
  bool bounded = false;
  int64_t tokenBase = 0, tokenUnit = 0;

  /// Query heads that one piece of work computes together; they have one key head and one mask.
  int64_t packedHeads = 1;

  int64_t scratchBytes = 0;           ///< CPU: per worker, 64-byte aligned
  int64_t threadsPerBlock = 0;        ///< GPU
  int64_t sharedBytes = 0;            ///< GPU: dynamic shared memory
  /// GPU: merges the partial outputs of a launch whose keys are split. A thread makes kMergedElements
  /// elements of the output; no shared memory. CPU: kMergedByRuntime. Empty where keys cannot be split.
  std::string mergeEntry;
};
constexpr const char *kMergedByRuntime = "runtime";

constexpr int64_t kMergeThreads = 128, kMergedElements = 4;

/// A CPU kernel: computes the query tile order[ticket]. `scratch` has scratchBytes, aligned to 64.
using CpuKernel = void (*)(const KernelArgs *args, int64_t ticket, void *scratch);

} // namespace attn
