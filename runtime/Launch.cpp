#include "runtime/Launch.h"

#include "runtime/LaunchChecks.h"

#include <algorithm>

namespace attn {

static int32_t toSymbol(int64_t value) {
  return int32_t(std::clamp(value, -kMaxSymbol, kMaxSymbol));
}

/// Fills one LaunchPlan; the bindings have been checked.
class LaunchBuilder {
public:
  LaunchBuilder(const KernelInfo &info, const Bindings &bindings, const LaunchSizes &sizes)
      : info(info), bindings(bindings), sizes(sizes), geometry(geometryOf()),
        queryTiles(geometry.numQueryTiles()) {}

  Expected<LaunchPlan> build() {
    if (Status status = checkTables(); !status)
      return status.takeError();
    fillHeads();
    fillMaps();
    fillOrder();
    fillArguments();
    return std::move(plan);
  }

private:
  TileGeometry geometryOf() const {
    TileGeometry geo;
    geo.rank = info.rank;
    geo.queryTile = info.queryTile;
    geo.keyTile = info.keyTile;
    for (int d = 0; d < info.rank; ++d) {
      geo.queries[d] = info.rank > 1 ? sizes.tokens[size_t(d)] : sizes.numQueries;
      geo.keys[d] = info.rank > 1 ? sizes.kvTokens[size_t(d)] : sizes.numKeys;
    }
    return geo;
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
    return {};
  }

  bool anyPerBatch() const {
    return std::any_of(info.formulas.begin(), info.formulas.end(),
                       [](const Formula &formula) { return formula.usesBatchInputs(); });
  }

  void fillHeads() {
    for (int32_t mask : info.maskOfHead) {
      plan.formulaOfHead.push_back(info.formulaOfMask[size_t(mask)]);
      const std::vector<int64_t> &row = info.parametersOfMask[size_t(mask)];
      for (int64_t i = 0; i < info.headParamCount; ++i)
        plan.headParams.push_back(i < int64_t(row.size()) ? toSymbol(row[size_t(i)]) : 0);
    }
  }

  std::vector<int64_t> symbolValues(const Formula &formula, int32_t mask, int64_t batch) const {
    std::vector<int64_t> values;
    for (const Symbol &symbol : formula.symbols)
      values.push_back(toSymbol(symbolValue(symbol, mask, batch)));
    return values;
  }

  int64_t symbolValue(const Symbol &symbol, int32_t mask, int64_t batch) const {
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
      return info.parametersOfMask[size_t(mask)][size_t(symbol.index)];
    case SymbolKind::BatchInput:
      return int64_t(bindings.inputs.at(info.inputs[size_t(symbol.index)].name).at({batch}));
    }
    return 0;
  }

  /// One map per mask, or per mask and distinct values of its batch inputs.
  void fillMaps() {
    std::map<std::pair<int32_t, std::vector<int64_t>>, int32_t> known;
    for (int64_t batch = 0; batch < sizes.batch; ++batch)
      for (int32_t mask : info.maskOfHead) {
        const Formula &formula = info.formulas[size_t(info.formulaOfMask[size_t(mask)])];
        std::vector<int64_t> values = symbolValues(formula, mask, batch);
        auto [it, isNew] = known.try_emplace({mask, values}, int32_t(known.size()));
        if (isNew)
          addMap(formula, std::move(values));
        plan.mapOfHead.push_back(it->second);
      }
  }

  void addMap(const Formula &formula, std::vector<int64_t> values) {
    std::vector<KeyBox> list;
    bool empty = queryTiles == 0 || sizes.numKeys == 0;
    if (!empty)
      plan.maps.emplace_back(formula, geometry, std::move(values));
    for (int64_t t = 0; t < queryTiles; ++t) {
      plan.mapOffsets.push_back(numBoxes());
      if (!empty)
        plan.maps.back().boxes(t, list);
      addBoxes(list);
    }
    plan.mapOffsets.push_back(numBoxes());
  }

  int64_t numBoxes() const { return int64_t(plan.boxes.size()) / (2 * info.rank + 1); }

