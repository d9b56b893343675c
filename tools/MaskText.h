//===- MaskText.h - masks in the words of the language -----------*- C++ -*-===//
#pragma once

#include "mlir/IR/Attributes.h"

#include <string>

namespace attn::tools {

/// The mask as a spec would write it: "causal & (window(left = 3, right = 5) | sink(4))".
std::string maskText(mlir::Attribute mask);

} // namespace attn::tools
