//===- Source.h - places in the text and messages about them -----*- C++ -*-===//
#pragma once

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"
#include "llvm/Support/SourceMgr.h"

namespace attn {

/// One buffer of text. Refers to `sources` and `context`, owns neither.
class Source {
public:
  Source(llvm::SourceMgr &sources, unsigned buffer, mlir::MLIRContext *context)
      : sources(sources), buffer(buffer), context(context) {}

  llvm::StringRef text() const { return sources.getMemoryBuffer(buffer)->getBuffer(); }
  /// The file's path, or another name where the text is not from a file.
  llvm::StringRef name() const { return sources.getMemoryBuffer(buffer)->getBufferIdentifier(); }
  mlir::MLIRContext *getContext() const { return context; }

  /// Keeps another file that this text names; returns its text.
  llvm::StringRef addFile(std::unique_ptr<llvm::MemoryBuffer> file) const {
    unsigned id = sources.AddNewSourceBuffer(std::move(file), llvm::SMLoc());
    return sources.getMemoryBuffer(id)->getBuffer();
  }

  /// Walks back to the start of the line: do not call it for every word of a long line.
  mlir::Location at(llvm::SMLoc place) const;

  mlir::InFlightDiagnostic error(llvm::SMLoc place) const { return mlir::emitError(at(place)); }
  mlir::InFlightDiagnostic warning(llvm::SMLoc place) const { return mlir::emitWarning(at(place)); }

private:
  llvm::SourceMgr &sources;
  unsigned buffer;
  mlir::MLIRContext *context;
};

/// Adds the note "did you mean 'x'?" when one of `candidates` is close to `word`.
void suggest(mlir::Diagnostic &diagnostic, llvm::StringRef word,
             llvm::ArrayRef<llvm::StringRef> candidates);

/// 'a', 'b' or 'c'
std::string quotedList(llvm::ArrayRef<llvm::StringRef> words, llvm::StringRef conjunction = "or");

} // namespace attn
