//===- RunInputs.h - the tensors of attnc run --------------------*- C++ -*-===//
#pragma once

#include "runtime/KernelInfo.h"
#include "runtime/Tensor.h"
#include "tools/Run.h"

#include <map>

namespace attn::tools {

struct RunTensors {
  Tensor q, k, v, o, lse;
  std::map<std::string, Tensor> inputs;
  std::optional<Tensor> expected;        ///< `o` of the inputs, where it is asked for
  std::vector<int64_t> tokens, kvTokens; ///< every `?` bound
  int64_t numQueries = 0, numKeys = 0;   ///< fewer than the layouts have places with token groups
};

/// Reads the tensors from the file of `options.inputs`, or makes random ones, and allocates the
/// outputs. Sizes come from the options, the spec and the file, in this order.
Expected<RunTensors> makeTensors(const KernelInfo &info, const RunOptions &options);

} // namespace attn::tools
