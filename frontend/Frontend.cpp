//===- Frontend.cpp - from text to a verified module ----------------------===//
#include "frontend/Frontend.h"

#include "frontend/Builders.h"
#include "frontend/Parser.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace attn {

static void loadDialects(MLIRContext *context) {
  context->loadDialect<AttnDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect>();
}

static LogicalResult checkNames(ArrayRef<syntax::Kernel> kernels, const Source &source) {
  llvm::StringMap<llvm::SMLoc> seen;
  for (const syntax::Kernel &kernel : kernels) {
    auto [first, isNew] = seen.try_emplace(kernel.name.text, kernel.name.loc);
    if (isNew)
      continue;
    InFlightDiagnostic diag = source.error(kernel.name.loc);
    diag << "kernel '" << kernel.name.text << "' is defined twice";
    diag.attachNote(source.at(first->second)) << "first defined here";
    return diag;
  }
  return success();
}

static OwningOpRef<ModuleOp> parseSpecText(const Source &source) {
  loadDialects(source.getContext());
  FailureOr<std::vector<syntax::Kernel>> kernels = parseKernels(source);
  if (failed(kernels) || failed(checkNames(*kernels, source)))
    return {};
  llvm::SMLoc start = llvm::SMLoc::getFromPointer(source.text().data());
  OwningOpRef<ModuleOp> module = ModuleOp::create(source.at(start));
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  bool valid = true;
  for (const syntax::Kernel &kernel : *kernels)
    valid &= buildKernel(kernel, source, builder) != nullptr;
  if (!valid || failed(verify(*module)))
    return {};
  return module;
}

OwningOpRef<ModuleOp> parseSpec(llvm::SourceMgr &sources, MLIRContext *context) {
  return parseSpecText(Source(sources, sources.getMainFileID(), context));
}

static OwningOpRef<ModuleOp> parseMlirText(llvm::SourceMgr &sources, unsigned id,
                                           MLIRContext *context) {
  loadDialects(context);
  const llvm::MemoryBuffer *buffer = sources.getMemoryBuffer(id);
  return parseSourceString<ModuleOp>(buffer->getBuffer(), ParserConfig(context),
                                     buffer->getBufferIdentifier());
}

OwningOpRef<ModuleOp> parseMlir(llvm::SourceMgr &sources, MLIRContext *context) {
  return parseMlirText(sources, sources.getMainFileID(), context);
}

/// Whether the first word is one that MLIR text starts with: `module`, `func.func`, a quoted
/// operation, a value, or an alias definition. `#` starts a comment in .attn text and an alias
/// here.
static bool looksLikeMlir(StringRef text) {
  for (;;) {
    text = text.ltrim();
    if (!text.starts_with("//"))
      break;
    text = text.drop_until([](char c) { return c == '\n'; });
  }
  if (text.starts_with("#") || text.starts_with("!"))
    return text.drop_front()
        .ltrim("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$")
        .ltrim(" ")
        .starts_with("=");
  return text.starts_with("module") || text.starts_with("func.") || text.starts_with("builtin.") ||
         text.starts_with("\"") || text.starts_with("%");
}

static OwningOpRef<ModuleOp> parseNamed(llvm::SourceMgr &sources, unsigned id,
                                        MLIRContext *context) {
  Source source(sources, id, context);
  bool isMlir = source.name().ends_with(".mlir") ||
                (!source.name().ends_with(".attn") && looksLikeMlir(source.text()));
  return isMlir ? parseMlirText(sources, id, context) : parseSpecText(source);
}

OwningOpRef<ModuleOp> parseNamed(llvm::SourceMgr &sources, MLIRContext *context) {
  return parseNamed(sources, sources.getMainFileID(), context);
}

OwningOpRef<ModuleOp> loadFile(StringRef path, llvm::SourceMgr &sources, MLIRContext *context) {
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(path);
  if (std::error_code error = buffer.getError()) {
    emitError(FileLineColLoc::get(context, path, 1, 1))
        << "cannot read '" << path << "': " << error.message();
    return {};
  }
  return parseNamed(sources, sources.AddNewSourceBuffer(std::move(*buffer), llvm::SMLoc()), context);
}

} // namespace attn
