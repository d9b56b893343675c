//===- ExternalTool.h - programs that take files and make one ----*- C++ -*-===//
#pragma once

#include "runtime/Error.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallString.h"

#include <string>

namespace attn {

/// A file that is gone when its owner is. Neither copied nor moved.
class TemporaryFile {
public:
  TemporaryFile() = default;
  TemporaryFile(const TemporaryFile &) = delete;
  ~TemporaryFile();

  Status create(const char *suffix, llvm::StringRef content = {});
  llvm::StringRef path() const { return name; }
  std::string contents() const;
  /// For whoever repeats a command that has failed.
  void keep() { kept = true; }

private:
  llvm::SmallString<128> name;
  bool kept = false;
};

/// Runs a program, the first of `command`, to its end. Where it fails the error says "<name>
/// refused the kernel", what it has printed and how to repeat the command.
Status runTool(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> command);

} // namespace attn
