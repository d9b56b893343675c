//===- CompletionScripts.h - scripts that complete attnc's words -*- C++ -*-===//
#pragma once

#include "tools/VerbText.h"

namespace attn::tools {

/// "bash", "zsh", "fish".
const std::vector<std::string> &shellNames();
/// What the shell reads to complete verbs, options, their values and files.
std::string completionScript(const ProgramText &program, const std::string &shell);

} // namespace attn::tools
