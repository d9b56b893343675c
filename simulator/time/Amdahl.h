//===- Amdahl.h - what a faster kernel makes of a whole model ----*- C++ -*-===//
#pragma once

#include "runtime/Error.h"

#include <cstdint>
#include <optional>
#include <string>

namespace attn {

/// What of a transformer layer costs time beside attention; for models whose share of attention
/// follows from the number of tokens.
struct LayerSizes {
  int64_t hidden = 0, heads = 0, kvHeads = 0, headDim = 0, feedForward = 0;
};

/// A model that runs `layers` layers `steps` times. Sparse are the layers and the steps that are
/// not dense.
struct ModelDescription {
  std::string name;
  std::string source;
  std::optional<double>
      attentionShare; ///< of the whole model's time, all attention dense; else `sizes`
  std::optional<LayerSizes> sizes;
  bool causal = false; ///< its dense attention is
  int64_t layers = 1, denseLayers = 0;
  int64_t steps = 1, denseSteps = 0;

  /// Where the share is not given: attention's share of the operations of a layer at equal
  /// efficiency, on `tokens` tokens of which a query sees `density`.
  double shareAt(int64_t tokens, double density) const;
  /// Share of all time that is attention which becomes sparse.
  double sparseShareAt(int64_t tokens, double density) const;
};

/// 1 / ((1 - f) + f / kernelSpeedUp) with f the sparse share. `kernelSpeedUp` may be infinite.
double endToEndSpeedUp(double sparseShare, double kernelSpeedUp);

/// "cosmos-7b, hunyuan-video, llm-8b-moa".
std::string builtinModelNames();
Expected<ModelDescription> builtinModel(const std::string &name);
/// `{"name": ..., "attention_share": 0.6, "layers": 60, "dense_layers": 0, "steps": 50,
/// "dense_steps": 15}`, or "sizes" instead of the share, and "causal". Errors as of parseMachine.
Expected<ModelDescription> parseModel(const std::string &text, const std::string &origin);

} // namespace attn
