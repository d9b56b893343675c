//===- Launch.h - from tensors to the arguments of a kernel ------*- C++ -*-===//
//
// A launch checks everything that a caller can get wrong and then builds the tables that KernelArgs
// points to: tile maps from the kernel's formulas, and the order of the query tiles, longest first.
// The tables are O(queries / tile) in size; nothing here is quadratic.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/BoxTable.h"
#include "runtime/KernelInfo.h"
#include "runtime/Tensor.h"
#include "runtime/WorkerPool.h"

#include <functional>
#include <map>
#include <memory>
#include <span>

namespace attn {

/// What a kernel runs on. Views must stay valid while the plan made from them is used.
struct Bindings {
  TensorView q;                  ///< [B,Hq,Nq,Dqk], the kernel's dtype, last dimension contiguous
  TensorView k;                  ///< [B,Hkv,Nk,Dqk]
  TensorView v;                  ///< [B,Hkv,Nk,Dv]
  TensorView o;                  ///< [B,Hq,Nq,Dv], written; shares memory with nothing else
  std::optional<TensorView> lse; ///< [B,Hq,Nq] f32, written
  std::map<std::string, TensorView> inputs; ///< run-time inputs by name
  /// Token layouts with every `?` bound. Empty: taken from the spec and the lengths of q and k,
  /// which says it all unless a layout has more than one `?`.
  std::vector<int64_t> tokens, kvTokens;
  /// Added to q by relative masks; absent: what the spec fixes, else Nk - Nq.
  std::optional<int64_t> queryOffset;
};

/// How much a device does at once.
struct LaunchOptions {
  /// Thread blocks, or workers, that run at the same time. A launch with fewer pieces of work than that splits the keys
  /// of its query tiles; 0: it never does.
  int64_t concurrentBlocks = 0;
  /// So many parts instead of a number chosen by `concurrentBlocks`; 0: chosen. At least 1 otherwise.
  int64_t splits = 0;
};

/// What a CpuKernel does, by something that is more than an address. Called from many threads.
using CpuWork = std::function<void(const KernelArgs *args, int64_t ticket, void *scratch)>;

/// A checked launch. Move-only. Owns every table that `args()` points to, but no tensor.
class LaunchPlan {
public:
  LaunchPlan() = default;
  LaunchPlan(LaunchPlan &&) = default;
  LaunchPlan &operator=(LaunchPlan &&) = default;

  const KernelArgs &args() const { return kernelArgs; }
  /// Whether it was made for the kernel of exactly this object; the arguments of others differ.
  bool isFor(const KernelInfo &info) const { return madeFor == &info; }
  /// Query tiles of all heads and batch entries: the tickets of a run.
  int64_t tickets() const { return int64_t(order.size()); }
  /// Where the batches of tickets begin that a worker of a processor draws at once, and at last the number of
  /// tickets. Query tiles of a batch share most of their keys, which the worker's caches then have.
  std::span<const uint32_t> batches() const { return batchStarts; }
  /// Parts in which the keys of each query tile are worked on. Above 1 the merging kernel has to run after
  /// the kernel, in mergeBlocks() thread blocks of kMergeThreads.
  int64_t splits() const { return kernelArgs.splits; }
  int64_t mergeBlocks() const;

  /// Memory that a field of args() points to, at that offset in bytes. Devices with memory of their own need
  /// it there.
  struct Table {
    size_t field;
    const char *name; ///< for messages
    const void *data;
    int64_t bytes;
  };
  std::vector<Table> tables() const;
  /// Memory that the kernels write and nobody reads afterwards; on a GPU the caller puts the address of so
  /// many bytes, aligned to 16, into the field.
  struct Scratch {
    size_t field;
    const char *name;
    int64_t bytes;
  };
  std::vector<Scratch> scratch() const;

  /// Key tiles over all pieces of work: visited, full ones among them, and all.
  int64_t visitedTiles = 0, fullTiles = 0, allTiles = 0;
  /// (query, key) pairs that the masks show, over all heads and batch entries; an upper bound where
  /// the masks are data. Counts them now, in closed form.
  double visiblePairs() const;
  /// Query heads that see no key in any batch entry, so that their output is 0; none without queries.
  std::vector<int64_t> blindHeads() const;
  /// Different tile maps: one for each mask, and for each batch entry or head whose data make it another
  /// one. Their bytes in memory, and those of the order of the query tiles.
  int64_t numMaps() const { return table.numMaps(); }
  int64_t mapBytes() const { return table.bytes(); }
  int64_t orderBytes() const { return int64_t(order.size() * sizeof(uint32_t)); }

private:
  friend class LaunchBuilder;
  KernelArgs kernelArgs{};
  const KernelInfo *madeFor = nullptr;
  std::vector<int32_t> formulaOfHead, headParams, mapOfHead;
  BoxTable table;
  std::vector<uint32_t> order;
  std::vector<uint32_t> batchStarts{0};
  std::vector<TileMap> maps;
  std::shared_ptr<const void> tableMemory; ///< what args().tables point to
  std::vector<float> lseScratch; ///< where the caller wants no lse
  int64_t numRows = 0;           ///< B * Hq * Nq
  int64_t headDimV = 0, numTables = 0;
};

/// Checks the bindings against the kernel and builds the tables. Errors name the tensor and what
/// was expected of it; nothing is written. Thread-safe. With a pool, which is then in use, tile maps are
/// made in parallel.
Expected<LaunchPlan> planLaunch(const KernelInfo &info, const Bindings &bindings,
                                WorkerPool *pool = nullptr, const LaunchOptions &options = {});

/// The layout with every `?` bound so that it has `length` tokens; `what` ("tokens", "kv_tokens")
/// is for messages. An error where no such binding exists or more than one does.
Expected<std::vector<int64_t>> bindLayout(const std::vector<int64_t> &layout, int64_t length,
                                          const char *what);

/// Runs a CPU kernel on the pool and returns when it has finished.
Status runOnCpu(const LaunchPlan &plan, const KernelInfo &info, const CpuWork &kernel,
                WorkerPool &pool);

} // namespace attn
