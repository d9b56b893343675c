// CPU kernels against the multipliers of this machine and against the work that a mask leaves, in
// one run. Every repeat measures the peak, then the dense kernel, then the sparse ones of its kind,
// so that all share the machine's state; the figures are medians over the repeats, with their
// range.
//
//   cpu_attention [--repeats=N] [--threads=1,2] [--only=WORD] [--json]
#include "jit/Engine.h"
#include "tools/FmaPeak.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <span>
#include <thread>

using namespace attn;

namespace {

struct Mask {
  const char *name, *tokens, *text;
  std::vector<int64_t> documents = {}; ///< lengths, where the mask reads labels
};

/// 4096 tokens each; the first is what the others are compared with. In the boxes that the compiler takes, the
/// neighbourhoods called blocks are perfectly block-sparse: every visited tile is full.
const std::vector<Mask> kMasks = {
    {"dense", "[4096]", "mask all"},
    {"2-D blocks of 24x48", "[64, 64]", "mask neighborhood(window = [24, 48], stride = [8, 16])"},
    {"3-D blocks of 12x12x16", "[16, 16, 16]", "mask neighborhood(window = [12, 12, 16], stride = [4, 4, 8])"},
    {"1-D blocks of 1152", "[4096]", "mask neighborhood(window = 1152, stride = 128)"},
    {"documents of 1024",
     "[4096]",
     "input document : i32[tokens] mask same(document)",
     {1024, 1024, 1024, 1024}},
    {"documents, ragged", "[4096]", "input document : i32[tokens] mask same(document)", {1100, 1397, 1599}},
    {"causal", "[4096]", "mask causal"},
    {"window(1024)", "[4096]", "mask window(1024)"},
    {"causal, window(1200)", "[4096]", "mask causal & window(1200)"},
    {"2-D window of 25x25", "[64, 64]", "mask neighborhood(window = [25, 25])"},
    {"3-D window of 9x9x9", "[16, 16, 16]", "mask neighborhood(window = [9, 9, 9])"},
};

struct Family {
  const char *dtype;
  int64_t headDim;
  bool sparse; ///< with the masks that are not dense
};
const Family kFamilies[] = {{"f32", 128, true},  {"f32", 64, true},   {"bf16", 128, true},
                            {"bf16", 64, false}, {"f16", 128, false}, {"f32", 80, false}};

DType dtypeNamed(std::string_view name) {
  return name == "f32" ? DType::F32 : name == "f16" ? DType::F16 : DType::BF16;
}

[[noreturn]] void fail(const Error &error) {
  fmt::print(stderr, "error: {}\n", error.message);
  std::exit(1);
}
template <class T> T take(Expected<T> value) {
  if (!value)
    fail(value.error());
  return std::move(*value);
}

struct Statistics {
  double median = 0, low = 0, high = 0;
};
Statistics statisticsOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

/// One kernel with its tensors, planned and ready to run.
class Case {
public:
  Case(const Family &family, const Mask &mask, const Engine &engine, int64_t heads)
      : mask(mask), headDim(family.headDim), shape{1, heads, 4096, family.headDim},
        dtype(dtypeNamed(family.dtype)), q(random(1)), k(random(2)), v(random(3)),
        o(take(Tensor::zeros(shape, dtype))), kernel(compile(family, engine)) {
    for (size_t i = 0; i < mask.documents.size(); ++i)
      labels.insert(labels.end(), size_t(mask.documents[i]), int32_t(i));
    Bindings bindings;
    bindings.q = q.view(), bindings.k = k.view(), bindings.v = v.view(), bindings.o = o.view();
    if (!labels.empty())
      bindings.inputs["document"] = TensorView(labels.data(), DType::I32, {4096});
    plan = take(kernel.plan(bindings));
    run();
  }

  void run() {
    std::clock_t begun = std::clock();
    RunReport report = take(kernel.run(plan));
    share = double(report.visitedTiles) / double(report.allTiles);
    fullShare = double(report.fullTiles) / double(report.visitedTiles);
    seconds.push_back(report.seconds);
    processorSeconds.push_back(double(std::clock() - begun) / CLOCKS_PER_SEC);
  }
  double denseFlops() const { return 4.0 * 4096 * 4096 * double(shape[1] * headDim); }

