#include "runtime/Launch.h"

#include "dialect/algebra/MapInputs.h"
#include "runtime/InputChecks.h"
#include "runtime/LaunchChecks.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <tuple>

namespace attn {

static int32_t toSymbol(int64_t value) {
  return int32_t(std::clamp(value, -kMaxSymbol, kMaxSymbol));
}

/// Fills one LaunchPlan; the bindings have been checked.
class LaunchBuilder {
public:
  LaunchBuilder(const KernelInfo &info, const Bindings &bindings, const LaunchSizes &sizes,
                WorkerPool *pool, const LaunchOptions &options)
      : info(info), bindings(bindings), sizes(sizes), pool(pool), options(options),
        geometry(geometryOf(info, sizes)),
        queryTiles(geometry.numQueryTiles()),
        inputs(geometry, inputViews(info, bindings), tablesOf(info), sizes.numQueries,
               sizes.queryOffset) {}

  Expected<LaunchPlan> build() {
    if (Status status = checkTables(); !status)
      return status.takeError();
    plan.table = BoxTable(info.rank, queryTiles);
    fillHeads();
    fillMaps();
    splitKeys();
    fillOrder();
    fillArguments();
    plan.madeFor = &info;
    return std::move(plan);
  }

private:
  /// All formulas share them.
  static std::span<const TableInfo> tablesOf(const KernelInfo &info) {
    return info.formulas.empty() ? std::span<const TableInfo>() : info.formulas.front().tables;
  }

  /// The tables fit their index types and this machine.
  Status checkTables() const {
    int64_t rows, tickets;
    if (__builtin_mul_overflow(sizes.batch, info.heads, &rows) ||
        __builtin_mul_overflow(rows, queryTiles, &tickets) || tickets > int64_t(UINT32_MAX))
      return makeError("batch {}, {} heads and {} query tiles make more than 2^32 pieces of work",
                       sizes.batch, info.heads, queryTiles);
    int64_t maps = int64_t(info.formulaOfMask.size()) * (anyPerBatch() ? sizes.batch : 1);
    for (auto bytes : {checkedByteSize({{maps, queryTiles + 1}}, DType::I64),
                       checkedByteSize({{tickets}}, DType::I32),
                       checkedByteSize({{sizes.batch, info.heads, sizes.numQueries}}, DType::F32)})
      if (!bytes)
        return bytes.takeError();
    return checkBoxCoordinates();
  }

  Status checkBoxCoordinates() const {
    for (int d = 0; info.rank > 1 && d < info.rank; ++d)
      if (geometry.keyTiles(d) > kMaxNarrowTiles)
        return makeError("dimension {} has {} tokens in key tiles of {}, which is more than {} tiles, "
                         "the most in a dimension of a layout of several",
                         d, geometry.keys[size_t(d)], geometry.keyTile[size_t(d)], kMaxNarrowTiles);
    return {};
  }

  bool anyPerBatch() const {
    return std::any_of(info.formulas.begin(), info.formulas.end(), [&](const Formula &formula) {
      return inputs.dependsOnBatch(formula) ||
             std::any_of(formula.symbols.begin(), formula.symbols.end(), [](const Symbol &symbol) {
               return symbol.kind == SymbolKind::BatchInput || symbol.kind == SymbolKind::Batch;
             });
    });
  }

  void fillHeads() {
    for (int32_t mask : info.maskOfHead) {
      plan.formulaOfHead.push_back(info.formulaOfMask[size_t(mask)]);
      const std::vector<HeadParameter> &row = info.parametersOfMask[size_t(mask)];
      for (int64_t i = 0; i < info.headParamCount; ++i)
        plan.headParams.push_back(
            i < int64_t(row.size()) ? toSymbol(valueOf(row[size_t(i)], sizes.numKeys)) : 0);
    }
  }

  std::vector<int64_t> symbolValues(const Formula &formula, int32_t mask, int64_t batch,
                                    int64_t head) const {
    std::vector<int64_t> values;
    for (const Symbol &symbol : formula.symbols)
      values.push_back(toSymbol(symbolValue(symbol, mask, batch, head)));
    return values;
  }

