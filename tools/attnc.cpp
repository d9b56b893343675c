//===- attnc.cpp - the compiler's command line ----------------------------===//
#include "tools/CommandLine.h"

int main(int argc, char **argv) { return attn::tools::runCommandLine(argc, argv); }
