//===- NamedOrRead.h - what is built in, or a small JSON file ----*- C++ -*-===//
#pragma once

#include "runtime/Error.h"
#include "runtime/File.h"

#include <string>

namespace attn::tools {

/// A name that is built in; names that end in ".json" are files, of a megabyte at most.
template <class T>
Expected<T> namedOrRead(const std::string &name, Expected<T> (*builtin)(const std::string &),
                        Expected<T> (*parse)(const std::string &, const std::string &)) {
  if (!name.ends_with(".json"))
    return builtin(name);
  constexpr uint64_t kMostBytes = 1 << 20;
  Expected<std::string> text = readFile(name, kMostBytes);
  if (!text)
    return text.takeError();
  return parse(*text, name);
}

} // namespace attn::tools
