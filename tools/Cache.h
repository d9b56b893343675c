//===- Cache.h - attnc cache -------------------------------------*- C++ -*-===//
#pragma once

#include <string>

namespace attn::tools {

struct CacheVerbOptions {
  std::string action;          ///< ls, clear or verify
  std::string format = "text"; ///< text or json
};

/// The verb; returns the exit code: 1 after an error, and where verify has found damage.
int cacheVerb(const CacheVerbOptions &options);

} // namespace attn::tools
