//===- Parse.h - specs in tests ----------------------------------*- C++ -*-===//
#pragma once

#include "dialect/Attn.h"
#include "frontend/Frontend.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "gtest/gtest.h"

namespace attn::test {

/// A context, and what was said in it: "line:column: error: text" and so on, notes after their
/// error.
class Session {
public:
  Session() {
    context.getDiagEngine().registerHandler([this](mlir::Diagnostic &diagnostic) {
      record(diagnostic);
      for (mlir::Diagnostic &note : diagnostic.getNotes())
        record(note);
    });
  }

  mlir::OwningOpRef<mlir::ModuleOp> parse(llvm::StringRef text) {
    llvm::SourceMgr sources;
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, "test.attn"), {});
    return parseSpec(sources, &context);
  }

  mlir::MLIRContext context;
  std::vector<std::string> messages;

private:
  void record(mlir::Diagnostic &diagnostic) {
    llvm::StringRef severity = diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error ? "error"
                               : diagnostic.getSeverity() == mlir::DiagnosticSeverity::Warning
                                   ? "warning"
                                   : "note";
    std::string place = "?";
    if (auto loc = llvm::dyn_cast<mlir::FileLineColLoc>(diagnostic.getLocation()))
      place = std::to_string(loc.getLine()) + ":" + std::to_string(loc.getColumn());
    messages.push_back(place + ": " + severity.str() + ": " + diagnostic.str());
  }
};

/// A kernel whose first line has what is required; `items` start in the second line.
inline std::string kernelWith(const std::string &items) {
  return "kernel a { heads 8 head_dim 64 dtype f32 tokens [256]\n" + items + "\n}\n";
}

inline AttentionOp attentionOf(mlir::ModuleOp module) {
  AttentionOp found;
  module.walk([&](AttentionOp op) { found = op; });
  return found;
}

template <class T> std::string printed(T attributeOrType) {
  std::string text;
  llvm::raw_string_ostream(text) << attributeOrType;
  return text;
}

/// The attention of a text without mistakes; `session` keeps its context alive.
struct Parsed {
  explicit Parsed(const std::string &text) {
    module = session.parse(text);
    EXPECT_TRUE(module) << text << (session.messages.empty() ? "" : session.messages.front());
    if (module)
      attention = attentionOf(*module);
  }
  /// Empty where the text has a mistake.
  std::string mask() { return attention ? printed(attention.getMask()) : ""; }

  Session session;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  AttentionOp attention;
};

/// What follows "unknown mask kind 'x', ".
inline const std::string kMaskKindsExpected =
    "expected 'all', 'causal', 'window', 'sink', 'prefix', 'key_length', 'keys', 'queries', "
    "'global', 'strided', 'fixed', 'spans', 'block', 'neighborhood', 'same', 'classes', 'from' or "
    "'blocks', or a predicate '(q, k) => condition'";

/// A text and the messages that it must give.
struct ErrorCase {
  const char *name;
  std::string text;
  std::vector<std::string> messages;
};

inline void PrintTo(const ErrorCase &errorCase, std::ostream *os) { *os << errorCase.name; }

inline std::string nameOf(const testing::TestParamInfo<ErrorCase> &info) { return info.param.name; }

inline void expectMessages(const ErrorCase &errorCase) {
  Session session;
  EXPECT_FALSE(session.parse(errorCase.text)) << errorCase.text;
  EXPECT_EQ(session.messages, errorCase.messages) << errorCase.text;
}

} // namespace attn::test
