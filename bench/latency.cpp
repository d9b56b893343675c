// How long somebody waits for a kernel: compiled for the first time, taken from the disk, asked for again, and
// the generic kernel that does without.
//
//   latency [--runs=9] [--json]
//
// Every first call runs in a process of its own, from an engine to something that can be called; what the system needs to
// start such a process is a row of its own. Times are wall-clock medians, with the quartiles beside them.
#include "jit/Engine.h"
#include "jit/Packaging.h"

#include "nlohmann/json.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <unistd.h>

using namespace attn;
using Clock = std::chrono::steady_clock;

namespace {

struct Spec {
  const char *name, *text;
};
constexpr Spec kSpecs[] = {
    {"dense f32", "kernel k { heads 12 head_dim 32 dtype f32 tokens [?] mask all }"},
    {"window bf16", "kernel k { heads 32 kv_heads 8 head_dim 128 dtype bf16 tokens [?] "
                    "mask causal & (window(4096) | sink(64)) }"},
    {"neighbourhood bf16", "kernel k { heads 24 head_dim 128 dtype bf16 tokens [32, 48, 80] "
                           "mask neighborhood(window = [18, 24, 24], stride = [2, 8, 8]) }"},
    {"predicate bf16", "kernel k { heads 8 head_dim 64 dtype bf16 tokens [?] input document : i32[tokens] "
                       "mask causal & same(document) & (q, k) => (q - k) % 4 == 0 || q - k < 64 "
                       "score (s, q, k, h) => softcap(s, 30) + alibi(h) * (k - q) }"},
};

double millisecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// Milliseconds of each phase, in order.
using Phases = std::vector<std::pair<std::string, double>>;

/// Phase by phase on the standard output; the rest of `total` is "other".
int tell(double total, double before, const Compilation &c) {
  double known = before;
  std::printf("context\t%.6f\n", before);
  for (const PhaseTime &time : c.times()) {
    std::printf("%s\t%.6f\n", time.phase.c_str(), time.seconds * 1e3);
    known += time.seconds * 1e3;
  }
  std::printf("other\t%.6f\ntotal\t%.6f\n", total - known, total);
  return 0;
}

int compileForCpu(const Spec &spec, const std::string &cache) {
  auto begin = Clock::now();
  Engine engine({{}, 0, {cache, 0}});
  Compilation c(llvm::errs());
  double before = millisecondsSince(begin);
  if (failed(c.loadText(spec.text, spec.name)))
    return 1;
  Expected<Kernel> kernel = engine.compile(c);
  double total = millisecondsSince(begin);
  return kernel && engine.takeWarnings().empty() ? tell(total, before, c) : 1;
}

int compileForGpu(const Spec &spec, const std::string &folder) {
  auto begin = Clock::now();
  PackageCache cache({folder, 0});
  Compilation c(llvm::errs());
  double before = millisecondsSince(begin);
  if (failed(c.loadText(spec.text, spec.name)))
    return 1;
  PackagingOptions options;
  options.targets = {findTarget("sm_80")};
  Expected<PackageMade> made = makePackage(c, options, cache);
  double total = millisecondsSince(begin);
  return made ? tell(total, before, c) : 1;
}

int makeGeneric(const Spec &spec) {
  auto begin = Clock::now();
  Engine engine({{}, 0, {"", 0}});
  double before = millisecondsSince(begin);
  Expected<Kernel> kernel = engine.genericKernel(spec.text);
  double total = millisecondsSince(begin);
  return kernel ? tell(total, before, Compilation(llvm::errs())) : 1;
}

/// What this program does as a process of its own: `latency --child KIND SPEC FOLDER`.
int child(char **words) {
  std::string kind = words[0], folder = words[2];
  if (kind == "start")
    return 0;
  const Spec &spec = kSpecs[std::atoi(words[1])];
  if (kind == "generic")
    return makeGeneric(spec);
  return kind == "cpu" ? compileForCpu(spec, folder) : compileForGpu(spec, folder);
}

/// Runs it and returns what it has told, with "process", all of its time. Ends the program where it fails.
Phases measure(const std::string &kind, size_t spec, const std::string &folder) {
  std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::string command = "'" + self + "' --child " + kind + " " + std::to_string(spec) + " '" + folder + "'";
  auto begin = Clock::now();
  FILE *pipe = popen(command.c_str(), "r");
  Phases phases;
  char name[64];
  double time;
  while (pipe && std::fscanf(pipe, "%63[^\t]\t%lf ", name, &time) == 2)
    phases.emplace_back(name, time);
  if (!pipe || pclose(pipe) != 0) {
    std::fprintf(stderr, "error: '%s' has failed\n", command.c_str());
    std::exit(1);
  }
  phases.emplace_back("process", millisecondsSince(begin));
  return phases;
}

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

struct Spread {
  double low, median, high; ///< quartiles
};

Spread spreadOf(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  auto at = [&](double part) { return times[size_t(part * double(times.size() - 1) + 0.5)]; };
  return {at(0.25), at(0.5), at(0.75)};
}

struct Row {
  std::string what, spec, unit = "ms";
  double target = 0; ///< none where 0
  Spread total;
  Phases medians;
};

Row rowOf(std::string what, const Spec &spec, double target, const std::vector<Phases> &runs,
          const char *total = "total") {
  Row row{std::move(what), spec.name, "ms", target, {}, {}};
  for (const auto &[phase, ignored] : runs.front()) {
    std::vector<double> times;
    for (const Phases &run : runs)
      for (const auto &[name, time] : run)
        if (name == phase)
          times.push_back(time);
    if (phase == total)
      row.total = spreadOf(times);
    else if (phase != "process")
      row.medians.emplace_back(phase, spreadOf(times).median);
  }
  return row;
}

/// The same text again in a process: microseconds to a kernel.
Row again(const Spec &spec, int runs) {
  Engine engine({{}, 1, {"", 0}});
  std::vector<double> times;
  for (int i = 0; i <= runs * 100; ++i) {
    auto begin = Clock::now();
    Expected<Kernel> kernel = engine.compile(spec.text);
    double time = millisecondsSince(begin) * 1e3;
    if (!kernel)
      std::exit(1);
    if (i > 0)
      times.push_back(time);
  }
  return {"again in the process", spec.name, "us", 20, spreadOf(times), {}};
}

std::vector<Row> rows(int runs, const std::string &folder) {
  std::vector<Row> rows;
  auto repeat = [&](const char *kind, size_t spec, const std::string &cache) {
    std::vector<Phases> all;
    for (int i = 0; i < runs; ++i)
      all.push_back(measure(kind, spec, cache));
    return all;
  };
  rows.push_back(rowOf("process start", {"", ""}, 0, repeat("start", 0, ""), "process"));
  for (size_t i = 0; i < std::size(kSpecs); ++i) {
    const Spec &spec = kSpecs[i];
    rows.push_back(rowOf("CPU, first", spec, 150, repeat("cpu", i, "")));
    std::vector<Phases> stored;
    for (int run = 0; run < runs; ++run) {
      std::filesystem::remove_all(folder);
      stored.push_back(measure("cpu", i, folder));
    }
    rows.push_back(rowOf("CPU, first, kept", spec, 150, stored));
    rows.push_back(rowOf("CPU, from disk", spec, 10, repeat("cpu", i, folder)));
    rows.push_back(rowOf("CPU, generic", spec, 0, repeat("generic", i, "")));
    rows.push_back(again(spec, runs));
    if (std::string_view(spec.name).find("f32") != std::string_view::npos)
      continue; // no tensor cores for it on sm_80
    rows.push_back(rowOf("PTX, first", spec, 200, repeat("ptx", i, "")));
    measure("ptx", i, folder);
    rows.push_back(rowOf("PTX, from disk", spec, 10, repeat("ptx", i, folder)));
  }
  return rows;
}

void printTable(const std::vector<Row> &rows) {
  std::printf("%-22s %-20s %9s %17s %9s   %s\n", "what", "spec", "median", "quartiles", "target",
              "phases, ms");
  for (const Row &row : rows) {
    std::string target = row.target > 0 ? fmt::format("{} {}", row.target, row.unit) : "";
    std::string phases;
    for (const auto &[phase, time] : row.medians)
      phases += fmt::format("{} {:.1f}  ", phase, time);
    std::string quartiles = fmt::format("{:.1f} .. {:.1f}", row.total.low, row.total.high);
    std::printf("%-22s %-20s %6.1f %s %17s %9s   %s\n", row.what.c_str(), row.spec.c_str(),
                row.total.median, row.unit.c_str(), quartiles.c_str(), target.c_str(),
                phases.c_str());
  }
}

void printJson(const std::vector<Row> &rows, int runs) {
  nlohmann::ordered_json json{{"runs", runs}};
  for (const Row &row : rows) {
    nlohmann::ordered_json one{{"what", row.what},
                               {"spec", row.spec},
                               {"unit", row.unit},
                               {"median", row.total.median},
                               {"quartiles", {row.total.low, row.total.high}}};
    if (row.target > 0)
      one["target"] = row.target;
    for (const auto &[phase, time] : row.medians)
      one["phases"][phase] = time;
    json["rows"].push_back(std::move(one));
  }
  std::printf("%s\n", json.dump(2).c_str());
}

} // namespace

int main(int argc, char **argv) {
  std::string_view first = argc > 1 ? argv[1] : "";
  if (first == "--child" && argc == 5)
    return child(argv + 2);
  int runs = 9;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (word == "--json")
      json = true;
    else if (word.starts_with("--runs=") && std::atoi(argv[i] + 7) > 0)
      runs = std::atoi(argv[i] + 7);
    else
      return std::fprintf(stderr, "usage: latency [--runs=9] [--json]\n"), 1;
  }
  std::string folder = (std::filesystem::temp_directory_path() / "attnc-latency-XXXXXX").string();
  if (!mkdtemp(folder.data()))
    return std::perror("error: no temporary folder"), 1;
  std::vector<Row> measured = rows(runs, folder + "/cache");
  std::filesystem::remove_all(folder);
  json ? printJson(measured, runs) : printTable(measured);
}
