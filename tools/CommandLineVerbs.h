//===- CommandLineVerbs.h - the verbs of attnc, declared ---------*- C++ -*-===//
#pragma once

#include "dialect/Targets.h"
#include "tools/VerbBuilder.h"

namespace attn::tools {

/// Of that kind, or all.
std::vector<std::string> targetNames(std::optional<TargetKind> kind = {});

// CommandLineCompile.cpp
Verb addCompile(CLI::App &root);
Verb addInspect(CLI::App &root);
Verb addCache(CLI::App &root);
// CommandLineRun.cpp
Verb addRun(CLI::App &root);
Verb addBench(CLI::App &root);
// CommandLineMaps.cpp
Verb addShow(CLI::App &root);
Verb addSimulate(CLI::App &root);
Verb addTune(CLI::App &root);
Verb addFit(CLI::App &root);
Verb addExplain(CLI::App &root);
// CommandLineShell.cpp: verbs that tell of the others
Verb addCompletion(CLI::App &root, const ProgramText &program);
Verb addMan(CLI::App &root, const ProgramText &program);

} // namespace attn::tools