  const Mask &mask;
  int64_t headDim;
  std::vector<int64_t> shape;
  DType dtype;
  Tensor q, k, v, o;
  Kernel kernel;
  std::vector<int32_t> labels;
  LaunchPlan plan;
  double share = 0, fullShare = 0; ///< of all tiles visited, of those full
  /// Of each run, the first of which is cold: wall time, and processor time of all threads.
  std::vector<double> seconds, processorSeconds;

private:
  Tensor random(uint64_t seed) const { return take(Tensor::randomNormal(shape, dtype, seed)); }
  Kernel compile(const Family &family, const Engine &engine) const {
    return take(engine.compile(fmt::format("kernel k {{ heads {} head_dim {} dtype {} tokens {} {} }}",
                                           shape[1], headDim, family.dtype, mask.tokens, mask.text)));
  }
};

std::string nameOf(const Family &family, const Mask &mask) {
  return fmt::format("{} {} {}", family.dtype, family.headDim, mask.name);
}

/// What one case came to, over the repeats.
struct Row {
  std::string name;
  unsigned threads;
  double milliseconds, compileMilliseconds, visited, full;
  /// The same by processor time, which leaves out what other processes took.
  Statistics ofProcessors;
  Statistics ofPeak;  ///< GFLOP/s of the visited tiles per GFLOP/s of the multipliers
  Statistics ofShare; ///< seconds per visited share of the dense kernel's seconds
};

Row rowOf(const Family &family, unsigned threads, const Case &c, const Case &dense,
          const std::vector<double> &peaks) {
  std::vector<double> ofPeak, ofProcessors, ofShare;
  std::vector<double> times(c.seconds.begin() + 1, c.seconds.end());
  for (size_t i = 0; i < peaks.size(); ++i) {
    double gflop = c.denseFlops() * c.share * 1e-9;
    ofPeak.push_back(gflop / times[i] / peaks[i]);
    ofProcessors.push_back(gflop / c.processorSeconds[i + 1] / (peaks[i] / threads));
    ofShare.push_back(times[i] / (c.share * dense.seconds[i + 1]));
  }
  return {nameOf(family, c.mask),
          threads,
          statisticsOf(times).median * 1e3,
          c.kernel.compileSeconds() * 1e3,
          c.share,
          c.fullShare,
          statisticsOf(ofProcessors),
          statisticsOf(ofPeak),
          statisticsOf(ofShare)};
}

struct Options {
  int repeats = 9;
  std::vector<unsigned> threads;
  std::string only;
  bool json = false;
};

Options parse(std::span<char *> arguments) {
  Options options;
  for (std::string_view argument : arguments) {
    auto value = [&](std::string_view name) {
      return argument.starts_with(name) ? argument.substr(name.size()) : std::string_view();
    };
    if (auto text = value("--repeats="); !text.empty())
      options.repeats = std::max(1, std::atoi(text.data()));
    else if (auto text = value("--only="); !text.empty())
      options.only = text;
    else if (auto text = value("--threads="); !text.empty())
      for (const char *at = text.data(); at;
           at = std::strchr(at, ',') ? std::strchr(at, ',') + 1 : nullptr)
        options.threads.push_back(unsigned(std::max(1, std::atoi(at))));
    else if (argument == "--json")
      options.json = true;
    else
      fail(makeError(
          "unknown argument '{}'; there are --repeats=N, --threads=N,M, --only=WORD, --json",
          argument));
  }
  if (options.threads.empty())
    options.threads = {1, std::max(2u, std::thread::hardware_concurrency())};
  return options;
}

void printRow(const Row &row) {
  fmt::print("{:34} {:2} {:8.1f} {:6.1f} {:6.1f} {:7.1f} {:6.1f} ({:4.1f}..{:5.1f}) {:7.3f} "
             "({:.3f}..{:.3f}) {:7.0f}\n",
             row.name, row.threads, row.milliseconds, 100 * row.visited, 100 * row.full,
             100 * row.ofProcessors.median, 100 * row.ofPeak.median, 100 * row.ofPeak.low,
             100 * row.ofPeak.high, row.ofShare.median, row.ofShare.low, row.ofShare.high,
             row.compileMilliseconds);
}

nlohmann::ordered_json jsonOf(const Row &row) {
  auto statistics = [](const Statistics &s) {
    return nlohmann::ordered_json{s.median, s.low, s.high};
  };
  return {{"case", row.name},
          {"threads", row.threads},
          {"ms", row.milliseconds},
          {"visited_share", row.visited},
          {"full_share", row.full},
          {"of_peak", statistics(row.ofPeak)},
          {"of_peak_by_processor_time", statistics(row.ofProcessors)},
          {"of_visited_share_of_dense", statistics(row.ofShare)},
          {"compile_ms", row.compileMilliseconds}};
}

/// Those that are asked for, behind the dense one that they are compared with.
std::vector<const Mask *> masksOf(const Family &family, const Options &options) {
  std::vector<const Mask *> masks{&kMasks.front()};
  bool any = false;
  for (const Mask &mask : std::span(kMasks).first(family.sparse ? kMasks.size() : 1)) {
    bool wanted = nameOf(family, mask).find(options.only) != std::string::npos;
    any |= wanted;
    if (wanted && &mask != masks.front())
      masks.push_back(&mask);
  }
  return any ? masks : std::vector<const Mask *>();
}

/// All cases of one type and head dimension on so many threads, in turns.
std::vector<Row> measure(const Family &family, unsigned threads, const Options &options,
                         std::vector<double> &peaks) {
  EngineOptions engineOptions;
  engineOptions.threads = threads;
  Engine engine(engineOptions);
  std::vector<std::unique_ptr<Case>> cases;
  for (const Mask *mask : masksOf(family, options))
    cases.push_back(std::make_unique<Case>(family, *mask, engine, 2 * threads));
  peaks.clear();
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    peaks.push_back(tools::fmaPeak(hostIsaLevel(), threads));
    for (auto &c : cases)
      c->run();
  }
  std::vector<Row> rows;
  for (auto &c : cases)
    rows.push_back(rowOf(family, threads, *c, *cases.front(), peaks));
  return rows;
}

} // namespace

