#include "tools/Simulate.h"

#include "simulator/Counts.h"
#include "tools/BoundSpec.h"
#include "tools/MaskText.h"
#include "tools/Progress.h"
#include "tools/Report.h"
#include "tools/SimulatePage.h"
#include "tools/SimulateTime.h"
#include "tools/SpecCompilation.h"
#include "tools/Sweep.h"

#include "nlohmann/json.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

namespace attn::tools {

namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

/// Field names are documented in docs/simulate-json.md.
Json countsJson(const Counts &counts) {
  return {{"tiles_visited", counts.tiles.visited},
          {"tiles_full", counts.tiles.full},
          {"tiles_all", counts.tiles.all},
          {"tiles_worst_query", counts.tiles.worst},
          {"visible_pairs", counts.visiblePairs},
          {"all_pairs", counts.allPairs},
          {"density", counts.density()},
          {"exact", counts.exact},
          {"exact_pairs", counts.exactPairs},
          {"block_sparse", counts.isBlockSparse()},
          {"bounds",
           {{"flop", number(counts.flopBound())},
            {"tile_mean", number(counts.tileMeanBound())},
            {"tile_worst", number(counts.tileWorstBound())}}}};
}

std::string json(const std::string &name, const Problem &problem,
                 const std::vector<Counts> &counts, const std::optional<std::string> &time) {
  Json groups = Json::array();
  for (size_t i = 0; i < counts.size(); ++i) {
    Json group = {{"heads", std::vector<int64_t>(problem.groups[i].heads.begin(),
                                                 problem.groups[i].heads.end())},
                  {"mask", maskText(problem.groups[i].mask)}};
    group.update(countsJson(counts[i]));
    groups.push_back(std::move(group));
  }
  auto list = [](llvm::ArrayRef<int64_t> values) {
    return std::vector<int64_t>(values.begin(), values.end());
  };
  Json report = {{"kernel", name},
                 {"tokens", list(problem.tokens)},
                 {"kv_tokens", list(problem.kvTokens)},
                 {"q_offset", problem.queryOffset},
                 {"batch_entry", problem.inputs ? Json(problem.inputs->batch) : Json(nullptr)},
                 {"batch", problem.batch},
                 {"heads", problem.heads},
                 {"kv_heads", problem.kvHeads},
                 {"steps", list(problem.tiles.steps)},
                 {"q_tile", list(problem.tiles.queryTile)},
                 {"k_tile", list(problem.tiles.keyTile)},
                 {"total", countsJson(totalOf(problem, counts))},
                 {"groups", std::move(groups)}};
  if (time)
    report["time"] = Json::parse(*time);
  // MLIR allows bytes in names that are no UTF-8.
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string extentsText(llvm::ArrayRef<int64_t> extents) {
  return fmt::format("{}", fmt::join(extents, "x"));
}

std::string boundText(double bound) {
  return std::isfinite(bound) ? fmt::format("{:.2f}x", bound) : "nothing to do";
}

/// Where the map is not exact, visited tiles and visible pairs are known from above, full tiles
/// from below.
std::string countsText(const Counts &counts) {
  const char *atMost = counts.exact ? "" : "at most ", *atLeast = counts.exact ? "" : "at least ";
  double visited = counts.tiles.all ? double(counts.tiles.visited) / double(counts.tiles.all) : 0;
  bool blockSparse = counts.tiles.visited > 0 && counts.isBlockSparse();
  std::string text =
      fmt::format("  tiles    {}{} visited of {} ({:.1f} %), {}{} of them full{}\n", atMost,
                  grouped(counts.tiles.visited), grouped(counts.tiles.all), 100 * visited, atLeast,
                  grouped(counts.tiles.full), blockSparse ? ": perfectly block-sparse" : "");
  text += fmt::format("  density  {}{:.4g} % of the pairs are visible\n",
                      counts.exactPairs ? "" : "at most ", 100 * counts.density());
  text += fmt::format("  bounds   {}flop {}, tile_mean {}, tile_worst {}\n", atLeast,
                      boundText(counts.flopBound()), boundText(counts.tileMeanBound()),
                      boundText(counts.tileWorstBound()));
  return text;
}

std::string table(const std::string &name, const Problem &problem,
                  const std::vector<Counts> &counts) {
  std::string text =
      fmt::format("kernel {}: tokens {}, keys {}, {} heads, query tile {}, key tile {}{}\n", name,
                  layoutText(problem.tokens), layoutText(problem.kvTokens), problem.heads,
                  extentsText(problem.tiles.queryTile), extentsText(problem.tiles.keyTile),
                  problem.inputs ? fmt::format(", batch entry {}", problem.inputs->batch) : "");
  for (size_t i = 0; i < counts.size(); ++i) {
    const MaskGroup &group = problem.groups[i];
    text += fmt::format("heads {}: {}\n{}", headsText(group.heads), maskText(group.mask),
                        countsText(counts[i]));
  }
  if (counts.size() > 1)
    text += "all heads together\n" + countsText(totalOf(problem, counts));
  text += "bounds on the speed-up over dense attention: flop counts pairs, tile_mean tiles over "
          "all query\n"
          "tiles, tile_worst those of the worst query tile\n";
  return text;
}

} // namespace

static Status writePage(Compilation &compilation, const Problem &problem, const Work &work,
                        const TimeQuestion &question, const TimeAnswer &answer,
                        const std::string &path) {
  if (path.empty())
    return {};
  Expected<std::string> page = simulatePage(compilation, problem, work, question, answer);
  return page ? writeOutput(path, *page) : Status(page.takeError());
}

static std::vector<Counts> countsOfGroups(Compilation &compilation, const Problem &problem) {
  Progress progress("maps counted", problem.groups.size());
  std::vector<Counts> counts;
  for (const MaskGroup &group : problem.groups) {
    counts.push_back(countsOf(compilation.attention(), problem, group));
    progress.show(counts.size());
  }
  return counts;
}

int simulateVerb(const SimulateOptions &options) {
  Expected<std::optional<TimeQuestion>> question = timeQuestion(options);
  if (!question)
    return fail(question.error());
  if (!options.sweep.empty())
    return sweepVerb(options, **question);
  SpecCompilation compilation;
  const TimeQuestion *asked = *question ? &**question : nullptr;
  mlir::FailureOr<Problem> problem = bindForMachine(compilation, options, asked);
  if (failed(problem))
    return 1;
  std::vector<Counts> counts = countsOfGroups(compilation, *problem);
  std::optional<TimeAnswer> answer;
  if (asked) {
    Expected<AskedKernel> kernel = kernelOf(compilation.attention(), *problem, *asked, problem->groups.size());
    if (!kernel)
      return fail(kernel.error());
    Work work = workFor(*kernel, workOf(*problem, counts));
    answer = answerOf(*asked, *kernel, work);
    if (Status written = writePage(compilation, *problem, work, *asked, *answer, options.html); !written)
      return fail(written.error());
  }
  if (isQuiet() && !options.html.empty() && options.output == "-" && options.format != "json")
    return 0; // the page was wanted
  std::string name = kernelName(compilation), report;
  if (options.format == "json") {
    report = json(name, *problem, counts,
                  answer ? std::optional(timeJson(*asked, *answer)) : std::nullopt);
  } else {
    report = table(name, *problem, counts);
    if (answer)
      report += timeText(*asked, *answer);
  }
  Status written = writeOutput(options.output, report);
  return written ? 0 : fail(written.error());
}

} // namespace attn::tools
