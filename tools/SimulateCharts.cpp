#include "tools/SimulateCharts.h"

#include "simulator/time/Timeline.h"
#include "tools/Chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace attn::tools {

namespace {

// Lengths in SVG units. Every chart has room for the numbers left and below, and a legend above.
constexpr double kWidth = 720, kHeight = 330, kLeft = 64, kRight = 24, kTop = 64, kBottom = 46;

double right() { return kWidth - kRight; }
double bottom() { return kHeight - kBottom; }

/// The powers of ten around the numbers.
std::pair<double, double> decades(double low, double high) {
  double from = std::pow(10, std::floor(std::log10(low))), to = std::pow(10, std::ceil(std::log10(high)));
  return {from, to > from ? to : from * 10};
}

//===----------------------------------------------------------------------===//
// Roofline
//===----------------------------------------------------------------------===//

/// What has no logarithm is drawn at the edge.
constexpr double kLeast = 1e-3;

double intensityOf(const Prediction &p) {
  return p.hbmBytes > 0 ? std::max(p.executedFlops / p.hbmBytes, kLeast) : kLeast;
}
double executedTflops(const Prediction &p) {
  return p.us > 0 ? std::max(p.executedFlops / p.us / 1e6, kLeast) : kLeast;
}

struct Roof {
  double matrix;  ///< TFLOP/s of the matrix units alone
  double steps;   ///< of steps without a mask, the softmax included
  double memory;  ///< TB/s
};

Roof roofOf(const Machine &m, const TimeAnswer &answer) {
  const KernelShape &shape = answer.shape;
  double perSecond = m[Constant::Sms] * answer.sparse.clockGhz * 1e9;
  StepCycles step = stepCycles(m, shape, /*isMasked=*/false);
  double flopsOfPair = shape.pass == Pass::Forward
                           ? 2 * double(shape.headDim + shape.valueDim)
                           : 6 * double(shape.headDim) + 4 * double(shape.valueDim);
  double flops = double(shape.rows * shape.columns) * flopsOfPair;
  return {flops / step.matrix * perSecond / 1e12, flops / step.all * perSecond / 1e12,
          m[Constant::HbmGbs] * m[Constant::HbmEfficiency] / 1e3};
}

} // namespace

std::string rooflineChart(const Machine &machine, const TimeAnswer &answer) {
  Roof roof = roofOf(machine, answer);
  const Prediction &sparse = answer.sparse, &dense = answer.dense;
  double ridge = roof.matrix / roof.memory;
  auto [xLow, xHigh] = decades(std::min({intensityOf(sparse), intensityOf(dense), ridge}) / 2,
                               std::max({intensityOf(sparse), intensityOf(dense), ridge}) * 2);
  auto [yLow, yHigh] = decades(std::min({executedTflops(sparse), executedTflops(dense), roof.steps}) / 2,
                               roof.matrix);
  Scale x{xLow, xHigh, kLeft, right(), true}, y{yLow, yHigh, bottom(), kTop, true};
  Drawing drawing(kWidth, kHeight, "roofline");
  drawing.legend(kLeft, 18, {{"roof", "matrix units and memory"}, {"steps", "with the softmax"},
                             {"sparse", "this kernel"}, {"dense", "dense"}});
  drawing.xAxis(x, bottom(), kTop, "executed operations a byte of memory", 12);
  drawing.yAxis(y, kLeft, right(), "TFLOP/s of visited tiles", 8);
  double start = std::max(xLow, yLow / roof.memory), top = std::min(ridge, xHigh);
  drawing.path({{x.at(start), y.at(start * roof.memory)}, {x.at(top), y.at(top * roof.memory)},
                {x.at(xHigh), y.at(roof.matrix)}}, "roof-line");
  drawing.line(x.at(std::max(roof.steps / roof.memory, xLow)), y.at(roof.steps), right(),
               y.at(roof.steps), "steps-line");
  drawing.dot(x.at(intensityOf(dense)), y.at(executedTflops(dense)), "dense");
  drawing.dot(x.at(intensityOf(sparse)), y.at(executedTflops(sparse)), "sparse");
  return drawing.finished();
}

