//===- CodeObject.h - a shared object that lies in memory --------*- C++ -*-===//
#pragma once

#include "runtime/Error.h"

#include <cstdint>
#include <span>
#include <string>

namespace attn {

/// Machine code of a package, loaded by the system's loader from an anonymous file. Move-only; the
/// code goes with it. Loading runs nothing of the object but its initialisers, of which kernels
/// have none.
class CodeObject {
public:
  static Expected<CodeObject> load(std::span<const uint8_t> bytes);
  CodeObject(CodeObject &&other) noexcept;
  CodeObject &operator=(CodeObject &&) = delete;
  ~CodeObject();

  Expected<void *> lookup(const std::string &symbol) const;

private:
  explicit CodeObject(void *handle) : handle(handle) {}
  void *handle;
};

} // namespace attn