  int64_t symbolValue(const Symbol &symbol, int32_t mask, int64_t batch, int64_t head) const {
    auto entry = [&](int64_t i) {
      return int64_t(bindings.inputs.at(info.inputs[size_t(symbol.index)].name).at({i}));
    };
    switch (symbol.kind) {
    case SymbolKind::NumQueries:
      return sizes.numQueries;
    case SymbolKind::NumKeys:
      return sizes.numKeys;
    case SymbolKind::QueryOffset:
      return sizes.queryOffset;
    case SymbolKind::Dim:
      return geometry.keys[size_t(symbol.index)];
    case SymbolKind::HeadParam:
      return valueOf(info.parametersOfMask[size_t(mask)][size_t(symbol.index)], sizes.numKeys);
    case SymbolKind::BatchInput:
      return entry(batch);
    case SymbolKind::HeadInput:
      return entry(head);
    case SymbolKind::Batch:
      return batch;
    case SymbolKind::HeadFormula:
    case SymbolKind::Span:
      assert(false && "no symbol of a formula with head parameters");
    }
    return 0;
  }

  /// One map per mask, or per mask and distinct values of what else it depends on.
  void fillMaps() {
    using Key = std::tuple<int32_t, int64_t, int64_t, std::vector<int64_t>>;
    std::map<Key, int32_t> known;
    for (int64_t batch = 0; batch < sizes.batch; ++batch)
      for (size_t head = 0; head < info.maskOfHead.size(); ++head) {
        int32_t mask = info.maskOfHead[head];
        const Formula &formula = info.formulas[size_t(info.formulaOfMask[size_t(mask)])];
        std::vector<int64_t> values = symbolValues(formula, mask, batch, int64_t(head));
        Key key{mask, inputs.dependsOnBatch(formula) ? batch : 0,
                inputs.dependsOnHead(formula) ? int64_t(head) : 0, values};
        auto [it, isNew] = known.try_emplace(std::move(key), int32_t(known.size()));
        if (isNew)
          addMap(formula, std::move(values), batch, int64_t(head));
        plan.mapOfHead.push_back(it->second);
      }
  }

  void addMap(const Formula &formula, std::vector<int64_t> values, int64_t batch, int64_t head) {
    bool empty = queryTiles == 0 || sizes.numKeys == 0;
    if (!empty)
      plan.maps.push_back(inputs.makeMap(formula, std::move(values), batch, head));
    plan.table.add(empty ? nullptr : &plan.maps.back(), pool, tileCounts);
  }

  /// Cuts the keys of the query tiles where the launch has too few pieces of work for the device.
  void splitKeys() {
    for (const BoxTable::TileCount &count : tileCounts)
      longestTile = std::max(longestTile, count.visited);
    plan.kernelArgs.splits = int32_t(chooseSplits());
    if (plan.kernelArgs.splits > 1)
      plan.table = plan.table.splitKeys(plan.kernelArgs.splits, tileCounts);
  }

  int64_t chooseSplits() const {
    int64_t pieces = numGroups() * queryTiles;
    if (info.mergeEntry.empty() || pieces == 0 || longestTile == 0)
      return 1;
    double partBytes = double(numGroups()) * double(info.packedHeads) * double(sizes.numQueries) *
                       double(info.headDimV + 1) * sizeof(float);
    int64_t most = std::min({longestTile, int64_t(double(kMostPartialBytes) / partBytes),
                             int64_t(UINT32_MAX) / pieces, kMostSplits});
    if (options.splits > 0)
      return std::clamp<int64_t>(options.splits, 1, std::max<int64_t>(most, 1));
    // A piece of a few key tiles is not worth a merge.
    most = std::min(most, longestTile / 2);
    if (pieces * 5 >= options.concurrentBlocks * 4)
      return 1;
    return fewestSplits(pieces, most);
  }

  /// The fewest parts whose last wave of thread blocks is nearly as full as that of any other number.
  int64_t fewestSplits(int64_t pieces, int64_t most) const {
    auto efficiency = [&](int64_t splits) {
      double waves = double(pieces * splits) / double(options.concurrentBlocks);
      return waves / std::ceil(waves);
    };
    double best = 0;
    for (int64_t splits = 1; splits <= most; ++splits)
      best = std::max(best, efficiency(splits));
    for (int64_t splits = 1; splits <= most; ++splits)
      if (efficiency(splits) >= 0.85 * best)
        return splits;
    return 1;
  }

  int64_t numGroups() const { return sizes.batch * info.heads / info.packedHeads; }

