//===- SimulateCharts.h - the drawings of a prediction's page ----*- C++ -*-===//
#pragma once

#include "simulator/ParameterSweep.h"
#include "tools/SimulateTime.h"

namespace attn::tools {

/// Operations a byte of memory against operations a second, with what the machine can do at most.
std::string rooflineChart(const Machine &machine, const TimeAnswer &answer);

/// What the multiprocessors that end last and first run, tile by tile.
std::string timelineChart(const Machine &machine, const TimeAnswer &answer, const Work &work);

/// Time of each head, by what it goes to. At most kMostBars bars: more heads are averaged.
constexpr size_t kMostBars = 64;
std::string headsChart(const Machine &machine, const TimeAnswer &answer, const Work &work,
                       const Problem &problem);

/// A window and what it makes of the time.
struct WindowPoint {
  double share;   ///< of the layout
  double speedUp; ///< predicted, over dense in the same tiles
  double flop, tileMean; ///< bounds
};
/// `here` is the window of the spec.
std::string windowChart(const std::vector<WindowPoint> &points, const WindowPoint &here,
                        const std::string &name);

} // namespace attn::tools
