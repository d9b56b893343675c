#include "tools/BenchReport.h"

#include "runtime/LaunchChecks.h"
#include "tools/ReportTable.h"

#include "nlohmann/json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace attn::tools {

using Json = nlohmann::ordered_json;

Statistics statisticsOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

static std::string millisecondsText(double seconds) {
  double ms = seconds * 1e3;
  return fmt::format("{:.{}f}", ms, ms < 10 ? 3 : ms < 1000 ? 1 : 0);
}

/// "3.214 (3.201..3.402)".
static std::string millisecondsText(const std::vector<double> &runs) {
  Statistics s = statisticsOf(runs);
  return fmt::format("{} ({}..{})", millisecondsText(s.median), millisecondsText(s.low),
                     millisecondsText(s.high));
}

static std::string tokensText(const BenchRow &row) {
  std::string text = shapeText(row.tokens);
  return row.kvTokens == row.tokens ? text : text + " by " + shapeText(row.kvTokens);
}

static std::string compileText(const BenchRow &row) {
  return row.compileSeconds > 0 ? fmt::format("{:.1f}", row.compileSeconds * 1e3)
                                : fmt::format("loaded in {:.1f}", row.loadSeconds * 1e3);
}

static std::string denseText(const BenchAnswer &answer) {
  TextRows rows{{"kernel", "visited", "dense ms (range)", "speed-up", "bound", "of the bound"}};
  for (const BenchRow &row : answer.rows) {
    bool isBound = row.visitedTiles > 0;
    rows.push_back({row.info.name, percent(row.visitedShare()), millisecondsText(row.dense->runs),
                    fmt::format("{:.2f}x", row.speedUp()),
                    isBound ? fmt::format("{:.2f}x", row.bound()) : "none",
                    isBound ? percent(row.speedUp() / row.bound()) : "none"});
  }
  return "the same kernels under 'mask all'; the bound is all tiles by visited ones\n" +
         alignedRows(rows);
}

/// Where code multiplies bf16 by instructions of its own.
static std::string bf16PeakText(const BenchAnswer &answer) {
  double factor = 1;
  for (const BenchRow &row : answer.rows)
    factor = std::max(factor, row.peakGflops / answer.peakGflops);
  return factor > 1 ? fmt::format("; of bf16 {:.0f} times that", factor) : "";
}

std::string benchText(const BenchAnswer &answer) {
  TextRows rows{{"kernel", "tokens", "visited", "ms (range)", "GFLOP/s", "of peak", "of tile bound",
                 "compile ms"}};
  for (const BenchRow &row : answer.rows)
    rows.push_back({row.info.name, tokensText(row), percent(row.visitedShare()),
                    millisecondsText(row.runs), fmt::format("{:.1f}", row.gflops()),
                    percent(row.ofPeak()), percent(row.ofTileBound()), compileText(row)});
  std::string text =
      fmt::format("{} thread{}; peak {:.1f} GFLOP/s, f32 multiply-adds between registers{}\n",
                  answer.threads, answer.threads == 1 ? "" : "s", answer.peakGflops,
                  bf16PeakText(answer)) +
      alignedRows(rows);
  return answer.rows.front().dense ? text + denseText(answer) : text;
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static Json timesJson(const BenchRow &row) {
  Statistics s = statisticsOf(row.runs);
  return {{"repeat", row.runs.size()},
          {"seconds",
           {{"median", s.median},
            {"low", s.low},
            {"high", s.high},
            {"compile", row.compileSeconds},
            {"load", row.loadSeconds}}}};
}

static Json rowJson(const BenchRow &row) {
  const KernelInfo &info = row.info;
  Json json = {
      {"spec", row.spec},
      {"kernel", info.name},
      {"dtype", dtypeName(info.dtype)},
      {"batch", info.batch},
      {"heads", info.heads},
      {"kv_heads", info.kvHeads},
      {"head_dim", info.headDimQk},
      {"value_dim", info.headDimV},
      {"tokens", row.tokens},
      {"kv_tokens", row.kvTokens},
      {"isa", row.isa},
      {"tiles", {{"visited", row.visitedTiles}, {"full", row.fullTiles}, {"all", row.allTiles}}},
      {"visited_share", row.visitedShare()}};
  json.update(timesJson(row));
  json["gflops"] = row.gflops();
  json["peak_gflops"] = row.peakGflops;
  json["of_peak"] = row.ofPeak();
  json["of_tile_bound"] = row.ofTileBound();
  if (row.dense) {
    bool isBound = row.visitedTiles > 0;
    json["dense"] = timesJson(*row.dense);
    json["dense"].update(
        {{"of_peak", row.dense->ofPeak()},
         {"speed_up", row.speedUp()},
         {"bound", isBound ? Json(row.bound()) : Json(nullptr)},
         {"of_bound", isBound ? Json(row.speedUp() / row.bound()) : Json(nullptr)}});
  }
  return json;
}

std::string benchJson(const BenchAnswer &answer) {
  Json json = {
      {"threads", answer.threads}, {"peak_gflops", answer.peakGflops}, {"kernels", Json::array()}};
  for (const BenchRow &row : answer.rows)
    json["kernels"].push_back(rowJson(row));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace attn::tools
