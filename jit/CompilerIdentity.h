//===- CompilerIdentity.h - which compiler this is ---------------*- C++ -*-===//
#pragma once

#include <string>

namespace attn {

/// "attnc 0.1.0".
std::string compilerVersion();
/// What changes whenever the code of kernels might: the version, a digest of the compiler's
/// sources, and the version of the LLVM that is loaded.
std::string compilerIdentity();

} // namespace attn
