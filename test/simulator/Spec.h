//===- Spec.h - the attention of a spec in a test ----------------*- C++ -*-===//
#pragma once

#include "frontend/Frontend.h"
#include "simulator/Counts.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"

namespace attn::test {

/// A spec of one kernel, parsed. Diagnostics are collected, notes included, one a line.
struct Spec {
  explicit Spec(std::string text, const std::string &name = "test.attn")
      : context(mlir::MLIRContext::Threading::DISABLED),
        handler(&context, [this](mlir::Diagnostic &diagnostic) {
          diagnostics += diagnostic.str() + "\n";
          for (mlir::Diagnostic &note : diagnostic.getNotes())
            diagnostics += "note: " + note.str() + "\n";
        }) {
    context.printOpOnDiagnostic(false); // as the programs do
    llvm::SourceMgr sources;
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(text, name), {});
    module = parseSpec(sources, &context);
    if (module)
      module->walk([&](AttentionOp op) { attention = op; });
  }

  mlir::MLIRContext context;
  std::string diagnostics;
  mlir::ScopedDiagnosticHandler handler;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  AttentionOp attention;
};

} // namespace attn::test
