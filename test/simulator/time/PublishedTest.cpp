// Predictions against published measurements. Prints the tables of docs/simulator.md.
#include "simulator/time/PublishedRows.h"
#include "test/simulator/time/MachineNamed.h"

#include <gtest/gtest.h>

#include <fmt/core.h>
#include <map>

namespace attn::test {
namespace {

TEST(Published, flashAttentionOnH100) {
  Machine h100 = machineNamed("h100");
  ErrorSummary targets, notFitted, extra;
  fmt::print("FlashAttention-3 forward, f16, H100: TFLOP/s published, predicted, error\n");
  for (const FlashAttentionRow &row : flashAttentionRows()) {
    double predicted = predictedTflops(h100, row);
    fmt::print("| {:3} | {:6} | {:5} | {:4.0f} | {:4.0f} | {:+5.1f} % | {}\n", row.headDim,
               row.causal ? "causal" : "full", row.tokens, row.tflops, predicted,
               100 * (predicted / row.tflops - 1), row.isFitted ? "fitted" : "");
    (row.isExtra() ? extra : targets).add(predicted, row.tflops);
    if (!row.isExtra() && !row.isFitted)
      notFitted.add(predicted, row.tflops);
  }
  for (auto [name, e] :
       {std::pair("head_dim 64 and 128", targets), std::pair("of these not fitted", notFitted),
        std::pair("head_dim 256, aside", extra)})
    fmt::print("{} ({} rows): mean {:.1f} %, worst {:.1f} %\n", name, e.rows, 100 * e.mean,
               100 * e.worst);
  EXPECT_EQ(targets.rows, 24);
  EXPECT_LE(targets.mean, 0.08);
  EXPECT_LE(targets.worst, 0.20);
  EXPECT_LE(notFitted.mean, 0.08);
}

/// Key tiles that query tiles of one dimension visit, written from the definition: the window of
/// query q starts at clamp(leader - w / 2, 0, n - w), with the leader of its stride group.
struct Visits {
  int64_t visited, full;
};
std::vector<Visits> visitsAlong(int64_t n, int64_t window, int64_t stride, int64_t queryTile,
                                int64_t keyTile) {
  std::vector<Visits> list;
  for (int64_t first = 0; first < n; first += queryTile) {
    int64_t least = n, most = 0;
    for (int64_t q = first; q < std::min(first + queryTile, n); ++q) {
      int64_t leader = std::min(q / stride * stride + stride / 2, n - 1);
      int64_t start = std::clamp<int64_t>(leader - window / 2, 0, n - window);
      least = std::min(least, start);
      most = std::max(most, start);
    }
    int64_t visited = (most + window + keyTile - 1) / keyTile - least / keyTile;
    int64_t full = (least + window) / keyTile - (most + keyTile - 1) / keyTile;
    list.push_back({visited, std::max<int64_t>(full, 0)});
  }
  return list;
}

using Extents = std::vector<int64_t>;

Work neighborhood(const Extents &n, const Extents &window, const Extents &stride,
                  const Extents &queryTile, const Extents &keyTile, int64_t heads) {
  std::vector<Visits> tiles{{1, 1}};
  int64_t tokens = 1, rows = 1, columns = 1;
  double seen = 1;
  for (size_t d = 0; d < n.size(); ++d) {
    std::vector<Visits> product;
    for (Visits outer : tiles)
      for (Visits v : visitsAlong(n[d], window[d], stride[d], queryTile[d], keyTile[d]))
        product.push_back({outer.visited * v.visited, outer.full * v.full});
    tiles = std::move(product);
    tokens *= n[d];
    rows *= queryTile[d];
    columns *= keyTile[d];
    seen *= double(window[d]);
  }
  Work work = denseWork(tokens, tokens, rows, columns, heads, heads, 1);
  std::map<std::pair<int64_t, int64_t>, int64_t> counted;
  for (Visits v : tiles)
    ++counted[{v.visited, v.full}];
  work.groups.front().classes.clear();
  for (auto [key, count] : counted)
    work.groups.front().classes.push_back({count, key.second, key.first - key.second});
  work.visiblePairs = double(heads) * double(tokens) * seen;
  return work;
}

struct NeighborhoodRow {
  const char *name;
  Extents tokens, window, stride, tile;
  int64_t heads;
  double us, permutedUs; ///< 0: not published
  const char *dense;     ///< else empty
};

/// NATTEN's profiler (docs/profiler.md), forward, f16, head_dim 128, kernels alone and with the
/// token permutation.
const NeighborhoodRow kRows[] = {
    {"1-D, stride 1", {32768}, {2048}, {1}, {128}, 1, 94.848, 0, ""},
    {"1-D, stride 256", {32768}, {2048}, {256}, {128}, 1, 62.687, 0, ""},
    {"1-D, stride 2048", {32768}, {2048}, {2048}, {128}, 1, 59.264, 0, ""},
    {"3-D, stride 1x1x1", {30, 48, 80}, {18, 24, 24}, {1, 1, 1}, {2, 8, 8}, 24, 79043, 84417, ""},
    {"3-D, stride 16x8x8", {30, 48, 80}, {18, 24, 24}, {16, 8, 8}, {2, 8, 8}, 24, 23359, 29109, ""},
};

double roundTrip(const Machine &machine, const NeighborhoodRow &row, const Work &work,
                 bool permuted) {
  KernelShape shape = nattenHopper(128, int(row.tokens.size()));
  System system = permuted ? nattenPermuted() : System();
  // The profiler counts what runs on the device, without launches.
  Machine timed = machine;
  timed.set(Constant::LaunchUs, 0);
  return predict(timed, shape, work, system).us;
}

TEST(Published, neighborhoodsOnH100) {
  Machine h100 = machineNamed("h100");
  ErrorSummary errors;
  fmt::print("NATTEN forward, f16, head_dim 128, H100: us published, predicted, error\n");
  auto print = [&](const std::string &name, double published, double predicted) {
    fmt::print("| {:34} | {:8.1f} | {:8.1f} | {:+5.1f} %\n", name, published, predicted,
               100 * (predicted / published - 1));
    errors.add(predicted, published);
  };
  for (const NeighborhoodRow &row : kRows) {
    Work work = neighborhood(row.tokens, row.window, row.stride, row.tile, row.tile, row.heads);
    print(row.name, row.us, roundTrip(h100, row, work, false));
    if (row.permutedUs > 0)
      print(std::string(row.name) + ", permuted", row.permutedUs, roundTrip(h100, row, work, true));
  }
  fmt::print("mean {:.1f} %, worst {:.1f} %\n", 100 * errors.mean, 100 * errors.worst);
  EXPECT_EQ(errors.rows, 7);
  EXPECT_LE(errors.mean, 0.15);
}

/// Counts against the tile maps' own figures (CountsTest).
TEST(Published, neighborhoodsHaveTheTilesOfTheReference) {
  Work work = neighborhood({30, 48, 80}, {18, 24, 24}, {1, 1, 1}, {2, 8, 8}, {2, 8, 8}, 1);
  EXPECT_EQ(work.visitedTiles(), 148896);
  EXPECT_EQ(work.visitedTiles() - work.partialTiles(), 24768);
}

/// Rows that are neither fitted nor a target; printed so that nobody thinks better of the model
/// than it is.
TEST(Published, otherRowsArePrinted) {
  Machine h100 = machineNamed("h100"), b200 = machineNamed("b200"), a100 = machineNamed("a100");
  fmt::print("cuDNN dense, f16, head_dim 128: us published, predicted\n");
  struct Dense {
    const Machine &machine;
    int64_t tokens, heads;
    double us;
  };
  for (const Dense &row : {Dense{h100, 32768, 1, 787.392}, Dense{h100, 115200, 24, 283327},
                           Dense{b200, 32768, 1, 424.766}, Dense{b200, 115200, 24, 135265}}) {
    KernelShape shape = flashAttention3(128, false);
    bool isHopper = row.machine.name == "h100";
    if (!isHopper) {
      shape.rows = 256;
      shape.columns = 128;
    }
    Work work =
        denseWork(row.tokens, row.tokens, shape.rows, shape.columns, row.heads, row.heads, 1);
    Prediction p = predictWithRange(row.machine, shape, work);
    fmt::print(
        "| {} | {:6} tokens, {:2} heads | {:8.0f} | {:8.0f} ({:.0f} to {:.0f}) | {:+5.1f} %\n",
        row.machine.name, row.tokens, row.heads, row.us, p.us, p.low, p.high,
        100 * (p.us / row.us - 1));
    EXPECT_LT(p.low, p.us);
    EXPECT_GT(p.high, p.us);
  }
  EXPECT_FALSE(b200.isCalibrated());
  EXPECT_FALSE(a100.isCalibrated());
}

} // namespace
} // namespace attn::test