int main(int argc, char **argv) {
  Options options = parse(std::span(argv, size_t(argc)).subspan(1));
  nlohmann::ordered_json json{{"isa", isaLevelName(fastestIsaLevel())},
                              {"repeats", options.repeats},
                              {"peaks", nlohmann::ordered_json::array()},
                              {"cases", nlohmann::ordered_json::array()}};
  if (!options.json)
    fmt::print("4096 tokens, {} repeats, {}; 2 heads a thread; median (lowest..highest)\n"
               "of peak: visited tiles' FLOP/s per FLOP/s of f32 multiply-adds between registers;\n"
               "by cpu: the same by processor time, which leaves out what other processes took;\n"
               "of share: time per visited share of the dense kernel's time\n"
               "{:34} {:>2} {:>8} {:>6} {:>6} {:>7} {:>20} {:>23} {:>7}\n",
               options.repeats, isaLevelName(fastestIsaLevel()), "case", "th", "ms", "vis %",
               "full %", "by cpu", "% of peak", "of share", "compile");
  for (const Family &family : kFamilies)
    for (unsigned threads : options.threads) {
      if (masksOf(family, options).empty())
        continue;
      std::vector<double> peaks;
      std::vector<Row> rows = measure(family, threads, options, peaks);
      double peak = statisticsOf(peaks).median;
      json["peaks"].push_back({{"dtype", family.dtype},
                               {"head_dim", family.headDim},
                               {"threads", threads},
                               {"gflops", peak}});
      if (!options.json)
        fmt::print("-- peak of {} threads: {:.1f} GFLOP/s\n", threads, peak);
      for (const Row &row : rows) {
        json["cases"].push_back(jsonOf(row));
        if (!options.json)
          printRow(row);
      }
      std::fflush(stdout);
    }
  if (options.json)
    fmt::print("{}\n", json.dump(2));
}
