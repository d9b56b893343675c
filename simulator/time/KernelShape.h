//===- KernelShape.h - a kernel and what surrounds it, as the model sees them -*- C++ -*-===//
#pragma once

#include "simulator/time/Machine.h"

#include <cstdint>

namespace attn {

enum class Pass : uint8_t { Forward, Backward };
enum class Precision : uint8_t { F32, F16, BF16, F8 };
int64_t bytesOf(Precision precision);
const char *nameOf(Precision precision);

/// What multiplies: the instructions of a warpgroup and their successors (wgmma, tcgen05), as the kernels do that others
/// publish, or mma.sync of a warp, as attnc's kernels for sm_80 do.
enum class Products : uint8_t { OfWarpgroups, OfWarps };

enum class Overlap : uint8_t {
  None,    ///< the softmax of a step waits for its products, and the next products for it
  PingPong ///< two halves of a tile take turns, or the next scores are begun before the softmax
};

/// How thread blocks get their query tiles.
enum class Order : uint8_t {
  LongestFirst, ///< from a queue, most visits first
  RoundRobin    ///< block i takes tiles i, i + blocks, ...: a static persistent kernel
};

struct KernelShape {
  Pass pass = Pass::Forward;
  Precision precision = Precision::BF16;
  int64_t rows = 128, columns = 128; ///< queries and keys of a tile
  int64_t headDim = 128, valueDim = 128;
  int64_t stages = 2; ///< key and value tiles in shared memory
  Overlap overlap = Overlap::PingPong;
  bool probabilitiesInRegisters = true; ///< else they pass through shared memory
  int64_t sharedBy = 1; ///< thread blocks that one read of a key tile from L2 serves
  Order order = Order::LongestFirst;
  double maskOps = 3;          ///< operations per score of a partial tile
  bool masksEveryTile = false; ///< of a head with a partial tile, the full ones too
  /// Thread blocks that share the keys of a query tile and are merged by a second kernel; 0: as
  /// many as are fastest.
  int64_t splits = 1;
  int64_t packedHeads = 1; ///< query heads of one key head whose rows share a tile

  Products products = Products::OfWarpgroups;
  // Of warps alone:
  int64_t warps = 4, rowsPerWarp = 32; ///< of a thread block
  int64_t blocksAtOnce = 2;            ///< on a multiprocessor
  bool queryInRegisters = false;       ///< else q is read from shared memory in every step
  int64_t sharedBytes = 0;             ///< of a thread block
};

/// What a system does around its kernel.
struct System {
  bool permutesTokens = false;       ///< q, k, v before and o after
  double permuteOps = 100;           ///< integer operations for an element's two addresses
  bool permutesInPlainCopies = true; ///< one kernel a tensor; else one for all
  double maskPairs = 0;              ///< pairs on which a mask is evaluated before the kernel runs
  double maskPairOps = 12;           ///< operations for each
  double maskBytes = 0;              ///< written and read again
  double maskUses = 1;               ///< calls that share a mask
};

/// FlashAttention-3's tiles and habits (hopper/tile_size.h, 16-bit types); other types the same
/// tiles.
KernelShape flashAttention3(int64_t headDim, bool causal);
/// NATTEN's Hopper kernels on a layout of `rank` dimensions: the mask on every visited tile unless
/// all are full, in 5 operations a dimension (two to find the coordinate, one to add, two to
/// compare) and a select.
KernelShape nattenHopper(int64_t headDim, int rank);
/// Its token permutation before the dedicated kernels: an elementwise copy a tensor with up to 7
/// dimensions.
System nattenPermuted();

/// An error where the machine lacks the type, or shared memory, registers or tensor memory do not
/// hold the tile.
Status checkShape(const KernelShape &shape, const Machine &machine);
/// Bytes of shared memory that a thread block needs.
int64_t sharedBytes(const KernelShape &shape);

/// Into how many parts tiles of a mask are cut that no thread block holds whole.
struct TileParts {
  int64_t queries = 1; ///< thread blocks that share a query tile, each with all its key tiles
  int64_t keys = 1;    ///< steps that a key tile takes
};
/// Halves the larger extent of `shape`, fewest rows and keys 16, until the machine can hold it, and says how often; what
/// checkShape says where no half does.
Expected<TileParts> fitShape(KernelShape &shape, const Machine &machine);

} // namespace attn