  void addBoxes(const std::vector<KeyBox> &list) {
    TileCount count;
    for (const KeyBox &box : list) {
      for (const Coords *corner : {&box.lo, &box.hi})
        for (int d = 0; d < info.rank; ++d)
          plan.boxes.push_back(int32_t((*corner)[size_t(d)]));
      plan.boxes.push_back(box.full);
      count.visited += box.size();
      count.full += box.full ? box.size() : 0;
    }
    tileCounts.push_back(count);
  }

  /// Longest first, by counting; tiles of nearly equal length keep their order, so that neighbours
  /// in time share keys.
  void fillOrder() {
    int64_t longest = 0;
    for (const TileCount &count : tileCounts)
      longest = std::max(longest, count.visited);
    int shift = 0;
    while (longest >> shift >= kBuckets)
      ++shift;
    std::vector<uint32_t> next(size_t(longest >> shift) + 2, 0);
    auto bucketOf = [&](const TileCount &count) {
      return size_t((longest >> shift) - (count.visited >> shift));
    };
    forEachTicket([&](uint32_t, const TileCount &count) {
      ++next[bucketOf(count) + 1];
      plan.visitedTiles += count.visited;
      plan.fullTiles += count.full;
    });
    for (size_t i = 1; i < next.size(); ++i)
      next[i] += next[i - 1];
    plan.order.resize(plan.mapOfHead.size() * size_t(queryTiles));
    forEachTicket([&](uint32_t ticket, const TileCount &count) {
      plan.order[next[bucketOf(count)]++] = ticket;
    });
    plan.allTiles = plan.tickets() * geometry.numKeyTiles();
  }

  template <class Visit> void forEachTicket(Visit &&visit) {
    uint32_t ticket = 0;
    for (int32_t map : plan.mapOfHead)
      for (int64_t t = 0; t < queryTiles; ++t)
        visit(ticket++, tileCounts[size_t(map * queryTiles + t)]);
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
    args.mapOffsets = plan.mapOffsets.data();
    args.boxes = plan.boxes.data();
    args.order = plan.order.data();
    args.numQueries = int32_t(sizes.numQueries);
    args.numKeys = int32_t(sizes.numKeys);
    args.queryOffset = int32_t(sizes.queryOffset);
    args.queryTiles = int32_t(queryTiles);
    for (int d = 0; d < kMaxRank; ++d)
      args.dims[d] = int32_t(geometry.keys[size_t(d)]);
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
      for (size_t d = 0; d < view.rank(); ++d)
        args.inputStrides[i][d] = view.shape[d] == 1 ? 0 : view.strides[d];
    }
  }

  struct TileCount {
    int64_t visited = 0, full = 0;
  };
  static constexpr int64_t kBuckets = 1 << 16;

  const KernelInfo &info;
  const Bindings &bindings;
  const LaunchSizes &sizes;
  TileGeometry geometry;
  int64_t queryTiles;
  std::vector<TileCount> tileCounts; ///< [maps][query tiles]
  LaunchPlan plan;
};

Expected<LaunchPlan> planLaunch(const KernelInfo &info, const Bindings &bindings) {
  Expected<LaunchSizes> sizes = launchSizes(info, bindings);
  if (!sizes)
    return sizes.takeError();
  if (Status status = checkTensors(info, bindings, *sizes); !status)
    return status.takeError();
  return LaunchBuilder(info, bindings, *sizes).build();
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

Status runOnCpu(const LaunchPlan &plan, const KernelInfo &info, CpuKernel kernel,
                WorkerPool &pool) {
  constexpr int64_t kLine = 64;
  int64_t perWorker = (info.scratchBytes + kLine - 1) / kLine * kLine;
  Expected<Tensor> scratch = Tensor::allocate({int64_t(pool.size()), perWorker}, DType::U8);
  if (!scratch)
    return scratch.takeError();
  auto *memory = static_cast<char *>(scratch->data());
  pool.run(uint64_t(plan.tickets()), [&](uint64_t ticket, unsigned worker) {
    kernel(&plan.args(), int64_t(ticket), memory + int64_t(worker) * perWorker);
  });
  return {};
}

} // namespace attn
