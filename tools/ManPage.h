//===- ManPage.h - the manual of attnc ---------------------------*- C++ -*-===//
#pragma once

#include "tools/VerbText.h"

namespace attn::tools {

/// attnc(1) in the man macros of roff: every verb with every option, hidden ones too.
std::string manPage(const ProgramText &program);

} // namespace attn::tools
