//===- SpecCompilation.h - a compilation of the programs ---------*- C++ -*-===//
#pragma once

#include "jit/Compilation.h"

namespace attn::tools {

/// Its diagnostics go to the standard error stream; with --quiet warnings and remarks go nowhere.
class SpecCompilation : public Compilation {
public:
  SpecCompilation();
};

} // namespace attn::tools
