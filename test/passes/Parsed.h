//===- Parsed.h - a drawn kernel as the compiler reads it --------*- C++ -*-===//
#pragma once

#include "dialect/MaskFormulas.h"
#include "frontend/Frontend.h"
#include "test/reference/Draw.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"

namespace attn::test {

/// The spec of a drawn kernel, parsed. The text is the only thing that both sides share.
struct Parsed {
  Parsed(mlir::MLIRContext &context, const reference::Shape &shape, const reference::Mask &mask)
      : Parsed(context, reference::toSpec("drawn", shape, mask)) {}
  Parsed(mlir::MLIRContext &context, std::string spec) : text(std::move(spec)) {
    mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
      diagnostics += diagnostic.str() + "\n";
    });
    llvm::SourceMgr sources;
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(text, "drawn.attn"), {});
    module = parseSpec(sources, &context);
    if (module)
      module->walk([&](AttentionOp op) { attention = op; });
  }

  /// Nested linear masks on layouts of several dimensions may need more atoms than a formula has.
  bool isTooLarge() const { return diagnostics.find("different parts") != std::string::npos; }

  std::string text, diagnostics;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  AttentionOp attention;
};

} // namespace attn::test
