//===- SimulatePage.h - a prediction as one page -----------------*- C++ -*-===//
#pragma once

#include "tools/SimulateTime.h"

namespace attn::tools {

/// One HTML page that needs nothing beside it and is well-formed XML: the terms of the prediction,
/// a roofline, the multiprocessors that end last and first, the share of each head, and the speed-up
/// of other windows where a mask has one. `work` is of the problem with the answer's tiles.
Expected<std::string> simulatePage(Compilation &compilation, const Problem &problem,
                                   const Work &work, const TimeQuestion &question,
                                   const TimeAnswer &answer);

} // namespace attn::tools