//===----------------------------------------------------------------------===//
// Timeline
//===----------------------------------------------------------------------===//

namespace {

/// More tiles than pixels are drawn as runs.
constexpr size_t kMostDrawn = 400;

/// A run of equal tiles as one bar, or tile by tile while there is room.
void drawRun(Drawing &drawing, const Scale &x, double y, double height, const TileJob &job,
             const TimelineRun &run, double toUs, bool isByTile) {
  int64_t bars = isByTile ? run.count : 1;
  double times = double(run.count) / double(bars), begin = run.begin;
  for (int64_t i = 0; i < bars; ++i)
    for (auto [style, cycles] : {std::pair("fixed", job.fixed), std::pair("full", job.plain),
                                 std::pair("partial", job.masked)}) {
      double end = begin + cycles * times;
      drawing.rectangle(x.at(begin * toUs), y, x.at(end * toUs) - x.at(begin * toUs), height, style);
      begin = end;
    }
}

void drawTimeline(Drawing &drawing, const Scale &x, double y, const Timeline &timeline,
                  const std::vector<TileJob> &jobs, double toUs, const std::string &name) {
  constexpr double kBar = 34;
  int64_t tiles = 0;
  for (const TimelineRun &run : timeline.runs)
    tiles += run.count;
  bool isByTile = tiles <= int64_t(kMostDrawn);
  drawing.text(kLeft, y - 6, "start",
               fmt::format("{}: {} tiles, {} us", name, tiles, shortNumber(timeline.end * toUs)), "tick");
  for (const TimelineRun &run : timeline.runs)
    drawRun(drawing, x, y, kBar, jobs[run.job], run, toUs, isByTile);
}

} // namespace

std::string timelineChart(const Machine &machine, const TimeAnswer &answer, const Work &work) {
  std::vector<TileJob> jobs = tileJobs(machine, answer.shape, work, answer.sparse.splits);
  auto [last, first] = lastAndFirst(machine, answer.shape, jobs);
  double toUs = 1 / (answer.sparse.clockGhz * 1e3);
  constexpr double kTall = 240;
  Drawing drawing(kWidth, kTall, "timeline of two multiprocessors");
  Scale x{0, std::max(last.end * toUs, 1e-3), kLeft, right()};
  drawing.legend(kLeft, 18, {{"fixed", "first load, last store"}, {"full", "full key tiles"},
                             {"partial", "partial key tiles"}});
  drawing.xAxis(x, kTall - kBottom, 38, "microseconds after the launch", 8);
  drawTimeline(drawing, x, 62, last, jobs, toUs, "the multiprocessor that ends last");
  drawTimeline(drawing, x, 132, first, jobs, toUs, "the one that ends first");
  return drawing.finished();
}

//===----------------------------------------------------------------------===//
// Heads
//===----------------------------------------------------------------------===//

namespace {

struct HeadTime {
  double fixed = 0, plain = 0, masked = 0; ///< microseconds of one multiprocessor
};

/// Of each head, in the order of the heads.
std::vector<HeadTime> headTimes(const Machine &machine, const TimeAnswer &answer, const Work &work,
                                const Problem &problem) {
  double toUs = 1 / (answer.sparse.clockGhz * 1e3);
  std::vector<HeadTime> perGroup(work.groups.size()), heads(size_t(problem.heads));
  for (const TileJob &job : tileJobs(machine, answer.shape, work, answer.sparse.splits)) {
    double count = double(job.count) / double(work.groups[job.group].heads) * toUs;
    perGroup[job.group].fixed += count * job.fixed;
    perGroup[job.group].plain += count * job.plain;
    perGroup[job.group].masked += count * job.masked;
  }
  for (size_t g = 0; g < problem.groups.size(); ++g)
    for (int64_t head : problem.groups[g].heads)
      heads[size_t(head)] = perGroup[g];
  return heads;
}

/// Means of `each` neighbours.
std::vector<HeadTime> averaged(const std::vector<HeadTime> &heads, size_t each) {
  std::vector<HeadTime> bars;
  for (size_t first = 0; first < heads.size(); first += each) {
    size_t count = std::min(each, heads.size() - first);
    HeadTime &bar = bars.emplace_back();
    for (size_t i = first; i < first + count; ++i) {
      bar.fixed += heads[i].fixed / double(count);
      bar.plain += heads[i].plain / double(count);
      bar.masked += heads[i].masked / double(count);
    }
  }
  return bars;
}

} // namespace

