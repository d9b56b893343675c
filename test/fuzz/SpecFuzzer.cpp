// Text to the parser of the .attn language: a verified module, or a message at a place in the text.
#include "frontend/Frontend.h"
#include "test/fuzz/Fuzz.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"

#include <memory>

using namespace attn;
using fuzz::require;

/// LLVM is not instrumented: its arenas and containers are ours only in part. No-ops without the
/// address sanitizer.
extern "C" const char *__asan_default_options() {
  return "detect_container_overflow=0:allow_user_poisoning=0";
}

/// A context keeps every attribute that it has ever seen, so each serves for some hundred texts.
static mlir::MLIRContext &freshContext() {
  static std::unique_ptr<mlir::MLIRContext> context;
  static int uses = 0;
  if (uses++ % 500 == 0)
    context = std::make_unique<mlir::MLIRContext>(mlir::MLIRContext::Threading::DISABLED);
  return *context;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mlir::MLIRContext &context = freshContext();
  size_t errors = 0, placeless = 0;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    errors += diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error;
    placeless += !mlir::isa<mlir::FileLineColLoc>(diagnostic.getLocation());
  });
  llvm::SourceMgr sources;
  llvm::StringRef text(reinterpret_cast<const char *>(data), size);
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, "fuzz.attn"), {});
  mlir::OwningOpRef<mlir::ModuleOp> module = parseSpec(sources, &context);
  require(bool(module) == (errors == 0), "a text gives a module or an error, and not both");
  require(placeless == 0, "a message has a place in the text");
  return 0;
}
