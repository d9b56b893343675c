//===- TuneReport.cpp - which tiles attnc tune has chosen ----------------===//
#include "tools/BoundSpec.h"
#include "tools/MaskText.h"
#include "tools/ReportTable.h"
#include "tools/TuneAnswer.h"

#include "nlohmann/json.hpp"

#include <fmt/format.h>

namespace attn::tools {

namespace {

using Json = nlohmann::ordered_json;

std::vector<int64_t> list(llvm::ArrayRef<int64_t> values) { return {values.begin(), values.end()}; }

double fullShare(const TunedTiles &tiles) {
  return tiles.visited > 0 ? tiles.full / tiles.visited : 1;
}

Json tilesJson(const TunedTiles &tiles, const TunedTiles &best) {
  const Prediction &p = tiles.answer.sparse;
  Json json = {{"rank", tiles.rank ? Json(tiles.rank) : Json(nullptr)},
               {"q_tile", list(tiles.queryTile)},
               {"k_tile", list(tiles.keyTile)},
               {"us", p.us},
               {"us_low", p.low},
               {"us_high", p.high},
               {"speed_up_over_dense", tiles.answer.speedUp()},
               {"tiles_visited", tiles.visited},
               {"tiles_full", tiles.full},
               {"limiter", nameOf(p.limiter)},
               {"next", nameOf(p.next)},
               {"loses", nullptr}};
  Loss loss = lossOf(tiles, best);
  if (p.us > best.answer.sparse.us)
    json["loses"] = {{"us", p.us - best.answer.sparse.us},
                     {"term", nameOf(loss.term)},
                     {"term_us", loss.us},
                     {"pairs_computed", loss.pairs}};
  return json;
}

/// "mask: +3.1 us; computes 1.25x the pairs".
std::string whyText(const TunedTiles &tiles, const TunedTiles &best) {
  if (tiles.answer.sparse.us <= best.answer.sparse.us)
    return "";
  Loss loss = lossOf(tiles, best);
  std::string text = fmt::format("{} +{}", nameOf(loss.term), microseconds(loss.us));
  constexpr double kNoted = 1.01;
  if (loss.pairs >= kNoted)
    text += fmt::format(", computes {:.2f}x the pairs", loss.pairs);
  return text;
}

std::vector<std::string> row(const TunedTiles &tiles, const TunedTiles &best) {
  const Prediction &p = tiles.answer.sparse;
  return {extentsText(tiles.queryTile),
          extentsText(tiles.keyTile),
          microseconds(p.us),
          fmt::format("+{:.1f} %", 100 * (p.us / best.answer.sparse.us - 1)),
          fmt::format("{:.0f} %", 100 * fullShare(tiles)),
          fmt::format("{} {:.0f} %", nameOf(p.limiter), 100 * p[p.limiter].share),
          whyText(tiles, best)};
}

std::string strideText(const TuneAnswer &answer, double tolerance) {
  if (!answer.hasStrides)
    return "";
  const TunedTiles &best = answer.best.front();
  std::string goal = tolerance > 0
                         ? fmt::format("at most {:.3g} % of the visited tiles partial", 100 * tolerance)
                         : std::string("perfectly block-sparse");
  std::string text = fmt::format("strides that make tiles of {} and {} {}, and no smaller one does:\n",
                                 extentsText(best.queryTile), extentsText(best.keyTile), goal);
  if (answer.strides.empty())
    return text + "  none\n";
  TextRows rows{{"stride", "time", "speed-up", "full tiles"}};
  constexpr size_t kMostShown = 8;
  for (size_t i = 0; i < std::min(answer.strides.size(), kMostShown); ++i) {
    const BlockSparseStride &s = answer.strides[i];
    rows.push_back({extentsText(s.stride), microseconds(s.us), fmt::format("{:.2f}x", s.speedUp),
                    fmt::format("{:.3g} %", 100 * s.fullShare)});
  }
  text += alignedRows(rows);
  if (answer.strides.size() > kMostShown)
    text += fmt::format("  and {} more, which --json names\n", answer.strides.size() - kMostShown);
  return text;
}

} // namespace

std::string tuneJson(const TuneAnswer &answer, const TimeQuestion &question) {
  const TunedTiles &best = answer.best.front();
  Json all = Json::array(), leftOut = Json::array(), strides = Json::array();
  for (const TunedTiles &tiles : answer.best)
    all.push_back(tilesJson(tiles, best));
  for (const LeftOutTiles &tiles : answer.sweep.leftOut)
    leftOut.push_back({{"q_tile", tiles.queryTile}, {"k_tile", tiles.keyTile}, {"reason", tiles.reason}});
  for (const BlockSparseStride &s : answer.strides)
    strides.push_back({{"mask", maskText(s.mask)},
                       {"stride", list(s.stride)},
                       {"us", s.us},
                       {"speed_up_over_dense", s.speedUp},
                       {"full_share", s.fullShare}});
  Json report = {{"kernel", answer.kernel},
                 {"machine", question.machine.name},
                 {"calibration", question.machine.calibration},
                 {"calibrated", question.machine.isCalibrated()},
                 {"pass", question.pass == Pass::Forward ? "forward" : "backward"},
                 {"tried", answer.sweep.results.size()},
                 {"close", answer.close},
                 {"best", std::move(all)},
                 {"usual", tilesJson(answer.usual, best)},
                 {"block_sparse_strides", answer.hasStrides ? std::move(strides) : Json(nullptr)},
                 {"tiles_left_out", std::move(leftOut)}};
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string tuneText(const TuneAnswer &answer, const TimeQuestion &question, double tolerance) {
  const TunedTiles &best = answer.best.front();
  const Prediction &p = best.answer.sparse;
  std::string text =
      fmt::format("tiles of {} on {}{}, {}\n", answer.kernel, question.machine.name,
                  question.machine.isCalibrated() ? "" : " (uncalibrated)",
                  question.pass == Pass::Forward ? "forward" : "backward");
  text += fmt::format("  tried    {} pairs of tiles, {} more are not possible\n",
                      grouped(int64_t(answer.sweep.results.size())),
                      grouped(int64_t(answer.sweep.leftOut.size())));
  text += fmt::format("  best     --q-tile={} --k-tile={}: {} ({} to {}), {:.2f}x over dense\n",
                      extentsText(best.queryTile), extentsText(best.keyTile), microseconds(p.us),
                      microseconds(p.low), microseconds(p.high), best.answer.speedUp());
  text += fmt::format("  close    {} pairs are within {:.0f} % of the best: as good as equal\n",
                      grouped(answer.close), 100 * kClose);
  TextRows rows{{"q_tile", "k_tile", "time", "loses", "full tiles", "limited by", "because"}};
  for (const TunedTiles &tiles : answer.best)
    rows.push_back(row(tiles, best));
  text += alignedRows(rows) + "the usual tiles, where nobody says anything\n";
  text += alignedRows({row(answer.usual, best)});
  return text + strideText(answer, tolerance);
}

} // namespace attn::tools
