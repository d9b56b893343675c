//===- SweepReport.cpp - what a sweep has found --------------------------===//
#include "simulator/time/Pareto.h"
#include "tools/BoundSpec.h"
#include "tools/MaskText.h"
#include "tools/ReportTable.h"
#include "tools/Sweep.h"

#include "nlohmann/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace attn::tools {

namespace {

using Json = nlohmann::ordered_json;

/// Configurations that no other has at least as high a density and speed-up as, by rising density.
std::vector<size_t> frontOf(const SweepAnswer &answer) {
  std::vector<Point> points;
  for (const SweepResult &result : answer.results)
    points.push_back({result.density, -result.us});
  return paretoFront(points);
}

const SweepMasks &masksOf(const SweepAnswer &answer, size_t i) {
  return answer.plan.masks[answer.plan.configurations[i].masks];
}
const Problem &problemOf(const SweepAnswer &answer, size_t i) {
  return answer.plan.tiles[answer.plan.configurations[i].tiles].problem;
}

double allTiles(const Problem &problem) {
  return double(problem.heads) * double(problem.tiling.numQueryTiles()) *
         double(problem.tiling.numKeyTiles());
}

double endToEnd(const SweepAnswer &answer, size_t i) {
  return endToEndSpeedUp(*answer.sparseShare, answer.beforeUs / answer.results[i].us);
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

std::vector<int64_t> list(llvm::ArrayRef<int64_t> values) { return {values.begin(), values.end()}; }

Json tilesJson(const TileChoice &tiles) {
  return {{"q_tile", list(tiles.queryTile)}, {"k_tile", list(tiles.keyTile)}};
}

Json headJson(const SweepAnswer &answer, const TimeQuestion &question) {
  const SweepTiles &dense = answer.plan.tiles[answer.fastestDense];
  Json denseJson = tilesJson(dense.problem.tiles);
  denseJson["us"] = dense.denseUs;
  Json parameters = Json::array(), leftOut = Json::array();
  for (const SweepAxis &axis : answer.axes)
    parameters.push_back({{"name", axis.name}, {"mask", maskText(axis.mask)}});
  for (const LeftOutTiles &tiles : answer.leftOut)
    leftOut.push_back(
        {{"q_tile", tiles.queryTile}, {"k_tile", tiles.keyTile}, {"reason", tiles.reason}});
  Json model = nullptr;
  if (question.model)
    model = {{"name", question.model->name}, {"sparse_share", *answer.sparseShare}};
  return {{"kernel", answer.kernel},
          {"tokens", list(dense.problem.tokens)},
          {"kv_tokens", list(dense.problem.kvTokens)},
          {"machine", question.machine.name},
          {"calibration", question.machine.calibration},
          {"calibrated", question.machine.isCalibrated()},
          {"pass", question.pass == Pass::Forward ? "forward" : "backward"},
          {"parameters", std::move(parameters)},
          {"dense", std::move(denseJson)},
          {"model", std::move(model)},
          {"tiles_left_out", std::move(leftOut)},
          {"refused", answer.plan.refused},
          {"why_refused", answer.plan.refused ? Json(answer.plan.whyRefused) : Json(nullptr)}};
}

Json resultJson(const SweepAnswer &answer, size_t i, bool isOnFront) {
  const SweepResult &result = answer.results[i];
  Json json = Json::object();
  for (size_t axis = 0; axis < answer.axes.size(); ++axis)
    json[answer.axes[axis].name] = list(masksOf(answer, i).values[axis]);
  json.update(tilesJson(problemOf(answer, i).tiles));
  json["us"] = result.us;
  json["speed_up_over_dense"] = answer.speedUp(i);
  if (answer.sparseShare)
    json["end_to_end_speed_up"] = endToEnd(answer, i);
  json["density"] = result.density;
  json["tiles_visited"] = result.visited;
  json["tiles_full"] = result.full;
  json["tiles_all"] = allTiles(problemOf(answer, i));
  json["exact"] = result.exact;
  json["limiter"] = nameOf(result.limiter);
  json["next"] = nameOf(result.next);
  json["pareto"] = isOnFront;
  return json;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

std::vector<std::string> columnNames(const SweepAnswer &answer) {
  std::vector<std::string> names;
  for (const SweepAxis &axis : answer.axes)
    names.push_back(axis.name);
  for (const char *name : {"q_tile", "k_tile", "density", "full tiles", "time", "speed-up"})
    names.push_back(name);
  if (answer.sparseShare)
    names.push_back("end to end");
  names.push_back("limited by");
  return names;
}

std::vector<std::string> row(const SweepAnswer &answer, size_t i) {
  const SweepResult &result = answer.results[i];
  const TileChoice &tiles = problemOf(answer, i).tiles;
  std::vector<std::string> cells;
  for (const auto &value : masksOf(answer, i).values)
    cells.push_back(extentsText(value));
  cells.push_back(extentsText(tiles.queryTile));
  cells.push_back(extentsText(tiles.keyTile));
  cells.push_back(fmt::format("{:.3g} %", 100 * result.density));
  cells.push_back(result.visited > 0
                      ? fmt::format("{:.0f} %", 100 * result.full / result.visited)
                      : "-");
  cells.push_back(microseconds(result.us));
  cells.push_back(fmt::format("{:.2f}x", answer.speedUp(i)));
  if (answer.sparseShare)
    cells.push_back(fmt::format("{:.2f}x", endToEnd(answer, i)));
  cells.push_back(nameOf(result.limiter));
  return cells;
}

std::string rowsText(const SweepAnswer &answer, const std::vector<size_t> &which) {
  TextRows rows{columnNames(answer)};
  for (size_t i : which)
    rows.push_back(row(answer, i));
  return alignedRows(rows);
}

std::string leftOutText(const SweepAnswer &answer) {
  constexpr size_t kMostNamed = 5;
  std::string text;
  if (!answer.leftOut.empty())
    text += fmt::format("  left out   {} pairs of tiles that are not possible\n", answer.leftOut.size());
  for (size_t i = 0; i < std::min(answer.leftOut.size(), kMostNamed); ++i) {
    const LeftOutTiles &tiles = answer.leftOut[i];
    auto name = [](const Extents &tile) { return tile.empty() ? "chosen" : extentsText(tile); };
    text += fmt::format("    {} and {}: {}\n", name(tiles.queryTile), name(tiles.keyTile), tiles.reason);
  }
  if (answer.leftOut.size() > kMostNamed)
    text += fmt::format("    and {} more, which --json names\n", answer.leftOut.size() - kMostNamed);
  if (answer.plan.refused)
    text += fmt::format("  left out   {} configurations that the mask does not allow, the first of them as\n"
                        "             {}\n",
                        grouped(answer.plan.refused), answer.plan.whyRefused);
  return text;
}

std::string headText(const SweepAnswer &answer, const TimeQuestion &question) {
  const SweepTiles &dense = answer.plan.tiles[answer.fastestDense];
  const Problem &problem = dense.problem;
  std::string text = fmt::format(
      "sweep of {} on {}{}: tokens {}, keys {}, {} heads, {}\n", answer.kernel,
      question.machine.name, question.machine.isCalibrated() ? "" : " (uncalibrated)",
      layoutText(problem.tokens), layoutText(problem.kvTokens), problem.heads,
      question.pass == Pass::Forward ? "forward" : "backward");
  for (const SweepAxis &axis : answer.axes)
    text += fmt::format("  varied     {} of {}\n", axis.name, maskText(axis.mask));
  text += fmt::format("  tried      {} configurations in {} pairs of tiles\n",
                      grouped(int64_t(answer.results.size())), answer.plan.tiles.size());
  text += leftOutText(answer);
  text += fmt::format("  dense      {} in tiles of {} and {}, the fastest: speed-ups are over it\n",
                      microseconds(dense.denseUs), extentsText(problem.tiles.queryTile),
                      extentsText(problem.tiles.keyTile));
  return text;
}

/// At most `most`, evenly spread from first to last.
std::vector<size_t> spread(const std::vector<size_t> &all, size_t most) {
  if (all.size() <= most)
    return all;
  std::vector<size_t> some;
  for (size_t i = 0; i < most; ++i)
    some.push_back(all[most > 1 ? i * (all.size() - 1) / (most - 1) : 0]);
  return some;
}

} // namespace

std::string sweepJson(const SweepAnswer &answer, const TimeQuestion &question) {
  constexpr auto kReplace = Json::error_handler_t::replace;
  std::vector<bool> isOnFront(answer.results.size());
  for (size_t i : frontOf(answer))
    isOnFront[i] = true;
  std::string text = headJson(answer, question).dump(2, ' ', false, kReplace);
  // The results in the place of the closing brace, a line each: they are many.
  text.resize(text.size() - 2);
  text += ",\n  \"results\": [";
  for (size_t i = 0; i < answer.results.size(); ++i) {
    text += i ? ",\n    " : "\n    ";
    text += resultJson(answer, i, isOnFront[i]).dump(-1, ' ', false, kReplace);
  }
  return text + "\n  ]\n}\n";
}

std::string sweepText(const SweepAnswer &answer, const TimeQuestion &question, int64_t top) {
  std::vector<size_t> order(answer.results.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(answer.results[a].us, a) < std::pair(answer.results[b].us, b);
  });
  order.resize(std::min(order.size(), size_t(top)));
  std::string text = headText(answer, question);
  text += fmt::format("the {} fastest\n", order.size()) + rowsText(answer, order);
  constexpr size_t kMostOfFront = 20;
  std::vector<size_t> front = frontOf(answer), shown = spread(front, kMostOfFront);
  text += fmt::format("none sees more and is faster: {} configurations{}\n", front.size(),
                      shown.size() < front.size() ? fmt::format(", {} of them here", shown.size()) : "");
  return text + rowsText(answer, shown);
}

} // namespace attn::tools
