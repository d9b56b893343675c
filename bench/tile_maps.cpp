// How long the tile maps of long sequences take on one core, and how much memory, next to a table
// of all pairs of tiles, one byte each, as block masks are stored elsewhere. The table is filled
// from the map, which is less work than any mask on elements: its time is a lower bound.
//
//   tile_maps [TOKENS [MASK]]     1,048,576 unless said; masks whose names contain the word
#include "jit/Engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>

using namespace attn;

namespace {

struct Case {
  std::string name, spec;
  std::vector<int32_t> labels, cumulative; ///< the inputs "label" and "cu", where the spec has them
};

std::vector<int32_t> sortedDocuments(int64_t tokens, int64_t count) {
  std::mt19937_64 random(1);
  std::vector<int32_t> ends, labels;
  for (int64_t i = 0; i + 1 < count; ++i)
    ends.push_back(int32_t(random() % uint64_t(tokens)));
  ends.push_back(int32_t(tokens));
  std::sort(ends.begin(), ends.end());
  for (size_t document = 0; document < ends.size(); ++document)
    labels.resize(size_t(ends[document]), int32_t(document));
  return labels;
}

std::vector<int32_t> unsortedLabels(int64_t tokens, int64_t count) {
  std::vector<int32_t> labels = sortedDocuments(tokens, count);
  std::shuffle(labels.begin(), labels.end(), std::mt19937_64(2));
  return labels;
}

std::vector<int32_t> cumulativeOf(const std::vector<int32_t> &documents) {
  std::vector<int32_t> cumulative{0};
  for (size_t i = 1; i <= documents.size(); ++i)
    if (i == documents.size() || documents[i] != documents[i - 1])
      cumulative.push_back(int32_t(i));
  return cumulative;
}

/// A plan of one layer and 32 heads with the nine pairs of alpha and beta that a published one
/// mixes (arXiv 2406.14909), in a file of its own.
std::string planFile() {
  static const std::pair<int, double> pairs[] = {{0, .125}, {0, .625}, {0, .75},
                                                 {0, .25},  {0, .875}, {-1024, 1},
                                                 {0, .5},   {0, .375}, {1024, .125}};
  std::vector<int> alphas;
  std::vector<double> betas;
  for (int head = 0; head < 32; ++head) {
    alphas.push_back(pairs[head * 7 % 9].first);
    betas.push_back(pairs[head * 7 % 9].second);
  }
  std::string path =
      (std::filesystem::temp_directory_path() / "attnc-tile-maps-plan.json").string();
  std::ofstream(path) << fmt::format("{{\"alphas\": [[{}]], \"betas\": [[{}]]}}\n",
                                     fmt::join(alphas, ", "), fmt::join(betas, ", "));
  return path;
}

std::vector<Case> casesOf(int64_t n) {
  auto flat = [&](const std::string &mask) {
    return fmt::format("kernel k {{ heads 1 head_dim 16 dtype f32 tokens [{}] {} }}", n, mask);
  };
  auto box = [&](const std::string &layout, const std::string &mask) {
    return fmt::format("kernel k {{ heads 1 head_dim 16 dtype f32 tokens [{}] mask {} }}", layout,
                       mask);
  };
  std::vector<int32_t> documents = sortedDocuments(n, 10000);
  std::vector<Case> cases{
      {"causal", flat("mask causal"), {}, {}},
      {"window 4096", flat("mask causal & window(4096)"), {}, {}},
      {"window, sink, global",
       flat("mask causal & (window(4096) | sink(64)) | global(128)"),
       {},
       {}},
      {"blocks and a hole", flat("mask block(8192) & !window(512)"), {}, {}},
      {"10,000 sorted documents",
       flat("input label : i32[tokens] mask causal & same(label)"),
       documents,
       {}},
      {"10,000 packed sequences",
       flat(
           fmt::format("input cu : i32[{}] packed cu mask causal", cumulativeOf(documents).size())),
       {},
       cumulativeOf(documents)},
      {"10,000 unsorted labels",
       flat("input label : i32[tokens] mask same(label)"),
       unsortedLabels(n, 10000),
       {}},
      {"dilated window 512 x 64", flat("mask window(512, dilation = 64)"), {}, {}},
  };
  if (n == 1 << 20) {
    cases.push_back(
        {"1024 x 1024, window 64 x 64", box("1024, 1024", "neighborhood(window = 64)"), {}, {}});
    cases.push_back({"the same, dilated 4",
                     box("1024, 1024", "neighborhood(window = 64, dilation = 4)"),
                     {},
                     {}});
    cases.push_back({"64 x 128 x 128, window 16 x 24 x 24",
                     box("64, 128, 128", "neighborhood(window = [16, 24, 24])"),
                     {},
                     {}});
    cases.push_back(
        {"the same, stride 16 x 8 x 8",
         box("64, 128, 128", "neighborhood(window = [16, 24, 24], stride = [16, 8, 8])"),
         {},
         {}});
  }
  cases.push_back(
      {"MoA plan, 32 heads",
       fmt::format("kernel k {{ heads 32 kv_heads 1 head_dim 16 dtype f16 tokens [{}] mask "
                   "spans(\"{}\", layer = 0) }}",
                   n, planFile()),
       {},
       {}});
  return cases;
}

double milliseconds(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

/// A launch of the kernel; nothing is ever computed, so all rows of q, k and v are one.
struct Launch {
  explicit Launch(const KernelInfo &info, const Case &c, int64_t tokens) {
    std::vector<int64_t> shape{info.batch, info.heads, tokens, info.headDimQk};
    std::vector<int64_t> keys{info.batch, info.kvHeads, tokens, info.headDimQk};
    o = *Tensor::allocate(shape, info.dtype);
    lse = *Tensor::allocate({info.batch, info.heads, tokens}, DType::F32);
    memory = *Tensor::zeros(keys, info.dtype);
    bindings.q = memory.view();
    bindings.q.shape = shape;
    bindings.q.strides = {0, 0, info.headDimQk, 1};
    bindings.k = bindings.v = memory.view();
    bindings.o = o.view();
    bindings.lse = lse.view();
    addInput("label", c.labels);
    addInput("cu", c.cumulative);
  }

  void addInput(const std::string &name, const std::vector<int32_t> &values) {
    if (!values.empty())
      bindings.inputs[name] =
          TensorView(const_cast<int32_t *>(values.data()), DType::I32, {int64_t(values.size())});
  }

  Tensor o, lse, memory;
  Bindings bindings;
};

/// Calls visit(query tile, row-major number of a key tile, whether it is full) for the first map, as a
/// kernel reads it.
template <class Visit>
void forEachTile(const LaunchPlan &plan, const KernelInfo &info, Visit &&visit) {
  const KernelArgs &args = plan.args();
  int rank = info.rank;
  auto word = [&](int64_t i) {
    return rank > 1 ? int64_t(static_cast<const uint16_t *>(args.boxes)[i])
                    : int64_t(static_cast<const int32_t *>(args.boxes)[i]);
  };
  Coords grid{1, 1, 1, 1};
  for (int d = 0; d < rank; ++d)
    grid[d] = ceilDiv(rank > 1 ? args.dims[d] : args.numKeys, info.keyTile[d]);
  for (int64_t t = 0; t < args.queryTiles; ++t)
    for (int64_t box = args.mapOffsets[t]; box < args.mapOffsets[t + 1]; ++box) {
      int64_t at = box * (2 * rank + 1);
      Coords lo{0, 0, 0, 0}, hi{1, 1, 1, 1}, tile;
      for (int d = 0; d < rank; ++d) {
        lo[d] = word(at + d);
        hi[d] = word(at + rank + d);
      }
      bool full = word(at + 2 * rank) & 1;
      for (tile[0] = lo[0]; tile[0] < hi[0]; ++tile[0])
        for (tile[1] = lo[1]; tile[1] < hi[1]; ++tile[1])
          for (tile[2] = lo[2]; tile[2] < hi[2]; ++tile[2])
            for (tile[3] = lo[3]; tile[3] < hi[3]; ++tile[3])
              visit(t, rowMajor(tile, grid, rank), full);
    }
}

/// Milliseconds to fill a byte for every pair of tiles, and its size in MB.
std::pair<double, double> tableOf(const LaunchPlan &plan, const KernelInfo &info, int64_t tiles) {
  auto begin = std::chrono::steady_clock::now();
  std::vector<uint8_t> table(size_t(tiles * tiles));
  forEachTile(plan, info, [&](int64_t queryTile, int64_t keyTile, bool full) {
    table[size_t(queryTile * tiles + keyTile)] = full ? 2 : 1;
  });
  return {milliseconds(begin), double(table.size()) / 1e6};
}

bool run(const Case &c, int64_t tokens) {
  EngineOptions options;
  options.threads = 1;
  Expected<Kernel> kernel = Engine(options).compile(c.spec);
  if (!kernel) {
    fmt::print(stderr, "{}: {}\n", c.name, kernel.error().message);
    return false;
  }
  Launch launch(kernel->info(), c, tokens);
  double best = 1e9;
  std::optional<LaunchPlan> kept;
  for (int repeat = 0; repeat < 5; ++repeat) {
    auto begin = std::chrono::steady_clock::now();
    Expected<LaunchPlan> plan = kernel->plan(launch.bindings);
    if (!plan) {
      fmt::print(stderr, "{}: {}\n", c.name, plan.error().message);
      return false;
    }
    best = std::min(best, milliseconds(begin));
    kept = std::move(*plan);
  }
  int64_t maps = kept->numMaps(), queryTiles = kept->args().queryTiles;
  double size = double(kept->mapBytes() + kept->orderBytes()) / 1e6 / double(maps);
  auto [tableTime, tableSize] = tableOf(*kept, kernel->info(), queryTiles);
  fmt::print("{:<37} {:>4} {:>9.3f} {:>9.3f} {:>10.1f} {:>9.1f} {:>7.0f}x\n", c.name, maps,
             best / double(maps), size, tableTime, tableSize, tableSize / size);
  return true;
}

} // namespace

int main(int argc, char **argv) {
  int64_t tokens = argc > 1 ? std::atoll(argv[1]) : 1 << 20;
  if (tokens < 1 || tokens > 1 << 24) {
    fmt::print(stderr, "error: '{}' tokens, but 1 to 2^24 are allowed\n", argv[1]);
    return 1;
  }
  fmt::print(
      "{} tokens, one core; the whole launch plan per tile map: checks, map, order of the tiles\n\n"
      "{:<37} {:>4} {:>9} {:>9} {:>10} {:>9} {:>8}\n",
      tokens, "mask", "maps", "ms", "MB", "table ms", "table MB", "smaller");
  bool ok = true;
  for (const Case &c : casesOf(tokens))
    if (argc < 3 || c.name.find(argv[2]) != std::string::npos)
      ok &= run(c, tokens);
  return ok ? 0 : 1;
}
