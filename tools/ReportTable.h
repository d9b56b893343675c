//===- ReportTable.h - aligned columns of text -------------------*- C++ -*-===//
#pragma once

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attn::tools {

/// Rows of as many cells each.
using TextRows = std::vector<std::vector<std::string>>;

/// Columns as wide as their longest cell, indented by two; no row, no text.
std::string alignedRows(const TextRows &rows);

/// "2x8x8".
std::string extentsText(llvm::ArrayRef<int64_t> extents);

} // namespace attn::tools