  /// Longest first, by counting; tiles of nearly equal length keep their order, so that neighbours
  /// in time share keys.
  void fillOrder() {
    int64_t longest = 0;
    for (const BoxTable::TileCount &count : tileCounts)
      longest = std::max(longest, count.visited);
    int shift = 0;
    while (longest >> shift >= kBuckets)
      ++shift;
    std::vector<uint32_t> next(size_t(longest >> shift) + 2, 0);
    auto bucketOf = [&](const BoxTable::TileCount &count) {
      return size_t((longest >> shift) - (count.visited >> shift));
    };
    forEachTicket([&](uint32_t, const BoxTable::TileCount &count) {
      ++next[bucketOf(count) + 1];
      plan.visitedTiles += count.visited;
      plan.fullTiles += count.full;
    });
    for (size_t i = 1; i < next.size(); ++i)
      next[i] += next[i - 1];
    plan.order.resize(size_t(numGroups() * queryTiles * plan.splits()));
    forEachTicket([&](uint32_t ticket, const BoxTable::TileCount &count) {
      plan.order[next[bucketOf(count)]++] = ticket;
    });
    fillBatches(next, longest, shift);
    plan.allTiles = numGroups() * queryTiles * geometry.numKeyTiles();
  }

  /// Of as much work as an eighth of a worker's share of what is left, so that the last ones are single tickets.
  /// `ends` are those of the buckets of the order.
  void fillBatches(const std::vector<uint32_t> &ends, int64_t longest, int shift) {
    constexpr double kShare = 8, kMostTickets = 8;
    plan.batchStarts.clear();
    double left = double(plan.visitedTiles), workers = double(std::max<int64_t>(options.concurrentBlocks, 1));
    uint32_t begin = 0;
    for (size_t bucket = 0; bucket + 1 < ends.size(); ++bucket) {
      double tiles = std::max(1.0, double((longest >> shift) - int64_t(bucket)) * double(1 << shift));
      while (begin < ends[bucket]) {
        double tickets = std::clamp(left / (kShare * workers * tiles), 1.0, kMostTickets);
        plan.batchStarts.push_back(begin);
        uint32_t count = std::min(uint32_t(tickets), ends[bucket] - begin);
        begin += count;
        left -= double(count) * tiles;
      }
    }
    plan.batchStarts.push_back(begin);
  }

  template <class Visit> void forEachTicket(Visit &&visit) {
    uint32_t ticket = 0;
    int64_t parts = queryTiles * plan.splits();
    for (size_t row = 0; row < plan.mapOfHead.size(); row += size_t(info.packedHeads))
      for (int64_t part = 0; part < parts; ++part)
        visit(ticket++, tileCounts[size_t(plan.mapOfHead[row] * parts + part)]);
  }

  static void setStrides(int64_t (&target)[3], const TensorView &view) {
    std::copy_n(view.strides.begin(), 3, target);
  }

  void fillArguments() {
    KernelArgs &args = plan.kernelArgs;
    args.q = bindings.q.data;
    args.k = bindings.k.data;
    args.v = bindings.v.data;
    args.o = bindings.o.data;
    setStrides(args.qStride, bindings.q);
    setStrides(args.kStride, bindings.k);
    setStrides(args.vStride, bindings.v);
    setStrides(args.oStride, bindings.o);
    fillLse(args);
    fillInputs(args);
    args.formulaOfHead = plan.formulaOfHead.data();
    args.headParams = plan.headParams.data();
    args.mapOfHead = plan.mapOfHead.data();
    args.mapOffsets = plan.table.offsets();
    args.boxes = plan.table.boxes();
    args.order = plan.order.data();
    fillTables(args);
    args.numQueries = int32_t(sizes.numQueries);
    args.numKeys = int32_t(sizes.numKeys);
    args.queryOffset = int32_t(sizes.queryOffset);
    args.queryTiles = int32_t(queryTiles);
    args.batch = int32_t(sizes.batch);
    plan.numRows = sizes.batch * info.heads * sizes.numQueries;
    plan.headDimV = info.headDimV;
    for (int d = 0; d < kMaxRank; ++d)
      args.dims[d] = int32_t(geometry.keys[size_t(d)]);
  }

  void fillTables(KernelArgs &args) {
    plan.tableMemory = inputs.shareMemory();
    plan.numTables = int64_t(inputs.tables().size());
    for (size_t i = 0; i < inputs.tables().size(); ++i)
      args.tables[i] = inputs.everyEntry(i);
  }

