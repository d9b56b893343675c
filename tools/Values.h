//===- Values.h - from the text of options to their values -------*- C++ -*-===//
#pragma once

#include "runtime/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attn::tools {

/// Converts option by option and keeps the first error. An empty text leaves the value as it is.
class Values {
public:
  void count(const char *option, const std::string &text, int64_t lo, int64_t hi, int64_t &value);
  void seed(const char *option, const std::string &text, std::optional<uint64_t> &value);
  /// "30x48x80": one to four lengths of at least `lo`.
  void extents(const char *option, const std::string &text, int64_t lo,
               std::vector<int64_t> &value);
  void choice(const char *option, const std::string &text, const std::vector<std::string> &allowed,
              std::string &value);
  /// "sm_80,sm_90a": chips that ptxas knows, or "none".
  void chips(const char *option, const std::string &text, std::vector<std::string> &value);
  /// `--json` is `--format=json`.
  void format(const std::string &text, bool json, const std::vector<std::string> &allowed,
              std::string &value);
  void mistake(Error error);

  const std::optional<Error> &firstError() const { return error; }

private:
  std::optional<Error> error;
};

} // namespace attn::tools