std::string headsChart(const Machine &machine, const TimeAnswer &answer, const Work &work,
                       const Problem &problem) {
  std::vector<HeadTime> heads = headTimes(machine, answer, work, problem);
  size_t each = (heads.size() + kMostBars - 1) / kMostBars;
  std::vector<HeadTime> bars = averaged(heads, each);
  double most = 1e-9;
  for (const HeadTime &bar : bars)
    most = std::max(most, bar.fixed + bar.plain + bar.masked);
  Drawing drawing(kWidth, kHeight, "time of each head");
  Scale y{0, most * 1.05, bottom(), kTop};
  drawing.legend(kLeft, 18, {{"fixed", "first load, last store"}, {"full", "full key tiles"},
                             {"partial", "partial key tiles"}});
  drawing.yAxis(y, kLeft, right(), "us of one multiprocessor, all batch entries", 6);
  double pitch = (right() - kLeft) / double(bars.size()), width = pitch * 0.8;
  size_t labelled = (bars.size() + 15) / 16; // every n-th bar
  for (size_t i = 0; i < bars.size(); ++i) {
    double x = kLeft + pitch * double(i) + pitch * 0.1, from = 0;
    for (auto [style, us] : {std::pair("fixed", bars[i].fixed), std::pair("full", bars[i].plain),
                             std::pair("partial", bars[i].masked)}) {
      drawing.rectangle(x, y.at(from + us), width, y.at(from) - y.at(from + us), style);
      from += us;
    }
    if (i % labelled == 0)
      drawing.text(x + width / 2, bottom() + 16, "middle", std::to_string(i * each), "tick");
  }
  drawing.line(kLeft, bottom(), right(), bottom(), "axis");
  drawing.text((kLeft + right()) / 2, bottom() + 34, "middle",
               each > 1 ? fmt::format("query head, means of {}", each) : "query head", "name");
  return drawing.finished();
}

//===----------------------------------------------------------------------===//
// Windows
//===----------------------------------------------------------------------===//

std::string windowChart(const std::vector<WindowPoint> &points, const WindowPoint &here,
                        const std::string &name) {
  double least = std::min(1.0, here.speedUp), most = std::max(1.0, here.speedUp), share = std::min(1.0, here.share);
  for (const WindowPoint &p : points) {
    least = std::min({least, p.speedUp});
    most = std::max({most, p.flop, p.tileMean, p.speedUp});
    share = std::min(share, p.share);
  }
  auto [yLow, yHigh] = decades(least, most);
  Scale x{std::min(share, 0.5), 1, kLeft, right(), true}, y{yLow, yHigh, bottom(), kTop, true};
  Drawing drawing(kWidth, kHeight, "speed-up against the window");
  drawing.legend(kLeft, 18, {{"sparse", "predicted"}, {"bound", "tile_mean bound"},
                             {"roof", "flop bound"}, {"here", "the spec's"}});
  drawing.xAxis(x, bottom(), kTop, name, 12);
  drawing.yAxis(y, kLeft, right(), "speed-up over dense", 10);
  std::vector<std::pair<double, double>> predicted, tiles, flop;
  for (const WindowPoint &p : points) {
    predicted.push_back({x.at(p.share), y.at(p.speedUp)});
    tiles.push_back({x.at(p.share), y.at(p.tileMean)});
    flop.push_back({x.at(p.share), y.at(p.flop)});
  }
  drawing.path(flop, "roof-line");
  drawing.path(tiles, "bound-line");
  drawing.path(predicted, "sparse-line");
  drawing.dot(x.at(here.share), y.at(here.speedUp), "here");
  return drawing.finished();
}

} // namespace attn::tools
