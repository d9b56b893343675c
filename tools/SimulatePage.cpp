#include "tools/SimulatePage.h"

#include "tools/BoundSpec.h"
#include "tools/Chart.h"
#include "tools/MaskText.h"
#include "tools/ReportTable.h"
#include "tools/ShowFormats.h"
#include "tools/SimulateCharts.h"

#include "llvm/ADT/STLExtras.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace attn::tools {

namespace {

constexpr const char *kStyle = R"css(
body { font: 14px/1.45 Helvetica, Arial, sans-serif; color: #1f2328; margin: 24px auto; max-width: 760px; padding: 0 12px; }
h1 { font-size: 21px; margin-bottom: 4px; } h2 { font-size: 16px; margin: 28px 0 4px; }
p { margin: 4px 0; } table { border-collapse: collapse; margin-top: 8px; }
th, td { text-align: right; padding: 2px 10px; border-bottom: 1px solid #d8dee4; } th:first-child, td:first-child { text-align: left; }
.bar { display: inline-block; height: 10px; background: #0072b2; vertical-align: middle; }
svg { display: block; max-width: 100%; height: auto; font: 12px Helvetica, Arial, sans-serif; }
text { fill: #1f2328; } .tick { font-size: 12px; } .name { font-size: 12px; fill: #59636e; }
.grid { stroke: #e6e9ed; } .axis { stroke: #59636e; }
.full { fill: #0072b2; } .partial { fill: #e69f00; } .fixed { fill: #9aa4ae; }
.sparse { fill: #d55e00; } .dense { fill: #59636e; } .roof { fill: #1f2328; } .steps { fill: #56b4e9; } .bound { fill: #009e73; }
.here { fill: #cc79a7; }
.roof-line, .steps-line, .sparse-line, .bound-line { fill: none; stroke-width: 2; }
.roof-line { stroke: #1f2328; } .steps-line { stroke: #56b4e9; } .sparse-line { stroke: #d55e00; } .bound-line { stroke: #009e73; }
)css";

//===----------------------------------------------------------------------===//
// The windows around the spec's
//===----------------------------------------------------------------------===//

std::optional<SweptParameter> windowOf(AttentionOp op) {
  std::optional<SweptParameter> found;
  for (const SweptParameter &p : parametersOf(op)) {
    if (p.parameter.name != "window")
      continue;
    if (found) // which of them would the chart vary?
      return std::nullopt;
    found = p;
  }
  return found;
}

/// Windows of growing shares of every dimension, each once.
std::vector<SmallVector<int64_t>> windowsFor(ArrayRef<int64_t> lengths) {
  constexpr int kSteps = 28;
  std::vector<SmallVector<int64_t>> windows;
  // The narrowest is a 512th of the tokens.
  for (int i = 0; i <= kSteps; ++i) {
    double share = std::pow(2, -9.0 / double(lengths.size()) * (1 - double(i) / kSteps));
    SmallVector<int64_t> window;
    for (int64_t length : lengths)
      window.push_back(std::clamp<int64_t>(std::llround(share * double(length)), 1, length));
    if (windows.empty() || windows.back() != window)
      windows.push_back(std::move(window));
  }
  return windows;
}

double shareOf(ArrayRef<int64_t> window, ArrayRef<int64_t> lengths) {
  double share = 1;
  for (auto [w, length] : llvm::zip_equal(window, lengths))
    share *= w < 0 ? 1 : std::min(1.0, double(w) / double(length));
  return share;
}

WindowPoint pointOf(double share, const SweepResult &result, const SweepTiles &tiles) {
  const Problem &problem = tiles.problem;
  double all = double(problem.heads) * double(problem.tiling.numQueryTiles()) *
               double(problem.tiling.numKeyTiles());
  return {share, tiles.denseUs / result.us, 1 / std::max(result.density, 1e-12),
          all / std::max(result.visited, 1.0)};
}

/// Empty where no mask, or more than one, has a window.
Expected<std::string> windowSection(AttentionOp op, const Problem &problem,
                                    const TimeQuestion &question, const TimeAnswer &answer) {
  std::optional<SweptParameter> window = windowOf(op);
  if (!window || problem.numKeys == 0)
    return std::string();
  SmallVector<int64_t> lengths{problem.numKeys};
  if (window->parameter.values.size() > 1)
    lengths = problem.kvTokens;
  SweepTiles tiles{problem, answer.shape, answer.dense.us};
  SweepAxis axis{window->mask, "window", windowsFor(lengths), false};
  SmallVector<int64_t> now = window->parameter.values;
  axis.values.push_back(now);
  Expected<SweepPlan> plan = planSweep(op, {axis}, {std::move(tiles)});
  if (!plan)
    return plan.takeError();
  std::vector<SweepResult> results = runSweep(op, *plan, question.machine, 1);
  std::vector<WindowPoint> points;
  WindowPoint here{};
  for (auto [i, result] : llvm::enumerate(results)) {
    ArrayRef<int64_t> value = plan->masks[plan->configurations[i].masks].values.front();
    points.push_back(pointOf(shareOf(value, lengths), result, plan->tiles.front()));
    if (value == ArrayRef(now))
      here = points.back();
  }
  points.pop_back();
  std::string text = fmt::format("<h2>Other windows</h2>\n<p>{} with other windows, in the same tiles.{}</p>\n",
                                 escapedText(readable(maskText(window->mask))),
                                 plan->refused ? " Windows that the stride does not fit are left out." : "");
  return text + windowChart(points, here,
                            lengths.size() > 1 ? "share of the layout within the window"
                                               : "share of the tokens within the window");
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

std::string termsTable(const Prediction &p) {
  std::string text = "<table>\n<tr><th>what</th><th>alone, us</th><th>share of the time</th></tr>\n";
  std::vector<size_t> order;
  for (size_t i = 0; i < kNumTerms; ++i)
    if (p.terms[i].us > 0)
      order.push_back(i);
  llvm::stable_sort(order, [&](size_t a, size_t b) { return p.terms[a].share > p.terms[b].share; });
  for (size_t i : order) {
    double percent = 100 * p.terms[i].share;
    text += fmt::format("<tr><td>{}</td><td>{:.1f}</td><td>{:.1f} % <span class=\"bar\" "
                        "style=\"width: {:.0f}px\"></span></td></tr>\n",
                        nameOf(TermKind(i)), p.terms[i].us, percent, percent);
  }
  return text + "</table>\n";
}

std::string head(const std::string &kernel, const Problem &problem, const TimeQuestion &question,
                 const TimeAnswer &answer) {
  const Prediction &p = answer.sparse;
  std::string text = fmt::format("<h1>{} on {}</h1>\n", escapedText(readable(kernel)),
                                 escapedText(question.machine.title));
  text += fmt::format("<p>tokens {}, keys {}, {} heads, query tile {}, key tile {}, {}</p>\n",
                      layoutText(problem.tokens), layoutText(problem.kvTokens), problem.heads,
                      extentsText(problem.tiles.queryTile), extentsText(problem.tiles.keyTile),
                      question.pass == Pass::Forward ? "forward" : "backward");
  for (const MaskGroup &group : problem.groups)
    text += fmt::format("<p>heads {}: {}</p>\n", headsText(group.heads), escapedText(readable(maskText(group.mask))));
  text += fmt::format("<p><b>{}</b> predicted ({} to {}), {:.2f}x over dense, limited by {}; {}</p>\n",
                      microseconds(p.us), microseconds(p.low), microseconds(p.high), answer.speedUp(),
                      nameOf(p.limiter), escapedText(question.machine.calibration));
  return text;
}

} // namespace

Expected<std::string> simulatePage(Compilation &compilation, const Problem &problem,
                                   const Work &work, const TimeQuestion &question,
                                   const TimeAnswer &answer) {
  AttentionOp op = compilation.attention();
  Expected<std::string> windows = windowSection(op, problem, question, answer);
  if (!windows)
    return windows.takeError();
  std::string kernel = kernelName(compilation);
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<title>{}: predicted time</title>\n<style>{}</style>\n</head>\n<body>\n",
      escapedText(readable(kernel)), kStyle);
  page += head(kernel, problem, question, answer);
  page += "<h2>Where the time goes</h2>\n" + termsTable(answer.sparse);
  page += "<h2>Roofline</h2>\n" + rooflineChart(question.machine, answer);
  page += "<h2>Multiprocessors</h2>\n" + timelineChart(question.machine, answer, work);
  page += "<h2>Heads</h2>\n" + headsChart(question.machine, answer, work, problem);
  return page + *windows + "</body>\n</html>\n";
}

} // namespace attn::tools