  void fillLse(KernelArgs &args) {
    if (bindings.lse) {
      args.lse = static_cast<float *>(bindings.lse->data);
      setStrides(args.lseStride, *bindings.lse);
      return;
    }
    plan.lseScratch.resize(size_t(sizes.batch * info.heads * sizes.numQueries));
    args.lse = plan.lseScratch.data();
    args.lseStride[0] = info.heads * sizes.numQueries;
    args.lseStride[1] = sizes.numQueries;
    args.lseStride[2] = 1;
  }

  void fillInputs(KernelArgs &args) {
    for (size_t i = 0; i < info.inputs.size(); ++i) {
      const TensorView &view = bindings.inputs.at(info.inputs[i].name);
      args.inputs[i] = view.data;
      for (size_t d = 0; d < view.rank(); ++d) {
        args.inputStrides[i][d] = view.shape[d] == 1 ? 0 : view.strides[d];
        args.inputExtents[i][d] = int32_t(std::min<int64_t>(view.shape[d], INT32_MAX));
      }
    }
  }

  static constexpr int64_t kBuckets = 1 << 16;
  static constexpr int64_t kMostSplits = 256, kMostPartialBytes = int64_t(1) << 28;

  const KernelInfo &info;
  const Bindings &bindings;
  const LaunchSizes &sizes;
  WorkerPool *pool;
  LaunchOptions options;
  TileGeometry geometry;
  int64_t queryTiles;
  MapInputs inputs;
  std::vector<BoxTable::TileCount> tileCounts; ///< [maps][query tiles], once split [maps][T * S]
  int64_t longestTile = 0;                     ///< key tiles of the query tile with most of them
  LaunchPlan plan;
};

Expected<LaunchPlan> planLaunch(const KernelInfo &info, const Bindings &bindings,
                                WorkerPool *pool, const LaunchOptions &options) {
  Expected<LaunchSizes> sizes = launchSizes(info, bindings);
  if (!sizes)
    return sizes.takeError();
  if (Status status = checkTensors(info, bindings, *sizes); !status)
    return status.takeError();
  return LaunchBuilder(info, bindings, *sizes, pool, options).build();
}

int64_t LaunchPlan::mergeBlocks() const {
  return splits() > 1 ? ceilDiv(numRows * headDimV / kMergedElements, kMergeThreads) : 0;
}

std::vector<LaunchPlan::Table> LaunchPlan::tables() const {
  std::vector<Table> list;
  auto add = [&](size_t field, const char *name, const void *data, size_t bytes) {
    if (bytes > 0)
      list.push_back({field, name, data, int64_t(bytes)});
  };
  add(offsetof(KernelArgs, formulaOfHead), "formulaOfHead", formulaOfHead.data(),
      formulaOfHead.size() * sizeof(int32_t));
  add(offsetof(KernelArgs, headParams), "headParams", headParams.data(),
      headParams.size() * sizeof(int32_t));
  add(offsetof(KernelArgs, mapOfHead), "mapOfHead", mapOfHead.data(),
      mapOfHead.size() * sizeof(int32_t));
  add(offsetof(KernelArgs, mapOffsets), "mapOffsets", table.offsets(), size_t(table.offsetBytes()));
  add(offsetof(KernelArgs, boxes), "boxes", table.boxes(), size_t(table.boxBytes()));
  add(offsetof(KernelArgs, order), "order", order.data(), order.size() * sizeof(uint32_t));
  for (int64_t i = 0; i < numTables; ++i)
    add(offsetof(KernelArgs, tables) + size_t(i) * sizeof(void *), "table", kernelArgs.tables[i],
        size_t(kernelArgs.numQueries) * sizeof(int32_t));
  return list;
}

std::vector<LaunchPlan::Scratch> LaunchPlan::scratch() const {
  std::vector<Scratch> list;
  if (!lseScratch.empty())
    list.push_back({offsetof(KernelArgs, lse), "lse", int64_t(lseScratch.size() * sizeof(float))});
  if (splits() > 1) {
    int64_t rows = numRows * splits() * int64_t(sizeof(float));
    list.push_back({offsetof(KernelArgs, partialO), "partialO", rows * headDimV});
    list.push_back({offsetof(KernelArgs, partialLse), "partialLse", rows});
  }
  return list;
}

std::vector<int64_t> LaunchPlan::blindHeads() const {
  std::vector<int64_t> blind;
  int64_t tiles = kernelArgs.queryTiles * splits(), heads = int64_t(formulaOfHead.size());
  auto seesNothing = [&](int32_t map) {
    const int64_t *offsets = table.offsets() + map * (tiles + 1);
    return offsets[0] == offsets[tiles];
  };
  for (int64_t head = 0; tiles > 0 && head < heads; ++head) {
    bool isBlind = true;
    for (size_t i = size_t(head); i < mapOfHead.size(); i += size_t(heads))
      isBlind = isBlind && seesNothing(mapOfHead[i]);
    if (isBlind)
      blind.push_back(head);
  }
  return blind;
}

double LaunchPlan::visiblePairs() const {
  std::vector<double> pairs;
  for (const TileMap &map : maps)
    pairs.push_back(double(map.visiblePairs()));
  double total = 0;
  for (int32_t map : mapOfHead)
    total += pairs.empty() ? 0 : pairs[size_t(map)];
  return total;
}

/// One row of the output: the parts' outputs, each by the share of its keys in the sum of exponentials. A
/// part without a key says nothing; a NaN of any part is one of the row.
static void mergeRow(const KernelArgs &args, const KernelInfo &info, int64_t row) {
  int64_t rows = args.batch * info.heads * args.numQueries, dim = info.headDimV;
  int64_t index[3] = {row / args.numQueries / info.heads, row / args.numQueries % info.heads,
                      row % args.numQueries};
  auto offsetIn = [&](const int64_t (&strides)[3]) {
    return index[0] * strides[0] + index[1] * strides[1] + index[2] * strides[2];
  };
  float most = -std::numeric_limits<float>::infinity(), sum = 0;
  for (int64_t s = 0; s < args.splits; ++s)
    most = std::max(most, args.partialLse[s * rows + row]);
  std::vector<float> weights(size_t(args.splits), 0.0f), output(size_t(dim), 0.0f);
  for (int64_t s = 0; s < args.splits; ++s)
    if (float lse = args.partialLse[s * rows + row]; lse != -std::numeric_limits<float>::infinity())
      sum += weights[size_t(s)] = std::exp(lse - most);
  for (int64_t s = 0; s < args.splits; ++s)
    if (weights[size_t(s)] != 0)
      for (int64_t d = 0; d < dim; ++d)
        output[size_t(d)] += weights[size_t(s)] / sum * args.partialO[(s * rows + row) * dim + d];
  args.lse[offsetIn(args.lseStride)] = sum != 0 ? most + std::log(sum) : most;
  char *target = static_cast<char *>(args.o) + offsetIn(args.oStride) * dtypeSize(info.dtype);
  for (int64_t d = 0; d < dim; ++d)
    storeElement(info.dtype, target + d * dtypeSize(info.dtype), output[size_t(d)]);
}

static void mergeParts(const KernelArgs &args, const KernelInfo &info, WorkerPool &pool) {
  pool.run(uint64_t(args.batch * info.heads * args.numQueries),
           [&](uint64_t row, unsigned) { mergeRow(args, info, int64_t(row)); });
}

Status runOnCpu(const LaunchPlan &plan, const KernelInfo &info, const CpuWork &kernel,
                WorkerPool &pool) {
  KernelArgs args = plan.args();
  std::vector<Tensor> parts;
  for (const LaunchPlan::Scratch &part : plan.scratch()) {
    if (part.field == offsetof(KernelArgs, lse))
      continue; // the plan's own
    Expected<Tensor> tensor = Tensor::allocate({part.bytes}, DType::U8);
    if (!tensor)
      return tensor.takeError();
    void *data = tensor->data();
    std::memcpy(reinterpret_cast<char *>(&args) + part.field, &data, sizeof(data));
    parts.push_back(std::move(*tensor));
  }
  if (Status status = pool.reserveScratch(info.scratchBytes); !status)
    return status;
  std::span<const uint32_t> batches = plan.batches();
  pool.run(batches.size() - 1, [&](uint64_t batch, unsigned worker) {
    for (uint32_t ticket = batches[batch]; ticket < batches[batch + 1]; ++ticket)
      kernel(&args, ticket, pool.scratch(worker));
  });
  if (plan.splits() > 1)
    mergeParts(args, info, pool);
  return {};
}

} // namespace attn
