#include "tools/ReportTable.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace attn::tools {

std::string alignedRows(const TextRows &rows) {
  if (rows.empty())
    return "";
  std::vector<size_t> widths(rows.front().size());
  for (const auto &row : rows)
    for (size_t c = 0; c < row.size(); ++c)
      widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const auto &row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c)
      line += fmt::format("  {:<{}}", row[c], widths[c]);
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string extentsText(llvm::ArrayRef<int64_t> extents) {
  return fmt::format("{}", fmt::join(extents, "x"));
}

} // namespace attn::tools
