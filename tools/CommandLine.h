//===- CommandLine.h - the verbs of attnc and their options ------*- C++ -*-===//
#pragma once

namespace attn::tools {

/// Parses the command line, runs its verb and returns the exit code. A mistake on the command line
/// is one diagnostic and exit code 1, before anything is read or written.
int runCommandLine(int argc, char **argv);

} // namespace attn::tools
