//===- Frontend.h - from text to a verified module ---------------*- C++ -*-===//
//
// The only header of this room that others include. docs/language.md is the language.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/SourceMgr.h"

namespace attn {

/// Parses the main buffer of `sources` as `.attn` text. One kernel becomes one function
///
///   func.func @name(%q: tensor<B x Hq x Nq x Dqk x T>, %k: tensor<B x Hkv x Nk x Dqk x T>,
///                   %v: tensor<B x Hkv x Nk x Dv x T>, inputs in the order of their declarations)
///       -> (tensor<B x Hq x Nq x Dv x T>, tensor<B x Hq x Nq x f32>)
///
/// whose body is one attn.attention and its return; a `?` in a token layout makes Nq or Nk dynamic.
///
/// Null on error. Errors, warnings and their notes go to the diagnostic engine of `context`,
/// located at the word at fault (file, line and column, both from 1, columns in bytes); with a
/// mlir::SourceMgrDiagnosticHandler on `sources` they print with a caret. The module has passed
/// mlir::verify. Loads the dialects it needs into `context`; `sources` may go away afterwards. As
/// thread-safe as `context`: one context in one thread at a time.
mlir::OwningOpRef<mlir::ModuleOp> parseSpec(llvm::SourceMgr &sources, mlir::MLIRContext *context);

/// The same for a main buffer of MLIR text.
mlir::OwningOpRef<mlir::ModuleOp> parseMlir(llvm::SourceMgr &sources, mlir::MLIRContext *context);

/// The same for a main buffer of text of either kind: MLIR when its name ends in `.mlir` or, for a
/// name that ends in neither `.mlir` nor `.attn`, when its first word is MLIR's; else `.attn`.
mlir::OwningOpRef<mlir::ModuleOp> parseNamed(llvm::SourceMgr &sources, mlir::MLIRContext *context);

/// Reads `path` ("-" is the standard input) into a new buffer of `sources` and parses it like parseNamed. The
/// result and its errors are those of parseSpec; a file that cannot be read is an error located at
/// the start of `path`.
mlir::OwningOpRef<mlir::ModuleOp> loadFile(llvm::StringRef path, llvm::SourceMgr &sources,
                                           mlir::MLIRContext *context);

} // namespace attn
