//===- EndToEndRows.h - whole calls as lines of measurements -----*- C++ -*-===//
//
// A measurement with the name
//   attention tokens=N heads=H head_dim=D [kv_heads=K] [batch=B] [causal]
// is the time of one forward call in microseconds: f16 or bf16, by a kernel with FlashAttention-3's
// tiles and habits (flashAttention3). Such rows check constants; they are fitted only where somebody
// asks for it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "simulator/time/MicroBenchmarks.h"
#include "simulator/time/TimeModel.h"

namespace attn {

struct EndToEndRow {
  int64_t tokens = 0, heads = 0, headDim = 0, kvHeads = 0, batch = 1;
  bool isCausal = false;
};

/// Whether a measurement has such a name, perhaps a wrong one.
bool isEndToEndRow(const std::string &name);
/// An error says what of the name is wrong.
Expected<EndToEndRow> parseEndToEndRow(const std::string &name);
/// Microseconds.
double predictRow(const Machine &machine, const EndToEndRow &row);

/// The rows of FlashAttention-3's figures (PublishedRows.h), head_dim 64 and 128, as measurements.
std::vector<Measurement> publishedRows();

} // namespace attn
